//! What is told of guests and their snapshots.

use std::fmt::Write as _;

use pve::Cluster;
use pve::apply::Applied;
use pve::nodes::guest::GuestKind;
use serde_json::{Map, Value, json};

use super::course::{self, Deed};
use super::{SnapshotArgs, State, Subject};
use crate::guests::power::{self, Wish};
use crate::guests::select::Guest;
use crate::job::Task;

/// What is done of what was to be done; in check mode, what would be.
fn done<'a>(subject: &'a Subject, applied: Option<&Applied>) -> Vec<&'a Deed> {
    if applied.is_none() {
        return subject.deeds.iter().collect();
    }
    let Some(end) = subject.item.end(applied) else {
        return Vec::new();
    };
    subject
        .deeds
        .iter()
        .zip(&end.steps)
        .filter(|(_, step)| step.wrote)
        .map(|(deed, _)| deed)
        .collect()
}

/// The snapshots after these deeds, by name.
fn after<'a>(
    args: &'a SnapshotArgs,
    subject: &'a Subject,
    done: &[&Deed],
) -> Vec<(&'a str, &'a str)> {
    let description = args.description.as_deref().unwrap_or_default().trim_end();
    let mut snapshots: Vec<(&str, &str)> = subject
        .known
        .iter()
        .map(|known| (known.name.as_str(), known.description.as_str()))
        .collect();
    for deed in done {
        match deed {
            Deed::Take => snapshots.push((args.name(), description)),
            Deed::Describe => {
                for snapshot in &mut snapshots {
                    if snapshot.0 == args.name() {
                        snapshot.1 = description;
                    }
                }
            }
            Deed::Remove(gone) => snapshots.retain(|(name, _)| name != gone),
            Deed::RollBack => {}
        }
    }
    snapshots
}

/// Both sides of the diff: each guest with its snapshots and what they are said to be.
pub(super) fn diff(args: &SnapshotArgs, subjects: &[Subject]) -> (Value, Value) {
    let (mut before, mut after) = (Map::new(), Map::new());
    for subject in subjects {
        let guest = &subject.item.guest;
        let side = |side: &mut Map<String, Value>, done: &[&Deed]| {
            let snapshots: Map<String, Value> = self::after(args, subject, done)
                .into_iter()
                .map(|(name, description)| (name.to_owned(), json!(description)))
                .collect();
            let mut entry = json!({"snapshots": snapshots});
            if args.state == State::Rollback {
                entry["status"] = json!(status(args, subject, done));
            }
            if done.contains(&&Deed::RollBack) {
                entry["rolled_back_to"] = json!(args.name());
            }
            side.insert(guest.title(), entry);
        };
        side(&mut before, &[]);
        side(&mut after, &done(subject, None));
    }
    (Value::Object(before), Value::Object(after))
}

fn status(args: &SnapshotArgs, subject: &Subject, done: &[&Deed]) -> &'static str {
    let guest = &subject.item.guest;
    if done.contains(&&Deed::RollBack) {
        course::status_after(args, guest, &subject.known).as_str()
    } else {
        guest.live.status.as_str()
    }
}

/// The row of a guest.
pub(super) fn row(
    args: &SnapshotArgs,
    wish: &Wish,
    subject: &Subject,
    applied: Option<&Applied>,
    cluster: &Cluster,
) -> Value {
    let mut row = wish.row(&subject.item, applied, cluster);
    let done = done(subject, applied);
    if row.get("error").is_some_and(Value::is_null) {
        row.insert("status".to_owned(), json!(status(args, subject, &done)));
    }
    let action = match done.first() {
        Some(Deed::Take) => "taken",
        Some(Deed::Describe) => "described",
        Some(Deed::Remove(_)) => "removed",
        Some(Deed::RollBack) => "rolled_back",
        None if subject.item.end(applied).is_some_and(|end| end.undone) => "taken_back",
        None => "none",
    };
    let removed: Vec<&str> = removed(&done).collect();
    let names: Vec<&str> = after(args, subject, &done)
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    row.insert("action".to_owned(), json!(action));
    row.insert("removed".to_owned(), json!(removed));
    row.insert("snapshots".to_owned(), json!(names));
    Value::Object(row)
}

fn removed<'a>(done: &'a [&'a Deed]) -> impl Iterator<Item = &'a str> {
    done.iter().filter_map(|deed| match deed {
        Deed::Remove(name) => Some(name.as_str()),
        _ => None,
    })
}

/// The warning that a container has no memory to be kept.
pub(super) fn without_memory(args: &SnapshotArgs, subjects: &[Subject]) -> Option<String> {
    let containers: Vec<String> = subjects
        .iter()
        .filter(|subject| args.vmstate && subject.deeds.contains(&Deed::Take))
        .map(|subject| &subject.item.guest)
        .filter(|guest| guest.address.kind == GuestKind::Lxc)
        .map(Guest::title)
        .collect();
    (!containers.is_empty()).then(|| {
        format!(
            "vmstate has no meaning for a container, and their snapshots are without it: {}",
            containers.join(", ")
        )
    })
}

/// `snapshot `before` taken of 2 of 3 guests, 1 had it already`.
pub(super) fn msg(
    task: &Task<'_, SnapshotArgs>,
    subjects: &[Subject],
    applied: Option<&Applied>,
) -> String {
    let args = task.args;
    if subjects.is_empty() {
        let verb = super::wish(args).verb;
        let why = args.selection.description();
        return format!("no guest to {verb}: {why}");
    }
    let all: Vec<Vec<&Deed>> = subjects
        .iter()
        .map(|subject| done(subject, applied))
        .collect();
    let guests = |does: &dyn Fn(&Deed) -> bool| {
        let count = all
            .iter()
            .filter(|deeds| deeds.iter().any(|deed| does(deed)))
            .count();
        format!("{count} of {}", power::plural(subjects.len()))
    };
    let would = if task.context.check_mode {
        "would be "
    } else {
        ""
    };
    let name = args.name();
    let gone: usize = all.iter().map(|done| removed(done).count()).sum();
    let snapshots = format!("{gone} snapshot{}", if gone == 1 { "" } else { "s" });
    let mut msg = match args.state {
        State::Present => {
            let guests = guests(&|deed| *deed == Deed::Take);
            format!("snapshot `{name}` {would}taken of {guests}")
        }
        State::Absent => {
            let guests = guests(&|deed| matches!(deed, Deed::Remove(_)));
            format!("snapshot `{name}` {would}removed from {guests}")
        }
        State::Pruned => {
            let guests = guests(&|deed| matches!(deed, Deed::Remove(_)));
            format!("{snapshots} {would}removed from {guests}")
        }
        State::Rollback => {
            let guests = guests(&|deed| *deed == Deed::RollBack);
            format!("{guests} {would}rolled back to the snapshot `{name}`")
        }
    };
    // Writing to a text cannot fail.
    let described = all
        .iter()
        .flatten()
        .filter(|deed| ***deed == Deed::Describe)
        .count();
    if described > 0 {
        let _ = write!(msg, ", {described} {would}described anew");
    }
    if args.state == State::Present && args.keep.is_some() {
        let _ = write!(msg, ", {snapshots} {would}removed");
    }
    msg
}
