//! A disk that goes to another storage, or to another VM.

use ansible::Failure;
use pve::Cluster;
use pve::cluster::resources::Resources;
use pve::nodes::guest::GuestKind;
use pve::wire::PropertyString;
use serde_json::{Value, json};

use super::{DiskArgs, Moving, Subject, key};
use crate::guests::config::Config;
use crate::guests::delta::Delta;
use crate::guests::disks::{format_of, has_format};
use crate::guests::single::{Deed, vm};
use crate::guests::steps::{MoveDisk, give_disk};

/// Refuses a task that does not say where to.
pub(super) fn hold_target(moving: &Moving) -> Result<(), Failure> {
    if moving.target_storage.is_none() && moving.target_vmid.is_none() {
        return Err(Failure::new(
            "state is moved but any of the following are missing: target_storage, target_vmid",
        ));
    }
    match &moving.target_disk {
        Some(disk) => key::hold("target_disk", disk),
        None => Ok(()),
    }
}

/// On the storage, or at the VM, that the task names.
pub(super) fn moved(
    args: &DiskArgs,
    subject: &Subject<'_>,
    cluster: &Cluster,
    resources: &Resources,
) -> Result<Deed, Failure> {
    match (&args.moving.target_storage, args.moving.target_vmid) {
        (Some(storage), _) => to_storage(args, subject, storage),
        (None, Some(target)) => to_vm(args, subject, target, cluster, resources),
        (None, None) => hold_target(&args.moving).map(|()| Deed::default()),
    }
}

fn to_storage(args: &DiskArgs, subject: &Subject<'_>, storage: &str) -> Result<Deed, Failure> {
    let had = there(subject)?;
    let parts = subject.parts();
    let volume = parts
        .as_ref()
        .and_then(|parts| parts.get("file"))
        .unwrap_or_default();
    let is_there = storage_of(subject) == Some(storage.to_owned());
    let format = args.drive.format.as_deref();
    let other = format.filter(|format| *format != format_of(volume));
    match other {
        None if is_there => {
            let key = subject.key;
            return Ok(Deed::says(format!(
                "Disk {key} already at {storage} storage"
            )));
        }
        Some(format) if is_there && !has_format(volume) => {
            let why = format!(
                "it is on {storage} already, and {volume} is not converted there to {format}: the server converts a \
                 volume within its storage where the name has a format, such as vm-100-disk-0.raw; move it to \
                 another storage and back"
            );
            return Err(subject.unable("move", why));
        }
        _ => {}
    }
    let step = MoveDisk {
        vm: subject.vm,
        key: subject.key,
        had,
        storage,
        format,
        delete: args.moving.delete_moved == Some(true),
        limit: args.moving.bwlimit,
    };
    let mut delta = Delta::default();
    let name = format!("{} storage", subject.key);
    if is_there {
        let name = format!("{} format", subject.key);
        delta.show(&name, json!(format_of(volume)), json!(other));
    } else {
        delta.show(&name, json!(storage_of(subject)), json!(storage));
    }
    delta.then([step.step()]);
    Ok(told(subject).does(delta))
}

fn to_vm(
    args: &DiskArgs,
    subject: &Subject<'_>,
    target: u32,
    cluster: &Cluster,
    resources: &Resources,
) -> Result<Deed, Failure> {
    let (key, named) = (subject.key, vm(Some(target), None)?);
    let to = args.moving.target_disk.as_deref().unwrap_or(key);
    if subject.had().is_none() {
        let taker = named.config(cluster)?.there(&named, cluster)?;
        return match Config::from_config(&taker.read).get(to) {
            Some(_) => Ok(Deed::says(format!(
                "Disk {key} already at VM {target} as {to}"
            ))),
            None => Err(subject.missing()),
        };
    }
    let had = there(subject)?;
    let is_vm = |kind: GuestKind| kind == GuestKind::Qemu;
    if !resources
        .guest(target)
        .is_some_and(|guest| is_vm(guest.address.kind))
    {
        return Err(named.missing(cluster, resources));
    }
    let mut delta = Delta::default();
    delta.show(key, json!(had), Value::Null);
    delta.show(&format!("{to} of VM {target}"), Value::Null, json!(had));
    delta.then([give_disk(subject.vm, key, target, to)]);
    Ok(told(subject).does(delta))
}

/// The value of a disk that is there and may be moved.
fn there<'a>(subject: &'a Subject<'_>) -> Result<&'a str, Failure> {
    let had = subject.had().ok_or_else(|| subject.missing())?;
    if subject.is_drive() {
        return Err(subject.unable("move", "it is a CD-ROM drive"));
    }
    Ok(had)
}

fn told(subject: &Subject<'_>) -> Deed {
    let storage = storage_of(subject).unwrap_or_else(|| "None".to_owned());
    Deed::says(format!(
        "Disk {} moved from VM {} storage {storage}",
        subject.key, subject.vm.vmid
    ))
}

fn storage_of(subject: &Subject<'_>) -> Option<String> {
    let parts: PropertyString = subject.parts()?;
    parts.storage().map(str::to_owned)
}
