//! The steps that take, remove and go back to snapshots, for guests of both kinds.

use pve::nodes::snapshot::{name, snapshots};
use pve::plan::{Probe, Verdict};
use pve::wire::Row;
use pve::{Call, Path, Step};
use serde_json::Value;

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
        let taken = listed(guest, self.name, |snapshot| match snapshot {
            Some(row) if row.contains_key("snapstate") => {
                Verdict::NotYet("it is being taken".to_owned())
            }
            Some(_) => Verdict::Holds(None),
            None => Verdict::Absent,
        });
        Step::task("take a snapshot of", "snapshot taken", call)
            .lost(look(taken))
            .undo(Call::delete(snapshots(guest).join(self.name)))
    }
}

/// Removes a snapshot; with `force` from the configuration even where its volumes cannot be.
pub fn remove(guest: &Path, snapshot: &str, force: bool) -> Step {
    let mut call = Call::delete(snapshots(guest).join(snapshot));
    if force {
        call = call.with("force", true);
    }
    let gone = listed(guest, snapshot, |snapshot| match snapshot {
        Some(row) if row.contains_key("snapstate") => {
            Verdict::NotYet("it is being removed".to_owned())
        }
        Some(_) => Verdict::Absent,
        None => Verdict::Holds(None),
    });
    Step::task("remove a snapshot of", "snapshot removed", call).lost(look(gone))
}

/// Brings a guest back to a snapshot. Twice is the same as once.
pub fn roll_back(guest: &Path, snapshot: &str) -> Step {
    let call = Call::post(snapshots(guest).join(snapshot).join("rollback"));
    Step::task("roll back", "rolled back", call)
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
