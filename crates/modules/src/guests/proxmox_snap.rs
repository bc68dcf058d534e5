//! `proxmox_snap`: one snapshot of a guest, by `/nodes/{node}/{qemu,lxc}/{vmid}/snapshot`.

mod unbind;

use ansible::{Args, Choice, Failure};
use pve::apply::Applied;
use pve::nodes::guest::{Address, GuestKind};
use pve::nodes::snapshot::{self, CURRENT};
use pve::plan::VMID;
use pve::{Cluster, Plan, Planned, Track};
use serde_json::{Value, json};

use super::held;
use super::power::NODE;
use super::proxmox_snap_info::named;
use super::single::{One, patience};
use super::snapshots::{hold_name, oldest};
use super::steps::{Take, remove_snapshot, roll_back};
use crate::connection::{Connection, DropIn};
use crate::fault;
use crate::job::{Job, Report, Task};
use unbind::Unbound;

/// The options of `proxmox_snap`.
#[derive(Args, Debug)]
#[args(required_if(key = "unbind", value = true, all = ["api_password"]))]
pub struct SnapArgs {
    /// Where the API is.
    #[arg(flatten)]
    pub connection: DropIn,
    /// The guest's VMID. It counts where O(hostname) is stated as well.
    pub vmid: Option<String>,
    /// The guest's name.
    pub hostname: Option<String>,
    /// Whether the snapshot is there. V(rollback) brings the guest back to it.
    #[arg(default = "present")]
    pub state: State,
    /// The snapshot's name.
    #[arg(default = "ansible_snap")]
    pub snapname: String,
    /// What a new snapshot is said to be. That of one that is there stays.
    pub description: Option<String>,
    /// Whether the memory of a running VM is kept with a new snapshot. A container has none to be kept.
    #[arg(default = false)]
    pub vmstate: bool,
    /// With O(state=absent), whether the snapshot goes from the configuration even where its volumes cannot be removed.
    #[arg(default = false)]
    pub force: bool,
    /// Whether the mount points of a container are taken off for the snapshot, as one with bind mounts has none
    /// otherwise. A container that runs is shut down before, and started after.
    ///
    /// The server gives bind mounts to C(root@pam) with a password only.
    #[arg(default = false)]
    pub unbind: bool,
    /// How many snapshots are left when a new one was taken: the oldest go. V(0) leaves all.
    #[arg(default = 0)]
    pub retention: u32,
    /// How many seconds the task may take. It counts only where it is stated: the default is that of
    /// community.proxmox, and too short for a large memory or disk. The shutdown of a container is given 60 seconds, or
    /// as many as are stated here.
    #[arg(default = 30)]
    pub timeout: u32,
}

/// What there shall be.
#[derive(Choice, Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The snapshot is there.
    Present,
    /// It is not.
    Absent,
    /// The guest is as it was then.
    Rollback,
}

/// The module.
pub struct ProxmoxSnap;

crate::module!(ProxmoxSnap, "proxmox_snap");

/// What the result says, and what is lost with a container that is left without its mount points.
#[derive(Debug, Default)]
pub struct Notes {
    msg: String,
    unbound: Option<Unbound>,
}

impl Job for ProxmoxSnap {
    type Args = SnapArgs;
    type Notes = Notes;

    fn connection(args: &SnapArgs) -> &Connection {
        &args.connection.connection
    }

    fn plan(task: &Task<'_, SnapArgs>, cluster: &Cluster) -> Result<Planned<Notes>, Failure> {
        let args = task.args;
        if args.state == State::Present {
            hold_name("snapname", &args.snapname)?;
        }
        let Some(named) = named(args.vmid.as_deref(), args.hostname.as_deref())? else {
            let state = args.state.name();
            let msg = format!("Vmid could not be fetched for the following action: {state}");
            let notes = Notes { msg, unbound: None };
            return Ok(Planned::Ready(Plan::default(), notes));
        };
        let sought = named.certain(cluster)?;
        let listed = sought.guest.as_ref().and_then(|guest| {
            let vmid = guest.address.vmid;
            sought.resources.guest(vmid).cloned()
        });
        let guest = sought.there(&named, cluster)?;
        let snapshots = cluster.snapshots(&guest.address).map_err(|error| {
            let noun = guest.address.kind.noun();
            let what = format!("read the snapshots of {noun} `{}`", guest.label());
            fault::unable(&what, &error)
        })?;
        let known: Vec<String> = snapshots
            .iter()
            .map(snapshot::name)
            .filter(|name| name != CURRENT)
            .collect();
        let is_there = known.contains(&args.snapname);
        if args.state == State::Present && !is_there {
            held::hold_snapshot(listed.as_ref(), &guest.label())?;
        }
        let unbound = if args.state == State::Present
            && args.unbind
            && !is_there
            && guest.address.kind == GuestKind::Lxc
        {
            let seconds = task.context.given("timeout").then_some(args.timeout);
            Unbound::read(cluster, &guest, seconds)?
        } else {
            None
        };
        let mut track = track(&guest);
        track.limit = Some(patience(task.context, args.timeout));
        let (plan, notes) = plan(args, track, &guest.address, &known, unbound.as_ref())?;
        let msg = if task.context.check_mode {
            notes.1
        } else {
            notes.0
        };
        Ok(Planned::Ready(plan, Notes { msg, unbound }))
    }

