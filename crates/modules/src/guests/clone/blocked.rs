//! Whether one of the wanted VMs is being made at this moment.

use std::collections::BTreeSet;

use ansible::Failure;
use pve::nodes::guest::Address;
use pve::plan::{Ask, Probe, Verdict};
use pve::{Call, Cluster, Planned};

use super::picture::{Picture, clone_tasks, running_clones};
use super::source::Source;
use crate::fault;

/// A VM that is being cloned has no name yet, so it may be one of ours, begun
/// by an earlier run. Whoever clones from other templates is left alone.
pub fn somebody_clones<Notes>(
    cluster: &Cluster,
    picture: &Picture,
    sources: &[Source],
) -> Result<Option<Planned<Notes>>, Failure> {
    let being_made: Vec<Address> = picture.being_made().cloned().collect();
    if sources.is_empty() || being_made.is_empty() {
        return Ok(None);
    }
    let wanted: BTreeSet<String> = sources
        .iter()
        .map(|source| source.address.vmid.to_string())
        .collect();
    let nodes: Vec<&str> = being_made
        .iter()
        .map(|address| address.node.as_str())
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect();
    let calls: Vec<Call> = nodes.iter().map(|node| clone_tasks(node)).collect();
    let mut ours = false;
    for (node, tasks) in nodes.iter().zip(cluster.get_each(&calls)) {
        let tasks = tasks.map_err(|error| fault::unable("list running tasks", &error))?;
        let clones = running_clones(&tasks);
        if let (true, Some(left)) = (
            clones.is_empty(),
            being_made.iter().find(|address| address.node == *node),
        ) {
            return Err(Failure::new(format!(
                "VM {} on {node} is locked by a clone that no longer runs, so it has no name and may be one of \
                 the wanted VMs: look at it, then remove it, or unlock it with `qm unlock {}`",
                left.vmid, left.vmid
            )));
        }
        ours |= clones.iter().any(|upid| wanted.contains(upid.id()));
    }
    if !ours {
        return Ok(None);
    }
    let why = format!(
        "{} being cloned from a wanted template, and may be a wanted VM",
        being_made
            .iter()
            .map(|address| format!("VM {address} is"))
            .collect::<Vec<_>>()
            .join(", ")
    );
    let asks = being_made
        .iter()
        .map(|address| Ask::Get(address.config()))
        .collect();
    let until = Probe::new(asks, |answers| {
        let made = answers.iter().all(|answer| match answer {
            Ok(config) => config.get("lock").is_none(),
            Err(error) => error.is_not_found(),
        });
        if made {
            Verdict::Holds(None)
        } else {
            Verdict::NotYet("VMs are being cloned".to_owned())
        }
    });
    Ok(Some(Planned::Blocked { until, why }))
}
