//! What became of each node's backup.

use pve::apply::{Applied, TrackEnd};
use pve::nodes::vzdump;
use pve::{Cluster, Error, Upid};
use serde_json::{Value, json};

use super::ANSWER;
use super::target::{Fate, Target};

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
    let ended: Vec<Option<&Upid>> = upids
        .iter()
        .zip(&nodes)
        .map(|(upid, (_, end))| upid.as_ref().filter(|_| has_ended(*end, wait)))
        .collect();
    let asked: Vec<&Upid> = ended.iter().copied().flatten().collect();
    let mut logs = cluster.task_logs(&asked).into_iter();
    let mut told = Ending::default();
    for (((target, end), upid), ended) in nodes.into_iter().zip(&upids).zip(ended) {
        let node = &target.node;
        let log = ended.and_then(|_| logs.next()).and_then(Result::ok);
        let log = log.unwrap_or_default();
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

/// Whether the task of a node has ended, as far as was waited for it.
fn has_ended(end: Option<&TrackEnd>, wait: bool) -> bool {
    wait && end.is_some_and(|end| !is_left_running(end))
}

fn is_left_running(end: &TrackEnd) -> bool {
    let error = end.trouble.as_ref().map(|trouble| &trouble.error);
    matches!(
        error,
        Some(Error::Deadline { .. } | Error::Interrupted { .. })
    )
}

fn status(end: Option<&TrackEnd>, began: bool, wait: bool) -> &'static str {
    match end {
        Some(end) if is_left_running(end) => "unknown",
        Some(end) if end.trouble.is_some() => "failed",
        Some(_) if began && wait => "success",
        _ => "unknown",
    }
}
