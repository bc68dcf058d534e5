//! What is wanted of a container, by the keys of the API.

use std::collections::{BTreeMap, BTreeSet};

use pve::Param;
use pve::wire::{Kind, PropertyString, Size, Startup, switch};

use super::interface;
use super::schema;
use super::volume::{Fitted, ROOT, Volume, mount_key};
use crate::guests::clone::item::check_dns_name;
use crate::guests::config::{Config, Unwantable, Want, Wanted};
use crate::guests::proxmox::ContainerArgs;
use crate::guests::values::{at_least, tags, unwantable};

/// The server takes no shorter password.
const PASSWORD_LENGTH: usize = 5;

/// What the task states.
#[derive(Debug)]
pub struct Stated<'a> {
    args: &'a ContainerArgs,
    /// Keys of the configuration that are no volumes.
    keys: BTreeMap<String, String>,
    /// The root and the mount points.
    volumes: Vec<Volume>,
}

/// What is wanted of a container that is there.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct About {
    /// Its configuration.
    pub wanted: Wanted,
    /// The sizes that its volumes grow to.
    pub sizes: BTreeMap<String, Size>,
    /// What is stated and cannot be had.
    pub warnings: Vec<String>,
}

impl<'a> Stated<'a> {
    /// Out of the options.
    pub fn of(args: &'a ContainerArgs) -> Result<Self, Unwantable> {
        if args.ip_address.is_some() {
            return Err(unwantable(
                "ip_address",
                "is no setting of containers since Proxmox VE 4; an address stands in netif, as in \
                 net0: name=eth0,bridge=vmbr0,ip=192.0.2.5/24",
            ));
        }
        if args.hostname.as_deref() == Some("") {
            return Err(unwantable("hostname", "is empty"));
        }
        let mut keys = BTreeMap::new();
        let mut put = |key: &str, value: Option<String>| {
            if let Some(value) = value {
                keys.insert(key.to_owned(), value);
            }
        };
        let number = |number: Option<u32>| number.map(|number| number.to_string());
        put("cores", at_least("cores", args.cores.map(u64::from), 1)?);
        put("cpulimit", number(args.cpus));
        put("cpuunits", number(args.cpuunits));
        put(
            "memory",
            at_least("memory", args.memory.map(u64::from), 16)?,
        );
        put("swap", number(args.swap));
        put("onboot", args.onboot.map(|on| switch(on).to_owned()));
        put("tags", args.tags.as_deref().map(tags).transpose()?);
        put(
            "features",
            properties("features", args.features.as_deref())?,
        );
        let startup = properties("startup", args.startup.as_deref())?;
        if let Some(startup) = &startup {
            let checked: Result<Startup, _> = startup.parse();
            checked.map_err(|error| unwantable("startup", error))?;
        }
        put("startup", startup);
        for (key, value) in [
            ("cmode", &args.cmode),
            ("description", &args.description),
            ("hookscript", &args.hookscript),
            ("hostname", &args.hostname),
            ("nameserver", &args.nameserver),
            ("searchdomain", &args.searchdomain),
            ("timezone", &args.timezone),
        ] {
            put(key, value.clone());
        }
        for (key, value) in args.netif.iter().flatten() {
            put(key, Some(interface::stated(key, value)?));
        }
        Ok(Self {
            args,
            keys,
            volumes: volumes(args)?,
        })
    }

    /// The parameters of the request that makes the container, beside its VMID and name.
    pub fn params(&self) -> Result<Vec<(String, Param)>, Unwantable> {
        let args = self.args;
        hold_hostname(args)?;
        let mut params: Vec<(String, Param)> = Vec::new();
        let mut put = |key: &str, value: Param| params.push((key.to_owned(), value));
        if let Some(template) = &args.ostemplate {
            put("ostemplate", template.into());
        }
        put("unprivileged", args.unprivileged.into());
        if args.ostype != "auto" {
            put("ostype", (&args.ostype).into());
        }
        if let Some(pool) = &args.pool {
            put("pool", pool.into());
        }
        for (key, value) in &self.keys {
            if interface::is_key(key) {
                interface::hold_named(key, value)?;
            }
            if key != "hostname" && !value.is_empty() {
                put(key, value.into());
            }
        }
        if !self.volumes.iter().any(|volume| volume.key() == ROOT) {
            // The server makes a root of 4 GiB there, but only of a container that states no volume at all.
            if let Some(volume) = self.volumes.first() {
                return Err(unwantable(
                    volume.key(),
                    "a new container with mount points must state its root too: disk or disk_volume",
                ));
            }
            put("storage", (&args.storage).into());
        }
        for volume in &self.volumes {
            put(volume.key(), volume.new_value(&args.storage)?.into());
        }
        if let Some(password) = &args.password {
            if password.expose().chars().count() < PASSWORD_LENGTH {
                let why = format!("must have at least {PASSWORD_LENGTH} characters");
                return Err(unwantable("password", why));
            }
            put("password", password.clone().into());
        }
        if let Some(keys) = &args.pubkey {
            put("ssh-public-keys", keys.into());
        }
        schema::hold("hostname", args.hostname.as_deref().unwrap_or_default())?;
        for (key, value) in &params {
            if let Param::Text(value) = value {
                schema::hold(key, value)?;
            }
        }
        Ok(params)
    }

