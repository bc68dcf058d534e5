//! The steps that bring a guest to its configuration, its disks to their sizes,
//! and the guest into its pool.

use std::collections::BTreeMap;

use pve::nodes::guest::GuestKind;
use pve::nodes::reach;
use pve::plan::{Bind, Probe, Verdict};
use pve::wire::{Kind, PropertyString, Size, holds};
use pve::{Call, Error, Param, Path, Step, Verb, path};
use serde_json::Value;

use super::look;
use super::settled::{configured, settled};
use crate::guests::config::{Change, Config, allocates, merged};

/// Writes what differs. Where that makes volumes or MACs, a lost answer is looked up: written again, it would make
/// others.
pub fn configure(guest: &Path, change: &Change) -> Option<Step> {
    if change.is_empty() {
        return None;
    }
    let call = change.call(guest);
    if change.generating().next().is_none() {
        return Some(Step::call("configure", "configured", call));
    }
    let change = change.clone();
    Some(making(guest, call, move |config| {
        is_written(&change, config)
    }))
}

/// A write that makes something new; by `POST`, a task does it.
fn making(
    guest: &Path,
    call: Call,
    judge: impl Fn(&Value) -> Verdict + Send + Sync + 'static,
) -> Step {
    let step = if call.verb == Verb::Post {
        Step::task("configure", "configured", call)
    } else {
        Step::call("configure", "configured", call)
    };
    step.lost(look(configured(guest, judge)))
}

/// Whether a change is what a configuration has by now. None of what it makes was there before.
fn is_written(change: &Change, config: &Value) -> Verdict {
    let config = Config::from_config(config);
    let kind = config.kind();
    let is = |key: &str, value: &Param| match value {
        Param::Text(text) => holds(kind, key, config.get(key), text),
        Param::Secret(_) | Param::Bound(_) => config.get(key).is_some(),
    };
    let mut made = change.generating().map(|(key, value)| {
        let is_there = config.get(key).is_some();
        is_there && holds(kind, key, config.get(key), value)
    });
    if !made.any(|made| made) {
        return Verdict::Absent;
    }
    // A new drive enters the boot order by itself.
    let missing = change
        .set
        .iter()
        .filter(|(key, value)| key != "boot" && !is(key, value))
        .map(|(key, _)| key.as_str());
    let left = change
        .delete
        .iter()
        .map(String::as_str)
        .filter(|key| config.get(key).is_some());
    let rest: Vec<&str> = missing.chain(left).collect();
    if rest.is_empty() {
        return Verdict::Holds(None);
    }
    Verdict::Never(Error::Never(format!(
        "the answer to it was lost, and only a part of it is done; run the task again for the rest ({})",
        rest.join(", ")
    )))
}

/// The name that a value is bound to which can only be told from the VM itself.
const OWN: &str = "own";

/// Writes a key of a new clone, merged with the value that the clone has of its own.
pub fn adapt(vm: &Path, key: &str, wanted: &str) -> [Step; 2] {
    let config = vm.join("config");
    let write = if allocates(key, wanted) {
        let call = Call::post(config.clone()).with(key, Param::Bound(OWN));
        let (key, wanted) = (key.to_owned(), wanted.to_owned());
        making(vm, call, move |config| {
            if holds(GuestKind::Qemu, &key, config[&key].as_str(), &wanted) {
                Verdict::Holds(None)
            } else {
                Verdict::Absent
            }
        })
    } else {
        let call = Call::put(config.clone()).with(key, Param::Bound(OWN));
        Step::call("configure", "configured", call)
    };
    let (key, wanted) = (key.to_owned(), wanted.to_owned());
    let own = Probe::get(Call::get(config), move |answer| match answer {
        Ok(config) => match merged(GuestKind::Qemu, &key, config[&key].as_str(), &wanted) {
            Ok(value) => Verdict::Holds(Some(value)),
            Err(error) => Verdict::Never(Error::Never(error.to_string())),
        },
        Err(error) => reach::not_yet(error),
    });
    [
        Step::wait("look at", "looked at", own).binds(Bind::Probe { name: OWN }),
        write,
    ]
}

