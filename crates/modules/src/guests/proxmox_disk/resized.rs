//! A disk that grows.

use std::collections::BTreeMap;

use ansible::Failure;
use pve::wire::Growth;
use serde_json::json;

use super::Subject;
use crate::guests::delta::Delta;
use crate::guests::single::Deed;
use crate::guests::steps::grow;

/// Of this size, or larger by that much.
pub(super) fn resized(size: &str, subject: &Subject<'_>) -> Result<Deed, Failure> {
    let (key, vmid) = (subject.key, subject.vm.vmid);
    let unable = |why: &str| subject.unable("resize", why);
    if subject.had().is_none() {
        return Err(subject.missing());
    }
    let growth = size
        .parse::<Growth>()
        .map_err(|error| unable(&error.to_string()))?;
    if subject.is_drive() {
        return Err(unable("it is a CD-ROM drive"));
    }
    let Some(now) = subject.have.disk_size(key) else {
        return Err(unable(&format!(
            "its size is not in the configuration; `qm disk rescan --vmid {vmid}` on {} writes it there",
            subject.vm.node
        )));
    };
    let sizes = BTreeMap::from([(key.to_owned(), growth.target(now))]);
    let mut delta = Delta::default();
    for (disk, from, to, step) in
        grow(&subject.vm.path(), subject.have, &sizes).map_err(|why| unable(&why))?
    {
        let told = |size: pve::wire::Size| json!(size.to_string());
        delta.show(&format!("{disk} size"), told(from), told(to));
        delta.then([step]);
    }
    Ok(if delta.steps.is_empty() {
        Deed::says(format!("Disk {key} is already {size} size"))
    } else {
        Deed::says(format!("Disk {key} resized in VM {vmid}")).does(delta)
    })
}
