//! `/cluster/resources`: where everything is, in one request.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::Value;

use super::Cluster;
use crate::call::Call;
use crate::client::decode;
use crate::error::Error;
use crate::nodes::guest::{Address, GuestKind};
use crate::path;
use crate::wire::{Row as Whole, Tags, lists, row, tolerant};

/// What the caller may see of the cluster.
///
/// Placement is current; a guest's name, status and template flag are those of
/// the last statistics round, up to 10 s old, and absent for a new guest and on
/// an offline node (measured on 9.2.11). A guest without VM.Audit is absent.
#[derive(Clone, Debug, Default)]
pub struct Resources {
    /// The guests.
    pub guests: Vec<Guest>,
    /// The nodes.
    pub nodes: Vec<Node>,
    /// The storages, once for each node that has them.
    pub storages: Vec<Storage>,
    /// The pools.
    pub pools: BTreeSet<String>,
}

/// A guest as the last statistics round knew it.
#[derive(Clone, Debug, PartialEq)]
pub struct Guest {
    /// Where it is.
    pub address: Address,
    /// Its name; none for one that is new.
    pub name: Option<String>,
    /// `running`, `stopped`, `unknown`.
    pub status: String,
    /// Whether it is a template.
    pub template: bool,
    /// The lock of its configuration.
    pub lock: Option<String>,
    /// Its tags.
    pub tags: Tags,
    /// Its pool.
    pub pool: Option<String>,
    /// Whether the HA manager manages it.
    pub ha_managed: bool,
}

/// A node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its name.
    pub node: String,
    /// Whether it is online.
    pub online: bool,
}

/// A storage as one node has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Storage {
    /// Its id.
    pub storage: String,
    /// The node.
    pub node: String,
    /// Whether all nodes see the same content.
    pub shared: bool,
    /// Whether it is active on this node.
    pub active: bool,
    /// Its type, such as `lvmthin`.
    pub plugin: String,
    /// What kinds of content it takes, such as `images`.
    pub content: BTreeSet<String>,
}

/// A row of the answer; which keys it has depends on its type.
#[derive(Deserialize)]
struct Row {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default, deserialize_with = "tolerant::optional_integer")]
    vmid: Option<u32>,
    #[serde(default)]
    node: String,
    name: Option<String>,
    #[serde(default)]
    status: String,
    #[serde(default, deserialize_with = "tolerant::switch")]
    template: bool,
    lock: Option<String>,
    #[serde(default)]
    tags: Option<String>,
    pool: Option<String>,
    hastate: Option<String>,
    #[serde(default)]
    storage: String,
    #[serde(default, deserialize_with = "tolerant::switch")]
    shared: bool,
    #[serde(default)]
    plugintype: String,
    #[serde(default)]
    content: String,
}

impl Cluster {
    /// Where everything is that the caller may see.
    pub fn resources(&self) -> Result<Resources, Error> {
        self.get_as(&everything()).map(Resources::from_rows)
    }

    /// As [`Cluster::resources`], and the guests by VMID with all that the
    /// server tells of them. The reading does not hold the answer.
    pub fn resources_whole(&self) -> Result<(Resources, Vec<(Address, Whole)>), Error> {
        let call = everything();
        let answer = self.client().read(&call, None)?;
        let resources = decode(&call, &answer).map(Resources::from_rows)?;
        let Value::Array(rows) = answer else {
            return Ok((resources, Vec::new()));
        };
        let mut guests: Vec<(Address, Whole)> = rows
            .into_iter()
            .filter_map(|row| match row {
                Value::Object(row) => Some((address(&row)?, row)),
                _ => None,
            })
            .collect();
        guests.sort_by_key(|(address, _)| address.vmid);
        Ok((resources, guests))
    }
}

fn everything() -> Call {
    Call::get(path!("cluster", "resources"))
}

/// Where a row's guest is; nothing for a row of something else.
fn address(row: &Whole) -> Option<Address> {
    Some(Address {
        node: row::text(row, "node")?,
        kind: GuestKind::from_name(&row::text(row, "type")?)?,
        vmid: row::text(row, "vmid")?.parse().ok()?,
    })
}

fn guest(row: Row, kind: GuestKind, vmid: u32) -> Guest {
    Guest {
        address: Address {
            node: row.node,
            kind,
            vmid,
        },
        name: row.name,
        status: row.status,
        template: row.template,
        lock: row.lock,
        tags: tags(row.tags.as_deref()),
        pool: row.pool,
        ha_managed: row.hastate.is_some_and(|state| !state.is_empty()),
    }
}

/// What the server stores as tags is valid; should it ever not be, a guest
/// without tags beats no answer at all.
pub(crate) fn tags(text: Option<&str>) -> Tags {
    text.and_then(|text| text.parse().ok()).unwrap_or_default()
}

impl Resources {
    fn from_rows(rows: Vec<Row>) -> Self {
        let mut resources = Self::default();
        for row in rows {
            match (row.kind.as_str(), row.vmid) {
                ("qemu", Some(vmid)) => resources.guests.push(guest(row, GuestKind::Qemu, vmid)),
                ("lxc", Some(vmid)) => resources.guests.push(guest(row, GuestKind::Lxc, vmid)),
                ("node", _) => resources.nodes.push(Node {
                    node: row.node,
                    online: row.status == "online",
                }),
                ("storage", _) => resources.storages.push(Storage {
                    storage: row.storage,
                    node: row.node,
                    shared: row.shared,
                    active: row.status == "available",
                    plugin: row.plugintype,
                    content: lists::split(&row.content).map(str::to_owned).collect(),
                }),
                ("pool", _) => resources.pools.extend(row.pool),
                _ => {}
            }
        }
        // The order of the rows is another one in each answer.
        resources.guests.sort_by_key(|guest| guest.address.vmid);
        resources.nodes.sort_by(|a, b| a.node.cmp(&b.node));
        resources
    }

    /// Whether the node is there and online.
    pub fn is_online(&self, node: &str) -> bool {
        self.nodes
            .iter()
            .any(|known| known.node == node && known.online)
    }

    /// The nodes that answer.
    pub fn online_nodes(&self) -> impl Iterator<Item = &str> {
        self.nodes
            .iter()
            .filter(|node| node.online)
            .map(|node| node.node.as_str())
    }

    /// The nodes that do not.
    pub fn offline_nodes(&self) -> impl Iterator<Item = &str> {
        self.nodes
            .iter()
            .filter(|node| !node.online)
            .map(|node| node.node.as_str())
    }

    /// The guest with this VMID.
    pub fn guest(&self, vmid: u32) -> Option<&Guest> {
        self.guests.iter().find(|guest| guest.address.vmid == vmid)
    }

    /// The guests with this name, as far as the last statistics round knew it.
    pub fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Guest> {
        self.guests
            .iter()
            .filter(move |guest| guest.name.as_deref() == Some(name))
    }

    /// The storage as this node has it.
    pub fn storage(&self, storage: &str, node: &str) -> Option<&Storage> {
        self.storages
            .iter()
            .find(|known| known.storage == storage && known.node == node)
    }
}
