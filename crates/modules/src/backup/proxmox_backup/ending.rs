//! What became of each node's backup.

use pve::apply::{Applied, TrackEnd};
use pve::{Cluster, Error, Upid};
use serde_json::{Value, json};

use super::ANSWER;
use super::target::{Fate, Target};
use pve::nodes::vzdump;

/// What the result says of the nodes.
#[derive(Debug, Default)]
pub(super) struct Ending {
    /// One for each node.
    pub(super) backups: Vec<Value>,
    /// Whether a backup began.
    pub(super) began: bool,
    /// What went wrong with single guests.
    pub(super) warnings: Vec<String>,
}

/// A row for each node, whatever became of the others.
pub(super) fn of(
    targets: &[Target],
    applied: Option<&Applied>,
    wait: bool,
    cluster: &Cluster,
) -> Ending {
    let mut ends = applied.iter().flat_map(|applied| &applied.tracks);
    let nodes: Vec<(&Target, Option<&TrackEnd>)> = targets
        .iter()
        .map(|target| {
            let end = (target.fate != Fate::Idle).then(|| ends.next()).flatten();
            (target, end)
        })
        .collect();
    let upids: Vec<Option<Upid>> = nodes.iter().map(|(_, end)| upid(*end)).collect();
    let waited_for: Vec<&Upid> = upids.iter().flatten().filter(|_| wait).collect();
    let mut logs = cluster.task_logs(&waited_for).into_iter();
    let mut told = Ending::default();
    for ((target, end), upid) in nodes.into_iter().zip(&upids) {
        let node = &target.node;
        let log = upid.as_ref().filter(|_| wait).and_then(|_| logs.next());
        let log = log.and_then(Result::ok).unwrap_or_default();
        let errors = log.iter().filter_map(|line| line.strip_prefix("ERROR: "));
        told.warnings
            .extend(errors.map(|error| format!("node {node}: {error}")));
        told.began |= upid.is_some();
        told.backups.push(json!({
            "node": node,
            "upid": upid.as_ref().map_or(answer(end), Upid::as_str),
            "status": status(end, upid.is_some(), wait),
            "log": log.join(", "),
        }));
    }
    told
}

/// The task that a node began.
fn upid(end: Option<&TrackEnd>) -> Option<Upid> {
    end?.bindings.get(ANSWER)?.parse().ok()
}

/// What a node says that began none; nothing where it could not answer.
fn answer(end: Option<&TrackEnd>) -> &str {
    match end {
        None => vzdump::NOTHING,
        Some(end) => end.bindings.get(ANSWER).map_or("", String::as_str),
    }
}

fn status(end: Option<&TrackEnd>, began: bool, wait: bool) -> &'static str {
    let trouble = end.and_then(|end| end.trouble.as_ref());
    match trouble.map(|trouble| &trouble.error) {
        Some(Error::Deadline { .. } | Error::Interrupted { .. }) => "unknown",
        Some(_) => "failed",
        None if began && wait => "success",
        None => "unknown",
    }
}
