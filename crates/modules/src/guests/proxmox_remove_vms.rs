//! `proxmox_remove_vms`: removes guests, by DELETE `/nodes/{node}/{qemu,lxc}/{vmid}`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

use ansible::{Args, Choice, Failure};
use pve::apply::Applied;
use pve::guests::GuestRef;
use pve::nodes::guest::{Address, Status};
use pve::{Cluster, Plan, Planned, Step};
use serde_json::{Map, Value, json};

use super::config::Config;
use super::held;
use super::linked;
use super::order;
use super::power::{self, Fate, GONE, Item, Wish};
use super::proxmox_clone_vms::OnVmError;
use super::select::{Chosen, Guest, Pointed};
use super::steps::{self, HARD_STOP, Remove, ShutDown};
use super::volumes;
use crate::connection::Connection;
use crate::job::{Job, Report, Task};

/// How long a removal may take: some storages wipe what they free.
const REMOVAL: Duration = Duration::from_secs(3600);

/// The options of `proxmox_remove_vms`.
#[derive(Args, Debug)]
pub struct RemoveArgs {
    /// Where the API is.
    #[arg(flatten)]
    pub connection: Connection,
    /// Which guests.
    #[arg(flatten)]
    pub selection: Pointed,
    /// What happens to a guest that runs: V(none) leaves it alone, which is a failure; V(graceful) shuts it down
    /// first, and removes nothing when it does not shut down within O(timeout); V(stop) stops it the hard way, as
    /// if its power were cut.
    #[arg(default = "none")]
    pub force: Force,
    /// How many seconds each guest is given to shut down with O(force=graceful).
    #[arg(default = 180)]
    pub timeout: u32,
    /// Whether the guest goes from backup jobs, replication jobs and the HA manager, too. A guest that the HA manager
    /// manages cannot be removed otherwise.
    #[arg(default = true)]
    pub purge: bool,
    /// Whether volumes are destroyed, too, that bear the guest's VMID and that its configuration does not name.
    #[arg(default = false)]
    pub unreferenced_disks: bool,
    /// How many guests are removed at a time.
    #[arg(default = 4)]
    pub parallel: u16,
    /// Whether further guests are begun after one has failed.
    #[arg(default = "continue")]
    pub on_error: OnVmError,
}

/// What happens to a guest that runs.
#[derive(Choice, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Force {
    /// It is left alone.
    None,
    /// It is shut down.
    Graceful,
    /// It is stopped.
    Stop,
}

/// The module.
pub struct RemoveVms;

crate::module!(RemoveVms, "proxmox_remove_vms");

/// What the report needs.
#[derive(Debug)]
pub struct Notes {
    items: Vec<Item>,
    /// The volumes of each guest.
    volumes: BTreeMap<Address, Vec<String>>,
    /// Those that were named and are not there.
    absent: Vec<GuestRef>,
}

impl Job for RemoveVms {
    type Args = RemoveArgs;
    type Notes = Notes;

    fn connection(args: &RemoveArgs) -> &Connection {
        &args.connection
    }

    fn plan(task: &Task<'_, RemoveArgs>, cluster: &Cluster) -> Result<Planned<Notes>, Failure> {
        let args = task.args;
        power::hold_parallel(args.parallel)?;
        let chosen = args.selection.choose(cluster)?;
        let addresses: Vec<Address> = chosen
            .guests
            .iter()
            .map(|guest| guest.address.clone())
            .collect();
        let configs = order::configs(cluster, &addresses)?;
        let clones = configs
            .iter()
            .map(|(address, config)| (address.vmid, linked::clones(cluster, address, config)))
            .collect();
        let (plan, notes) = plan(args, chosen, &configs, &clones);
        Ok(Planned::Ready(plan, notes))
    }

    fn report(
        task: &Task<'_, RemoveArgs>,
        notes: Notes,
        _plan: &Plan,
        applied: Option<&Applied>,
        cluster: &Cluster,
    ) -> Report {
        let wish = wish(task.args);
        let there = notes.items.iter().map(|item| {
            let mut row = wish.row(item, applied, cluster);
            let volumes = notes.volumes.get(&item.guest.address);
            row.insert("disks".to_owned(), json!(volumes));
            Value::Object(row)
        });
        let rows: Vec<Value> = there.chain(notes.absent.iter().map(not_there)).collect();
        Report {
            msg: Some(msg(task, &notes, applied)),
            warnings: power::foreseen(&wish, &notes.items, applied),
            returns: Map::from_iter([("guests".to_owned(), json!(rows))]),
            ..Report::default()
        }
    }
}

fn wish(args: &RemoveArgs) -> Wish {
    Wish {
        verb: "remove",
        status: None,
        parallel: args.parallel,
        on_error: args.on_error.into(),
    }
}

/// The row of a guest that was named and is not there.
fn not_there(reference: &GuestRef) -> Value {
    let (vmid, name) = match reference {
        GuestRef::Vmid(vmid) => (Some(vmid), None),
        GuestRef::Name(name) => (None, Some(name)),
    };
    json!({
        "vmid": vmid, "name": name, "node": null, "kind": null, "status_before": GONE, "status": GONE,
        "changed": false, "seconds": 0.0, "error": null, "disks": [],
    })
}

