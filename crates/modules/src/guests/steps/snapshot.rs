//! The steps that take, remove and go back to snapshots, for guests of both kinds.

use pve::nodes::guest::{Address, GuestKind};
use pve::nodes::snapshot::{name, snapshots};
use pve::plan::{Probe, Verdict};
use pve::wire::Row;
use pve::{Call, Error, Path, Step};
use serde_json::Value;

use super::clone::{running, tasks};
use super::look;

/// A snapshot that is to be taken.
#[derive(Clone, Copy, Debug)]
pub struct Take<'a> {
    /// Its name.
    pub name: &'a str,
    /// What it is said to be.
    pub description: Option<&'a str>,
    /// Whether the memory of a running VM is kept with it.
    pub vmstate: bool,
}

impl Take<'_> {
    /// The step that takes it; its undo removes it.
    pub fn step(self, guest: &Path) -> Step {
        let mut call = Call::post(snapshots(guest)).with("snapname", self.name);
        if let Some(description) = self.description {
            call = call.with("description", description);
        }
        if self.vmstate {
            call = call.with("vmstate", true);
        }
        let taken = listed(guest, self.name, is_taken);
        Step::task("take a snapshot of", "snapshot taken", call)
            .lost(look(taken))
            .undo(Call::delete(snapshots(guest).join(self.name)))
    }
}

/// Waits for a snapshot that is being taken already.
pub fn snapshot_taken(guest: &Path, snapshot: &str) -> Step {
    let probe = listed(guest, snapshot, |snapshot| match snapshot {
        None => Verdict::Never(Error::Never(
            "it was begun by another run, and failed".to_owned(),
        )),
        there => is_taken(there),
    });
    Step::wait("wait for the snapshot of", "snapshot taken", probe)
}

/// Says anew what a snapshot is; its undo says what it was before.
pub fn describe_snapshot(guest: &Path, snapshot: &str, description: &str, before: &str) -> Step {
    let path = snapshots(guest).join(snapshot).join("config");
    let says = |description: &str| Call::put(path.clone()).with("description", description);
    Step::call(
        "describe a snapshot of",
        "snapshot described",
        says(description),
    )
    .undo(says(before))
}

/// Removes a snapshot; with `force` from the configuration even where its volumes cannot be.
pub fn remove(guest: &Path, snapshot: &str, force: bool) -> Step {
    let mut call = Call::delete(snapshots(guest).join(snapshot));
    if force {
        call = call.with("force", true);
    }
    let gone = gone(guest, snapshot);
    Step::task("remove a snapshot of", "snapshot removed", call).lost(look(gone))
}

/// Waits for the end of a snapshot that is being removed already.
pub fn snapshot_removed(guest: &Path, snapshot: &str) -> Step {
    let probe = gone(guest, snapshot);
    Step::wait(
        "wait for the end of a snapshot of",
        "snapshot removed",
        probe,
    )
}

/// Brings a guest back to a snapshot, and starts it then if that is wanted. The server stops one that runs.
pub fn roll_back(guest: &Address, snapshot: &str, start: bool) -> Step {
    let mut call = Call::post(snapshots(&guest.path()).join(snapshot).join("rollback"));
    if start {
        call = call.with("start", true);
    }
    Step::task("roll back", "rolled back", call).lost(look(rolls_back(guest)))
}

/// The task that is at work, where the answer that named it was lost. Once it is over, nothing tells; but twice is the
/// same as once.
fn rolls_back(guest: &Address) -> Probe {
    let task = match guest.kind {
        GuestKind::Qemu => "qmrollback",
        GuestKind::Lxc => "vzrollback",
    };
    let vmid = guest.vmid.to_string();
    Probe::get(tasks(&guest.node, task), move |answer| match answer {
        Ok(tasks) => running(tasks, task)
            .into_iter()
            .find(|upid| upid.id() == vmid)
            .map_or(Verdict::Absent, |upid| {
                Verdict::Holds(Some(upid.to_string()))
            }),
        Err(error) => Verdict::NotYet(error.to_string()),
    })
}

/// Whether a snapshot is there, and whole.
fn is_taken(snapshot: Option<&Row>) -> Verdict {
    match snapshot {
        Some(row) if row.contains_key("snapstate") => {
            Verdict::NotYet("it is being taken".to_owned())
        }
        Some(_) => Verdict::Holds(None),
        None => Verdict::Absent,
    }
}

/// Whether a snapshot is gone.
fn gone(guest: &Path, snapshot: &str) -> Probe {
    listed(guest, snapshot, |snapshot| match snapshot {
        Some(row) if row.contains_key("snapstate") => {
            Verdict::NotYet("it is being removed".to_owned())
        }
        Some(_) => Verdict::Absent,
        None => Verdict::Holds(None),
    })
}

/// What the list of snapshots says of one.
fn listed(
    guest: &Path,
    snapshot: &str,
    judge: impl Fn(Option<&Row>) -> Verdict + Send + Sync + 'static,
) -> Probe {
    let snapshot = snapshot.to_owned();
    Probe::get(Call::get(snapshots(guest)), move |answer| {
        match answer.as_ref().map(Value::as_array) {
            Ok(rows) => judge(
                rows.into_iter()
                    .flatten()
                    .filter_map(Value::as_object)
                    .find(|row| name(row) == snapshot),
            ),
            Err(error) => Verdict::NotYet(error.to_string()),
        }
    })
}
