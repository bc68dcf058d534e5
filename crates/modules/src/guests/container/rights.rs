//! Whether the caller may make a container in the place of one that is removed,
//! asked in one request before it is removed.

use std::collections::BTreeSet;

use ansible::Failure;
use pve::access::permissions::Held;
use pve::storage::acl_path;
use pve::wire::{Kind, PropertyString};
use pve::{Cluster, Param};

use super::wanted::Stated;
use crate::fault;
use crate::guests::proxmox::ContainerArgs;
use crate::guests::rights::{hold_all, lacks_network};

/// Fails where the caller lacks something.
pub(super) fn hold(
    cluster: &Cluster,
    args: &ContainerArgs,
    stated: &Stated<'_>,
    params: &[(String, Param)],
    title: &str,
) -> Result<(), Failure> {
    let to = format!("make container `{title}` anew");
    let held = cluster.held().map_err(|error| fault::unable(&to, &error))?;
    let missing = missing(&held, args, stated, params);
    hold_all(&missing, |lacks| {
        Failure::new(format!(
            "unable to {to}: {lacks}, and nothing was removed; what is given on the container itself goes with it, and \
             a token with privilege separation needs its privileges itself, beside its user"
        ))
    })
}

/// What is missing, each with its path.
fn missing(
    held: &Held,
    args: &ContainerArgs,
    stated: &Stated<'_>,
    params: &[(String, Param)],
) -> Vec<(&'static str, String)> {
    let mut missing = Vec::new();
    let mut need = |path: &str, have: &BTreeSet<String>, privilege: &'static str| {
        let entry = (privilege, path.to_owned());
        if !have.contains(privilege) && !missing.contains(&entry) {
            missing.push(entry);
        }
    };
    // The entries of the container's own go when it is removed, as its place in a pool does: what is left is what
    // any VMID has.
    let mut on_guest = held.on("/vms/0");
    if let Some(pool) = &args.pool {
        on_guest.extend(held.on(&format!("/pool/{pool}")));
    }
    need("/vms", &on_guest, "VM.Allocate");
    for (key, _) in params {
        if let Some(privilege) = privilege(key) {
            need("/vms", &on_guest, privilege);
        }
    }
    // The host name is a parameter beside them.
    need("/vms", &on_guest, "VM.Config.Network");
    for storage in stated.storages() {
        let path = acl_path(storage);
        need(&path, &held.on(&path), "Datastore.AllocateSpace");
    }
    for path in cards(params).filter_map(|card| lacks_network(held, &card)) {
        need(&path, &BTreeSet::new(), "SDN.Use");
    }
    missing
}

/// What a parameter takes, where it is not VM.Allocate.
fn privilege(key: &str) -> Option<&'static str> {
    Some(match (key, Kind::of(key)) {
        ("cores" | "cpulimit" | "cpuunits", _) => "VM.Config.CPU",
        ("memory" | "swap", _) => "VM.Config.Memory",
        ("nameserver" | "searchdomain", _) => "VM.Config.Network",
        (_, Some(kind)) if kind == Kind::NET => "VM.Config.Network",
        (_, Some(kind)) if kind == Kind::MOUNT => "VM.Config.Disk",
        ("cmode" | "description" | "onboot" | "ostype" | "startup" | "tags" | "timezone", _) => {
            "VM.Config.Options"
        }
        _ => return None,
    })
}

/// The network interfaces.
fn cards(params: &[(String, Param)]) -> impl Iterator<Item = PropertyString> {
    params
        .iter()
        .filter(|(key, _)| Kind::of(key) == Some(Kind::NET))
        .filter_map(|(_, value)| match value {
            Param::Text(net) => PropertyString::parse(Kind::NET, net).ok(),
            Param::Secret(_) | Param::Bound(_) => None,
        })
}
