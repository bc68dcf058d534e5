//! `wait_for`: how far a guest must have come, and the steps that wait for it.

use std::fmt::Write as _;
use std::net::IpAddr;

use ansible::{Choice, Failure};
use pve::apply::TrackEnd;
use pve::nodes::guest::GuestKind;
use pve::nodes::reach::{self, Which};
use pve::plan::{Bind, Probe};
use pve::wire::{IpConfig, agent_enabled};
use pve::{Cluster, Path, Step};

use crate::fault;

/// The name that addresses are bound to, with commas in between.
const ADDRESSES: &str = "ip_addresses";

/// How far a guest must have come.
#[derive(Choice, Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitFor {
    /// Its start has ended well.
    None,
    /// It runs.
    Running,
    /// Its guest agent answers.
    Agent,
    /// It has an address.
    Ip,
    /// A port of it takes connections.
    Port,
}

/// What a guest's configuration says about reaching it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Whether it is a container: those tell their addresses without an agent.
    pub container: bool,
    /// Whether the guest agent is switched on.
    pub agent: bool,
    /// A static address, from the first `ipconfigN` that has one.
    pub address: Option<IpAddr>,
    /// The MAC address of net0. Where it is not known, the guest's configuration
    /// is asked for it with each question.
    pub mac: Option<String>,
}

/// A guest that cannot be waited for in this way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoWay {
    /// The guest agent is not switched on.
    #[error(
        "its configuration has no guest agent (set agent: 1 and install the agent in the guest)"
    )]
    Agent,
    /// Nothing tells its address.
    #[error(
        "its configuration has neither a guest agent (agent: 1) nor a static address (ipconfig0) that could tell \
         its address"
    )]
    Address,
}

impl Reach {
    /// What a configuration says; `get` is the value of a key.
    pub fn of(kind: GuestKind, get: impl Fn(&str) -> Option<String>) -> Self {
        let address = (0..32).find_map(|number| {
            let config: IpConfig = get(&format!("ipconfig{number}"))?.parse().ok()?;
            config.static_address()
        });
        Self {
            container: kind == GuestKind::Lxc,
            agent: get("agent").is_some_and(|agent| agent_enabled(&agent)),
            address,
            mac: get("net0").and_then(|net| reach::mac_of(&net)),
        }
    }

    /// Whether waiting so asks the guest agent, which needs a privilege of its own.
    pub fn needs_agent(&self, wait_for: WaitFor) -> bool {
        !self.container
            && match wait_for {
                WaitFor::None | WaitFor::Running => false,
                WaitFor::Agent => true,
                WaitFor::Ip | WaitFor::Port => self.address.is_none(),
            }
    }

    /// The steps that wait, for a guest that has been started. `guest` is
    /// `/nodes/{node}/{kind}/{vmid}`, its VMID possibly bound later. How long they
    /// may take is the track's limit.
    pub fn steps(&self, guest: &Path, wait_for: WaitFor, port: u16) -> Result<Vec<Step>, NoWay> {
        if self.needs_agent(wait_for) && !self.agent {
            return Err(match wait_for {
                WaitFor::Ip | WaitFor::Port => NoWay::Address,
                _ => NoWay::Agent,
            });
        }
        Ok(match wait_for {
            WaitFor::None => Vec::new(),
            WaitFor::Running => vec![running(guest)],
            // A container has no agent: it is up when it runs.
            WaitFor::Agent if self.container => vec![running(guest)],
            WaitFor::Agent => vec![Step::wait(
                "wait for the guest agent of",
                "guest agent answers",
                reach::agent_answers(guest),
            )],
            WaitFor::Ip => vec![self.address_known(guest, Which::All)],
            WaitFor::Port => vec![
                self.address_known(guest, Which::First),
                Step::wait(
                    "wait for the port of",
                    "port open",
                    Probe::port(pve::Param::Bound(ADDRESSES), port),
                ),
            ],
        })
    }

