//! `proxmox_vm_info`: guests, by `/cluster/resources`, the lists of their nodes and, where it is asked for, each
//! guest's `config` and network interfaces.

mod more;
mod now;
#[cfg(test)]
mod tests;

use ansible::{Args, Choice, Failure};
use pve::Cluster;
use pve::nodes::guest::{Address, GuestKind};
use pve::wire::{Row, row};
use serde_json::{Map, Value};

use crate::connection::{Connection, DropIn};
use crate::fault;
use crate::job::Report;
use crate::reader::Reader;

/// The options of `proxmox_vm_info`.
#[derive(Args, Debug)]
pub struct VmInfoArgs {
    /// Where the API is.
    #[arg(flatten)]
    pub connection: DropIn,
    /// Only guests on this node. A node that is not there is a failure.
    pub node: Option<String>,
    /// What kind of guests.
    #[arg(rename = "type", default = "all")]
    pub kind: Kind,
    /// Only the guest with this VMID.
    pub vmid: Option<i64>,
    /// Only guests with this name; there may be several.
    pub name: Option<String>,
    /// Whether the configuration is told: as it is in effect, or with the changes that wait for the next boot.
    #[arg(default = "none")]
    pub config: ConfigWanted,
    /// Whether the network interfaces are told that running guests have. A VM tells them by its guest agent, a
    /// container without one.
    #[arg(default = false)]
    pub network: bool,
}

/// What kind of guests.
#[derive(Choice, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Containers.
    Lxc,
    /// Virtual machines.
    Qemu,
    /// Both.
    All,
}

/// Which configuration.
#[derive(Choice, Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigWanted {
    /// None.
    None,
    /// That in effect.
    Current,
    /// With what waits for the next boot.
    Pending,
}

/// The module.
pub struct ProxmoxVmInfo;

crate::module!(ProxmoxVmInfo, "proxmox_vm_info");

impl Reader for ProxmoxVmInfo {
    type Args = VmInfoArgs;

    fn connection(args: &VmInfoArgs) -> &Connection {
        &args.connection.connection
    }

    fn read(args: &VmInfoArgs, cluster: &Cluster) -> Result<Report, Failure> {
        let (mut nodes, rows) = cluster
            .resources_whole()
            .map_err(|error| fault::unable("look for guests", &error))?;
        // The rows tell all of it.
        nodes.guests = Vec::new();
        if let Some(node) = wanted_node(args)
            && !nodes.nodes.iter().any(|known| known.node == node)
        {
            return Err(Failure::new(format!(
                "Node {node} doesn't exist in PVE cluster"
            )));
        }
        let mut guests: Vec<Guest> = rows
            .into_iter()
            .filter(|(address, _)| fits(args, address))
            .map(|(address, row)| {
                let online = nodes.is_online(&address.node);
                Guest {
                    address,
                    row,
                    online,
                    reads: online,
                }
            })
            .collect();
        let mut warnings = Vec::new();
        if let Some(name) = &args.name {
            guests = now::named(name, guests, cluster, &mut warnings);
        } else {
            now::bring_up_to_date(&mut guests, cluster, &mut warnings);
        }
        let meaning = "of its guests no more is told than the cluster remembers";
        warnings.extend(now::away(&guests, meaning));
        warnings.extend(more::read(args, &mut guests, cluster));
        // They may be many: they are handed on, not copied.
        let rows = guests.into_iter().map(Guest::told).map(Value::Object);
        Ok(Report {
            warnings,
            returns: Map::from_iter([("proxmox_vms".to_owned(), rows.collect())]),
            ..Report::default()
        })
    }
}

/// A guest, and what is known of it.
struct Guest {
    address: Address,
    row: Row,
    /// Whether its node is said to be online.
    online: bool,
    /// Whether its node answers.
    reads: bool,
}

impl Guest {
    fn name(&self) -> Option<String> {
        row::text(&self.row, "name")
    }

    /// `web-1 (101)`.
    fn title(&self) -> String {
        let vmid = self.address.vmid;
        match self.name() {
            Some(name) => format!("{name} ({vmid})"),
            None => vmid.to_string(),
        }
    }

    fn runs(&self) -> bool {
        row::text(&self.row, "status").as_deref() == Some("running")
    }

    fn told(mut self) -> Row {
        self.row.insert("vmid".to_owned(), self.address.vmid.into());
        // A node's list has the key for templates only.
        self.row
            .entry("template")
            .or_insert_with(|| Value::from(false));
        row::switches(&mut self.row, &["template"]);
        self.row
    }
}

fn wanted_node(args: &VmInfoArgs) -> Option<&str> {
    args.node.as_deref().filter(|node| !node.is_empty())
}

/// Whether all but its name is as it is wanted.
fn fits(args: &VmInfoArgs, address: &Address) -> bool {
    let kind = match args.kind {
        Kind::Lxc => address.kind == GuestKind::Lxc,
        Kind::Qemu => address.kind == GuestKind::Qemu,
        Kind::All => true,
    };
    kind && wanted_node(args).is_none_or(|node| address.node == node)
        && args
            .vmid
            .is_none_or(|vmid| vmid == 0 || i64::from(address.vmid) == vmid)
}
