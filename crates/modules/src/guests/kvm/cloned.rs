//! A VM that is made as a clone.

use ansible::Failure;
use pve::cluster::resources::{Guest, Resources};
use pve::nodes::guest::Live;
use pve::{Cluster, Planned};
use serde_json::json;

use super::created::{Made, hold_free, new, planned, taken};
use super::subject::{Notes, VMS, hold_node};
use crate::fault;
use crate::guests::config::Config;
use crate::guests::proxmox_kvm::KvmArgs;
use crate::guests::single::{Deed, Named, One};
use crate::guests::steps;
use crate::guests::{held, linked};
use crate::job::Task;

/// How many clones of a template may be made side by side is for tasks of many VMs to say.
const AT_ONCE: usize = 1;

/// The plan.
pub fn plan(
    task: &Task<'_, KvmArgs>,
    source: &str,
    cluster: &Cluster,
) -> Result<Planned<Notes>, Failure> {
    let args = task.args;
    let source = Named::of(args.vmid, Some(source), VMS)
        .ok_or_else(|| Failure::new("clone names nothing that could be cloned"))?;
    let sought = source.current(cluster)?;
    if let Some(there) = there(args, sought.guest.as_ref(), &sought.resources, cluster)? {
        return Ok(Notes::nothing(there));
    }
    hold_free(args.making.newid, &sought.resources)?;
    let resources = &sought.resources;
    let Some(one) = &sought.guest else {
        return Err(source.missing(cluster, resources));
    };
    if let Some(target) = &args.making.target {
        hold_node(resources, target)?;
    }
    hold_source(args, one, resources, cluster)?;
    let user = cluster.client().user();
    Ok(clone(task, one, resources, user))
}

/// The clone, where it is there already: under its VMID, or else under its name.
fn there(
    args: &KvmArgs,
    source: Option<&One<Live>>,
    resources: &Resources,
    cluster: &Cluster,
) -> Result<Option<Deed>, Failure> {
    if let Some(newid) = args.making.newid {
        let Some(guest) = resources
            .guest(newid)
            .filter(|guest| VMS.contains(&guest.address.kind))
        else {
            return Ok(None);
        };
        let name = args
            .name
            .as_deref()
            .or(guest.name.as_deref())
            .unwrap_or("(unnamed)");
        let mut deed = Deed::says(format!("vmid {newid} with VM name {name} already exists"));
        if let Some(other) = guest.name.as_deref().filter(|other| *other != name) {
            deed = deed.warns(format!("VM {newid} is there, but is named `{other}`"));
        }
        return Ok(Some(deed.returns("vmid", newid)));
    }
    let Some(named) = Named::of(None, args.name.as_deref(), VMS) else {
        return Ok(None);
    };
    let says = |vmid: u32, name: &str| {
        Deed::says(format!("vmid {vmid} with VM name {name} already exists")).returns("vmid", vmid)
    };
    if let (Some(source), Some(name)) = (source, args.name.as_deref())
        && source.name.as_deref() == Some(name)
    {
        let namesake = namesake(source.address.vmid, name, resources, cluster);
        return Ok(namesake.map(|vmid| says(vmid, name)));
    }
    let guest = named.current(cluster)?.guest;
    Ok(guest.map(|one| says(one.address.vmid, &one.label())))
}

/// A VM beside the source that has the source's name: no VM is its own clone.
fn namesake(source: u32, name: &str, resources: &Resources, cluster: &Cluster) -> Option<u32> {
    let others = resources
        .guests
        .iter()
        .filter(|guest| VMS.contains(&guest.address.kind) && guest.address.vmid != source);
    let is_so_named = |guest: &&Guest| match guest.name.as_deref() {
        Some(other) => other == name,
        // One that is young, or on a node that is offline.
        None => cluster
            .live(&guest.address)
            .is_ok_and(|live| live.name.as_deref() == Some(name)),
    };
    let mut named = others.filter(is_so_named);
    named.next().map(|guest| guest.address.vmid)
}

/// The source has what is to be cloned, and can be cloned so.
fn hold_source(
    args: &KvmArgs,
    one: &One<Live>,
    resources: &Resources,
    cluster: &Cluster,
) -> Result<(), Failure> {
    let snapshot = args.making.snapname.as_deref();
    let label = one.label();
    if let Some(name) = snapshot {
        held::hold_snapshot_there(cluster, &one.address, &label, name)?;
    }
    if args.making.full || one.read.template {
        return Ok(());
    }
    let to = format!("clone VM `{label}`");
    let call = one.address.config().with_some("snapshot", snapshot);
    let config = cluster
        .get(&call)
        .map_err(|error| fault::unable(&to, &error))?;
    let config = Config::from_config(&config);
    match linked::obstacle(resources, &one.address.node, &config, snapshot.is_some()) {
        Some(why) => Err(Failure::new(format!("unable to {to}: {why}"))),
        None => Ok(()),
    }
}

fn clone(
    task: &Task<'_, KvmArgs>,
    one: &One<Live>,
    resources: &Resources,
    user: &str,
) -> Planned<Notes> {
    let args = task.args;
    let making = &args.making;
    let node = making.target.as_ref().unwrap_or(&one.address.node);
    let format = making
        .format
        .as_deref()
        .filter(|format| *format != "unspecified");
    let clone = steps::Clone {
        source: &one.address,
        at_once: AT_ONCE,
        name: args.name.as_deref(),
        vmid: making.newid,
        node,
        full: making.full,
        storage: making.storage.as_deref(),
        format,
        pool: making.pool.as_deref(),
        snapshot: making.snapname.as_deref(),
        description: None,
        writes_to: Vec::new(),
        user,
    };
    let mut after = new(args.name.as_deref(), making.newid, node);
    after.insert("clone of".to_owned(), json!(one.address.vmid));
    after.insert("full".to_owned(), json!(making.full));
    for (key, value) in [("pool", &making.pool), ("snapname", &making.snapname)] {
        if let Some(value) = value {
            after.insert(key.to_owned(), json!(value));
        }
    }
    let made = Made {
        name: args.name.clone(),
        vmid: making.newid,
        node: node.clone(),
        source: Some(one.address.vmid),
        keys: Vec::new(),
    };
    let label = args.name.clone().unwrap_or_else(|| one.label());
    let steps = vec![clone.step()];
    planned(
        task,
        label,
        after,
        steps,
        idle(args),
        taken(resources),
        made,
    )
}

/// What is stated, and not done by a clone.
fn idle(args: &KvmArgs) -> Vec<String> {
    let mut warnings = Vec::new();
    let making = &args.making;
    let for_full: Vec<&str> = [
        ("storage", making.storage.is_some()),
        (
            "format",
            making
                .format
                .as_deref()
                .is_some_and(|format| format != "unspecified"),
        ),
    ]
    .into_iter()
    .filter(|(_, stated)| *stated && !making.full)
    .map(|(option, _)| option)
    .collect();
    if !for_full.is_empty() {
        warnings.push(format!(
            "{} only says something of a full clone; a linked one lies where its template lies",
            for_full.join(" and ")
        ));
    }
    let keys = args.configuration.wanted().unwrap_or_default();
    if !keys.is_empty() {
        let keys: Vec<&str> = keys.keys().map(String::as_str).collect();
        warnings.push(format!(
            "a clone has what its source has; not written: {}. A task with update: true writes them",
            keys.join(", ")
        ));
    }
    warnings
}
