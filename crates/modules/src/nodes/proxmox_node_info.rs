//! `proxmox_node_info`: the nodes, by `/nodes` and, of each that is online, `/nodes/{node}/network` and
//! `/nodes/{node}/version`.

use ansible::{Args, Failure};
use pve::wire::{Row, row};
use pve::{Call, Cluster, Error, path};

use crate::connection::{Connection, DropIn};
use crate::fault;
use crate::job::Report;
use crate::reader::{self, Reader};

/// What only a node itself tells, by the last part of its URL; the result has it under the same key.
const OWN: [&str; 2] = ["network", "version"];

/// The options of `proxmox_node_info`.
#[derive(Args, Debug)]
pub struct NodeInfoArgs {
    /// Where the API is.
    #[arg(flatten)]
    pub connection: DropIn,
}

/// The module.
pub struct ProxmoxNodeInfo;

crate::module!(ProxmoxNodeInfo, "proxmox_node_info");

impl Reader for ProxmoxNodeInfo {
    type Args = NodeInfoArgs;

    fn connection(args: &NodeInfoArgs) -> &Connection {
        &args.connection.connection
    }

    fn read(_args: &NodeInfoArgs, cluster: &Cluster) -> Result<Report, Failure> {
        let mut nodes = cluster
            .nodes()
            .map_err(|error| fault::unable("read the nodes", &error))?;
        let questions: Vec<Call> = nodes
            .iter()
            .filter(|node| is_online(node))
            .flat_map(|node| OWN.map(|own| Call::get(path!("nodes", name(node), own))))
            .collect();
        let mut answers = cluster.get_each(&questions).into_iter();
        let mut warnings = Vec::new();
        for node in &mut nodes {
            if !is_online(node) {
                warnings.push(format!(
                    "node `{}` is {}: its network and version are not known",
                    name(node),
                    status(node)
                ));
                continue;
            }
            let mut errors = Vec::new();
            for (own, answer) in OWN.into_iter().zip(answers.by_ref()) {
                match answer {
                    Ok(answer) => {
                        let mut answer = (*answer).clone();
                        // The interfaces are a list, the version is none.
                        row::sort_list(&mut answer, "iface");
                        node.insert(own.to_owned(), answer);
                    }
                    Err(error) => errors.push((own, error)),
                }
            }
            warnings.extend(unread(&name(node), &errors));
        }
        Ok(Report {
            warnings,
            ..reader::told("proxmox_nodes", nodes)
        })
    }
}

fn name(node: &Row) -> String {
    row::text(node, "node").unwrap_or_default()
}

fn status(node: &Row) -> String {
    row::text(node, "status").unwrap_or_else(|| "unknown".to_owned())
}

fn is_online(node: &Row) -> bool {
    status(node) == "online"
}

/// One warning for a node, whatever of it could not be read: the cause is mostly the same.
fn unread(node: &str, errors: &[(&str, Error)]) -> Option<String> {
    let (_, first) = errors.first()?;
    let missing: Vec<&str> = errors.iter().map(|(own, _)| *own).collect();
    let to = format!("read {} of node `{node}`", missing.join(" and "));
    Some(fault::unable(&to, first).msg)
}
