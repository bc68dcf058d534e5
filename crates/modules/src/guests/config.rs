//! The configuration of a guest: what it has, what is wanted of it,
//! and what has to be written. The one way to compare it and to change it.

mod merge;
mod volumes;

use std::collections::BTreeMap;

use pve::nodes::guest::GuestKind;
use pve::wire::password::Compared;
use pve::wire::{Kind, PropertyString, Size, SshKeys, holds, parse_switch, text_of};
use pve::{Call, Param, Path};
use secret::Secret;
use serde_json::{Map, Value, json};

use self::merge::without;
use self::volumes::{lacks_mac, sized};

pub use self::merge::merged;
pub use self::volumes::{LABELS, allocates, is_disk, is_vm, other_label};

/// Keys of a configuration as the API answers them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    values: BTreeMap<String, String>,
    pending: Vec<String>,
}

impl Config {
    /// From the answer to `GET …/config`.
    pub fn from_config(data: &Value) -> Self {
        let values = data
            .as_object()
            .into_iter()
            .flatten()
            .filter_map(|(key, value)| Some((key.clone(), text_of(value)?)))
            .collect();
        Self {
            values,
            pending: Vec::new(),
        }
    }

    /// From the answer to `GET …/pending`: the values are those that hold after
    /// the next boot, as `config` has them, and the keys that wait for it are known.
    pub fn from_pending(data: &Value) -> Self {
        let mut config = Self::default();
        for row in data.as_array().into_iter().flatten() {
            let Some(key) = row["key"].as_str() else {
                continue;
            };
            let waits = row.get("pending").or_else(|| row.get("delete"));
            if waits.is_some() {
                config.pending.push(key.to_owned());
            }
            let now = row.get("value").and_then(text_of);
            let value = match (row.get("pending"), row.get("delete")) {
                (Some(value), _) => text_of(value).map(|next| sized(key, now.as_deref(), next)),
                (None, Some(_)) => None,
                (None, None) => now,
            };
            if let Some(value) = value {
                config.values.insert(key.to_owned(), value);
            }
        }
        config.pending.sort_unstable();
        config
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.values.get(key).map(String::as_str)
    }

    /// This configuration, with the sizes that its volumes have in this one.
    #[must_use]
    pub fn sized_as(mut self, now: &Self) -> Self {
        for (key, value) in &mut self.values {
            *value = sized(key, now.get(key), std::mem::take(value));
        }
        self
    }

    /// Keys and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.values
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// Takes the MAC out of a network card: another guest's is not to be kept.
    pub fn forget_mac(&mut self, key: &str) {
        let net = self
            .values
            .get(key)
            .and_then(|net| PropertyString::parse(Kind::NET, net).ok());
        if let Some(mut net) = net {
            net.remove("macaddr");
            self.values.insert(key.to_owned(), net.to_string());
        }
    }

    /// Whose it is: a container always has its root, a VM never.
    pub fn kind(&self) -> GuestKind {
        if self.get("rootfs").is_some() {
            GuestKind::Lxc
        } else {
            GuestKind::Qemu
        }
    }

    /// Whether it is a template's.
    pub fn is_template(&self) -> bool {
        self.get("template").and_then(parse_switch) == Some(true)
    }

    /// The keys whose values wait for the next boot.
    pub fn pending(&self) -> &[String] {
        &self.pending
    }

    /// The disk under this key.
    pub fn disk(&self, key: &str) -> Option<PropertyString> {
        let kind = Kind::of(key)?;
        PropertyString::parse(kind, self.get(key)?).ok()
    }

    /// The size of the disk under this key.
    pub fn disk_size(&self, key: &str) -> Option<Size> {
        self.disk(key)?.size()
    }

    /// This configuration with other values, as it will be after a write.
    #[must_use]
    pub fn with(&self, change: &Change) -> Self {
        let mut after = self.clone();
        for (key, value) in &change.set {
            if let Param::Text(text) = value {
                after.values.insert(key.clone(), text.clone());
            }
        }
        for key in &change.delete {
            after.values.remove(key);
        }
        after
    }
}

/// What is wanted of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Want {
    /// This value; an empty one means that the key is not there.
    Text(String),
    /// A property string that is merged with the one there is, less these of its keys.
    Parts {
        /// What is stated.
        set: String,
        /// Keys that are not wanted.
        unset: Vec<&'static str>,
    },
    /// The cloud-init password, which no answer shows.
    Password(Secret),
}

/// What is wanted, by key.
pub type Wanted = BTreeMap<String, Want>;

/// A value that cannot be wanted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {why}")]
pub struct Unwantable {
    /// The key.
    pub key: String,
    /// Why not.
    pub why: String,
}

/// What has to be written.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Change {
    /// New values.
    pub set: Vec<(String, Param)>,
    /// Keys that go.
    pub delete: Vec<String>,
    /// The values that change, as they are.
    pub before: Map<String, Value>,
    /// The same, as they will be.
    pub after: Map<String, Value>,
}

