//! Values as people state them, as the API takes them.

use pve::wire::{IpConfig, Kind, PropertyString, Size, SshKeys, Tags, text_of};
use serde_json::{Map, Value};

use crate::guests::config::Unwantable;

pub(super) fn unwantable(key: &str, why: impl std::fmt::Display) -> Unwantable {
    Unwantable {
        key: key.to_owned(),
        why: why.to_string(),
    }
}

pub(super) fn tags(texts: &[String]) -> Result<String, Unwantable> {
    Tags::collect(texts)
        .map(|tags| tags.to_string())
        .map_err(|error| unwantable("tags", error))
}

pub(super) fn agent(value: &Value) -> Result<String, Unwantable> {
    text_of(value)
        .ok_or_else(|| unwantable("agent", "must be true, false, or the API's property string"))
}

pub(super) fn sshkeys(value: &Value) -> Result<String, Unwantable> {
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

pub(super) fn net(key: &str, value: &Value) -> Result<String, Unwantable> {
    let kind = Kind::of(key)
        .filter(|_| key.starts_with("net"))
        .ok_or_else(|| unwantable(key, "is no network card: name it net0, net1, …"))?;
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Object(stated) => {
            let pairs = parts(key, stated)?.into_iter().map(|(name, value)| {
                let known = NET_NAMES.iter().find(|(option, _)| *option == name);
                (known.map_or(name, |(_, api)| api), value)
            });
            PropertyString::from_pairs(kind, pairs)
                .map(|net| net.to_string())
                .map_err(|error| unwantable(key, error))
        }
        _ => Err(unwantable(key, "must be a property string or a dictionary")),
    }
}

pub(super) fn ipconfig(key: &str, value: &Value) -> Result<String, Unwantable> {
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

pub(super) fn disk_size(key: &str, value: &Value) -> Result<Size, Unwantable> {
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
