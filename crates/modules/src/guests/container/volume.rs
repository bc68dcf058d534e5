//! What is wanted of a container's root and of its mount points: a volume of
//! some size, one that is there, or a path of the node.

use pve::wire::{Kind, PropertyString, Size, switch, text_of};
use serde_json::Value;

use crate::guests::config::Unwantable;
use crate::guests::proxmox::{Mount, Volume as Parts};
use crate::guests::values::unwantable;

/// The key of the root.
pub const ROOT: &str = "rootfs";

/// What holds the files.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Source {
    /// Whatever is there.
    Any,
    /// A volume of so many GiB, on a storage that is named or on the task's own.
    Sized(Option<String>, String),
    /// A volume that is there: `local-lvm:vm-101-disk-1`.
    Volume(String),
    /// A path of the node, or a device.
    Path(String),
}

/// What is wanted under one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Volume {
    key: String,
    source: Source,
    size: Option<Size>,
    options: PropertyString,
}

/// What becomes of a root or a mount point that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fitted {
    /// What is wanted of it, about the volume that is there.
    pub value: String,
    /// The size that it grows to.
    pub grows: Option<Size>,
    /// The size that it has, where a smaller one is wanted.
    pub larger: Option<(Size, Size)>,
}

impl Volume {
    /// From the API's property string, or a bare size in GiB.
    pub fn parse(key: &str, text: &str) -> Result<Self, Unwantable> {
        let mut options =
            PropertyString::parse(Kind::MOUNT, text).map_err(|error| unwantable(key, error))?;
        let source = match options.get("volume") {
            Some(volume) => source(volume).ok_or_else(|| {
                let why = format!(
                    "`{volume}` is neither a size, nor a volume such as local-lvm:10, nor a path"
                );
                unwantable(key, why)
            })?,
            None => Source::Any,
        };
        let size = match (&source, options.get("size")) {
            (Source::Sized(_, gib), _) => Some(gibibytes(key, gib)?),
            (_, Some(size)) => Some(stated_size(key, size)?),
            (_, None) => None,
        };
        options.remove("volume");
        options.remove("size");
        Ok(Self {
            key: key.to_owned(),
            source,
            size,
            options,
        })
    }

    /// The root, in parts.
    pub fn root(parts: &Parts) -> Result<Self, Unwantable> {
        Self::of_parts(ROOT, parts)
    }

    /// A mount point, in parts.
    pub fn mount(mount: &Mount) -> Result<Self, Unwantable> {
        let mut volume = Self::of_parts(mount_key(&mount.id)?, &mount.volume)?;
        volume.set("mp", &mount.mountpoint)?;
        Ok(volume)
    }

    fn of_parts(key: &str, parts: &Parts) -> Result<Self, Unwantable> {
        let text = match (&parts.host_path, &parts.storage, &parts.volume, parts.size) {
            (Some(path), ..) => path.clone(),
            (None, Some(storage), Some(volume), Some(size)) => {
                format!("{storage}:{volume},size={size}G")
            }
            (None, Some(storage), None, Some(size)) => format!("{storage}:{size}"),
            _ => String::new(),
        };
        let mut volume = Self::parse(key, &text)?;
        for (name, value) in parts.options.iter().flatten() {
            let text = match value {
                Value::Bool(on) => Some(switch(*on).to_owned()),
                value => text_of(value),
            };
            let text = text.ok_or_else(|| {
                unwantable(key, format!("{name} is neither text, number nor boolean"))
            })?;
            volume.set(name, &text)?;
        }
        Ok(volume)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), Unwantable> {
        self.options
            .set(name, value)
            .map_err(|error| unwantable(&self.key, error))
    }

    /// The key: `rootfs`, `mp0`.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The storage that a new volume is made on, if one is made.
    pub fn makes_on<'a>(&'a self, storage: &'a str) -> Option<&'a str> {
        match &self.source {
            Source::Sized(on, _) => Some(on.as_deref().unwrap_or(storage)),
            Source::Any => Some(storage),
            Source::Volume(_) | Source::Path(_) => None,
        }
    }

    /// The volume that is there and is to become this one.
    pub fn takes(&self) -> Option<&str> {
        match &self.source {
            Source::Volume(volume) => Some(volume),
            Source::Any | Source::Sized(..) | Source::Path(_) => None,
        }
    }

    /// Whether it is a path of the node, or a device.
    pub fn is_path(&self) -> bool {
        matches!(self.source, Source::Path(_))
    }

