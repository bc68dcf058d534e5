//! Containers that are made anew in the place of one that is there. The server
//! does not put a container in the place of another one, but for a backup: the
//! one that is there is removed first. What the new one would fail with is
//! therefore looked for before.

use std::sync::Arc;

use ansible::Failure;
use pve::cluster::resources::Resources;
use pve::nodes::guest::{GuestKind, Status};
use pve::plan::{Ending, Follow, Lost};
use pve::texts::Matched;
use pve::wire::{Row, row};
use pve::{Call, Cluster, Param, Planned, Step, path};
use serde_json::{Value, json};

use super::new::{node, of_template, planned};
use super::present::unwanted;
use super::rights;
use super::subject::{Notes, title};
use super::wanted::Stated;
use crate::fault;
use crate::guests::config::Config;
use crate::guests::held;
use crate::guests::proxmox::ContainerArgs;
use crate::guests::single::One;
use crate::guests::steps::{Create, Remove};
use crate::job::Task;

/// Makes one anew.
pub fn recreate(
    task: &Task<'_, ContainerArgs>,
    stated: &Stated<'_>,
    resources: &Resources,
    one: &One<Arc<Value>>,
    cluster: &Cluster,
) -> Result<Planned<Notes>, Failure> {
    let args = task.args;
    let vmid = one.address.vmid;
    hold_name(args, one)?;
    let title = title(args.hostname.as_deref(), Some(vmid));
    if args.ostemplate.is_none() {
        return Err(Failure::new(format!(
            "VM {title} exists, and with force: true it is made anew of ostemplate, which is not stated"
        )));
    }
    let node = node(args, resources)?;
    let live = cluster
        .live(&one.address)
        .map_err(|error| fault::unable(&format!("look at the guest `{vmid}`"), &error))?;
    if live.status != Status::Stopped {
        return Err(Failure::new(format!(
            "VM {title} is running, and only one that is stopped is made anew: stop it before"
        )));
    }
    let by_ha = one.ha_managed || live.ha_managed;
    held::hold_removal(cluster, &one.address, &title, by_ha)?;
    let mut making = of_template(args, stated, &node, Some(vmid), cluster)?;
    let params = stated.params().map_err(|error| unwanted(&error))?;
    rights::hold(cluster, args, stated, &params, &title)?;
    hold_storages(cluster, &node, stated)?;
    hold_volumes(cluster, &node, stated, one)?;
    hold_script(cluster, &node, args)?;
    hold_pool(cluster, resources, args)?;
    let remove = Remove::default().step(&one.address.path());
    making
        .steps
        .splice(0..0, [refused(args, &node, vmid, params), remove]);
    making.warnings.push(format!(
        "the container {title} on {} is removed with its volumes and made anew on {node} (force: true)",
        one.address.node
    ));
    for (key, value) in [
        ("hostname", json!(one.name)),
        ("node", json!(one.address.node)),
        ("vmid", json!(vmid)),
        (
            "rootfs",
            json!(Config::from_config(&one.read).get("rootfs")),
        ),
    ] {
        making.before.insert(key.to_owned(), value);
    }
    Ok(planned(task, resources, &node, Some(vmid), making))
}

/// The same request while the VMID is taken: the server holds a request against its schema before it looks at
/// anything else, and knows more of it than we do, such as the time zones. It is not made then, and nothing is lost
/// where the server refuses it for another reason than the VMID.
fn refused(args: &ContainerArgs, node: &str, vmid: u32, params: Vec<(String, Param)>) -> Step {
    Create {
        kind: GuestKind::Lxc,
        node,
        vmid: Some(vmid),
        name: args.hostname.as_deref(),
        params,
    }
    .step()
    .on(Ending::Text(Matched::VmidTaken), Follow::Accept)
    .lost(Lost::Repeat)
}

/// A hook script that is there.
fn hold_script(cluster: &Cluster, node: &str, args: &ContainerArgs) -> Result<(), Failure> {
    match args
        .hookscript
        .as_deref()
        .filter(|script| !script.is_empty())
    {
        Some(script) => hold_there(cluster, node, "hookscript", script).map(|_| ()),
        None => Ok(()),
    }
}

/// Whoever states a VMID and another name may well mean another container.
fn hold_name(args: &ContainerArgs, one: &One<Arc<Value>>) -> Result<(), Failure> {
    if args.hostname == one.name {
        return Ok(());
    }
    Err(Failure::new(format!(
        "VM {} on {} is not removed for `{}`: with force: true a container is made anew under its own name; state \
         that one, or another VMID, or remove it with state: absent before",
        title(one.name.as_deref(), Some(one.address.vmid)),
        one.address.node,
        args.hostname.as_deref().unwrap_or_default()
    )))
}

/// Storages that take volumes of containers.
fn hold_storages(cluster: &Cluster, node: &str, stated: &Stated<'_>) -> Result<(), Failure> {
    let call = Call::get(path!("nodes", node, "storage"))
        .with("content", "rootdir")
        .with("enabled", true);
    let rows: Vec<Row> = cluster
        .get_as(&call)
        .map_err(|error| fault::unable(&format!("read the storages of {node}"), &error))?;
    let takes = |storage: &str| {
        rows.iter()
            .any(|row| row.get("storage").and_then(Value::as_str) == Some(storage))
    };
    match stated
        .storages()
        .into_iter()
        .find(|storage| !takes(storage))
    {
        Some(storage) => Err(Failure::new(format!(
            "storage '{storage}' on {node} takes no volumes of containers"
        ))),
        None => Ok(()),
    }
}

/// Volumes that are there, and stay there without the container.
fn hold_volumes(
    cluster: &Cluster,
    node: &str,
    stated: &Stated<'_>,
    one: &One<Arc<Value>>,
) -> Result<(), Failure> {
    let vmid = one.address.vmid;
    for volume in stated.volumes() {
        let Some(volid) = volume.takes() else {
            continue;
        };
        let key = volume.key();
        let row = hold_there(cluster, node, key, volid)?;
        if row::text(&row, "vmid") == Some(vmid.to_string()) {
            return Err(Failure::new(format!(
                "{key}: {volid} is removed with the container {vmid}, and cannot be one of the new one's"
            )));
        }
    }
    Ok(())
}

/// A volume that is there.
fn hold_there(cluster: &Cluster, node: &str, key: &str, volid: &str) -> Result<Row, Failure> {
    let storage = volid.split(':').next().unwrap_or_default();
    let rows = cluster
        .storage_content(node, storage, None, None)
        .map_err(|error| fault::unable(&format!("look for `{volid}` on {node}"), &error))?;
    rows.into_iter()
        .find(|row| row.get("volid").and_then(Value::as_str) == Some(volid))
        .ok_or_else(|| Failure::new(format!("{key}: {volid} does not exist on {node}")))
}

/// A pool that is there. Without Pool.Audit it is not listed, and is asked for.
fn hold_pool(
    cluster: &Cluster,
    resources: &Resources,
    args: &ContainerArgs,
) -> Result<(), Failure> {
    let Some(pool) = args
        .pool
        .as_deref()
        .filter(|pool| !resources.pools.contains(*pool))
    else {
        return Ok(());
    };
    match cluster.pool(pool) {
        Ok(Some(_)) => Ok(()),
        Ok(None) => Err(Failure::new(format!("the pool `{pool}` does not exist"))),
        Err(error) => Err(fault::unable(
            &format!("look for the pool `{pool}`"),
            &error,
        )),
    }
}
