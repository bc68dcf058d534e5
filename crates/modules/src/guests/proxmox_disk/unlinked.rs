//! A disk that leaves its VM, with its volume or without.

use ansible::Failure;
use serde_json::{Value, json};

use super::Subject;
use crate::guests::delta::Delta;
use crate::guests::held;
use crate::guests::single::Deed;
use crate::guests::steps::unlink_disk;

/// Out of the VM, as `unusedN`.
pub(super) fn detached(subject: &Subject<'_>) -> Result<Deed, Failure> {
    let (key, vmid) = (subject.key, subject.vm.vmid);
    if key.starts_with("unused") {
        return Ok(Deed::says(format!(
            "Disk {key} already detached in VM {vmid}"
        )));
    }
    Ok(match subject.had() {
        None => Deed::says(format!("Disk {key} not present in VM {vmid} config")),
        Some(had) => Deed::says(format!("Disk {key} detached from VM {vmid}"))
            .does(unlinked(subject, had, false)?),
    })
}

/// Gone for good.
pub(super) fn absent(subject: &Subject<'_>) -> Result<Deed, Failure> {
    let (key, vmid) = (subject.key, subject.vm.vmid);
    Ok(match subject.had() {
        None => Deed::says(format!("Disk {key} is already absent in VM {vmid}")),
        Some(had) => Deed::says(format!("Disk {key} removed from VM {vmid}"))
            .does(unlinked(subject, had, true)?),
    })
}

fn unlinked(subject: &Subject<'_>, had: &str, remove: bool) -> Result<Delta, Failure> {
    if let Some(why) = held::by_protection_of(subject.vm, subject.have, [subject.key]) {
        return Err(subject.unable("remove", why));
    }
    let mut delta = Delta::default();
    delta.show(subject.key, json!(had), Value::Null);
    delta.then([unlink_disk(subject.vm, subject.key, remove)]);
    Ok(delta)
}
