//! A disk that grows.

use std::collections::BTreeMap;

use ansible::Failure;
use pve::Cluster;
use pve::wire::Growth;
use serde_json::json;

use super::Subject;
use crate::guests::config::Config;
use crate::guests::delta::Delta;
use crate::guests::disks::sized_as_now;
use crate::guests::single::Deed;
use crate::guests::steps::grow;

/// Of this size, or larger by that much.
pub(super) fn resized(
    size: &str,
    subject: &Subject<'_>,
    cluster: &Cluster,
) -> Result<Deed, Failure> {
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
    let target = |have: &Config| have.disk_size(key).map(|now| (now, growth.target(now)));
    let mut have = subject.have.clone();
    if target(&have).is_some_and(|(now, target)| target > now) {
        have = sized_as_now(have, subject.vm, cluster)?;
    }
    let Some((_, target)) = target(&have) else {
        return Err(unable(&format!(
            "its size is not in the configuration; `qm disk rescan --vmid {vmid}` on {} writes it there",
            subject.vm.node
        )));
    };
    let sizes = BTreeMap::from([(key.to_owned(), target)]);
    let mut delta = Delta::default();
    for (disk, from, to, step) in
        grow(&subject.vm.path(), &have, &sizes).map_err(|why| unable(&why))?
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