    /// The keys of a new container that only root@pam may set.
    pub fn of_root(&self) -> Vec<&str> {
        let keys = self.keys.iter().filter(|(key, value)| match key.as_str() {
            "hookscript" => !value.is_empty(),
            "features" => !self.args.unprivileged || !is_nesting_alone(value),
            _ => false,
        });
        let paths = self.volumes.iter().filter(|volume| volume.is_path());
        keys.map(|(key, _)| key.as_str())
            .chain(paths.map(Volume::key))
            .collect()
    }

    /// The root and the mount points.
    pub fn volumes(&self) -> &[Volume] {
        &self.volumes
    }

    /// The storages that a new container's volumes are made on.
    pub fn storages(&self) -> BTreeSet<&str> {
        let root = self.volumes.iter().any(|volume| volume.key() == ROOT);
        let storage = self.args.storage.as_str();
        self.volumes
            .iter()
            .filter_map(|volume| volume.makes_on(storage))
            .chain((!root).then_some(storage))
            .collect()
    }

    /// What is wanted of a container that has this configuration. Nothing but
    /// what is stated, and of a property string the parts that are stated.
    pub fn about(&self, have: &Config) -> Result<About, Unwantable> {
        let mut about = About::default();
        for (key, value) in &self.keys {
            let want = match have.get(key) {
                Some(had) if interface::is_key(key) => interface::over(key, had, value)?,
                None if interface::is_key(key) => {
                    interface::hold_named(key, value)?;
                    Want::Text(value.clone())
                }
                _ => Want::Text(value.clone()),
            };
            about.wanted.insert(key.clone(), want);
        }
        for volume in &self.volumes {
            let key = volume.key().to_owned();
            let Some(had) = have.get(&key) else {
                let value = volume.new_value(&self.args.storage)?;
                about.wanted.insert(key, Want::Text(value));
                continue;
            };
            let Fitted {
                value,
                grows,
                larger,
            } = volume.fit(had)?;
            if let Some((size, wanted)) = larger {
                about.warnings.push(format!(
                    "{key} is {size}, and stays so: volumes cannot shrink to {wanted}"
                ));
            }
            if let Some(size) = grows {
                about.sizes.insert(key.clone(), size);
            }
            about.wanted.insert(key, Want::Text(value));
        }
        for key in self.args.delete.iter().flatten() {
            let gone = Want::Text(String::new());
            if about.wanted.insert(key.clone(), gone).is_some() {
                return Err(unwantable(key, "is stated and in delete at the same time"));
            }
        }
        Ok(about)
    }
}

/// The server takes no host name that is no DNS name.
pub fn hold_hostname(args: &ContainerArgs) -> Result<(), Unwantable> {
    let hostname = args.hostname.as_deref().unwrap_or_default();
    check_dns_name(hostname).map_err(|why| unwantable("hostname", why))
}

fn is_nesting_alone(features: &str) -> bool {
    Kind::of("features")
        .and_then(|kind| PropertyString::parse(kind, features).ok())
        .is_some_and(|features| features.iter().all(|(key, _)| key == "nesting"))
}

/// A list of `key=value` as one property string.
fn properties(key: &str, parts: Option<&[String]>) -> Result<Option<String>, Unwantable> {
    // What is not stated is kept, and an empty list states nothing.
    let Some(parts) = parts.filter(|parts| !parts.is_empty()) else {
        return Ok(None);
    };
    let text = parts.join(",");
    if let Some(kind) = Kind::of(key) {
        PropertyString::parse(kind, &text).map_err(|error| unwantable(key, error))?;
    }
    Ok(Some(text))
}

/// The root and the mount points.
fn volumes(args: &ContainerArgs) -> Result<Vec<Volume>, Unwantable> {
    let mut volumes = Vec::new();
    if let Some(text) = &args.disk {
        volumes.push(Volume::parse(ROOT, text)?);
    }
    if let Some(parts) = &args.disk_volume {
        volumes.push(Volume::root(parts)?);
    }
    for (key, value) in args.mounts.iter().flatten() {
        let text = value.as_str().ok_or_else(|| {
            unwantable(
                key,
                "must be a property string, such as local-lvm:10,mp=/srv",
            )
        })?;
        volumes.push(Volume::parse(mount_key(key)?, text)?);
    }
    for mount in args.mount_volumes.iter().flatten() {
        let volume = Volume::mount(mount)?;
        if volumes
            .iter()
            .any(|other: &Volume| other.key() == volume.key())
        {
            return Err(unwantable(volume.key(), "is stated twice"));
        }
        volumes.push(volume);
    }
    Ok(volumes)
}

#[cfg(test)]
mod tests;
