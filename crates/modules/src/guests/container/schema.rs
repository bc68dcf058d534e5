//! What the API's schema says of a new container's parameters (that of Proxmox
//! VE 9.2, which allows all that 8.4 does). The server holds each request
//! against it; a task must know before it removes a container for another one,
//! and in check mode.

use std::net::{Ipv4Addr, Ipv6Addr};

use pve::wire::{Kind, PropertyString, SshKeys, lists, parse_switch};

use super::volume::ROOT;
use crate::guests::clone::item::check_dns_name;
use crate::guests::config::Unwantable;
use crate::guests::values::unwantable;

/// How many network interfaces a container may have, and how many mount points.
const INTERFACES: u32 = 32;
const MOUNT_POINTS: u32 = 256;

/// The form of a value.
enum Form {
    /// Whatever it is; something else looks at it.
    Any,
    /// A whole number from the first to the last.
    Whole(u64, u64),
    /// A number, not below zero.
    Number,
    /// `1`, `0`, or a word for one of them.
    Switch,
    /// One of these.
    OneOf(&'static [&'static str]),
    /// Some of these, with semicolons in between.
    SomeOf(&'static [&'static str]),
    /// No more letters than these.
    Longest(usize),
    /// Letters, digits and `-_.`.
    Name,
    /// A MAC address that is no group's.
    Mac,
    /// VLAN tags, with semicolons in between.
    Tags,
    /// An IPv4 address; with its prefix, `dhcp` or `manual`.
    Ipv4 { config: bool },
    /// An IPv6 address; with its prefix, `auto`, `dhcp` or `manual`.
    Ipv6 { config: bool },
    /// IP addresses, those of a link with their interface.
    Servers,
    /// DNS names.
    Domains,
    /// `host`, `UTC`, or an area and a place.
    Zone,
    /// An absolute path, as any but for steps upwards.
    Place,
    /// Types of file systems.
    FileSystems,
    /// How IDs are mapped.
    IdMap,
}

/// The keys of each property string.
const NET: &[(&str, Form)] = &[
    ("bridge", Form::Name),
    ("firewall", Form::Switch),
    ("gw", Form::Ipv4 { config: false }),
    ("gw6", Form::Ipv6 { config: false }),
    ("host-managed", Form::Switch),
    ("hwaddr", Form::Mac),
    ("ip", Form::Ipv4 { config: true }),
    ("ip6", Form::Ipv6 { config: true }),
    ("link_down", Form::Switch),
    ("mtu", Form::Whole(64, 65535)),
    ("name", Form::Name),
    ("rate", Form::Number),
    ("tag", Form::Whole(1, 4094)),
    ("trunks", Form::Tags),
    ("type", Form::OneOf(&["veth"])),
];
const FEATURES: &[(&str, Form)] = &[
    ("force_rw_sys", Form::Switch),
    ("fuse", Form::Switch),
    ("keyctl", Form::Switch),
    ("mknod", Form::Switch),
    ("mount", Form::FileSystems),
    ("nesting", Form::Switch),
];
const MOUNT_OPTIONS: &[&str] = &[
    "discard", "lazytime", "noatime", "nodev", "noexec", "nosuid",
];
const ROOT_PARTS: &[(&str, Form)] = &[
    ("acl", Form::Switch),
    ("idmap", Form::IdMap),
    ("mountoptions", Form::SomeOf(MOUNT_OPTIONS)),
    ("quota", Form::Switch),
    ("replicate", Form::Switch),
    ("ro", Form::Switch),
    ("shared", Form::Switch),
    ("size", Form::Any),
    ("volume", Form::Any),
];
/// What a mount point has beside them.
const MOUNT_PARTS: &[(&str, Form)] = &[
    ("backup", Form::Switch),
    ("keepattrs", Form::Switch),
    ("mp", Form::Place),
];

/// The keys of a network interface.
pub(super) fn interface_keys() -> impl Iterator<Item = &'static str> {
    NET.iter().map(|(name, _)| *name)
}

