//! A container's network interfaces: what is stated of them, and what becomes of
//! those that are there.

use pve::wire::{Kind, PropertyString};
use serde_json::Value;

use super::schema::interface_keys;
use crate::guests::config::{Unwantable, Want};
use crate::guests::values::unwantable;

/// Whether the key is that of an interface.
pub fn is_key(key: &str) -> bool {
    Kind::of(key) == Some(Kind::NET)
}

/// A network interface.
pub fn stated(key: &str, value: &Value) -> Result<String, Unwantable> {
    if !is_key(key) {
        return Err(unwantable(
            key,
            "is no network interface: name it net0, net1, …",
        ));
    }
    let text = value.as_str().ok_or_else(|| {
        unwantable(
            key,
            "must be a property string, such as name=eth0,bridge=vmbr0",
        )
    })?;
    let net = PropertyString::parse(Kind::NET, text).map_err(|error| unwantable(key, error))?;
    let known: Vec<&str> = interface_keys().collect();
    match net.iter().find(|(name, _)| !known.contains(name)) {
        // What stands without a key, and models of virtual machines.
        Some(("model", value)) => Err(unwantable(
            key,
            format!(
                "`{value}` belongs to no interface of a container, such as name=eth0,bridge=vmbr0"
            ),
        )),
        Some((name, _)) => Err(unwantable(
            key,
            format!("there is no key `{name}`; known are {}", known.join(", ")),
        )),
        None => Ok(net.to_string()),
    }
}

/// The server takes no interface without a name, and says so only once it is asked.
pub fn hold_named(key: &str, value: &str) -> Result<(), Unwantable> {
    let named = PropertyString::parse(Kind::NET, value).is_ok_and(|net| net.get("name").is_some());
    if named {
        Ok(())
    } else {
        Err(unwantable(key, "has no name, such as name=eth0"))
    }
}

/// What is stated of an interface that is there. A gateway that is not stated
/// does not belong to a new address.
pub fn over(key: &str, had: &str, want: &str) -> Result<Want, Unwantable> {
    let parse =
        |text: &str| PropertyString::parse(Kind::NET, text).map_err(|error| unwantable(key, error));
    let (had, wanted) = (parse(had)?, parse(want)?);
    let only = |net: &PropertyString, part: &str| {
        let mut alone = PropertyString::empty(Kind::NET);
        if let Some(value) = net.get(part) {
            // A value that was parsed can be written.
            let _ = alone.set(part, value);
        }
        alone
    };
    let unset: Vec<&'static str> = [("ip", "gw"), ("ip6", "gw6")]
        .into_iter()
        .filter(|(address, gateway)| {
            wanted.get(address).is_some()
                && wanted.get(gateway).is_none()
                && !only(&had, address).same(&only(&wanted, address))
        })
        .map(|(_, gateway)| gateway)
        .collect();
    Ok(Want::Parts {
        set: want.to_owned(),
        unset,
    })
}
