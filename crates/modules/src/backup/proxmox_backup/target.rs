//! Which guests are meant, and which nodes have any of them.

use std::collections::BTreeMap;

use ansible::Failure;
use pve::Cluster;
use pve::cluster::resources::Resources;
use serde_json::{Value, json};

use super::{BackupArgs, Mode};
use crate::backup::KINDS;
use crate::fault;
use crate::guests::single::Named;

/// The guests that are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// All of them.
    All,
    /// These VMIDs.
    These(Vec<u32>),
}

/// What becomes of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is asked for backups.
    Asked,
    /// It has none of the guests, which needs no question.
    Idle,
    /// It has guests that are named, and is offline.
    Offline,
}

/// A node, and what it is to back up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The node.
    pub node: String,
    /// Its guests among those that are meant, as far as the caller sees them.
    pub vmids: Vec<u32>,
    /// What becomes of it.
    pub fate: Fate,
}

/// The nodes that may be asked.
pub(super) fn nodes(args: &BackupArgs, resources: &Resources) -> Result<Vec<String>, Failure> {
    let Some(node) = &args.node else {
        return Ok(resources.online_nodes().map(str::to_owned).collect());
    };
    if resources.is_online(node) {
        return Ok(vec![node.clone()]);
    }
    Err(Failure::new(
        if resources.nodes.iter().any(|known| known.node == *node) {
            format!("unable to back up the guests of node `{node}`: the node is offline")
        } else {
            format!("Node {node} was specified, but does not exist on the cluster")
        },
    ))
}

/// The VMIDs of the task, each once.
pub(super) fn distinct(args: &BackupArgs) -> Vec<u32> {
    let mut vmids = Vec::new();
    for vmid in args.vmids.iter().flatten() {
        if !vmids.contains(vmid) {
            vmids.push(*vmid);
        }
    }
    vmids
}

/// Which guests are meant. That those exist which are named is made sure of: the server starts a backup of what is
/// not there, which fails.
pub(super) fn wanted(
    args: &BackupArgs,
    resources: &Resources,
    cluster: &Cluster,
) -> Result<Wanted, Failure> {
    let vmids = match args.mode {
        Mode::All => return Ok(Wanted::All),
        Mode::Include => distinct(args),
        Mode::Pool => {
            let poolid = args.pool.as_deref().unwrap_or_default();
            let pool = cluster
                .pool(poolid)
                .map_err(|error| fault::unable(&format!("read pool `{poolid}`"), &error))?
                .ok_or_else(|| Failure::new(format!("pool '{poolid}' does not exist")))?;
            return Ok(Wanted::These(pool.members.guests.into_iter().collect()));
        }
    };
    if vmids.is_empty() {
        return Err(Failure::new("vmids is empty: no guest is named"));
    }
    for vmid in vmids
        .iter()
        .filter(|vmid| resources.guest(**vmid).is_none())
    {
        // A guest without VM.Audit does not show, and may be backed up all the same.
        let taken = cluster
            .is_taken(*vmid)
            .map_err(|error| fault::unable(&format!("look for VM {vmid}"), &error))?;
        if !taken && let Some(named) = Named::of(Some(*vmid), None, KINDS) {
            return Err(named.missing(cluster, resources));
        }
    }
    Ok(Wanted::These(vmids))
}

/// What each node does, and what is left undone.
pub(super) fn targets(
    args: &BackupArgs,
    resources: &Resources,
    nodes: &[String],
    wanted: &Wanted,
) -> (Vec<Target>, Vec<String>) {
    let mut warnings = Vec::new();
    let mut placed: BTreeMap<&str, Vec<u32>> = BTreeMap::new();
    for guest in &resources.guests {
        let vmid = guest.address.vmid;
        if matches!(wanted, Wanted::These(vmids) if !vmids.contains(&vmid)) {
            continue;
        }
        placed.entry(&guest.address.node).or_default().push(vmid);
    }
    // Where a guest is that does not show, its node alone knows.
    let all_asked = match wanted {
        Wanted::All => true,
        Wanted::These(vmids) => vmids.iter().any(|vmid| resources.guest(*vmid).is_none()),
    };
    let mut targets: Vec<Target> = nodes
        .iter()
        .map(|node| {
            let vmids = placed.remove(node.as_str()).unwrap_or_default();
            let fate = if all_asked || !vmids.is_empty() {
                Fate::Asked
            } else {
                Fate::Idle
            };
            Target {
                node: node.clone(),
                vmids,
                fate,
            }
        })
        .collect();
    for (node, vmids) in placed {
        let guests = listed(&vmids);
        if let Some(only) = &args.node {
            if args.mode == Mode::Include {
                warnings.push(format!(
                    "not backed up, as they are on node `{node}` and not on `{only}`: {guests}"
                ));
            }
        } else if args.mode == Mode::Include {
            targets.push(Target {
                node: node.to_owned(),
                vmids,
                fate: Fate::Offline,
            });
        } else {
            warnings.push(format!(
                "not backed up, as node `{node}` is offline: {guests}"
            ));
        }
    }
    (targets, warnings)
}

/// VMIDs as a list in one text.
pub(super) fn listed(vmids: &[u32]) -> String {
    let texts: Vec<String> = vmids.iter().map(u32::to_string).collect();
    texts.join(",")
}

/// The right side of the diff: what each node backs up.
pub(super) fn shown(targets: &[Target]) -> Value {
    let asked: BTreeMap<&str, &[u32]> = targets
        .iter()
        .filter(|target| target.fate == Fate::Asked)
        .map(|target| (target.node.as_str(), target.vmids.as_slice()))
        .collect();
    if asked.is_empty() {
        Value::Null
    } else {
        json!({"backups": asked})
    }
}