/// `clones` are the linked clones on each template.
fn plan(
    args: &RemoveArgs,
    chosen: Chosen,
    configs: &BTreeMap<Address, Config>,
    clones: &BTreeMap<u32, BTreeSet<u32>>,
) -> (Plan, Notes) {
    let absent = chosen.absent.clone();
    let stages = stages(configs);
    let fates = fates(args, &chosen.guests, configs, clones, &stages);
    let (mut plan, items) = wish(args).plan(chosen, fates, &stages);
    let volumes: BTreeMap<Address, Vec<String>> = configs
        .iter()
        .map(|(address, config)| (address.clone(), volumes::of(address.vmid, config)))
        .collect();
    // The diff shows what goes with each guest.
    for item in &items {
        let guest = &item.guest;
        let shown = json!({
            "status": guest.live.status.as_str(),
            "disks": volumes.get(&guest.address),
        });
        for side in [&mut plan.before, &mut plan.after] {
            if let Some(entry) = side.get_mut(guest.title()) {
                *entry = shown.clone();
            }
        }
    }
    let notes = Notes {
        items,
        volumes,
        absent,
    };
    (plan, notes)
}

/// The stage of each guest: linked clones go before what they stand on.
fn stages(configs: &BTreeMap<Address, Config>) -> BTreeMap<Address, u32> {
    let bases: BTreeMap<u32, BTreeSet<u32>> = configs
        .iter()
        .map(|(address, config)| (address.vmid, volumes::bases(config)))
        .collect();
    let mut stages: BTreeMap<u32, u32> = bases.keys().map(|vmid| (*vmid, 0)).collect();
    // A chain is no longer than there are guests.
    for _ in 0..bases.len() {
        for (clone, bases) in &bases {
            let above = stages[clone] + 1;
            for base in bases {
                if let Some(stage) = stages.get_mut(base).filter(|stage| **stage < above) {
                    *stage = above;
                }
            }
        }
    }
    configs
        .keys()
        .map(|address| (address.clone(), stages[&address.vmid]))
        .collect()
}

/// What keeps a guest from being removed.
fn cannot(args: &RemoveArgs, guest: &Guest, config: Option<&Config>) -> Option<String> {
    if let Some(why) = config.and_then(|config| held::by_protection(&guest.address, config)) {
        return Some(why);
    }
    // A VM that sleeps on disk may be removed.
    if let Some(why) = power::held(guest, &[held::HIBERNATED]) {
        return Some(why);
    }
    if guest.ha_managed && !args.purge {
        return Some(held::BY_HA.to_owned());
    }
    let why = match (guest.live.status, args.force) {
        (Status::Unknown, _) => "its node does not know its status",
        (Status::Running | Status::Paused, Force::None) => {
            "it runs; with force: graceful it is shut down before, with force: stop its power is cut"
        }
        (Status::Paused, Force::Graceful) => {
            "it is paused and cannot shut down; with force: stop its power is cut"
        }
        _ => return None,
    };
    Some(why.to_owned())
}

/// What becomes of each guest. A template goes only with all that stands on it, whose turn comes before.
fn fates(
    args: &RemoveArgs,
    guests: &[Guest],
    configs: &BTreeMap<Address, Config>,
    clones: &BTreeMap<u32, BTreeSet<u32>>,
    stages: &BTreeMap<Address, u32>,
) -> Vec<Fate> {
    let mut in_turn: Vec<&Guest> = guests.iter().collect();
    in_turn.sort_by_key(|guest| stages.get(&guest.address));
    let mut going = BTreeSet::new();
    let mut fates: BTreeMap<u32, Fate> = BTreeMap::new();
    for guest in in_turn {
        let vmid = guest.address.vmid;
        let left: BTreeSet<u32> = clones
            .get(&vmid)
            .into_iter()
            .flatten()
            .filter(|clone| !going.contains(*clone))
            .copied()
            .collect();
        let fate = match (
            fate(args, guest, configs.get(&guest.address)),
            held::by_clones(&left),
        ) {
            (Fate::Steps(..), Some(why)) => Fate::Cannot(why),
            (fate, _) => fate,
        };
        if matches!(fate, Fate::Steps(..)) {
            going.insert(vmid);
        }
        fates.insert(vmid, fate);
    }
    guests
        .iter()
        .filter_map(|guest| fates.remove(&guest.address.vmid))
        .collect()
}

fn fate(args: &RemoveArgs, guest: &Guest, config: Option<&Config>) -> Fate {
    if let Some(why) = cannot(args, guest, config) {
        return Fate::Cannot(why);
    }
    let path = guest.address.path();
    let down: Option<Step> = match (guest.live.status, args.force) {
        (Status::Stopped, _) => None,
        (_, Force::Stop) => Some(steps::stop(&path, guest.ha_managed, false)),
        _ => Some(
            ShutDown {
                timeout: args.timeout,
                force: false,
                by_ha: guest.ha_managed,
            }
            .step(&path),
        ),
    };
    let down_in = down.as_ref().and_then(|step| step.limit);
    let limit = REMOVAL + down_in.unwrap_or(HARD_STOP);
    let remove = Remove {
        purge: args.purge,
        unreferenced_disks: args.unreferenced_disks,
        force: false,
    };
    let steps = down.into_iter().chain([remove.step(&path)]).collect();
    Fate::Steps(steps, Some(limit))
}

fn msg(task: &Task<'_, RemoveArgs>, notes: &Notes, applied: Option<&Applied>) -> String {
    if notes.items.is_empty() && notes.absent.is_empty() {
        return format!("nothing to remove: {}", task.args.selection.description());
    }
    let done = if task.context.check_mode {
        "would be removed"
    } else {
        "removed"
    };
    let gone = notes.absent.len();
    let mut msg = power::count(&notes.items, applied, gone, done);
    if gone > 0 {
        let were = if gone == 1 { "was" } else { "were" };
        // Writing to a text cannot fail.
        let _ = write!(msg, ", {gone} {were} not there");
    }
    msg
}

#[cfg(test)]
mod tests;
