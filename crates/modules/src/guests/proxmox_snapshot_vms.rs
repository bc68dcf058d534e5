//! `proxmox_snapshot_vms`: snapshots of guests, by `/nodes/{node}/{qemu,lxc}/{vmid}/snapshot`.

mod course;
mod stated;
mod told;
mod whole;

use std::collections::BTreeMap;

use ansible::{Args, Choice, Failure};
use pve::apply::Applied;
use pve::nodes::guest::Address;
use pve::nodes::snapshot::Snapshot;
use pve::plan::OnError;
use pve::{Cluster, Plan, Planned};
use serde_json::{Map, Value, json};

use super::power::{self, Item, Wish};
use super::proxmox_clone_vms::OnVmError;
use super::proxmox_start_vms::hold_templates;
use super::select::{Chosen, Selection};
use crate::connection::Connection;
use crate::fault;
use crate::job::{Job, Report, Task};
use course::{Course, Deed};

/// The options of `proxmox_snapshot_vms`.
#[derive(Args, Debug)]
#[args(
    required_if(key = "state", value = "present", all = ["snapshot"]),
    required_if(key = "state", value = "rollback", all = ["snapshot"]),
    required_if(key = "state", value = "absent", all = ["snapshot"]),
    required_if(key = "state", value = "pruned", all = ["prefix", "keep"]),
    required_together(["prefix", "keep"])
)]
pub struct SnapshotArgs {
    /// Where the API is.
    #[arg(flatten)]
    pub connection: Connection,
    /// Which guests.
    #[arg(flatten)]
    pub selection: Selection,
    /// What is done: V(present) takes a snapshot of each guest that has none of that name, V(absent) removes it,
    /// V(pruned) removes the oldest of those whose names begin with O(prefix), and V(rollback) brings each guest back to
    /// its snapshot.
    ///
    /// What a guest has become since its snapshot is lost with V(rollback), so this state takes guests by O(vms) or
    /// O(tags) only, and does nothing at all unless each of them has the snapshot.
    #[arg(default = "present")]
    pub state: State,
    /// The snapshot's name: a letter, and up to 39 more letters, digits, V(_) and V(-), one at least.
    pub snapshot: Option<String>,
    /// What the snapshot is said to be, with O(state=present). One that is there and is said to be something else is
    /// described anew; where this is not stated, its description stays.
    pub description: Option<String>,
    /// Whether the memory of VMs that run is kept with a new snapshot. A container has none to be kept.
    #[arg(default = false)]
    pub vmstate: bool,
    /// How many of each guest's snapshots that begin with O(prefix) are left: the newest ones.
    ///
    /// With O(state=present) the older ones go after the new one was taken, which is among those that are left.
    pub keep: Option<u32>,
    /// What the names of the snapshots begin with that O(keep) counts and removes. All others stay, those above all that
    /// were made by hand.
    pub prefix: Option<String>,
    /// Whether O(state=present) is all or none: when one snapshot fails, or the run is interrupted, no further one is
    /// begun, and those that this run has taken are removed again.
    ///
    /// Otherwise they stay, and the next run takes those that are missing.
    #[arg(default = false)]
    pub atomic: bool,
    /// Whether a guest runs after O(state=rollback), for which the server stops it. Where this is not stated, the guests
    /// run that ran before. A VM whose snapshot has its memory runs in any case.
    pub start: Option<bool>,
    /// How many seconds each guest may take. The time in which it waits for its turn does not count, nor that in which it
    /// is locked by another operation or starts after O(state=rollback), which may be 300 seconds each.
    #[arg(default = 3600)]
    pub timeout: u32,
    /// How many guests are worked on at a time.
    #[arg(default = 4)]
    pub parallel: u16,
    /// Whether further guests are begun after one has failed. With O(atomic=true) they never are.
    #[arg(default = "continue")]
    pub on_error: OnVmError,
}

/// What is done.
#[derive(Choice, Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The snapshot is there.
    Present,
    /// It is not.
    Absent,
    /// Only the newest ones are there.
    Pruned,
    /// The guest is as it was then.
    Rollback,
}

/// The module.
pub struct SnapshotVms;

crate::module!(SnapshotVms, "proxmox_snapshot_vms");

/// A guest, with what is done to it.
#[derive(Debug)]
pub struct Subject {
    item: Item,
    /// Its snapshots, the oldest first.
    known: Vec<Snapshot>,
    deeds: Vec<Deed>,
}

