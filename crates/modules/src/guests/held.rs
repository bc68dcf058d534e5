//! What the server is known to refuse a guest, told before anything is written:
//! in check mode as in the run, and before a guest is stopped for something that
//! cannot be done then, which is an outage for nothing.

use std::collections::BTreeSet;

use ansible::Failure;
use pve::Cluster;
use pve::cluster::resources;
use pve::nodes::guest::{Address, GuestKind};
use pve::nodes::snapshot::{self, CURRENT};
use pve::wire::parse_switch;

use super::config::{Config, is_disk};
use super::linked;
use crate::fault;

/// The HA manager does not let go of a guest unless it is purged.
pub const BY_HA: &str = "the HA manager manages it, and only purge: true takes it from there";

/// The lock of a VM that is hibernated.
pub const HIBERNATED: &str = "suspended";

/// What is said of a guest that has this lock.
pub fn by_lock(address: &Address, lock: &str) -> String {
    if lock == HIBERNATED {
        // Without its lock it would start without that memory.
        return format!(
            "it is hibernated (its lock is `{lock}`): start it first, which takes up its saved memory"
        );
    }
    let Address { node, kind, vmid } = address;
    let tool = tool(*kind);
    format!(
        "it is locked ({lock}): another operation is at work on it. Should that have been cut off, \
         `{tool} unlock {vmid}` on {node} takes the lock away"
    )
}

/// The command that manages such guests on a node.
fn tool(kind: GuestKind) -> &'static str {
    match kind {
        GuestKind::Qemu => "qm",
        GuestKind::Lxc => "pct",
    }
}

/// Why `protection` keeps a guest from being removed, if it does.
pub fn by_protection(address: &Address, config: &Config) -> Option<String> {
    let lifted = lifted(address, config)?;
    Some(format!(
        "it is protected, and nothing was done to it. {lifted}"
    ))
}

/// Why `protection` keeps these volumes from leaving a guest, if it does.
pub fn by_protection_of<'a>(
    address: &Address,
    config: &Config,
    keys: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    let lifted = lifted(address, config)?;
    let is_volume = |key: &str| {
        config.get(key).is_some()
            && (is_disk(key) || key.starts_with("unused") || is_mount_point(key))
    };
    let kept = keys.into_iter().find(|key| is_volume(key))?;
    Some(format!(
        "it is protected, so that {kept} cannot be taken from it. {lifted}"
    ))
}

/// Why `protection` keeps these keys of a container from being written, if it does: they are its volumes, those that it
/// is to get included.
pub fn by_protection_as_it_is<'a>(
    address: &Address,
    config: &Config,
    keys: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    let lifted = lifted(address, config)?;
    let kept = keys
        .into_iter()
        .find(|key| *key == "rootfs" || is_mount_point(key))?;
    Some(format!(
        "it is protected, so that {kept} cannot be written. {lifted}"
    ))
}

fn is_mount_point(key: &str) -> bool {
    key.strip_prefix("mp")
        .is_some_and(|number| number.parse::<u16>().is_ok())
}

/// How the protection is lifted from a guest that is protected.
fn lifted(address: &Address, config: &Config) -> Option<String> {
    let Address { node, kind, vmid } = address;
    if config.get("protection").and_then(parse_switch) != Some(true) {
        return None;
    }
    let tool = tool(*kind);
    Some(format!(
        "`{tool} set {vmid} --protection 0` on {node} lifts that"
    ))
}

/// Why linked clones keep a template from being removed, if there are any.
pub fn by_clones(clones: &BTreeSet<u32>) -> Option<String> {
    let listed: Vec<String> = clones.iter().map(u32::to_string).collect();
    (!listed.is_empty()).then(|| {
        format!(
            "linked clones of it stand on its volumes ({}), and nothing was done to it",
            listed.join(", ")
        )
    })
}

/// A guest that is to be removed can be removed. `by_ha` where the HA manager
/// would keep it.
pub fn hold_removal(
    cluster: &Cluster,
    address: &Address,
    label: &str,
    by_ha: bool,
) -> Result<(), Failure> {
    let to = format!("remove {} `{label}`", address.kind.noun());
    let config = cluster
        .get(&address.config())
        .map_err(|error| fault::unable(&to, &error))?;
    let config = Config::from_config(&config);
    let why = by_protection(address, &config)
        .or_else(|| by_ha.then(|| BY_HA.to_owned()))
        .or_else(|| by_clones(&linked::clones(cluster, address, &config)));
    match why {
        Some(why) => Err(Failure::new(format!("unable to {to}: {why}"))),
        None => Ok(()),
    }
}

/// A guest of which a snapshot is to be taken can have one. A template that is
/// younger than the list of all guests is the server's to refuse.
pub fn hold_snapshot(listed: Option<&resources::Guest>, label: &str) -> Result<(), Failure> {
    match listed.filter(|guest| guest.template) {
        Some(guest) => Err(Failure::new(format!(
            "unable to take a snapshot of {} `{label}`: it is a template, and templates have none",
            guest.address.kind.noun()
        ))),
        None => Ok(()),
    }
}

/// A guest that is to become a template can become one.
pub fn hold_conversion(cluster: &Cluster, address: &Address, label: &str) -> Result<(), Failure> {
    let to = format!("convert {} `{label}` to a template", address.kind.noun());
    let snapshots = snapshots(cluster, address).map_err(|error| fault::unable(&to, &error))?;
    if snapshots.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!(
        "unable to {to}: it has snapshots ({}), and nothing was done to it; remove them before",
        snapshots.join(", ")
    )))
}

/// A snapshot that is to be cloned is there.
pub fn hold_snapshot_there(
    cluster: &Cluster,
    address: &Address,
    label: &str,
    name: &str,
) -> Result<(), Failure> {
    let to = format!("clone {} `{label}`", address.kind.noun());
    let snapshots = snapshots(cluster, address).map_err(|error| fault::unable(&to, &error))?;
    if snapshots.iter().any(|known| known == name) {
        return Ok(());
    }
    Err(Failure::new(format!(
        "unable to {to}: it has no snapshot `{name}`"
    )))
}

fn snapshots(cluster: &Cluster, address: &Address) -> Result<Vec<String>, pve::Error> {
    let rows = cluster.snapshots(address)?;
    Ok(rows
        .iter()
        .map(snapshot::name)
        .filter(|name| name != CURRENT)
        .collect())
}
