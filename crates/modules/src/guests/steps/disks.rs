//! The steps about a VM's disks: made, unlinked, moved. Growing is a matter of its
//! configuration.

use pve::nodes::guest::Address;
use pve::nodes::reach;
use pve::plan::{Probe, Verdict};
use pve::wire::{Kind, PropertyString};
use pve::{Call, Step};

use super::look;
use super::settled::settled;

/// Makes a disk: `value` asks for its volume. A disk that is there under this key is
/// detached by it; `had` is its value.
pub fn make_disk(vm: &Address, key: &str, value: &str, had: Option<&str>) -> Step {
    let call = Call::post(vm.path().join("config")).with(key, value);
    Step::task("create", "created", call).lost(look(replaced(vm, "qmconfig", key, had)))
}

/// Takes a disk out of the configuration. Its volume stays as `unusedN`; with `remove` it goes.
pub fn unlink_disk(vm: &Address, key: &str, remove: bool) -> Step {
    let call = Call::put(vm.path().join("unlink"))
        .with("idlist", key)
        .with("force", remove);
    let (verb, done) = if remove {
        ("remove", "removed")
    } else {
        ("detach", "detached")
    };
    let key = key.to_owned();
    let gone = Probe::get(vm.config(), move |answer| match answer {
        Ok(config) if config.get(&key).is_none() => Verdict::Holds(None),
        Ok(_) => Verdict::Absent,
        Err(error) => reach::not_yet(error),
    });
    Step::call(verb, done, call).lost(look(gone))
}

/// A disk that is to be moved to another storage.
#[derive(Clone, Copy, Debug)]
pub struct MoveDisk<'a> {
    /// Its VM.
    pub vm: &'a Address,
    /// Its key.
    pub key: &'a str,
    /// Its value now.
    pub had: &'a str,
    /// The storage that it is moved to.
    pub storage: &'a str,
    /// The format of the new volume, on a storage that has formats.
    pub format: Option<&'a str>,
    /// Whether the old volume goes. Otherwise it stays as `unusedN`.
    pub delete: bool,
    /// The most KiB in a second.
    pub limit: Option<u32>,
}

impl MoveDisk<'_> {
    /// The step that moves it.
    pub fn step(self) -> Step {
        let mut call = Call::post(self.vm.path().join("move_disk"))
            .with("disk", self.key)
            .with("storage", self.storage)
            .with_some("format", self.format)
            .with_some("bwlimit", self.limit);
        if self.delete {
            call = call.with("delete", true);
        }
        let moved = replaced(self.vm, TASK, self.key, Some(self.had));
        Step::task("move", "moved", call).lost(look(moved))
    }
}

/// Hands a disk over to another VM, under the key `to`.
pub fn give_disk(vm: &Address, key: &str, target: u32, to: &str) -> Step {
    let call = Call::post(vm.path().join("move_disk"))
        .with("disk", key)
        .with("target-vmid", target)
        .with("target-disk", to);
    let key = key.to_owned();
    let given = settled(&vm.path(), TASK, vm.config(), move |config| {
        match config.get(&key) {
            None => Verdict::Holds(None),
            Some(_) => Verdict::Absent,
        }
    });
    Step::task("move", "moved", call).lost(look(given))
}

/// The type of the task that moves a disk.
const TASK: &str = "qmmove";

/// Holds when the disk under this key has another volume than it had.
fn replaced(vm: &Address, task: &'static str, key: &str, had: Option<&str>) -> Probe {
    let had = had.and_then(|had| volume(key, had));
    let key = key.to_owned();
    settled(&vm.path(), task, vm.config(), move |config| {
        let now = config[&key].as_str().and_then(|now| volume(&key, now));
        if now.is_some() && now != had {
            Verdict::Holds(None)
        } else {
            Verdict::Absent
        }
    })
}

/// The volume of a disk.
fn volume(key: &str, value: &str) -> Option<String> {
    let disk = PropertyString::parse(Kind::of(key)?, value).ok()?;
    disk.get("file").map(str::to_owned)
}