impl Job for SnapshotVms {
    type Args = SnapshotArgs;
    type Notes = Vec<Subject>;

    fn connection(args: &SnapshotArgs) -> &Connection {
        &args.connection
    }

    fn plan(
        task: &Task<'_, SnapshotArgs>,
        cluster: &Cluster,
    ) -> Result<Planned<Vec<Subject>>, Failure> {
        let args = task.args;
        power::hold_parallel(args.parallel)?;
        stated::hold(args)?;
        let chosen = match args.state {
            State::Present => args.selection.choose(cluster)?,
            _ => args.selection.choose_surely(cluster)?,
        };
        if args.state == State::Present {
            hold_templates(&chosen.guests, "snapshotted")?;
        }
        let known = read(cluster, &chosen)?;
        let (plan, subjects) = plan(args, chosen, known, cluster)?;
        Ok(Planned::Ready(plan, subjects))
    }

    fn report(
        task: &Task<'_, SnapshotArgs>,
        subjects: Vec<Subject>,
        _plan: &Plan,
        applied: Option<&Applied>,
        cluster: &Cluster,
    ) -> Report {
        let args = task.args;
        let wish = wish(args);
        let rows: Vec<Value> = subjects
            .iter()
            .map(|subject| told::row(args, &wish, subject, applied, cluster))
            .collect();
        let items = subjects.iter().map(|subject| &subject.item);
        Report {
            msg: Some(told::msg(task, &subjects, applied)),
            warnings: power::foreseen(&wish, items, applied),
            returns: Map::from_iter([("guests".to_owned(), json!(rows))]),
            ..Report::default()
        }
    }
}

impl SnapshotArgs {
    fn name(&self) -> &str {
        self.snapshot.as_deref().unwrap_or_default()
    }
}

/// The snapshots of each guest.
fn read(cluster: &Cluster, chosen: &Chosen) -> Result<BTreeMap<Address, Vec<Snapshot>>, Failure> {
    let addresses: Vec<Address> = chosen
        .guests
        .iter()
        .map(|guest| guest.address.clone())
        .collect();
    let answers = cluster.snapshots_of_each(&addresses);
    chosen
        .guests
        .iter()
        .zip(answers)
        .map(|(guest, answer)| {
            let snapshots = answer.map_err(|error| {
                let noun = guest.address.kind.noun();
                let what = format!("read the snapshots of {noun} `{}`", guest.label());
                fault::unable(&what, &error)
            })?;
            Ok((guest.address.clone(), snapshots))
        })
        .collect()
}

fn wish(args: &SnapshotArgs) -> Wish {
    Wish {
        verb: match args.state {
            State::Present => "take a snapshot of",
            State::Absent => "remove a snapshot of",
            State::Pruned => "remove snapshots of",
            State::Rollback => "roll back",
        },
        status: None,
        parallel: args.parallel,
        on_error: if args.atomic {
            OnError::Stop
        } else {
            args.on_error.into()
        },
    }
}

fn plan(
    args: &SnapshotArgs,
    chosen: Chosen,
    mut known: BTreeMap<Address, Vec<Snapshot>>,
    cluster: &Cluster,
) -> Result<(Plan, Vec<Subject>), Failure> {
    let (mut fates, mut rest) = (Vec::new(), Vec::new());
    for guest in &chosen.guests {
        let known = known.remove(&guest.address).unwrap_or_default();
        let Course { deeds, fate } = Course::of(args, guest, &known);
        fates.push(fate);
        rest.push((known, deeds));
    }
    if args.atomic || args.state == State::Rollback {
        let deeds = rest.iter().map(|(_, deeds)| deeds.as_slice());
        whole::hold(args, &chosen, &fates, deeds, cluster)?;
    }
    let (mut plan, items) = wish(args).plan(chosen, fates, &BTreeMap::new());
    let subjects: Vec<Subject> = items
        .into_iter()
        .zip(rest)
        .map(|(item, (known, deeds))| Subject { item, known, deeds })
        .collect();
    plan.atomic = args.atomic;
    let (before, after) = told::diff(args, &subjects);
    (plan.before, plan.after) = (before, after);
    plan.warnings.extend(told::without_memory(args, &subjects));
    Ok((plan, subjects))
}

#[cfg(test)]
mod tests;
