//! Whether a guest can be reached: `status/current`, `agent/*` of virtual
//! machines, `interfaces` of containers; as probes, for steps that wait.

use std::net::IpAddr;

use serde_json::Value;

use crate::call::{Call, Path};
use crate::error::Error;
use crate::nodes::guest::{Address, GuestKind, Status, live_from};
use crate::path;
use crate::plan::{Ask, Probe, Verdict};
use crate::task;
use crate::texts::Matched;

/// Interfaces that guests make for themselves: nobody reaches them from outside.
const INNER: [&str; 9] = [
    "docker", "br-", "veth", "virbr", "podman", "cni", "flannel", "cali", "lxcbr",
];

/// Holds when the guest runs; binds `value` then. Absent while it is stopped, so
/// that a lost answer to its start can be looked up.
pub fn running(guest: &Path, value: Option<String>) -> Probe {
    status(guest, move |status| match status {
        Status::Running => Verdict::Holds(value.clone()),
        Status::Stopped => Verdict::Absent,
        other => Verdict::NotYet(format!("it is {}", other.as_str())),
    })
}

/// Holds when a guest that the HA manager starts runs; binds its node. The HA
/// manager may start it on another node: then its node of old does not know it
/// any more, and `/cluster/resources` tells where it is.
pub fn ha_running(address: &Address) -> Probe {
    let Address { node, vmid, .. } = address.clone();
    let asks = vec![
        Ask::Get(address.current()),
        Ask::Get(Call::get(path!("cluster", "resources"))),
    ];
    Probe::new(asks, move |answers| match &answers[0] {
        Ok(data) => match live_from(data).map(|live| live.status) {
            Some(Status::Running) => Verdict::Holds(Some(node.clone())),
            _ => Verdict::NotYet("the HA manager has not started it yet".to_owned()),
        },
        Err(error) if error.is_not_found() => match &answers[1] {
            Ok(rows) => runs_on(rows, vmid).map_or_else(
                || Verdict::NotYet("the HA manager moves it".to_owned()),
                |node| Verdict::Holds(Some(node)),
            ),
            Err(error) => not_yet(error),
        },
        Err(error) => not_yet(error),
    })
}

fn runs_on(rows: &Value, vmid: u32) -> Option<String> {
    let row = rows
        .as_array()?
        .iter()
        .find(|row| row.get("vmid").and_then(Value::as_u64) == Some(u64::from(vmid)))?;
    (row.get("status")?.as_str()? == "running")
        .then(|| row.get("node")?.as_str().map(str::to_owned))
        .flatten()
}

/// Holds when the guest is stopped. Absent while it runs, so that a lost answer
/// to its shutdown can be looked up.
pub fn stopped(guest: &Path) -> Probe {
    status(guest, |status| match status {
        Status::Stopped => Verdict::Holds(None),
        Status::Running | Status::Paused => Verdict::Absent,
        Status::Unknown => Verdict::NotYet("its status is not known".to_owned()),
    })
}

fn status(guest: &Path, judge: impl Fn(Status) -> Verdict + Send + Sync + 'static) -> Probe {
    Probe::get(
        Call::get(guest.join("status").join("current")),
        move |answer| match answer {
            Ok(data) => judge(live_from(data).map_or(Status::Unknown, |live| live.status)),
            Err(error) => not_yet(error),
        },
    )
}

/// Holds when the guest agent of a virtual machine answers.
///
/// `agent/ping` would be a POST; `agent/info` asks the agent just as well.
pub fn agent_answers(guest: &Path) -> Probe {
    Probe::get(
        Call::get(guest.join("agent").join("info")),
        |answer| match answer {
            Ok(_) => Verdict::Holds(None),
            Err(error) => not_yet(error),
        },
    )
}

/// Which addresses a probe binds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// All that others can reach, with commas in between, IPv4 first.
    All,
    /// The first of them.
    First,
}

