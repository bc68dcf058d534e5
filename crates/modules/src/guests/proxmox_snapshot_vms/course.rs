//! What is to become of one guest and its snapshots.

use std::time::Duration;

use pve::Step;
use pve::nodes::guest::{GuestKind, Status};
use pve::nodes::reach;
use pve::nodes::snapshot::Snapshot;

use super::{SnapshotArgs, State};
use crate::guests::power::{self, Fate};
use crate::guests::select::Guest;
use crate::guests::snapshots::oldest;
use crate::guests::steps::{
    Take, UNLOCKED, describe_snapshot, remove_snapshot, roll_back, snapshot_removed,
    snapshot_taken, unlocked,
};

/// The locks of operations that end by themselves and leave the guest where it is.
const PASSING: &[&str] = &[
    "backup",
    "disk",
    "fstrim",
    "rollback",
    "snapshot",
    "snapshot-delete",
];

/// How long a guest may take to run again.
const BOOT: Duration = Duration::from_secs(300);

/// What is done to a guest.
#[derive(Debug)]
pub(super) struct Course {
    /// One for each step that writes, in their order.
    pub deeds: Vec<Deed>,
    pub fate: Fate,
}

/// What a step does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    /// The snapshot is taken.
    Take,
    /// It is described anew.
    Describe,
    /// The one of this name is removed.
    Remove(String),
    /// The guest goes back to the snapshot.
    RollBack,
}

/// The snapshot that the task names.
enum Sought<'a> {
    /// It is not there.
    Missing,
    /// It is there.
    Whole(&'a Snapshot),
    /// A task of another run is taking it.
    Coming,
    /// A task of another run is removing it.
    Going,
    /// It was begun, or half removed, and nobody is at work on it.
    Broken,
}

impl<'a> Sought<'a> {
    fn of(guest: &Guest, known: &'a [Snapshot], name: &str) -> Self {
        let Some(snapshot) = known.iter().find(|snapshot| snapshot.name == name) else {
            return Self::Missing;
        };
        match (snapshot.unfinished.as_deref(), guest.live.lock.as_deref()) {
            (None, _) => Self::Whole(snapshot),
            (Some("delete"), Some("snapshot-delete")) => Self::Going,
            (Some("delete"), _) => Self::Broken,
            (Some(_), Some("snapshot")) => Self::Coming,
            (Some(_), _) => Self::Broken,
        }
    }
}

impl Course {
    pub(super) fn of(args: &SnapshotArgs, guest: &Guest, known: &[Snapshot]) -> Self {
        let name = args.name();
        let path = guest.address.path();
        let sought = Sought::of(guest, known, name);
        let (mut deeds, mut waits) = (Vec::new(), Vec::new());
        match (args.state, &sought) {
            (State::Present, Sought::Missing | Sought::Going) => deeds.push(Deed::Take),
            (State::Present, Sought::Whole(snapshot)) => {
                if is_other(args, snapshot) {
                    deeds.push(Deed::Describe);
                }
            }
            (State::Present, Sought::Coming) => waits.push(snapshot_taken(&path, name)),
            (State::Present, Sought::Broken) => {
                return Self::cannot(format!(
                    "its snapshot `{name}` is not whole: it was begun or half removed, and nothing is at work on it. \
                     state: absent removes it"
                ));
            }
            (State::Absent, Sought::Going) => waits.push(snapshot_removed(&path, name)),
            (State::Absent, Sought::Whole(_) | Sought::Coming | Sought::Broken) => {
                deeds.push(Deed::Remove(name.to_owned()));
            }
            (State::Absent, Sought::Missing) | (State::Pruned, _) => {}
            (State::Rollback, Sought::Whole(_) | Sought::Coming) => deeds.push(Deed::RollBack),
            (State::Rollback, Sought::Missing | Sought::Going) => {
                return Self::cannot(format!("it has no snapshot `{name}`"));
            }
            (State::Rollback, Sought::Broken) => {
                return Self::cannot(format!("its snapshot `{name}` is not whole"));
            }
        }
        deeds.extend(outdated(args, known).into_iter().map(Deed::Remove));
        if waits.is_empty() && !deeds.is_empty() && guest.live.lock.is_some() {
            if let Some(why) = power::held(guest, PASSING) {
                return Self::cannot(why);
            }
            waits.push(unlocked(&guest.address));
        }
        let before = match sought {
            Sought::Whole(snapshot) => snapshot.description.as_str(),
            _ => "",
        };
        let mut limit = power::secs(args.timeout);
        let writes = deeds.iter().map(|deed| step(args, guest, deed, before));
        let mut steps: Vec<Step> = writes.collect();
        if deeds.contains(&Deed::RollBack) && starts(args, guest) {
            let boot = limit.min(BOOT);
            steps.push(runs(guest).within(boot));
            limit += boot;
        }
        if !waits.is_empty() {
            limit += UNLOCKED;
            steps.splice(0..0, waits);
        }
        let fate = if steps.is_empty() {
            Fate::There
        } else {
            Fate::Steps(steps, Some(limit))
        };
        Self { deeds, fate }
    }