/// The value of a parameter is one that the API takes.
pub(super) fn hold(key: &str, value: &str) -> Result<(), Unwantable> {
    if let Some(number) = key.strip_prefix("net").and_then(|n| n.parse().ok()) {
        below(key, number, INTERFACES)?;
        return parts(key, Kind::NET, value, &[NET]);
    }
    if let Some(number) = key.strip_prefix("mp").and_then(|n| n.parse().ok()) {
        below(key, number, MOUNT_POINTS)?;
        return parts(key, Kind::MOUNT, value, &[ROOT_PARTS, MOUNT_PARTS]);
    }
    let form = match key {
        ROOT => return parts(key, Kind::MOUNT, value, &[ROOT_PARTS]),
        "features" => {
            return match Kind::of(key) {
                Some(kind) => parts(key, kind, value, &[FEATURES]),
                None => Ok(()),
            };
        }
        "ssh-public-keys" => return public_keys(value),
        "cores" => Form::Whole(1, 8192),
        "cpulimit" => Form::Whole(0, 8192),
        "cpuunits" => Form::Whole(0, 500_000),
        "description" => Form::Longest(8192),
        "hostname" | "ostemplate" => Form::Longest(255),
        "nameserver" => Form::Servers,
        "searchdomain" => Form::Domains,
        "timezone" => Form::Zone,
        _ => return Ok(()),
    };
    form.hold(value)
        .map_err(|expected| unwantable(key, format!("`{value}`: expected {expected}")))
}

fn below(key: &str, number: u32, limit: u32) -> Result<(), Unwantable> {
    if number < limit {
        return Ok(());
    }
    Err(unwantable(
        key,
        format!("a container has {limit} of them at most"),
    ))
}

fn parts(
    key: &str,
    kind: &'static Kind,
    value: &str,
    known: &[&[(&str, Form)]],
) -> Result<(), Unwantable> {
    let parsed = PropertyString::parse(kind, value).map_err(|error| unwantable(key, error))?;
    for (name, value) in parsed.iter() {
        let mut forms = known.iter().copied().flatten();
        let Some((_, form)) = forms.find(|(known, _)| *known == name) else {
            let names: Vec<&str> = known
                .iter()
                .copied()
                .flatten()
                .map(|(name, _)| *name)
                .collect();
            let why = format!("there is no key `{name}`; known are {}", names.join(", "));
            return Err(unwantable(key, why));
        };
        form.hold(value).map_err(|expected| {
            unwantable(key, format!("`{name}={value}`: expected {expected}"))
        })?;
    }
    Ok(())
}

/// Each line is a key: the server takes no comments among them.
fn public_keys(text: &str) -> Result<(), Unwantable> {
    let comment = text.lines().find(|line| line.trim_start().starts_with('#'));
    if let Some(comment) = comment {
        return Err(unwantable(
            "pubkey",
            format!("`{comment}` is a comment, and each line is to be a key"),
        ));
    }
    SshKeys::collect([text])
        .map(|_| ())
        .map_err(|error| unwantable("pubkey", error))
}