/// Holds when the guest tells an address that others can reach: of the interface
/// with this MAC address, or where none is known with that of its `net0`. Loopback
/// and link-local addresses never count, interfaces of Docker and the like only
/// when they bear that MAC address.
pub fn address(guest: &Path, kind: GuestKind, mac: Option<&str>, which: Which) -> Probe {
    let interfaces = match kind {
        GuestKind::Qemu => guest.join("agent").join("network-get-interfaces"),
        GuestKind::Lxc => guest.join("interfaces"),
    };
    let mut asks = vec![Ask::Get(Call::get(interfaces))];
    if mac.is_none() {
        asks.push(Ask::Get(Call::get(guest.join("config"))));
    }
    let mac = mac.map(str::to_owned);
    Probe::new(asks, move |answers| {
        let of_config = || answers.get(1)?.as_ref().ok()?.get("net0")?.as_str();
        let mac = mac.clone().or_else(|| of_config().and_then(mac_of));
        match &answers[0] {
            Ok(data) => {
                let mut texts = addresses(data, mac.as_deref())
                    .into_iter()
                    .map(|address| address.to_string());
                let found = match which {
                    Which::All => texts.collect::<Vec<_>>().join(","),
                    Which::First => texts.next().unwrap_or_default(),
                };
                if found.is_empty() {
                    Verdict::NotYet("it has no address yet".to_owned())
                } else {
                    Verdict::Holds(Some(found))
                }
            }
            Err(error) => not_yet(error),
        }
    })
}

/// The MAC address in a `netN`: `virtio=BC:24:11:…,bridge=vmbr0`, or `hwaddr=…`
/// for a container.
pub fn mac_of(net: &str) -> Option<String> {
    net.split(',')
        .filter_map(|part| part.split_once('='))
        .map(|(_, value)| value)
        .find(|value| {
            value.len() == 17
                && value.split(':').count() == 6
                && value
                    .split(':')
                    .all(|byte| byte.len() == 2 && u8::from_str_radix(byte, 16).is_ok())
        })
        .map(str::to_owned)
}

/// What an error means to a probe: a guest that boots, an agent that is not up yet and a node that was not
/// reached are matters of time; all else stays as it is.
pub fn not_yet(error: &Error) -> Verdict {
    let passes = task::passes(error)
        || matches!(
            error.matched(),
            Some(
                Matched::AgentNotRunning
                    | Matched::AgentTimeout
                    | Matched::NotRunning
                    | Matched::LockTimeout
            )
        );
    if passes {
        Verdict::NotYet(error.to_string())
    } else {
        Verdict::Never(error.clone())
    }
}

/// The addresses that others can reach, IPv4 first, from the answer of the
/// guest agent or of a container's `interfaces`.
fn addresses(data: &Value, mac: Option<&str>) -> Vec<IpAddr> {
    let interfaces: Vec<Interface> = data
        .get("result")
        .unwrap_or(data)
        .as_array()
        .into_iter()
        .flatten()
        .map(Interface::from)
        .collect();
    let bears =
        |interface: &&Interface| mac.is_some_and(|mac| interface.mac.eq_ignore_ascii_case(mac));
    // A guest may give its network card another MAC address; then any other interface is as good.
    let known = interfaces.iter().any(|interface| bears(&interface));
    let mut found: Vec<IpAddr> = interfaces
        .iter()
        .filter(|interface| {
            if known {
                bears(interface)
            } else {
                interface.is_outer()
            }
        })
        .flat_map(|interface| interface.addresses.iter().copied())
        .filter(|address| is_reachable(*address))
        .collect();
    found.sort_by_key(IpAddr::is_ipv6);
    found.dedup();
    found
}

struct Interface {
    name: String,
    mac: String,
    addresses: Vec<IpAddr>,
}

impl From<&Value> for Interface {
    fn from(row: &Value) -> Self {
        let text = |key: &str| row.get(key).and_then(Value::as_str).unwrap_or_default();
        let listed = row
            .get("ip-addresses")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|entry| entry.get("ip-address")?.as_str());
        // Containers of Proxmox VE before 8.4 say `inet` and `inet6` only.
        let own = [text("inet"), text("inet6")];
        let mut addresses: Vec<IpAddr> = Vec::new();
        for text in listed.chain(own) {
            let address = text.split(['/', '%']).next().unwrap_or_default();
            if let Ok(address) = address.parse()
                && !addresses.contains(&address)
            {
                addresses.push(address);
            }
        }
        Self {
            name: text("name").to_owned(),
            mac: text("hardware-address").to_owned(),
            addresses,
        }
    }
}

impl Interface {
    fn is_outer(&self) -> bool {
        !INNER.iter().any(|prefix| self.name.starts_with(prefix))
    }
}

fn is_reachable(address: IpAddr) -> bool {
    let local = match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    };
    !(local || address.is_loopback() || address.is_unspecified() || address.is_multicast())
}

#[cfg(test)]
mod tests;
