//! `/nodes/{node}/qemu` and `/nodes/{node}/lxc`: guests, live.

use std::fmt;

use serde::Deserialize;

use crate::call::{Call, Path};
use crate::cluster::Cluster;
use crate::cluster::resources::tags;
use crate::error::Error;
use crate::path;
use crate::wire::{Tags, tolerant};

/// What kind of guest: the segment of its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum GuestKind {
    /// A virtual machine.
    Qemu,
    /// A container.
    Lxc,
}

impl GuestKind {
    /// `qemu` or `lxc`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Qemu => "qemu",
            Self::Lxc => "lxc",
        }
    }

    /// From `qemu` or `lxc`.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Qemu, Self::Lxc]
            .into_iter()
            .find(|kind| kind.as_str() == name)
    }

    /// As messages call it: `VM` or `container`.
    pub fn noun(self) -> &'static str {
        match self {
            Self::Qemu => "VM",
            Self::Lxc => "container",
        }
    }
}

/// Where a guest is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address {
    /// Its node.
    pub node: String,
    /// Its kind.
    pub kind: GuestKind,
    /// Its VMID.
    pub vmid: u32,
}

/// `9000 on pve1`, as candidates are listed.
impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} on {}", self.vmid, self.node)
    }
}

impl Address {
    /// `/nodes/{node}/{kind}/{vmid}`.
    pub fn path(&self) -> Path {
        path!("nodes", &self.node, self.kind.as_str(), self.vmid)
    }

    /// GET its configuration.
    pub fn config(&self) -> Call {
        Call::get(self.path().join("config"))
    }

    /// GET its configuration, with what waits for the next boot.
    pub fn pending(&self) -> Call {
        Call::get(self.path().join("pending"))
    }

    /// GET its live status.
    pub fn current(&self) -> Call {
        Call::get(self.path().join("status").join("current"))
    }

    /// GET the network interfaces that it has at this moment: a VM's guest agent
    /// is asked, a container tells them itself.
    pub fn interfaces(&self) -> Call {
        Call::get(match self.kind {
            GuestKind::Qemu => self.path().join("agent").join("network-get-interfaces"),
            GuestKind::Lxc => self.path().join("interfaces"),
        })
    }

    /// POST `status/start`, `status/shutdown`, …
    pub fn action(&self, action: &str) -> Call {
        Call::post(self.path().join("status").join(action))
    }
}

/// A guest as its node knows it at this moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Live {
    /// Its VMID.
    pub vmid: u32,
    /// Its name; none while it is being cloned.
    pub name: Option<String>,
    /// What it does.
    pub status: Status,
    /// The lock of its configuration.
    pub lock: Option<String>,
    /// Whether it is a template.
    pub template: bool,
    /// Its tags.
    pub tags: Tags,
    /// Whether the HA manager manages it; only the guest's own status tells.
    pub ha_managed: bool,
    /// For how many seconds it has run.
    pub uptime: u32,
}

/// What a guest does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It runs.
    Running,
    /// It does not run.
    Stopped,
    /// It is suspended in memory.
    Paused,
    /// Its node does not say.
    Unknown,
}

impl Status {
    /// The word for results.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Stopped => "stopped",
            Self::Paused => "paused",
            Self::Unknown => "unknown",
        }
    }

    /// From `status` and, where it was asked for, `qmpstatus`.
    fn from_texts(status: &str, qmp_status: Option<&str>) -> Self {
        match (status, qmp_status) {
            ("running", Some("paused" | "suspended" | "prelaunch")) => Self::Paused,
            ("running", _) => Self::Running,
            ("stopped", _) => Self::Stopped,
            _ => Self::Unknown,
        }
    }
}

#[derive(Deserialize)]
struct Row {
    #[serde(deserialize_with = "tolerant::integer")]
    vmid: u32,
    name: Option<String>,
    #[serde(default)]
    status: String,
    qmpstatus: Option<String>,
    lock: Option<String>,
    #[serde(default, deserialize_with = "tolerant::switch")]
    template: bool,
    tags: Option<String>,
    ha: Option<Ha>,
    #[serde(default, deserialize_with = "tolerant::optional_integer")]
    uptime: Option<u32>,
}

#[derive(Deserialize)]
struct Ha {
    #[serde(default, deserialize_with = "tolerant::switch")]
    managed: bool,
}

impl From<Row> for Live {
    fn from(row: Row) -> Self {
        // A guest that has no name yet is listed as "VM 301" or "CT301".
        let unnamed = [format!("VM {}", row.vmid), format!("CT{}", row.vmid)];
        Self {
            vmid: row.vmid,
            status: Status::from_texts(&row.status, row.qmpstatus.as_deref()),
            name: row.name.filter(|name| !unnamed.contains(name)),
            lock: row.lock.filter(|lock| !lock.is_empty()),
            template: row.template,
            tags: tags(row.tags.as_deref()),
            ha_managed: row.ha.is_some_and(|ha| ha.managed),
            uptime: row.uptime.unwrap_or_default(),
        }
    }
}

/// Reads the answer to [`Address::current`].
pub fn live_from(data: &serde_json::Value) -> Option<Live> {
    Row::deserialize(data).ok().map(Live::from)
}

/// GET all guests of a kind on a node, without what a VM's own process would
/// have to be asked for.
pub fn plain_list_call(node: &str, kind: GuestKind) -> Call {
    Call::get(path!("nodes", node, kind.as_str()))
}

/// GET all guests of a kind on a node; `full=1` tells paused from running.
pub fn list_call(node: &str, kind: GuestKind) -> Call {
    let call = plain_list_call(node, kind);
    match kind {
        GuestKind::Qemu => call.with("full", true),
        GuestKind::Lxc => call,
    }
}

impl Cluster {
    /// A guest as it is at this moment.
    pub fn live(&self, address: &Address) -> Result<Live, Error> {
        self.get_as::<Row>(&address.current()).map(Live::from)
    }

    /// Several guests as they are at this moment, asked one by one, side by side.
    pub fn live_each(&self, addresses: &[Address]) -> Vec<Result<Live, Error>> {
        let calls: Vec<Call> = addresses.iter().map(Address::current).collect();
        self.get_each_as::<Row>(&calls)
            .into_iter()
            .map(|row| row.map(Live::from))
            .collect()
    }

    /// All guests of these nodes and kinds, one request for each pair.
    pub fn live_lists(
        &self,
        lists: &[(String, GuestKind)],
    ) -> Vec<Result<Vec<(Address, Live)>, Error>> {
        let calls: Vec<Call> = lists
            .iter()
            .map(|(node, kind)| list_call(node, *kind))
            .collect();
        self.get_each_as::<Vec<Row>>(&calls)
            .into_iter()
            .zip(lists)
            .map(|(rows, (node, kind))| {
                Ok(rows?
                    .into_iter()
                    .map(|row| {
                        let address = Address {
                            node: node.clone(),
                            kind: *kind,
                            vmid: row.vmid,
                        };
                        (address, Live::from(row))
                    })
                    .collect())
            })
            .collect()
    }
}
