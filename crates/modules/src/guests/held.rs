//! What keeps a guest from being removed or converted, told before it is
//! stopped for that: one that stays down is an outage for nothing.

use ansible::Failure;
use pve::Cluster;
use pve::nodes::guest::{Address, GuestKind};
use pve::nodes::snapshot::{self, CURRENT};
use pve::wire::parse_switch;

use super::config::Config;
use crate::fault;

/// The HA manager does not let go of a guest unless it is purged.
pub const BY_HA: &str = "the HA manager manages it, and only purge: true takes it from there";

/// Why `protection` keeps a guest from being removed, if it does.
pub fn by_protection(address: &Address, config: &Config) -> Option<String> {
    let Address { node, kind, vmid } = address;
    if config.get("protection").and_then(parse_switch) != Some(true) {
        return None;
    }
    let tool = match kind {
        GuestKind::Qemu => "qm",
        GuestKind::Lxc => "pct",
    };
    Some(format!(
        "it is protected, and nothing was done to it. `{tool} set {vmid} --protection 0` on {node} lifts that"
    ))
}

/// A guest that is stopped to be removed can be removed then. `by_ha` where the
/// HA manager would keep it.
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
    let protected = by_protection(address, &Config::from_config(&config));
    match protected.or_else(|| by_ha.then(|| BY_HA.to_owned())) {
        Some(why) => Err(Failure::new(format!("unable to {to}: {why}"))),
        None => Ok(()),
    }
}

/// A guest that is stopped to become a template can become one then.
pub fn hold_conversion(cluster: &Cluster, address: &Address, label: &str) -> Result<(), Failure> {
    let to = format!("convert {} `{label}` to a template", address.kind.noun());
    let rows = cluster
        .snapshots(address)
        .map_err(|error| fault::unable(&to, &error))?;
    let snapshots: Vec<String> = rows
        .iter()
        .map(snapshot::name)
        .filter(|name| name != CURRENT)
        .collect();
    if snapshots.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!(
        "unable to {to}: it has snapshots ({}), and nothing was done to it; remove them before",
        snapshots.join(", ")
    )))
}