    fn cannot(why: String) -> Self {
        Self {
            deeds: Vec::new(),
            fate: Fate::Cannot(why),
        }
    }
}

/// Whether the snapshot is said to be something else.
fn is_other(args: &SnapshotArgs, snapshot: &Snapshot) -> bool {
    args.description
        .as_ref()
        .is_some_and(|description| description.trim_end() != snapshot.description)
}

/// The names of those that `keep` leaves out, the oldest first. The one that the task names counts as the newest.
fn outdated(args: &SnapshotArgs, known: &[Snapshot]) -> Vec<String> {
    let (Some(keep), Some(prefix)) = (args.keep, &args.prefix) else {
        return Vec::new();
    };
    let name = args.snapshot.as_ref();
    let counted: Vec<String> = known
        .iter()
        .filter(|snapshot| snapshot.unfinished.is_none())
        .map(|snapshot| &snapshot.name)
        .filter(|known| known.starts_with(prefix) && Some(*known) != name)
        .cloned()
        .collect();
    let left = keep.saturating_sub(u32::from(name.is_some()));
    oldest(&counted, left).to_vec()
}

/// What the guest does after it went back.
pub(super) fn status_after(args: &SnapshotArgs, guest: &Guest, known: &[Snapshot]) -> Status {
    let with_memory = known
        .iter()
        .any(|snapshot| snapshot.name == args.name() && snapshot.with_memory);
    if with_memory || starts(args, guest) {
        Status::Running
    } else {
        Status::Stopped
    }
}

fn starts(args: &SnapshotArgs, guest: &Guest) -> bool {
    let ran = matches!(guest.live.status, Status::Running | Status::Paused);
    args.start.unwrap_or(ran)
}

/// Waits until the guest runs: the task of the roll-back begins its start, and does not wait for its end.
fn runs(guest: &Guest) -> Step {
    let runs = if guest.ha_managed {
        reach::ha_running(&guest.address)
    } else {
        reach::running(&guest.address.path(), None)
    };
    Step::wait("start", "running again", runs)
}

fn step(args: &SnapshotArgs, guest: &Guest, deed: &Deed, before: &str) -> Step {
    let name = args.name();
    let path = guest.address.path();
    match deed {
        Deed::Take => Take {
            name,
            description: args.description.as_deref(),
            vmstate: args.vmstate && guest.address.kind == GuestKind::Qemu,
        }
        .step(&path),
        Deed::Describe => {
            let description = args.description.as_deref().unwrap_or_default();
            describe_snapshot(&path, name, description, before)
        }
        Deed::Remove(name) => remove_snapshot(&path, name, false),
        Deed::RollBack => roll_back(&guest.address, name, starts(args, guest)),
    }
}
