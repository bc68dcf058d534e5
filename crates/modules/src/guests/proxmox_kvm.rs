//! `proxmox_kvm`: a virtual machine, by `/nodes/{node}/qemu`.

use std::time::Duration;

use ansible::{Args, Choice, Failure};
use pve::apply::Applied;
use pve::{Cluster, Plan, Planned};

use super::kvm::making::Making;
use super::kvm::subject::Notes;
use super::kvm::wanted::Configuration;
use super::kvm::{cloned, created, moved, pending, states, updated};
use super::power::secs;
use crate::connection::{Connection, DropIn};
use crate::job::{BLOCKED_FOR, Job, Report, Task};

/// The options of `proxmox_kvm`.
#[derive(Args, Debug)]
#[args(
    required_one_of(["name", "vmid"]),
    required_if(key = "state", value = "present", all = ["node"]),
    mutually_exclusive(
        ["delete", "revert"],
        ["delete", "update"],
        ["revert", "update"],
        ["clone", "update"],
        ["clone", "delete"],
        ["clone", "revert"],
    )
)]
pub struct KvmArgs {
    /// Where the API is.
    #[arg(flatten)]
    pub connection: DropIn,
    /// The VM by its VMID. With O(clone), that of what is cloned.
    pub vmid: Option<u32>,
    /// The VM by its name, where O(vmid) is not given. With O(vmid) it is the name of a new VM, and the new name
    /// with O(update=true). With O(clone), the name of the clone.
    pub name: Option<String>,
    /// The node that a new VM is made on, or that O(migrate=true) moves the VM to. A VM that is there is found
    /// wherever it is.
    pub node: Option<String>,
    /// What the VM shall be: there (V(present)) or not there (V(absent)), running (V(started)) or shut down
    /// (V(stopped)), rebooted (V(restarted)), halted in memory (V(paused)) or on disk (V(hibernated)), a template
    /// (V(template)). V(current) only tells what it does.
    #[arg(default = "present")]
    pub state: State,
    /// How many seconds it may take where this is stated; a guest has as many to shut down, and a lock to pass.
    /// Otherwise it is waited for as long as it takes, up to four hours, and for a lock a minute.
    #[arg(default = 30)]
    pub timeout: u32,
    /// Whether the VM may be stopped the hard way: with O(state=stopped) after O(timeout), with O(state=restarted) by
    /// its reset button, with O(state=absent) and O(state=template) before it is removed or converted. With
    /// O(archive), whether the VM that has O(vmid) is overwritten.
    pub force: Option<bool>,
    /// The digest that the configuration must still have when a change begins to be written.
    pub digest: Option<String>,
    /// Whether locks are ignored by O(update=true). Only root@pam, logged in with its password, may do that.
    pub skiplock: Option<bool>,
    /// How it is changed.
    #[arg(flatten)]
    pub changing: Changing,
    /// How it is removed.
    #[arg(flatten)]
    pub removal: Removal,
    /// How it is moved.
    #[arg(flatten)]
    pub migration: Migration,
    /// How it is made.
    #[arg(flatten)]
    pub making: Making,
    /// Its configuration.
    #[arg(flatten)]
    pub configuration: Configuration,
}

/// What the VM shall be.
#[derive(Choice, Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// There.
    Present,
    /// Not there.
    Absent,
    /// Shut down.
    Stopped,
    /// Running.
    Started,
    /// Rebooted.
    Restarted,
    /// As it is.
    Current,
    /// A template.
    Template,
    /// Halted in memory.
    Paused,
    /// Halted on disk.
    Hibernated,
}

/// How a VM that is there is changed.
#[expect(
    clippy::doc_markdown,
    reason = "doc comments of options are in the markup of ansible-doc"
)]
#[derive(Args, Debug, Default)]
pub struct Changing {
    /// Whether a VM that is there is brought to the stated configuration. What is not stated is kept, and only what
    /// differs is written. Disks and shared directories are left as they are without
    /// O(update_unsafe).
    #[arg(default = false)]
    pub update: bool,
    /// Whether O(update=true) also adds disks, grows them to larger sizes, and changes their options, what is in a
    /// drive, and shared directories. A volume is never replaced by another one.
    #[arg(default = false)]
    pub update_unsafe: bool,
    /// Settings that are removed, with commas in between. A disk is detached and kept as C(unusedN).
    pub delete: Option<String>,
    /// Settings, with commas in between, whose values that wait for the next boot are dropped.
    pub revert: Option<String>,
}

/// How a VM is removed.
#[derive(Args, Debug, Default)]
pub struct Removal {
    /// Whether O(state=absent) also takes the VM out of backup jobs, replication and the HA manager.
    #[arg(default = false)]
    pub purge: bool,
    /// Whether O(state=absent) also removes volumes that bear the VMID and stand in no configuration.
    #[arg(default = false)]
    pub destroy_unreferenced_disks: bool,
}

/// How a VM is moved.
#[derive(Args, Debug, Default)]
pub struct Migration {
    /// Whether the VM is moved to O(node), while it runs if it does.
    #[arg(default = false)]
    pub migrate: bool,
    /// Whether O(migrate=true) copies disks of storages that are not shared.
    #[arg(default = false)]
    pub with_local_disks: bool,
}

/// The module.
pub struct Kvm;

crate::module!(Kvm, "proxmox_kvm");

impl Job for Kvm {
    type Args = KvmArgs;
    type Notes = Notes;

    fn connection(args: &KvmArgs) -> &Connection {
        &args.connection.connection
    }

    /// What is deleted, reverted and migrated comes before the state, as it does with community.proxmox.
    fn plan(task: &Task<'_, KvmArgs>, cluster: &Cluster) -> Result<Planned<Notes>, Failure> {
        let args = task.args;
        if let Some(settings) = &args.changing.delete {
            return pending::delete(task, settings, cluster);
        }
        if let Some(settings) = &args.changing.revert {
            return pending::revert(task, settings, cluster);
        }
        if args.migration.migrate {
            return moved::plan(task, cluster);
        }
        match (args.state, &args.making.clone) {
            (State::Present, Some(source)) => cloned::plan(task, source, cluster),
            (State::Present, None) if args.changing.update => updated::plan(task, cluster),
            (State::Present, None) => created::plan(task, cluster),
            (State::Absent, _) => states::absent(task, cluster),
            _ => states::plan(task, cluster),
        }
    }

    fn report(
        _task: &Task<'_, KvmArgs>,
        notes: Notes,
        _plan: &Plan,
        applied: Option<&Applied>,
        cluster: &Cluster,
    ) -> Report {
        let waiting = notes.waiting(applied, cluster);
        let mut report: Report = match notes.made {
            Some(made) => made.report(applied, cluster),
            None => notes.told.into(),
        };
        report.warnings.extend(waiting);
        report
    }

    fn patience(task: &Task<'_, KvmArgs>) -> Duration {
        if task.context.given("timeout") {
            secs(task.args.timeout)
        } else {
            BLOCKED_FOR
        }
    }
}
