//! `proxmox_vm_info`: guests, by `/cluster/resources`, the lists of their nodes and, where it is asked for, each
//! guest's `config` and network interfaces.

use std::collections::{BTreeMap, BTreeSet};

use ansible::{Args, Choice, Failure};
use pve::nodes::guest::{Address, GuestKind, plain_list_call};
use pve::plan::PARALLEL;
use pve::texts::Matched;
use pve::wire::{Row, row};
use pve::{Call, Cluster, Error};
use serde_json::{Map, Value};

use crate::connection::{Connection, DropIn};
use crate::fault;
use crate::job::Report;
use crate::reader::Reader;

/// What a guest's own status tells beyond its node's list, and the list only when every VM's process is asked: the
/// result has the same keys however the guest was read.
const OWN_KEYS: [&str; 13] = [
    "agent",
    "balloon",
    "ballooninfo",
    "blockstat",
    "clipboard",
    "freemem",
    "ha",
    "nics",
    "proxmox-support",
    "qmpstatus",
    "running-machine",
    "running-qemu",
    "spice",
];

/// A node's API has three workers, and each node answers for its own guests; more connections than for three of them
/// cost more memory than they bring time.
const WORKERS: usize = 3;
const CONNECTIONS: usize = 3 * WORKERS;

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
            guests = named(name, guests, cluster, &mut warnings);
        } else {
            bring_up_to_date(&mut guests, cluster, &mut warnings);
        }
        let meaning = "of its guests no more is told than the cluster remembers";
        warnings.extend(away(&guests, meaning));
        warnings.extend(read_more(args, &mut guests, cluster));
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

/// The guests that bear a name at this moment. The cluster's own list of names may be 10 s old, and has none for a
/// guest that was just made: where nobody bears the name that was listed with it, all are asked.
fn named(
    name: &str,
    guests: Vec<Guest>,
    cluster: &Cluster,
    warnings: &mut Vec<String>,
) -> Vec<Guest> {
    let bears = |guest: &Guest| guest.name().as_deref() == Some(name);
    let (mut known, mut others): (Vec<Guest>, Vec<Guest>) = guests.into_iter().partition(bears);
    bring_up_to_date(&mut known, cluster, warnings);
    known.retain(bears);
    if known.is_empty() {
        bring_up_to_date(&mut others, cluster, warnings);
        let unknown = format!("nobody knows whether a guest there has the name `{name}`");
        warnings.extend(away(&others, &unknown));
        others.retain(bears);
        return others;
    }
    known
}

/// Reads what the guests are at this moment, side by side: one request for each node and kind, and for a guest that
/// is the only one there its own.
fn bring_up_to_date(guests: &mut [Guest], cluster: &Cluster, warnings: &mut Vec<String>) {
    let mut places: BTreeMap<(String, GuestKind), Vec<&mut Guest>> = BTreeMap::new();
    for guest in guests.iter_mut().filter(|guest| guest.reads) {
        let place = (guest.address.node.clone(), guest.address.kind);
        places.entry(place).or_default().push(guest);
    }
    let calls: Vec<Call> = places
        .iter()
        .map(|((node, kind), guests)| match guests.as_slice() {
            [guest] => guest.address.current(),
            _ => plain_list_call(node, *kind),
        })
        .collect();
    for (((node, kind), mut guests), answer) in places.into_iter().zip(cluster.take_each(&calls)) {
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                let of = match guests.as_slice() {
                    [guest] => format!("{} `{}`", kind.noun(), guest.title()),
                    _ => format!("the {}s of node `{node}`", kind.noun()),
                };
                warnings.push(fault::unable(&format!("read the status of {of}"), &error).msg);
                // Who does not tell what runs will not tell more.
                for guest in guests {
                    guest.reads = false;
                }
                continue;
            }
        };
        match (guests.as_mut_slice(), answer) {
            ([guest], Value::Object(status)) => {
                let own = |key: &str| OWN_KEYS.contains(&key);
                let status = status.into_iter().filter(|(key, _)| !own(key));
                guest.row.extend(status);
            }
            (guests, Value::Array(rows)) => {
                let mut rows: BTreeMap<String, Row> = rows
                    .into_iter()
                    .filter_map(|row| match row {
                        Value::Object(row) => Some((row::text(&row, "vmid")?, row)),
                        _ => None,
                    })
                    .collect();
                for guest in guests {
                    let row = rows.remove(&guest.address.vmid.to_string());
                    guest.row.extend(row.into_iter().flatten());
                }
            }
            _ => {}
        }
    }
}

