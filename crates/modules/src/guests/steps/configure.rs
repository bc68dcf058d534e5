//! The steps that bring a guest to its configuration, its disks to their sizes,
//! and the guest into its pool.

use std::collections::BTreeMap;

use pve::nodes::guest::GuestKind;
use pve::nodes::reach;
use pve::plan::{Bind, Probe, Verdict};
use pve::wire::Size;
use pve::{Call, Error, Param, Path, Step, path};

use crate::guests::config::{Change, Config, merged};

/// Writes what differs.
pub fn configure(vm: &Path, change: &Change) -> Option<Step> {
    (!change.is_empty()).then(|| Step::call("configure", "configured", change.call(vm)))
}

/// The name that a value is bound to which can only be told from the VM itself.
const OWN: &str = "own";

/// Writes a key of a new clone, merged with the value that the clone has of its own.
pub fn adapt(vm: &Path, key: &str, wanted: &str) -> [Step; 2] {
    let config = vm.join("config");
    let write = Call::put(config.clone()).with(key, Param::Bound(OWN));
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
        Step::call("configure", "configured", write),
    ]
}

/// Grows disks to their wanted sizes; a disk that is larger than wanted is an error.
pub fn grow(
    vm: &Path,
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
            let call = Call::put(vm.join("resize"))
                .with("disk", disk)
                .with("size", wanted.to_string());
            let step = Step::task("resize", "resized", call);
            steps.push((disk.clone(), size, *wanted, step));
        }
    }
    Ok(steps)
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