impl Change {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.set.is_empty() && self.delete.is_empty()
    }

    /// Takes out what can only be merged with a clone's own value: its disks
    /// have other volumes than the template's, and it has another UUID. With
    /// what is wanted of each such key.
    pub fn take_own(&mut self, template: &Config, wanted: &Wanted) -> Vec<(String, String)> {
        let is_own = |key: &str| (key == "smbios1" || is_disk(key)) && template.get(key).is_some();
        let (own, set): (Vec<_>, Vec<_>) = std::mem::take(&mut self.set)
            .into_iter()
            .partition(|(key, _)| is_own(key));
        self.set = set;
        own.into_iter()
            .filter_map(|(key, _)| match wanted.get(&key)? {
                Want::Text(text) | Want::Parts { set: text, .. } => {
                    self.after.insert(key.clone(), json!(text));
                    Some((key, text.clone()))
                }
                Want::Password(_) => None,
            })
            .collect()
    }

    /// Takes out what is written of these disks, which are to grow before: a value that waits for the next boot tells
    /// the size that the disk had when it was written. The rest goes first, as the server may refuse it, and nothing
    /// shrinks again.
    #[must_use]
    pub fn take_grown<'a>(&mut self, disks: impl IntoIterator<Item = &'a str>) -> Self {
        let mut taken = Self::default();
        for disk in disks {
            if let Some(at) = self.set.iter().position(|(key, _)| key == disk) {
                taken.set.push(self.set.remove(at));
            }
            taken.before.extend(self.before.remove_entry(disk));
            taken.after.extend(self.after.remove_entry(disk));
        }
        taken
    }

    /// The keys whose values ask for new volumes, with these values.
    pub fn allocations(&self) -> impl Iterator<Item = (&str, &str)> {
        self.set.iter().filter_map(|(key, value)| match value {
            Param::Text(text) if allocates(key, text) => Some((key.as_str(), text.as_str())),
            Param::Text(_) | Param::Secret(_) | Param::Bound(_) => None,
        })
    }

    /// Says of a disk that is written the size that it has grown to by then.
    pub fn grown(&mut self, disk: &str, size: Size) {
        let sized = |text: &str| {
            let mut value = PropertyString::parse(Kind::of(disk)?, text).ok()?;
            value.set("size", &size.to_string()).ok()?;
            Some(value.to_string())
        };
        let written = self.set.iter_mut().find(|(key, _)| key == disk);
        if let Some((_, Param::Text(value))) = written
            && let Some(sized) = sized(value)
        {
            self.after.insert(disk.to_owned(), json!(sized));
            *value = sized;
        }
    }

    /// The keys whose values the server completes by something new, a volume or the MAC of a network card, with these
    /// values: written again they make another one.
    pub fn generating(&self) -> impl Iterator<Item = (&str, &str)> {
        self.set.iter().filter_map(|(key, value)| match value {
            Param::Text(text) if allocates(key, text) || lacks_mac(key, text) => {
                Some((key.as_str(), text.as_str()))
            }
            Param::Text(_) | Param::Secret(_) | Param::Bound(_) => None,
        })
    }

    /// The request that writes it, below the guest's path: `PUT …/config`. New volumes of a VM are made by `POST`,
    /// whose task takes its time; `PUT` answers when they are made, if nobody between has lost patience by then.
    pub fn call(&self, guest: &Path) -> Call {
        let config = guest.join("config");
        let mut call = if is_vm(guest) && self.allocations().next().is_some() {
            Call::post(config)
        } else {
            Call::put(config)
        };
        call.params.clone_from(&self.set);
        if !self.delete.is_empty() {
            call = call.with("delete", self.delete.join(","));
        }
        call
    }
}

/// Only what was stated and differs. `password` tells how the stored
/// cloud-init password compares, where one is wanted.
pub fn change(have: &Config, wanted: &Wanted, password: Compared) -> Result<Change, Unwantable> {
    let mut change = Change::default();
    let kind = have.kind();
    for (key, want) in wanted {
        let had = have.get(key);
        match want {
            Want::Password(secret) => {
                if password == Compared::Differs {
                    change.set.push((key.clone(), secret.clone().into()));
                    change.before.insert(key.clone(), json!("********"));
                    change.after.insert(key.clone(), json!("******** (new)"));
                }
            }
            Want::Text(text) => write(kind, &mut change, key, had, merged(kind, key, had, text)?),
            Want::Parts { set, unset } => {
                let rest = had.map(|had| without(key, had, unset));
                // Nothing stated is nothing more, and not the wish that the key goes.
                let text = match rest {
                    Some(rest) if set.is_empty() => rest,
                    rest => merged(kind, key, rest.as_deref(), set)?,
                };
                write(kind, &mut change, key, had, text);
            }
        }
    }
    Ok(change)
}

/// Notes the value of a key, where it is not the one there is.
fn write(kind: GuestKind, change: &mut Change, key: &str, had: Option<&str>, text: String) {
    // A key that is not there cannot go, whatever its default is.
    if holds(kind, key, had, &text) || (had.is_none() && text.is_empty()) {
        return;
    }
    let shows = |value: &str| json!(shown(key, value));
    change
        .before
        .insert(key.to_owned(), had.map_or(Value::Null, shows));
    if text.is_empty() {
        change.delete.push(key.to_owned());
        change.after.insert(key.to_owned(), Value::Null);
    } else {
        change.after.insert(key.to_owned(), shows(&text));
        change.set.push((key.to_owned(), text.into()));
    }
}

/// A value as a person reads it: SSH keys without their percent-encoding.
fn shown(key: &str, value: &str) -> String {
    match SshKeys::collect([value]) {
        Ok(keys) if key == "sshkeys" => keys.to_text(),
        _ => value.to_owned(),
    }
}

#[cfg(test)]
mod tests;
