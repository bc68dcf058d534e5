//! Values as people state them, as the API takes them.

use std::ops::RangeInclusive;

use pve::wire::{IpConfig, Kind, PropertyString, Size, SshKeys, Tags, text_of};
use serde_json::{Map, Value};

use crate::guests::config::Unwantable;

/// A value of this key that cannot be wanted, because …
pub fn unwantable(key: &str, why: impl std::fmt::Display) -> Unwantable {
    Unwantable {
        key: key.to_owned(),
        why: why.to_string(),
    }
}

/// Two VMIDs and all between them, such as `5000-5999`.
pub fn vmid_range(text: Option<&str>) -> Result<Option<RangeInclusive<u32>>, Unwantable> {
    let Some(text) = text else {
        return Ok(None);
    };
    let parsed = text.split_once('-').and_then(|(first, last)| {
        let first: u32 = first.trim().parse().ok()?;
        let last: u32 = last.trim().parse().ok()?;
        (100..=last).contains(&first).then_some(first..=last)
    });
    parsed.map(Some).ok_or_else(|| {
        unwantable(
            "vmid_range",
            "must be two VMIDs from 100 on, such as 5000-5999",
        )
    })
}

/// Tags, in any order.
pub fn tags(texts: &[String]) -> Result<String, Unwantable> {
    Tags::collect(texts)
        .map(|tags| tags.to_string())
        .map_err(|error| unwantable("tags", error))
}

/// `agent`: true, false, or a property string.
pub fn agent(value: &Value) -> Result<String, Unwantable> {
    text_of(value)
        .ok_or_else(|| unwantable("agent", "must be true, false, or the API's property string"))
}

/// `sshkeys`: a list, or a text with a key on each line, as the API's percent-encoded text.
pub fn sshkeys(value: &Value) -> Result<String, Unwantable> {
    let texts: Vec<&str> = match value {
        Value::String(text) => vec![text],
        Value::Array(items) => items
            .iter()
            .map(Value::as_str)
            .collect::<Option<_>>()
            .ok_or_else(|| unwantable("sshkeys", "holds something that is no text"))?,
        _ => return Err(unwantable("sshkeys", "must be a list or a text")),
    };
    SshKeys::collect(texts)
        .map(|keys| keys.encoded())
        .map_err(|error| unwantable("sshkeys", error))
}

/// The names that the option has for keys of the API.
const NET_NAMES: &[(&str, &str)] = &[("vlan", "tag"), ("mac", "macaddr")];

/// The keys of a VM's network card, by the schema of Proxmox VE 9.2. The server would refuse another one
/// only once the VM is made.
const NET_KEYS: &[&str] = &[
    "bridge",
    "firewall",
    "host-tunnel",
    "link_down",
    "macaddr",
    "model",
    "mtu",
    "queues",
    "rate",
    "tag",
    "trunks",
];

/// `netN`: a property string, or a dictionary that may say `vlan` and `mac` for `tag` and `macaddr`.
pub fn net(key: &str, value: &Value) -> Result<String, Unwantable> {
    let kind = Kind::of(key)
        .filter(|_| key.starts_with("net"))
        .ok_or_else(|| unwantable(key, "is no network card: name it net0, net1, …"))?;
    let net = match value {
        Value::String(text) => PropertyString::parse(kind, text),
        Value::Object(stated) => {
            let pairs = parts(key, stated)?.into_iter().map(|(name, value)| {
                let known = NET_NAMES.iter().find(|(option, _)| *option == name);
                (known.map_or(name, |(_, api)| api), value)
            });
            PropertyString::from_pairs(kind, pairs)
        }
        _ => return Err(unwantable(key, "must be a property string or a dictionary")),
    }
    .map_err(|error| unwantable(key, error))?;
    match net.iter().find(|(name, _)| !NET_KEYS.contains(name)) {
        Some((name, _)) => Err(unwantable(key, no_net_key(name))),
        None => Ok(net.to_string()),
    }
}

fn no_net_key(name: &str) -> String {
    let mut known: Vec<&str> = NET_KEYS
        .iter()
        .map(|key| {
            let own = NET_NAMES.iter().find(|(_, api)| api == key);
            own.map_or(*key, |(option, _)| option)
        })
        .collect();
    known.sort_unstable();
    format!("there is no key `{name}`; known are {}", known.join(", "))
}

/// `ipconfigN`: a property string, or a dictionary of its keys.
pub fn ipconfig(key: &str, value: &Value) -> Result<String, Unwantable> {
    if Kind::of(key).is_none() || !key.starts_with("ipconfig") {
        return Err(unwantable(
            key,
            "is no IP configuration: name it ipconfig0, ipconfig1, …",
        ));
    }
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Object(stated) => parts(key, stated)?
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect::<Vec<_>>()
            .join(","),
        _ => return Err(unwantable(key, "must be a property string or a dictionary")),
    };
    let checked: Result<IpConfig, _> = text.parse();
    checked
        .map(|_| text)
        .map_err(|error| unwantable(key, error))
}

/// A number of which the API takes no less, which it would say only once the VM is made.
pub fn at_least(key: &str, stated: Option<u64>, least: u64) -> Result<Option<String>, Unwantable> {
    match stated {
        Some(number) if number < least => {
            let why = format!("must be at least {least}, got: {number}");
            Err(unwantable(key, why))
        }
        stated => Ok(stated.map(|number| number.to_string())),
    }
}

/// The parts of a dictionary as texts. One that is null is not stated.
fn parts<'a>(
    key: &str,
    stated: &'a Map<String, Value>,
) -> Result<Vec<(&'a str, String)>, Unwantable> {
    stated
        .iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(name, value)| {
            let text = text_of(value).ok_or_else(|| {
                unwantable(key, format!("{name} is neither text, number nor boolean"))
            })?;
            Ok((name.as_str(), text))
        })
        .collect()
}

/// The size of a disk: a text with a unit, or a dictionary of `size`.
pub fn disk_size(key: &str, value: &Value) -> Result<Size, Unwantable> {
    let size = match value {
        Value::Object(disk) => {
            if let Some(other) = disk.keys().find(|name| *name != "size") {
                let why = format!(
                    "its size is stated here and nothing else; {other} belongs under config, as in \
                     config: {{{key}: \"{other}=…\"}}"
                );
                return Err(unwantable(key, why));
            }
            disk.get("size").and_then(text_of)
        }
        value => text_of(value),
    };
    let size = size.ok_or_else(|| unwantable(key, "has no size, such as 40G"))?;
    if size.bytes().all(|byte| byte.is_ascii_digit()) {
        let why = format!("`{size}` is a number of bytes; give a unit, such as {size}G");
        return Err(unwantable(key, why));
    }
    size.parse().map_err(|error| unwantable(key, error))
}