    fn report(
        _task: &Task<'_, SnapArgs>,
        notes: Notes,
        _plan: &Plan,
        applied: Option<&Applied>,
        cluster: &Cluster,
    ) -> Report {
        let trouble = applied.is_some_and(|applied| !applied.succeeded());
        Report {
            msg: Some(notes.msg),
            missing: notes
                .unbound
                .filter(|_| trouble)
                .and_then(|unbound| unbound.missing(cluster)),
            ..Report::default()
        }
    }
}

fn track(guest: &One<()>) -> Track {
    let address = &guest.address;
    let mut track = Track::new(address.kind.noun(), guest.label(), Vec::new());
    track.bindings.insert(VMID, address.vmid.to_string());
    track.bindings.insert(NODE, address.node.clone());
    track
}

/// The plan, and what is said of it when it is done and when it would be.
fn plan(
    args: &SnapArgs,
    mut track: Track,
    address: &Address,
    names: &[String],
    unbound: Option<&Unbound>,
) -> Result<(Plan, (String, String)), Failure> {
    let name = &args.snapname;
    let path = address.path();
    let is_there = names.contains(name);
    let says = |did: &str, would: &str| {
        (
            format!("Snapshot {name} {did}"),
            format!("Snapshot {name} would be {would}"),
        )
    };
    let unchanged = |what: &str| {
        let msg = format!("Snapshot {name} {what}");
        Ok((Plan::default(), (msg.clone(), msg)))
    };
    let mut plan = Plan::default();
    let mut after: Vec<&String> = names.iter().collect();
    let notes = match (args.state, is_there) {
        (State::Present, true) => return unchanged("is already present"),
        (State::Absent, false) => return unchanged("does not exist"),
        (State::Rollback, false) => {
            return Err(Failure::new(format!("Snapshot {name} does not exist")));
        }
        (State::Present, false) => {
            if args.vmstate && address.kind == GuestKind::Lxc {
                plan.warnings
                    .push("vmstate has no meaning for a container".to_owned());
            }
            let take = Take {
                name,
                description: args.description.as_deref(),
                vmstate: args.vmstate && address.kind == GuestKind::Qemu,
            };
            let outdated = outdated(names, args.retention);
            let prune = outdated
                .iter()
                .map(|name| remove_snapshot(&path, name, false));
            match unbound {
                Some(unbound) => {
                    plan.notices.push(unbound.notice(&track.id));
                    track.steps.extend(unbound.take_off());
                    track.steps.push(take.step(&path));
                    track.steps.extend(unbound.put_back());
                    track.rescue = unbound.put_back();
                }
                None => track.steps.push(take.step(&path)),
            }
            track.steps.extend(prune);
            after.push(name);
            after.retain(|name| !outdated.contains(name));
            says("created", "created")
        }
        (State::Absent, true) => {
            track.steps.push(remove_snapshot(&path, name, args.force));
            after.retain(|known| *known != name);
            says("removed", "removed")
        }
        (State::Rollback, true) => {
            track.steps.push(roll_back(address, name, false));
            says("rolled back", "rolled back")
        }
    };
    plan.before = json!({"snapshots": names});
    plan.after = json!({"snapshots": after});
    if args.state == State::Rollback {
        plan.after["rolled_back_to"] = Value::from(name.as_str());
    }
    plan.tracks.push(track);
    Ok((plan, notes))
}

/// The oldest snapshots, that so many are left with the one that is new.
fn outdated(names: &[String], retention: u32) -> &[String] {
    match retention {
        0 => &[],
        retention => oldest(names, retention - 1),
    }
}

#[cfg(test)]
mod tests;
