//! The VM that the task is about, and what the result says of it.

use ansible::Failure;
use pve::cluster::resources::Resources;
use pve::nodes::guest::{Address, GuestKind};
use pve::plan::{Probe, Verdict};
use pve::{Call, Planned};

use super::created::Made;
use crate::guests::config::Unwantable;
use crate::guests::held;
use crate::guests::proxmox_kvm::KvmArgs;
use crate::guests::single::{self, Deed, Named, patience};
use crate::job::Task;

/// The kinds of guests that the module is about.
pub const VMS: &[GuestKind] = &[GuestKind::Qemu];

/// What the report needs to know.
pub type Notes = single::Notes<Made>;

/// How the task names its VM.
pub fn named(args: &KvmArgs) -> Result<Named, Failure> {
    Named::of(args.vmid, args.name.as_deref(), VMS)
        .ok_or_else(|| Failure::new("one of the following is required: name, vmid"))
}

/// The plan of a deed about a VM that is there. A lock is waited for before anything is written.
pub fn planned(
    task: &Task<'_, KvmArgs>,
    deed: Deed,
    address: &Address,
    label: &str,
    lock: Option<&str>,
) -> Planned<Notes> {
    let writes = deed.delta.steps.iter().any(|step| step.call.is_some());
    if let Some(lock) = lock.filter(|_| writes) {
        return Planned::Blocked {
            until: unlocked(address),
            why: format!("VM `{label}`: {}", held::by_lock(address, lock)),
        };
    }
    let limit = deed
        .limit
        .unwrap_or_else(|| patience(task.context, task.args.timeout));
    deed.within(limit).planned(address, label).map(Notes::of)
}

fn unlocked(address: &Address) -> Probe {
    let call = Call::get(address.path().join("config"));
    Probe::get(call, |answer| match answer {
        Ok(config) => match config["lock"].as_str() {
            Some(lock) => Verdict::NotYet(format!("it is locked ({lock})")),
            None => Verdict::Holds(None),
        },
        // It has gone, or elsewhere: the next plan tells.
        Err(_) => Verdict::Holds(None),
    })
}

/// A node of this name, or the words that playbooks know.
pub fn hold_node(resources: &Resources, node: &str) -> Result<(), Failure> {
    if !resources.nodes.iter().any(|known| known.node == node) {
        return Err(Failure::new(format!(
            "node '{node}' does not exist in cluster"
        )));
    }
    if !resources.is_online(node) {
        return Err(Failure::new(format!("the node {node} is offline")));
    }
    Ok(())
}

/// Of these keys, those that only root@pam may set.
pub fn of_root<'a>(keys: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    keys.filter(|key| matches!(*key, "args" | "lock")).collect()
}

/// What cannot be wanted, as the failure of a task.
pub fn unwanted(verb: &str, label: &str, error: &Unwantable) -> Failure {
    Failure::new(format!("unable to {verb} VM `{label}`: {error}"))
}
