//! A VM that is migrated.

use ansible::Failure;
use pve::nodes::guest::Status;
use pve::{Cluster, Planned};
use serde_json::json;

use super::subject::{Notes, hold_node, named, planned};
use crate::guests::delta::Delta;
use crate::guests::proxmox_kvm::KvmArgs;
use crate::guests::single::{Deed, Sought};
use crate::guests::steps::Migrate;
use crate::job::Task;

/// The plan.
pub fn plan(task: &Task<'_, KvmArgs>, cluster: &Cluster) -> Result<Planned<Notes>, Failure> {
    let args = task.args;
    let target = args.node.as_deref().ok_or_else(|| {
        Failure::new("migrate is true but all of the following are missing: node")
    })?;
    let named = named(args)?;
    let Sought { resources, guest } = named.current(cluster)?;
    let Some(one) = guest else {
        return Err(named.missing(cluster, &resources));
    };
    let vmid = one.address.vmid;
    let node = &one.address.node;
    let deed = if node == target {
        Deed::says(format!("VM {vmid} is already on {target}"))
    } else {
        hold_node(&resources, target)?;
        let migrate = Migrate {
            from: &one.address,
            target,
            online: one.read.status != Status::Stopped,
            with_local_disks: args.migration.with_local_disks,
            by_ha: one.ha_managed || one.read.ha_managed,
        };
        let mut delta = Delta::default();
        delta.show("node", json!(node), json!(target));
        delta.then([migrate.step()]);
        Deed::says(format!(
            "VM {vmid} has been migrated from {node} to {target}"
        ))
        .does(delta)
    };
    let deed = deed.returns("vmid", vmid);
    let lock = one.read.lock.as_deref();
    Ok(planned(task, deed, &one.address, &one.label(), lock))
}