/// One warning for each node that is offline, and what that means for its guests.
fn away(guests: &[Guest], meaning: &str) -> Vec<String> {
    let mut away: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for guest in guests.iter().filter(|guest| !guest.online) {
        away.entry(&guest.address.node)
            .or_default()
            .push(guest.title());
    }
    away.into_iter()
        .map(|(node, guests)| format!("node `{node}` is offline: {meaning}: {}", guests.join(", ")))
        .collect()
}

/// One thing more that is told of a guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum More {
    Config,
    Network,
}

impl More {
    fn key(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Network => "network",
        }
    }

    /// What counts of an answer: the guest agent wraps what it says.
    fn of(self, mut answer: Value) -> Value {
        match answer.get_mut("result") {
            Some(result) if self == Self::Network => result.take(),
            _ => answer,
        }
    }
}

/// Reads the configurations and interfaces that are asked for, side by side. What cannot be read is null, and a
/// warning says why.
fn read_more(args: &VmInfoArgs, guests: &mut [Guest], cluster: &Cluster) -> Vec<String> {
    let mut untold = Untold::default();
    let mut questions: Vec<(usize, More)> = Vec::new();
    let mut calls: Vec<Call> = Vec::new();
    for (index, guest) in guests.iter_mut().enumerate() {
        let mut ask = |guest: &mut Guest, more: More, call: Call| {
            guest.row.insert(more.key().to_owned(), Value::Null);
            if !guest.reads {
                return;
            }
            if more == More::Network && !guest.runs() {
                untold.network("it does not run", guest);
                return;
            }
            questions.push((index, more));
            calls.push(call);
        };
        if args.config != ConfigWanted::None {
            let current = args.config == ConfigWanted::Current;
            let call = guest.address.config().with("current", current);
            ask(guest, More::Config, call);
        }
        if args.network {
            let call = guest.address.interfaces();
            ask(guest, More::Network, call);
        }
    }
    let nodes: BTreeSet<&str> = questions
        .iter()
        .map(|(index, ..)| guests[*index].address.node.as_str())
        .collect();
    cluster.ask_side_by_side((WORKERS * nodes.len()).clamp(PARALLEL, CONNECTIONS));
    for ((index, more), answer) in questions.into_iter().zip(cluster.take_each(&calls)) {
        let guest = &mut guests[index];
        match answer {
            Ok(answer) => {
                guest.row.insert(more.key().to_owned(), more.of(answer));
            }
            Err(error) => untold.error(more, &error, guest),
        }
    }
    untold.warnings()
}

/// What could not be told: guests without an agent may be many, and are one warning.
#[derive(Default)]
struct Untold {
    networks: BTreeMap<&'static str, Vec<String>>,
    errors: Vec<String>,
}

impl Untold {
    fn network(&mut self, why: &'static str, guest: &Guest) {
        self.networks.entry(why).or_default().push(guest.title());
    }

    fn error(&mut self, more: More, error: &Error, guest: &Guest) {
        match (more, error.matched()) {
            (More::Network, Some(Matched::AgentNotConfigured)) => {
                self.network("its guest agent is not enabled", guest);
            }
            (More::Network, Some(Matched::AgentNotRunning | Matched::AgentTimeout)) => {
                self.network("its guest agent does not answer", guest);
            }
            (More::Network, Some(Matched::NotRunning)) => self.network("it does not run", guest),
            _ => {
                let what = format!(
                    "read the {} of {} `{}`",
                    more.key(),
                    guest.address.kind.noun(),
                    guest.title()
                );
                self.errors.push(fault::unable(&what, error).msg);
            }
        }
    }

    fn warnings(self) -> Vec<String> {
        self.networks
            .into_iter()
            .map(|(why, guests)| format!("no network is told where {why}: {}", guests.join(", ")))
            .chain(self.errors)
            .collect()
    }
}