    fn address_known(&self, guest: &Path, which: Which) -> Step {
        let kind = if self.container {
            GuestKind::Lxc
        } else {
            GuestKind::Qemu
        };
        let probe = match self.address {
            Some(address) => reach::running(guest, Some(address.to_string())),
            None => reach::address(guest, kind, self.mac.as_deref(), which),
        };
        Step::wait("wait for an address of", "address known", probe)
            .binds(Bind::Probe { name: ADDRESSES })
    }
}

fn running(guest: &Path) -> Step {
    Step::wait("wait for", "running", reach::running(guest, None))
}

/// The addresses that a track has found.
pub fn addresses(end: &TrackEnd) -> Vec<String> {
    end.bindings
        .get(ADDRESSES)
        .map(|found| found.split(',').map(str::to_owned).collect())
        .unwrap_or_default()
}

/// Any one of these lets the caller ask the guest agent: the first two on
/// Proxmox VE 9, the last up to 8.
const ASK_AGENT: [&str; 3] = [
    "VM.GuestAgent.Audit",
    "VM.GuestAgent.Unrestricted",
    "VM.Monitor",
];

/// Fails where the caller may not ask the guest agents of these guests, each
/// with its label, VMID (where it has one already) and pool: before anything is
/// done, rather than after all guests were started.
pub fn may_ask_agents(
    cluster: &Cluster,
    guests: &[(String, Option<u32>, Option<String>)],
) -> Result<(), Failure> {
    if guests.is_empty() {
        return Ok(());
    }
    let permissions = cluster
        .permissions()
        .map_err(|error| fault::unable("read the caller's privileges", &error))?;
    let may = |path: &str| {
        permissions
            .get(path)
            .map(|held| ASK_AGENT.iter().any(|privilege| held.contains(*privilege)))
    };
    // A path without an entry of its own has what /vms hands down.
    let denied: Vec<&(String, Option<u32>, Option<String>)> = guests
        .iter()
        .filter(|(_, vmid, pool)| {
            let own = vmid.and_then(|vmid| may(&format!("/vms/{vmid}")));
            let by_pool = pool
                .as_ref()
                .and_then(|pool| may(&format!("/pool/{pool}")))
                .unwrap_or_default();
            !(by_pool || own.or_else(|| may("/vms")).unwrap_or_default())
        })
        .collect();
    let Some((label, vmid, _)) = denied.first() else {
        return Ok(());
    };
    let path = vmid.map_or_else(|| "/vms".to_owned(), |vmid| format!("/vms/{vmid}"));
    let mut msg = format!("unable to ask the guest agent of `{label}`");
    if denied.len() > 1 {
        // Writing to a text cannot fail.
        let _ = write!(msg, " and {} more", denied.len() - 1);
    }
    let _ = write!(
        msg,
        ": {} lacks VM.GuestAgent.Audit (VM.Monitor up to Proxmox VE 8) on {path}; a token with privilege \
         separation needs it itself, beside its user. Nothing has been done",
        cluster.client().user(),
    );
    let mut failure = Failure::new(msg);
    for (key, value) in [
        ("kind", "missing_privilege"),
        ("privilege", "VM.GuestAgent.Audit|VM.Monitor"),
        ("acl_path", path.as_str()),
    ] {
        failure.details.insert(key.to_owned(), value.into());
    }
    Err(failure)
}

#[cfg(test)]
mod tests {
    use super::{NoWay, Reach, WaitFor, may_ask_agents};
    use pve::canned::Canned;
    use pve::nodes::guest::GuestKind;
    use pve::{Segment, path};
    use serde_json::{Value, json};

    const MAC: &str = "BC:24:11:00:00:65";

    fn reach(kind: GuestKind, config: &Value) -> Reach {
        Reach::of(kind, |key| {
            config.get(key).and_then(Value::as_str).map(str::to_owned)
        })
    }