impl Form {
    /// Fails with what is expected.
    fn hold(&self, value: &str) -> Result<(), String> {
        let (fits, expected) = match self {
            Self::Any => (true, String::new()),
            Self::Whole(first, last) => (
                value
                    .parse()
                    .is_ok_and(|number: u64| (*first..=*last).contains(&number)),
                format!("a whole number from {first} to {last}"),
            ),
            Self::Number => (
                value
                    .parse()
                    .is_ok_and(|number: f64| number.is_finite() && number >= 0.0),
                "a number".to_owned(),
            ),
            Self::Switch => (
                parse_switch(value).is_some(),
                "a switch, such as 1 or 0".to_owned(),
            ),
            Self::OneOf(words) => (words.contains(&value), words.join(" or ")),
            Self::SomeOf(words) => (
                value.split(';').all(|word| words.contains(&word)),
                format!("some of {}, with semicolons in between", words.join(", ")),
            ),
            Self::Longest(letters) => (
                value.chars().count() <= *letters,
                format!("{letters} letters at most"),
            ),
            Self::Name => (
                is_of(value, |letter| {
                    letter.is_ascii_alphanumeric() || "-_.".contains(letter)
                }),
                "letters, digits, -, _ and .".to_owned(),
            ),
            Self::Mac => (
                is_mac(value),
                "a MAC address of one device, such as BC:24:11:00:00:01".to_owned(),
            ),
            Self::Tags => (
                value
                    .split(';')
                    .all(|tag| is_of(tag, |letter| letter.is_ascii_digit())),
                "VLAN tags with semicolons in between".to_owned(),
            ),
            Self::Ipv4 { config: false } => (
                value.parse::<Ipv4Addr>().is_ok(),
                "an IPv4 address".to_owned(),
            ),
            Self::Ipv4 { config: true } => (
                ["dhcp", "manual"].contains(&value)
                    || with_prefix(value, 32)
                        .is_some_and(|address| address.parse::<Ipv4Addr>().is_ok()),
                "an IPv4 address with its prefix, such as 192.0.2.5/24, dhcp or manual".to_owned(),
            ),
            Self::Ipv6 { config: false } => (
                value.parse::<Ipv6Addr>().is_ok(),
                "an IPv6 address".to_owned(),
            ),
            Self::Ipv6 { config: true } => (
                ["auto", "dhcp", "manual"].contains(&value)
                    || with_prefix(value, 128)
                        .is_some_and(|address| address.parse::<Ipv6Addr>().is_ok()),
                "an IPv6 address with its prefix, such as 2001:db8::5/64, auto, dhcp or manual"
                    .to_owned(),
            ),
            Self::Servers => (
                lists::split(value).all(is_server),
                "IP addresses".to_owned(),
            ),
            Self::Domains => (
                lists::split(value).all(|name| check_dns_name(name).is_ok()),
                "DNS names".to_owned(),
            ),
            Self::Zone => (
                is_zone(value),
                "host, UTC, or a time zone such as Europe/Vienna".to_owned(),
            ),
            Self::Place => (
                !value.split('/').any(|part| part == ".."),
                "a path without `..`".to_owned(),
            ),
            Self::FileSystems => (
                is_of(value, |letter| {
                    letter.is_ascii_alphanumeric() || "_; ".contains(letter)
                }),
                "types of file systems with semicolons in between".to_owned(),
            ),
            Self::IdMap => (
                value == "passthrough" || value.split(';').all(is_id_map),
                "passthrough, or maps such as u:0:100000:65536".to_owned(),
            ),
        };
        if fits { Ok(()) } else { Err(expected) }
    }
}

fn is_of(text: &str, letter: impl Fn(char) -> bool) -> bool {
    !text.is_empty() && text.chars().all(letter)
}

/// The address in front of a prefix, which has eight bits at least.
fn with_prefix(value: &str, longest: u8) -> Option<&str> {
    let (address, prefix) = value.split_once('/')?;
    let prefix: u8 = prefix.parse().ok()?;
    (8..=longest).contains(&prefix).then_some(address)
}

fn is_mac(value: &str) -> bool {
    let bytes: Option<Vec<u8>> = value
        .split(':')
        .map(|byte| {
            u8::from_str_radix(byte, 16)
                .ok()
                .filter(|_| byte.len() == 2)
        })
        .collect();
    bytes.is_some_and(|bytes| bytes.len() == 6 && bytes[0] & 1 == 0)
}

fn is_server(value: &str) -> bool {
    let address = match value.split_once('%') {
        Some((address, interface)) if !interface.is_empty() && address.starts_with("fe80:") => {
            address
        }
        Some(_) => return false,
        None => value,
    };
    address.parse::<std::net::IpAddr>().is_ok()
}

/// Which places there are is known to the node alone.
fn is_zone(value: &str) -> bool {
    let is_part = |part: &str| {
        is_of(part, |letter| {
            letter.is_ascii_alphanumeric() || "_-+".contains(letter)
        })
    };
    ["host", "UTC"].contains(&value) || (value.contains('/') && value.split('/').all(is_part))
}

fn is_id_map(value: &str) -> bool {
    let parts: Vec<&str> = value.split(':').collect();
    let is_number = |text: &str| is_of(text, |letter| letter.is_ascii_digit());
    match parts.as_slice() {
        [kind, inside, outside, count] => {
            ["u", "g"].contains(kind)
                && is_number(inside)
                && is_number(outside)
                && is_number(count)
                && !count.starts_with('0')
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests;