/// Grows disks to their wanted sizes; a disk that is larger than wanted is an error.
pub fn grow(
    guest: &Path,
    have: &Config,
    sizes: &BTreeMap<String, Size>,
) -> Result<Vec<(String, Size, Size, Step)>, String> {
    let mut steps = Vec::new();
    for (disk, wanted) in sizes {
        let Some(size) = have.disk_size(disk) else {
            return Err(format!("there is no disk {disk} to grow"));
        };
        if *wanted < size {
            return Err(format!(
                "{disk} is {size}, and disks cannot shrink to {wanted}"
            ));
        }
        if *wanted > size {
            steps.push((disk.clone(), size, *wanted, grown(guest, disk, *wanted)));
        }
    }
    Ok(steps)
}

/// Grows one disk. The server refuses to grow a container's disk to the size that it has: a lost answer is looked up.
fn grown(guest: &Path, disk: &str, wanted: Size) -> Step {
    let call = Call::put(guest.join("resize"))
        .with("disk", disk)
        .with("size", wanted.to_string());
    let disk = disk.to_owned();
    // What waits for the next boot may tell the size that the disk had.
    let current = Call::get(guest.join("config")).with("current", true);
    let has_size = settled(guest, "resize", current, move |config| {
        let size = config[&disk]
            .as_str()
            .zip(Kind::of(&disk))
            .and_then(|(value, kind)| PropertyString::parse(kind, value).ok()?.size());
        match size {
            Some(size) if size >= wanted => Verdict::Holds(None),
            Some(_) | None => Verdict::Absent,
        }
    });
    Step::task("resize", "resized", call).lost(look(has_size))
}

/// Moves a VM into a pool.
pub fn enter_pool(pool: &str, vmid: u32) -> Step {
    let call = Call::put(path!("pools"))
        .with("poolid", pool)
        .with("vms", vmid)
        .with("allow-move", true);
    // Pools are part of user.cfg, which is locked in the whole cluster.
    Step::call("move to its pool", "moved to its pool", call).claims("user.cfg", 1)
}

#[cfg(test)]
mod tests {
    use pve::plan::Verdict;
    use pve::wire::password::Compared;
    use serde_json::json;

    use super::is_written;
    use crate::guests::config::{Config, Want, Wanted, change};

    #[test]
    fn after_a_lost_answer_the_configuration_tells_what_was_made() {
        let have = Config::from_config(&json!({"cores": 2, "tags": "a"}));
        let wanted: Wanted = [
            ("cores", "4"),
            ("tags", ""),
            ("scsi1", "ceph:2"),
            ("ide2", "ceph:cloudinit"),
            ("boot", "order=scsi1"),
        ]
        .map(|(key, value)| (key.to_owned(), Want::Text(value.to_owned())))
        .into();
        let change = change(&have, &wanted, Compared::Same).unwrap();
        let (disk, drive) = (
            "ceph:vm-101-disk-1,size=2G",
            "ceph:vm-101-cloudinit,media=cdrom,size=4M",
        );
        for (config, expected) in [
            (json!({"cores": 2, "tags": "a"}), "absent"),
            (json!({"cores": 4}), "absent"),
            (
                json!({"cores": 4, "scsi1": disk, "ide2": drive, "boot": "order=scsi1;ide2"}),
                "holds",
            ),
            (
                json!({"cores": 2, "scsi1": disk, "ide2": drive}),
                "run the task again for the rest (cores)",
            ),
            (
                json!({"cores": 4, "tags": "a", "scsi1": disk}),
                "run the task again for the rest (ide2, tags)",
            ),
        ] {
            let told = match is_written(&change, &config) {
                Verdict::Holds(_) => "holds".to_owned(),
                Verdict::Absent => "absent".to_owned(),
                Verdict::Never(error) => error.to_string(),
                Verdict::NotYet(why) => why,
            };
            assert!(told.ends_with(expected), "{config}: {told}");
        }
    }
}