    /// What makes it; `storage` is where volumes lie that name none.
    pub fn new_value(&self, storage: &str) -> Result<String, Unwantable> {
        let volume = match (&self.source, self.size) {
            (Source::Sized(on, gib), _) => {
                format!("{}:{gib}", on.as_deref().unwrap_or(storage))
            }
            (Source::Volume(volume) | Source::Path(volume), _) => volume.clone(),
            (Source::Any, Some(size)) => format!("{storage}:{}", size.in_gibibytes()),
            (Source::Any, None) => {
                return Err(unwantable(
                    &self.key,
                    "states no volume, such as local-lvm:10",
                ));
            }
        };
        if self.key != ROOT && self.options.get("mp").is_none() {
            return Err(unwantable(
                &self.key,
                "has no place in the container, such as mp=/srv",
            ));
        }
        let mut value = PropertyString::empty(Kind::MOUNT);
        let mut set = |name: &str, text: &str| {
            value
                .set(name, text)
                .map_err(|error| unwantable(&self.key, error))
        };
        set("volume", &volume)?;
        for (name, text) in self.options.iter() {
            set(name, text)?;
        }
        // The size of a volume that is there is for the configuration to know.
        if let (Source::Volume(_), Some(size)) = (&self.source, self.size) {
            set("size", &size.to_string())?;
        }
        Ok(value.to_string())
    }

    /// Brings it together with what is there. A volume is kept and only grows;
    /// one path may take another's place.
    pub fn fit(&self, have: &str) -> Result<Fitted, Unwantable> {
        let have = PropertyString::parse(Kind::MOUNT, have)
            .map_err(|error| unwantable(&self.key, error))?;
        let there = have.get("volume").unwrap_or_default();
        let keeps = match &self.source {
            Source::Any => true,
            Source::Sized(None, _) => have.storage().is_some(),
            Source::Sized(Some(storage), _) => have.storage() == Some(storage),
            Source::Volume(volume) => volume == there,
            Source::Path(path) => path == there,
        };
        let volume = match &self.source {
            _ if keeps => there,
            Source::Path(path) if have.storage().is_none() => path,
            Source::Sized(..) | Source::Volume(_) | Source::Path(_) | Source::Any => {
                let why = format!("is on {there}, and is not moved to {}", self.wanted_place());
                return Err(unwantable(&self.key, why));
            }
        };
        let (mut grows, mut larger) = (None, None);
        if let (Some(size), Some(wanted), Some(_)) = (have.size(), self.size, have.storage()) {
            match wanted.cmp(&size) {
                std::cmp::Ordering::Greater => grows = Some(wanted),
                std::cmp::Ordering::Less => larger = Some((size, wanted)),
                std::cmp::Ordering::Equal => {}
            }
        }
        let mut value = self.options.clone();
        value
            .set("volume", volume)
            .map_err(|error| unwantable(&self.key, error))?;
        Ok(Fitted {
            value: value.to_string(),
            grows,
            larger,
        })
    }

    fn wanted_place(&self) -> &str {
        match &self.source {
            Source::Sized(Some(storage), _) => storage,
            Source::Volume(text) | Source::Path(text) => text,
            Source::Sized(None, _) | Source::Any => "a volume",
        }
    }
}

/// The key of a mount point.
pub fn mount_key(key: &str) -> Result<&str, Unwantable> {
    match Kind::of(key) {
        Some(kind) if kind == Kind::MOUNT && key != ROOT => Ok(key),
        _ => Err(unwantable(key, "is no mount point: name it mp0, mp1, …")),
    }
}

fn source(volume: &str) -> Option<Source> {
    let is_number = |text: &str| {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        [whole, fraction]
            .iter()
            .all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
    };
    if volume.starts_with('/') {
        return Some(Source::Path(volume.to_owned()));
    }
    match volume.split_once(':') {
        None if is_number(volume) => Some(Source::Sized(None, volume.to_owned())),
        Some((storage, size)) if is_number(size) => {
            Some(Source::Sized(Some(storage.to_owned()), size.to_owned()))
        }
        Some(_) => Some(Source::Volume(volume.to_owned())),
        None => None,
    }
}

fn gibibytes(key: &str, number: &str) -> Result<Size, Unwantable> {
    stated_size(key, &format!("{number}G"))
}

fn stated_size(key: &str, text: &str) -> Result<Size, Unwantable> {
    text.parse().map_err(|error| unwantable(key, error))
}

#[cfg(test)]
mod tests;
