//! Containers that are made as clones.

use ansible::Failure;
use pve::cluster::resources::Resources;
use pve::guests::GuestRef;
use pve::nodes::guest::{Address, GuestKind, Status};
use pve::{Cluster, Planned};
use serde_json::{Map, json};

use super::new::{Making, node, planned};
use super::present::unwanted;
use super::subject::{CONTAINERS, Notes, title};
use super::wanted::hold_hostname;
use crate::fault;
use crate::guests::config::Config;
use crate::guests::proxmox::{CloneType, ContainerArgs};
use crate::guests::single::Named;
use crate::guests::steps;
use crate::job::Task;

/// The options that a clone does not take over.
const NOT_FOR_CLONES: &[&str] = &[
    "cmode",
    "cores",
    "cpus",
    "cpuunits",
    "disk",
    "disk_volume",
    "features",
    "hookscript",
    "memory",
    "mount_volumes",
    "mounts",
    "nameserver",
    "netif",
    "onboot",
    "ostype",
    "password",
    "pubkey",
    "searchdomain",
    "startup",
    "swap",
    "tags",
    "timezone",
    "unprivileged",
];

/// Clones one.
pub fn clone(
    task: &Task<'_, ContainerArgs>,
    source: u32,
    resources: &Resources,
    cluster: &Cluster,
) -> Result<Planned<Notes>, Failure> {
    let args = task.args;
    hold_hostname(args).map_err(|error| unwanted(&error))?;
    let node = node(args, resources)?;
    let Some(listed) = resources.guest(source) else {
        let named = Named {
            reference: GuestRef::Vmid(source),
            kinds: CONTAINERS,
        };
        return Err(named.missing(cluster, resources));
    };
    if listed.address.kind != GuestKind::Lxc {
        return Err(Failure::new(format!(
            "The specified VM {source} is not an lxc."
        )));
    }
    let config = cluster.get(&listed.address.config()).map_err(|error| {
        fault::unable(
            &format!("read the configuration of container `{source}`"),
            &error,
        )
    })?;
    let is_template = Config::from_config(&config).is_template();
    let full = match (args.clone_type, is_template) {
        (CloneType::Linked, false) => {
            return Err(Failure::new(
                "Cloning type 'linked' is only supported for template containers.",
            ));
        }
        (CloneType::Linked | CloneType::Opportunistic, true) => false,
        (CloneType::Full, _) | (CloneType::Opportunistic, false) => true,
    };
    if full {
        hold_stopped(cluster, &listed.address)?;
    }
    let clone = steps::Clone {
        source: &listed.address,
        at_once: 1,
        name: args.hostname.as_deref(),
        vmid: args.vmid,
        node: &node,
        full,
        storage: Some(&args.storage),
        format: None,
        pool: args.pool.as_deref(),
        snapshot: None,
        description: args.description.as_deref(),
        writes_to: Vec::new(),
        user: cluster.client().user(),
    };
    let mut after = Map::new();
    after.insert("clone".to_owned(), json!(source));
    after.insert("full".to_owned(), json!(full));
    for (key, value) in [("pool", &args.pool), ("description", &args.description)] {
        if let Some(value) = value {
            after.insert(key.to_owned(), json!(value));
        }
    }
    if full {
        after.insert("storage".to_owned(), json!(args.storage));
    }
    let making = Making {
        verb: "Cloned",
        source: source.to_string(),
        steps: vec![clone.step()],
        before: Map::new(),
        after,
        warnings: idle(task).into_iter().collect(),
    };
    Ok(planned(task, resources, &node, args.vmid, making))
}

/// What is stated and not written to a clone.
fn idle(task: &Task<'_, ContainerArgs>) -> Option<String> {
    let idle: Vec<&str> = NOT_FOR_CLONES
        .iter()
        .copied()
        .filter(|option| task.context.given(option))
        .collect();
    (!idle.is_empty()).then(|| {
        format!(
            "a clone has what its source has; not written: {}. A task without clone writes them",
            idle.join(", ")
        )
    })
}

/// The server copies a container that runs only as a snapshot has it.
fn hold_stopped(cluster: &Cluster, source: &Address) -> Result<(), Failure> {
    let vmid = source.vmid;
    let live = cluster
        .live(source)
        .map_err(|error| fault::unable(&format!("look at the guest `{vmid}`"), &error))?;
    if live.status == Status::Stopped {
        return Ok(());
    }
    Err(Failure::new(format!(
        "VM {} is running, and only one that is stopped is copied: stop it before",
        title(live.name.as_deref(), Some(vmid))
    )))
}
