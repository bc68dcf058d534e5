//! Containers that are made of a template.

use std::sync::Arc;

use ansible::Failure;
use pve::cluster::resources::Resources;
use pve::nodes::guest::GuestKind;
use pve::plan::{Allocation, VMID};
use pve::{Cluster, Param, Planned, Step, Track};
use serde_json::{Map, Value, json};

use super::present::unwanted;
use super::subject::{Made, Notes};
use super::wanted::Stated;
use crate::fault;
use crate::guests::delta::Delta;
use crate::guests::proxmox::ContainerArgs;
use crate::guests::rights::hold_root;
use crate::guests::single::{Deed, patience};
use crate::guests::steps::Create;
use crate::job::Task;

/// What a container is made of, and what there is to say of it.
pub struct Making {
    /// `Created`, `Cloned`.
    pub verb: &'static str,
    /// What of.
    pub source: String,
    /// What makes it.
    pub steps: Vec<Step>,
    /// The one that is there, and has to go first.
    pub before: Map<String, Value>,
    /// What is shown of it, beside its name, its VMID and its node.
    pub after: Map<String, Value>,
    /// What the user should know.
    pub warnings: Vec<String>,
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

/// What makes it of its template, once all that can be known of the request is as the server takes it.
pub fn of_template(
    args: &ContainerArgs,
    stated: &Stated<'_>,
    node: &str,
    vmid: Option<u32>,
    cluster: &Cluster,
) -> Result<Making, Failure> {
    let template = args.ostemplate.as_deref().unwrap_or_default();
    let params = stated.params().map_err(|error| unwanted(&error))?;
    hold_root(cluster.client().user(), &stated.of_root())?;
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
        before: Map::new(),
        after,
        warnings: Vec::new(),
    })
}

/// The plan that makes it.
pub fn planned(
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
    track.whole = !making.before.is_empty();
    let mut after = making.after;
    after.insert("hostname".to_owned(), json!(hostname));
    after.insert("node".to_owned(), json!(node));
    let known = vmid.map_or_else(|| json!("allocated"), |vmid| json!(vmid));
    after.insert("vmid".to_owned(), known);
    let deed = Deed {
        delta: Delta {
            steps: making.steps,
            before: making.before,
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
        made: Some(made),
        ..Notes::of(told)
    })
}

/// The node that a container is made on.
pub fn node(args: &ContainerArgs, resources: &Resources) -> Result<String, Failure> {
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
