//! What is wanted of the template's configuration.

use std::collections::BTreeMap;

use pve::wire::{Kind, PropertyString, Size};
use serde_json::{Value, json};

use super::CloudTemplateArgs;
use super::image::Image;
use crate::guests::clone::settings::Settings;
use crate::guests::config::{Config, Unwantable, Want, Wanted};
use crate::guests::values::{disk_size, unwantable};

/// The disk that the image becomes.
pub(super) const DISK: &str = "scsi0";
/// The cloud-init drive.
const DRIVE: &str = "ide2";
const UUID: &str = "smbios1";

/// What the options say, and what a cloud image needs where they say nothing.
#[derive(Debug)]
pub(super) struct Hardware {
    /// Keys that a template has from the beginning, and is brought to later.
    pub(super) wanted: Wanted,
    /// The size of the disk.
    pub(super) size: Option<Size>,
    storage: String,
    has_drive: bool,
}

impl Hardware {
    /// From the options.
    pub(super) fn of(args: &CloudTemplateArgs) -> Result<Self, Unwantable> {
        let mut net = args.net.clone().unwrap_or_default();
        if args.net.is_none() {
            net.insert("net0".to_owned(), json!("bridge=vmbr0"));
        }
        let mut ipconfig = args.ipconfig.clone().unwrap_or_default();
        if args.cloud_init && args.ipconfig.is_none() {
            ipconfig.insert("ipconfig0".to_owned(), json!("ip=dhcp"));
        }
        if args
            .config
            .as_ref()
            .is_some_and(|config| config.contains_key("cipassword"))
        {
            return Err(unwantable(
                "cipassword",
                "belongs to a clone: a template that has one gives it to all",
            ));
        }
        let settings = Settings {
            tags: args.tags.clone(),
            cores: args.cores,
            sockets: args.sockets,
            cpu: args.cpu.clone(),
            memory: args.memory,
            agent: Some(args.agent.clone().unwrap_or(Value::Bool(true))),
            net: Some(net),
            ciuser: args.ciuser.clone(),
            sshkeys: args.sshkeys.clone(),
            ipconfig: Some(ipconfig),
            nameservers: args.nameservers.clone(),
            searchdomains: args.searchdomains.clone(),
            config: args.config.clone(),
            ..Settings::default()
        };
        let mut wanted = settings.wanted()?;
        let mut default = |key: &str, value: &str| {
            let value = Want::Text(value.to_owned());
            wanted.entry(key.to_owned()).or_insert(value);
        };
        default("ostype", "l26");
        default("scsihw", "virtio-scsi-single");
        default("boot", &format!("order={DISK}"));
        if args.serial_console {
            default("serial0", "socket");
            default("vga", "serial0");
        }
        if let Some(vlan) = args.vlan {
            tag(&mut wanted, vlan)?;
        }
        let own = |key: &str, part: &str, why: &str| match wanted.get(key) {
            Some(Want::Text(text)) if part_of(key, text, part) => Err(unwantable(key, why)),
            _ => Ok(()),
        };
        own(
            DISK,
            "file",
            "is the disk that the image becomes: only its further properties are stated",
        )?;
        own(
            UUID,
            "uuid",
            "the UUID is what tells the template from its clones",
        )?;
        if wanted.contains_key("description") {
            return Err(unwantable("description", "has an option of its own"));
        }
        let size = args.disk_size.as_ref();
        let size = size.map(|size| disk_size("disk_size", size)).transpose()?;
        Ok(Self {
            has_drive: args.cloud_init && !wanted.values().any(is_cloud_init),
            storage: args.storage.clone(),
            wanted,
            size,
        })
    }

    /// All that a new one is made with.
    pub(super) fn at_first(&self, image: &Image, description: Option<&str>) -> Wanted {
        let mut wanted = self.wanted.clone();
        let mut put = |key: &str, first: String| {
            let rest = match wanted.get(key) {
                Some(Want::Text(rest)) if !rest.is_empty() => format!(",{rest}"),
                _ => String::new(),
            };
            wanted.insert(key.to_owned(), Want::Text(first + &rest));
        };
        put(
            DISK,
            format!("{}:0,import-from={}", self.storage, image.volid()),
        );
        put(UUID, format!("uuid={}", image.uuid()));
        if self.has_drive {
            put(DRIVE, format!("{}:cloudinit", self.storage));
        }
        let description = image.description(description);
        wanted.insert("description".to_owned(), Want::Text(description));
        wanted
    }

    /// What one that is there is brought to. What it is made of stays, and so do its drives.
    pub(super) fn later(&self, config: &Config, description: Option<String>) -> Wanted {
        let mut wanted = self.wanted.clone();
        let lacks_drive =
            self.has_drive && !config.iter().any(|(_, value)| value.contains("cloudinit"));
        if lacks_drive {
            let drive = format!("{}:cloudinit", self.storage);
            wanted.insert(DRIVE.to_owned(), Want::Text(drive));
        }
        if let Some(description) = description {
            wanted.insert("description".to_owned(), Want::Text(description));
        }
        wanted
    }

    /// The size that the disk is to have, as far as it is stated.
    pub(super) fn sizes(&self) -> BTreeMap<String, Size> {
        self.size
            .map(|size| (DISK.to_owned(), size))
            .into_iter()
            .collect()
    }

    /// The bridges, each with its VLAN, that the network cards are on.
    pub(super) fn bridges(&self) -> Vec<(String, Option<String>)> {
        self.wanted
            .iter()
            .filter(|(key, _)| key.starts_with("net"))
            .filter_map(|(_, want)| match want {
                Want::Text(net) => PropertyString::parse(Kind::NET, net).ok(),
                _ => None,
            })
            .filter_map(|net| {
                Some((
                    net.get("bridge")?.to_owned(),
                    net.get("tag").map(str::to_owned),
                ))
            })
            .collect()
    }
}

/// Puts the first network card on a VLAN.
fn tag(wanted: &mut Wanted, vlan: u16) -> Result<(), Unwantable> {
    let told = |error: &dyn std::fmt::Display| unwantable("vlan", error);
    let Some(Want::Text(net)) = wanted.get("net0") else {
        return Err(unwantable(
            "vlan",
            "there is no net0 that it could belong to",
        ));
    };
    let mut net = PropertyString::parse(Kind::NET, net).map_err(|error| told(&error))?;
    if net.get("tag").is_some() {
        return Err(unwantable(
            "vlan",
            "is stated twice: by its own option, and under net",
        ));
    }
    net.set("tag", &vlan.to_string())
        .map_err(|error| told(&error))?;
    wanted.insert("net0".to_owned(), Want::Text(net.to_string()));
    Ok(())
}

fn part_of(key: &str, text: &str, part: &str) -> bool {
    Kind::of(key)
        .and_then(|kind| PropertyString::parse(kind, text).ok())
        .is_some_and(|parsed| parsed.get(part).is_some())
}

fn is_cloud_init(want: &Want) -> bool {
    matches!(want, Want::Text(text) if text.contains("cloudinit"))
}

/// As the diff shows what a new one is made with.
pub(super) fn shown(wanted: &Wanted) -> serde_json::Map<String, Value> {
    wanted
        .iter()
        .filter_map(|(key, want)| match want {
            Want::Text(text) => Some((key.clone(), json!(text))),
            _ => None,
        })
        .collect()
}
