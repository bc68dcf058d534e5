//! Containers that are made: of a template, as a clone, or anew in the place of
//! one that is there.

use std::sync::Arc;

use ansible::Failure;
use pve::cluster::resources::Resources;
use pve::nodes::guest::{GuestKind, Status};
use pve::plan::{Allocation, VMID};
use pve::wire::Row;
use pve::{Call, Cluster, Param, Planned, Step, Track, path};
use serde_json::{Map, Value, json};

use super::present::unwanted;
use super::subject::{CONTAINERS, Made, Notes, title};
use super::wanted::Stated;
use crate::fault;
use crate::guests::config::Config;
use crate::guests::delta::Delta;
use crate::guests::proxmox::{CloneType, ContainerArgs};
use crate::guests::single::{Deed, Named, One, patience};
use crate::guests::steps::{self, Create, Remove};
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

/// What a container is made of, and what there is to say of it.
struct Making {
    verb: &'static str,
    source: String,
    steps: Vec<Step>,
    /// What is shown of it, beside its name, its VMID and its node.
    after: Map<String, Value>,
    warnings: Vec<String>,
}

/// Makes one of a template.
pub fn create(
    task: &Task<'_, ContainerArgs>,
    stated: &Stated<'_>,
    resources: &Resources,
    cluster: &Cluster,
) -> Result<Planned<Notes>, Failure> {
    let args = task.args;
    let node = node(args, resources)?;
    let making = of_template(args, stated, &node, args.vmid, cluster)?;
    Ok(planned(task, resources, &node, args.vmid, making))
}

/// Makes one anew. The server does not put a container in the place of another
/// one, but for a backup: the one that is there is removed first.
pub fn recreate(
    task: &Task<'_, ContainerArgs>,
    stated: &Stated<'_>,
    resources: &Resources,
    one: &One<Arc<Value>>,
    cluster: &Cluster,
) -> Result<Planned<Notes>, Failure> {
    let args = task.args;
    let vmid = one.address.vmid;
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
    let mut making = of_template(args, stated, &node, Some(vmid), cluster)?;
    hold_storages(cluster, &node, stated)?;
    making
        .steps
        .insert(0, Remove::default().step(&one.address.path()));
    making.warnings.push(format!(
        "the container {title} is removed with its volumes and made anew (force: true)"
    ));
    let Planned::Ready(mut plan, notes) = planned(task, resources, &node, Some(vmid), making)
    else {
        return Err(Failure::new("a plan was expected"));
    };
    for track in &mut plan.tracks {
        track.whole = true;
    }
    plan.before = json!({
        "hostname": one.name, "node": one.address.node, "vmid": vmid,
        "rootfs": Config::from_config(&one.read).get("rootfs"),
    });
    Ok(Planned::Ready(plan, notes))
}

fn of_template(
    args: &ContainerArgs,
    stated: &Stated<'_>,
    node: &str,
    vmid: Option<u32>,
    cluster: &Cluster,
) -> Result<Making, Failure> {
    let template = args.ostemplate.as_deref().unwrap_or_default();
    let params = stated.params().map_err(|error| unwanted(&error))?;
    hold_template(cluster, node, template)?;
    let after = params
        .iter()
        .map(|(key, value)| {
            let shown = match value {
                Param::Text(text) => json!(text),
                Param::Secret(_) | Param::Bound(_) => json!("********"),
            };
            (key.clone(), shown)
        })
        .collect();
    let create = Create {
        kind: GuestKind::Lxc,
        node,
        vmid,
        name: args.hostname.as_deref(),
        params,
    };
    Ok(Making {
        verb: "Created",
        source: format!("template {template}"),
        steps: vec![create.step()],
        after,
        warnings: Vec::new(),
    })
}

/// Clones one.
pub fn clone(
    task: &Task<'_, ContainerArgs>,
    source: u32,
    resources: &Resources,
    cluster: &Cluster,
) -> Result<Planned<Notes>, Failure> {
    let args = task.args;
    let node = node(args, resources)?;
    let Some(listed) = resources.guest(source) else {
        let named = Named::of(Some(source), None, CONTAINERS);
        return Err(named.map_or_else(
            || Failure::new(format!("VM with vmid {source} does not exist in cluster")),
            |named| named.missing(cluster, resources),
        ));
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

fn planned(
    task: &Task<'_, ContainerArgs>,
    resources: &Resources,
    node: &str,
    vmid: Option<u32>,
    making: Making,
) -> Planned<Notes> {
    let args = task.args;
    let hostname = args.hostname.clone().unwrap_or_default();
    let mut track = Track::new(GuestKind::Lxc.noun(), &hostname, Vec::new());
    if let Some(vmid) = vmid {
        track.bindings.insert(VMID, vmid.to_string());
    } else {
        track.allocates = Some(Allocation {
            range: None,
            taken: Arc::new(
                resources
                    .guests
                    .iter()
                    .map(|guest| guest.address.vmid)
                    .collect(),
            ),
        });
    }
    let mut after = making.after;
    after.insert("hostname".to_owned(), json!(hostname));
    after.insert("node".to_owned(), json!(node));
    let known = vmid.map_or_else(|| json!("allocated"), |vmid| json!(vmid));
    after.insert("vmid".to_owned(), known);
    let deed = Deed {
        delta: Delta {
            steps: making.steps,
            before: Map::new(),
            after,
        },
        warnings: making.warnings,
        limit: Some(patience(task.context, args.timeout)),
        ..Deed::default()
    };
    let made = Made {
        hostname,
        vmid,
        verb: making.verb,
        source: making.source,
    };
    deed.planned_as(track).map(|told| Notes {
        told,
        made: Some(made),
        ..Notes::default()
    })
}

/// The node that a container is made on.
fn node(args: &ContainerArgs, resources: &Resources) -> Result<String, Failure> {
    let node = args.node.clone().unwrap_or_default();
    if !resources.nodes.iter().any(|known| known.node == node) {
        return Err(Failure::new(format!(
            "node '{node}' does not exist in cluster"
        )));
    }
    if !resources.is_online(&node) {
        return Err(Failure::new(format!("the node {node} is offline")));
    }
    Ok(node)
}

/// Where a container is removed first, a storage that takes none is better told before that.
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

/// The server would make the container's volumes before it misses the template.
fn hold_template(cluster: &Cluster, node: &str, template: &str) -> Result<(), Failure> {
    let Some((storage, volume)) = template
        .split_once(':')
        .filter(|_| !template.starts_with('/'))
    else {
        return Ok(());
    };
    let content = volume.split_once('/').map(|(content, _)| content);
    let volumes = cluster
        .storage_content(node, storage, content, None)
        .map_err(|error| {
            fault::unable(
                &format!("look for ostemplate `{template}` on {node}"),
                &error,
            )
        })?;
    let is_there = volumes
        .iter()
        .any(|row| row.get("volid").and_then(Value::as_str) == Some(template));
    if is_there {
        Ok(())
    } else {
        Err(Failure::new(format!(
            "ostemplate {template} does not exist on node {node} and storage {storage}."
        )))
    }
}
