//! Whether the caller may do all that it takes, asked in one request before anything is done.

use std::collections::BTreeSet;

use ansible::Failure;
use pve::Cluster;
use pve::access::permissions::Held;
use pve::storage::{VISIBLE_BY, acl_path};

use super::hardware::Hardware;
use super::image::Image;
use super::{CloudTemplateArgs, cannot};
use crate::fault;
use crate::guests::rights::{hold_all, lacks_network};

/// What a new VM's configuration takes, whatever is stated.
const CONFIGURE: [&str; 8] = [
    "VM.Allocate",
    "VM.Config.CDROM",
    "VM.Config.CPU",
    "VM.Config.Cloudinit",
    "VM.Config.Disk",
    "VM.Config.HWType",
    "VM.Config.Network",
    "VM.Config.Options",
];

/// Fails where the caller lacks something.
pub(super) fn check(
    cluster: &Cluster,
    args: &CloudTemplateArgs,
    image: &Image,
    hardware: &Hardware,
    replaced: Option<u32>,
) -> Result<(), Failure> {
    let held = cluster
        .held()
        .map_err(|error| fault::unable("read the caller's privileges", &error))?;
    let missing = missing(&held, args, image, hardware, replaced);
    hold_all(&missing, |lacks| {
        let why = format!(
            "{lacks}; a token with privilege separation needs them itself, beside its user"
        );
        cannot(&args.name, &why)
    })
}

/// What is missing, each with its path.
pub(super) fn missing(
    held: &Held,
    args: &CloudTemplateArgs,
    image: &Image,
    hardware: &Hardware,
    replaced: Option<u32>,
) -> Vec<(String, String)> {
    let mut missing = Vec::new();
    let mut need = |path: &str, have: &BTreeSet<String>, all: &[&str]| {
        for privilege in all.iter().filter(|privilege| !have.contains(**privilege)) {
            missing.push(((*privilege).to_owned(), path.to_owned()));
        }
    };
    let on_image = acl_path(&image.storage);
    let have = held.on(&on_image);
    if image.url.is_some() {
        need(&on_image, &have, &["Datastore.AllocateTemplate"]);
        let node = format!("/nodes/{}", args.node);
        let root = held.on("/");
        let by_root = ["Sys.Audit", "Sys.Modify"]
            .iter()
            .all(|privilege| root.contains(*privilege));
        if !by_root {
            need(&node, &held.on(&node), &["Sys.AccessNetwork"]);
        }
    }
    if !VISIBLE_BY.iter().any(|privilege| have.contains(*privilege)) {
        need(&on_image, &have, &VISIBLE_BY[..1]);
    }
    let on_disk = acl_path(&args.storage);
    need(&on_disk, &held.on(&on_disk), &["Datastore.AllocateSpace"]);
    // An allocated VMID has no entry of its own.
    let vm = args
        .vmid
        .map_or_else(|| "/vms".to_owned(), |vmid| format!("/vms/{vmid}"));
    let mut have = match args.vmid {
        Some(_) => held.on(&vm),
        None => held.on("/vms/0"),
    };
    if let Some(pool) = &args.pool {
        have.extend(held.on(&format!("/pool/{pool}")));
    }
    need(&vm, &have, &CONFIGURE);
    if args.memory.is_some() {
        need(&vm, &have, &["VM.Config.Memory"]);
    }
    if let Some(old) = replaced {
        let old = format!("/vms/{old}");
        need(&old, &held.on(&old), &CONFIGURE[..1]);
    }
    for path in hardware
        .cards()
        .filter_map(|card| lacks_network(held, &card))
    {
        need(&path, &BTreeSet::new(), &["SDN.Use"]);
    }
    missing
}
