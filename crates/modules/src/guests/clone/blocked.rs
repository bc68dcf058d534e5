//! Whether one of the wanted VMs is being made at this moment.

use std::collections::{BTreeMap, BTreeSet};

use ansible::Failure;
use pve::nodes::guest::{Address, GuestKind};
use pve::plan::{Ask, Probe, Verdict};
use pve::{Call, Cluster, Error, Upid};
use serde_json::Value;

use super::item::Item;
use super::picture::Picture;
use super::source::Source;
use crate::fault;
use crate::guests::steps::{clone_tasks, is_locked_by_clone, running_clones};

/// What VMs that are being made mean for the plan.
pub enum BeingMade {
    /// None of them is a wanted VM. What the user should know of them.
    Others(Vec<String>),
    /// One of them may be a wanted VM: only its name can tell.
    PerhapsOurs {
        /// When they have names.
        until: Probe,
        /// Why that is waited for.
        why: String,
    },
}

/// A VM that is being cloned has no name yet, so it may be one of ours, begun
/// by an earlier run. Whoever clones from other templates is left alone.
pub fn somebody_clones(
    cluster: &Cluster,
    picture: &Picture,
    missing: &[&Item],
    sources: &[Source],
) -> Result<BeingMade, Failure> {
    let mut nameless: BTreeMap<&str, Vec<&Address>> = BTreeMap::new();
    for address in picture.being_made().filter(|_| !sources.is_empty()) {
        nameless.entry(&address.node).or_default().push(address);
    }
    let wanted: BTreeSet<String> = sources
        .iter()
        .map(|source| source.address.vmid.to_string())
        .collect();
    let calls: Vec<Call> = nameless
        .keys()
        .map(|node| clone_tasks(node, GuestKind::Qemu))
        .collect();
    let mut perhaps_ours: Vec<&Address> = Vec::new();
    let mut warnings = Vec::new();
    for ((node, nameless), tasks) in nameless.iter().zip(cluster.get_each(&calls)) {
        let tasks = tasks.map_err(|error| fault::unable("list running tasks", &error))?;
        let clones = running_clones(&tasks, GuestKind::Qemu);
        let is_wanted = |upid: &Upid| wanted.contains(upid.id());
        if clones.iter().any(is_wanted) {
            perhaps_ours.extend(nameless);
        } else if clones.is_empty() {
            // The list of VMs is older than that of tasks: a clone may have ended in between.
            let (left, made): (Vec<&Address>, Vec<&Address>) = nameless
                .iter()
                .partition(|address| !is_made(&answer(cluster, address)));
            perhaps_ours.extend(made);
            // One that has a VMID of ours says more than the others.
            let ours = left.iter().find_map(|left| {
                let item = missing.iter().find(|item| item.may_have(left.vmid))?;
                Some((*left, Some(*item)))
            });
            if let Some((left, item)) = ours.or_else(|| Some((left.first()?, None))) {
                warnings.push(left_over(cluster, node, left, item)?);
            }
        }
    }
    if perhaps_ours.is_empty() {
        return Ok(BeingMade::Others(warnings));
    }
    let listed: Vec<String> = perhaps_ours.iter().map(ToString::to_string).collect();
    let why = match listed.as_slice() {
        [one] => {
            format!("VM {one} is being cloned from a wanted template, and may be a wanted VM")
        }
        several => format!(
            "VMs {} are being cloned from wanted templates, and may be wanted VMs",
            several.join(", ")
        ),
    };
    let asks = perhaps_ours
        .iter()
        .map(|address| Ask::Get(address.config()))
        .collect();
    let until = Probe::new(asks, |answers| {
        if answers.iter().all(is_made) {
            Verdict::Holds(None)
        } else {
            Verdict::NotYet("VMs are being cloned".to_owned())
        }
    });
    Ok(BeingMade::PerhapsOurs { until, why })
}

fn answer(cluster: &Cluster, address: &Address) -> Result<Value, Error> {
    cluster
        .get(&address.config())
        .map(|config| Value::clone(&config))
}

/// Whether a VM's clone is over, by its configuration. One that has gone to
/// its target node is over too.
fn is_made(config: &Result<Value, Error>) -> bool {
    match config {
        Ok(config) => !is_locked_by_clone(config["lock"].as_str()),
        Err(error) => error.is_not_found(),
    }
}

/// A VM whose clone does not run is no one's. But a caller without Sys.Audit
/// is shown his own tasks only, so that it may just as well be another client's.
/// With a VMID that is stated for `item` it is in the way in either case.
fn left_over(
    cluster: &Cluster,
    node: &str,
    left: &Address,
    item: Option<&Item>,
) -> Result<String, Failure> {
    let acl_path = format!("/nodes/{node}");
    let held = cluster
        .permissions_on(&acl_path)
        .map_err(|error| fault::unable("read the caller's privileges", &error))?;
    if held.contains("Sys.Audit") {
        return Err(Failure::new(format!(
            "VM {left} is locked by a clone that no longer runs, so it has no name and may be one of the wanted \
             VMs: look at it, then remove it, or unlock it with `qm unlock {}`",
            left.vmid
        )));
    }
    let has_our_vmid = item.map_or_else(String::new, |item| {
        format!(", and has a VMID that is stated for `{}`", item.name)
    });
    let text = format!(
        "VM {left} is locked by a clone that is not one of {user}'s running tasks{has_our_vmid}: another client \
         makes it, or it was left over (then remove it, or unlock it with `qm unlock {vmid}`). Which of both, \
         only a caller with Sys.Audit on {acl_path} can see",
        user = cluster.client().user(),
        vmid = left.vmid,
    );
    match item {
        Some(_) => Err(Failure::new(text)),
        None => Ok(text),
    }
}