    fn vm(agent: &str, ipconfig0: &str) -> Reach {
        reach(
            GuestKind::Qemu,
            &json!({"agent": agent, "ipconfig0": ipconfig0, "net0": format!("virtio={MAC},bridge=vmbr0")}),
        )
    }

    #[test]
    fn what_is_waited_for_follows_from_the_configuration() {
        let dynamic = vm("1,fstrim_cloned_disks=1", "ip=dhcp");
        let fixed = vm("0", "ip=192.0.2.7/24");
        let mute = vm("0", "ip=dhcp");
        let container = reach(GuestKind::Lxc, &json!({}));
        let cases = [
            (&dynamic, WaitFor::None, Ok(vec![])),
            (&dynamic, WaitFor::Running, Ok(vec!["running"])),
            (&dynamic, WaitFor::Agent, Ok(vec!["guest agent answers"])),
            (&dynamic, WaitFor::Ip, Ok(vec!["address known"])),
            (
                &fixed,
                WaitFor::Port,
                Ok(vec!["address known", "port open"]),
            ),
            (&fixed, WaitFor::Agent, Err(NoWay::Agent)),
            (&mute, WaitFor::Running, Ok(vec!["running"])),
            (&mute, WaitFor::Ip, Err(NoWay::Address)),
            (&mute, WaitFor::Port, Err(NoWay::Address)),
            (&container, WaitFor::Agent, Ok(vec!["running"])),
            (&container, WaitFor::Ip, Ok(vec!["address known"])),
        ];
        let guest = path!("nodes", "pve1", "qemu", Segment::Bound("vmid"));
        for (reach, wait_for, expected) in cases {
            let steps = reach
                .steps(&guest, wait_for, 22)
                .map(|steps| steps.iter().map(|step| step.done).collect::<Vec<_>>());
            assert_eq!(steps, expected, "{wait_for:?} {reach:?}");
        }
    }

    #[test]
    fn only_what_asks_the_agent_needs_its_privilege() {
        let dynamic = vm("1", "ip=dhcp");
        let fixed = vm("1", "ip=192.0.2.7/24");
        assert!(dynamic.needs_agent(WaitFor::Port));
        assert!(fixed.needs_agent(WaitFor::Agent));
        assert!(!fixed.needs_agent(WaitFor::Ip));
        assert!(!dynamic.needs_agent(WaitFor::Running));
        assert!(!reach(GuestKind::Lxc, &json!({})).needs_agent(WaitFor::Ip));
    }

    #[test]
    fn a_missing_privilege_is_told_before_anything_is_done() {
        let ask = |permissions: Value, vmid: Option<u32>, pool: Option<&str>| {
            let cluster = Canned::new()
                .always("GET /access/permissions", permissions)
                .cluster();
            let guest = ("web-1".to_owned(), vmid, pool.map(str::to_owned));
            may_ask_agents(&cluster, &[guest]).map_err(|failure| failure.msg)
        };
        let nine = json!({"VM.GuestAgent.Audit": 1});
        assert_eq!(ask(json!({"/vms": nine}), Some(101), None), Ok(()));
        assert_eq!(ask(json!({"/vms": {"VM.Monitor": 1}}), None, None), Ok(()));
        assert_eq!(ask(json!({"/pool/web": nine}), None, Some("web")), Ok(()));
        assert_eq!(ask(json!({"/vms/101": nine}), Some(101), None), Ok(()));
        let own = json!({"/vms": nine, "/vms/101": {"VM.Audit": 1}});
        assert_eq!(
            ask(own, Some(101), None).unwrap_err(),
            "unable to ask the guest agent of `web-1`: root@pam lacks VM.GuestAgent.Audit (VM.Monitor up to \
             Proxmox VE 8) on /vms/101; a token with privilege separation needs it itself, beside its user. \
             Nothing has been done"
        );
        assert!(ask(json!({"/vms": {"VM.Audit": 1}}), None, None).is_err());
    }
}
