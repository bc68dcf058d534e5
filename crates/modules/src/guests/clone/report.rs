//! The result of `proxmox_clone_vms`: one row for each wanted VM.

use pve::apply::{Applied, TrackEnd};
use pve::nodes::guest::Status;
use pve::plan::VMID;
use pve::{Call, Cluster, Plan, Track};
use serde_json::{Map, Value, json};

use crate::guests::config::Config;
use crate::guests::power::NODE;
use crate::guests::steps;
use crate::guests::wait;
use crate::job::Report;

/// What the report needs of each wanted VM, in the order of `vms`.
#[derive(Debug)]
pub struct Note {
    /// Its name.
    pub name: String,
    /// Its VMID, where it is known already.
    pub vmid: Option<u32>,
    /// The node that it is on, or will be.
    pub node: String,
    /// What it is cloned from, where it is.
    pub source_vmid: Option<u32>,
    /// What it does before anything is done.
    pub status: Status,
    /// The values that wait for its next boot.
    pub pending: Vec<String>,
    /// Whether it is rebooted for them.
    pub reboots: bool,
    /// Its track in the plan, if it has one.
    pub track: Option<usize>,
    /// Whether it is waited for.
    pub waits: bool,
    /// Why nothing can be done about it, where something should be.
    pub cannot: Option<String>,
}

/// What was done for a VM; in check mode, what would be.
#[derive(Clone, Copy)]
struct Done<'a> {
    track: Option<&'a Track>,
    end: Option<&'a TrackEnd>,
    foretold: bool,
}

impl Done<'_> {
    fn wrote(&self, verb: &str) -> bool {
        if self.foretold {
            return self.plans(verb);
        }
        self.end.is_some_and(|end| end.wrote(verb))
    }

    fn plans(&self, verb: &str) -> bool {
        let writes = |step: &pve::Step| step.verb == verb && step.call.is_some();
        self.track
            .is_some_and(|track| track.steps.iter().any(writes))
    }

    /// Whether its clone was begun and its end not awaited.
    fn is_being_made(&self) -> bool {
        let trouble = self.end.and_then(|end| end.trouble.as_ref());
        trouble.is_some_and(|trouble| {
            trouble.verb == "clone" && trouble.error.running_task().is_some()
        })
    }

    fn changed(&self) -> bool {
        if self.foretold {
            return self.track.is_some_and(Track::changes);
        }
        self.end.is_some_and(TrackEnd::changed)
    }

    fn status(&self, before: Status) -> Status {
        let well = self.foretold || self.end.is_some_and(TrackEnd::succeeded);
        if self.wrote("start") || (well && self.plans("start")) {
            Status::Running
        } else {
            before
        }
    }
}

/// The result.
pub fn report(notes: &[Note], plan: &Plan, applied: Option<&Applied>, cluster: &Cluster) -> Report {
    let done: Vec<Done<'_>> = notes
        .iter()
        .map(|note| Done {
            track: note.track.and_then(|index| plan.tracks.get(index)),
            end: note.track.and_then(|index| applied?.tracks.get(index)),
            foretold: applied.is_none(),
        })
        .collect();
    let mut report = Report::default();
    let mut vms = Vec::new();
    for ((note, done), pending) in notes.iter().zip(&done).zip(pending(notes, &done, cluster)) {
        if !pending.is_empty() {
            let hint = if note.reboots {
                ""
            } else {
                " (on_pending: reboot does it)"
            };
            report.warnings.push(format!(
                "{}: {} will have an effect after the next boot only{hint}",
                note.name,
                pending.join(", ")
            ));
        }
        if let Some(why) = note.cannot.as_ref().filter(|_| done.foretold) {
            report.warnings.push(format!("{}: {why}", note.name));
        }
        vms.push(Value::Object(row(note, *done, &pending)));
    }
    let created = done.iter().filter(|done| done.wrote("clone")).count();
    let changed = done.iter().filter(|done| done.changed()).count();
    report.msg = Some(format!(
        "{} {}: {created} created, {} changed, {} as wanted",
        notes.len(),
        if notes.len() == 1 { "VM" } else { "VMs" },
        changed.saturating_sub(created),
        notes.len() - changed,
    ));
    report.returns.insert("vms".to_owned(), json!(vms));
    report
}

/// The values that wait for the next boot: known from the plan, or asked for
/// where a running VM was written to.
fn pending(notes: &[Note], done: &[Done<'_>], cluster: &Cluster) -> Vec<Vec<String>> {
    let asks = |note: &Note, done: &Done<'_>| {
        let written = done.wrote("configure") || done.wrote("reboot");
        note.status == Status::Running && written && !done.foretold
    };
    let calls: Vec<Call> = notes
        .iter()
        .zip(done)
        .filter(|(note, done)| asks(note, done))
        .filter_map(|(note, _)| {
            Some(Call::get(
                steps::vm_path(&note.node, Some(note.vmid?)).join("pending"),
            ))
        })
        .collect();
    let mut answers = cluster.get_each(&calls).into_iter();
    notes
        .iter()
        .zip(done)
        .map(|(note, done)| {
            if done.foretold && done.plans("reboot") {
                return Vec::new();
            }
            if !asks(note, done) {
                return note.pending.clone();
            }
            match answers.next() {
                Some(Ok(data)) => Config::from_pending(&data).pending().to_vec(),
                _ => Vec::new(),
            }
        })
        .collect()
}

fn row(note: &Note, done: Done<'_>, pending: &[String]) -> Map<String, Value> {
    let end = done.end;
    let vmid = end
        .and_then(|end| end.bindings.get(VMID)?.parse().ok())
        .or(note.vmid);
    let error = match end {
        Some(end) => match &end.trouble {
            Some(trouble) => Some(trouble.to_string()),
            None if !end.began => Some("not begun".to_owned()),
            None => None,
        },
        None => note.cannot.clone(),
    };
    let seconds = end.map_or(0.0, |end| (end.took.as_secs_f64() * 10.0).round() / 10.0);
    let mut row = Map::new();
    let mut put = |key: &str, value: Value| row.insert(key.to_owned(), value);
    put("name", json!(note.name));
    put("vmid", json!(vmid));
    let found_on = end.and_then(|end| end.bindings.get(NODE));
    put("node", json!(found_on.unwrap_or(&note.node)));
    put("source_vmid", json!(note.source_vmid));
    put("created", json!(done.wrote("clone")));
    put("changed", json!(done.changed()));
    let is_there = note.source_vmid.is_none() || (done.wrote("clone") && !done.is_being_made());
    let status = is_there.then(|| done.status(note.status).as_str());
    put("status", json!(status));
    put("pending", json!(pending));
    put("seconds", json!(seconds));
    put("error", json!(error));
    if note.waits {
        let addresses = end.map(wait::addresses).unwrap_or_default();
        put("ip_addresses", json!(addresses));
    }
    row
}
