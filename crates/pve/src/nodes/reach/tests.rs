//! Answers of guests and agents, and what they mean.

use super::{Which, address, addresses, agent_answers, ha_running, mac_of, running, stopped};
use crate::call::{Call, Segment};
use crate::canned::refused;
use crate::nodes::guest::{Address, GuestKind};
use crate::path;
use crate::plan::{Ask, Probe, Verdict};
use serde_json::{Value, json};

const MAC: &str = "BC:24:11:00:00:65";

fn interface(name: &str, mac: &str, texts: &[&str]) -> Value {
    let addresses: Vec<Value> = texts
        .iter()
        .map(|text| json!({"ip-address": text, "prefix": 24}))
        .collect();
    json!({"name": name, "hardware-address": mac, "ip-addresses": addresses})
}

fn told(rows: &[Value], mac: Option<&str>) -> Vec<String> {
    addresses(&json!({"result": rows}), mac)
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn only_addresses_that_others_reach_count() {
    let rows = vec![
        interface("lo", "00:00:00:00:00:00", &["127.0.0.1", "::1"]),
        interface("docker0", "02:42:00:00:00:01", &["172.17.0.1"]),
        interface("br-0123456789ab", "02:42:00:00:00:02", &["172.18.0.1"]),
        interface("eth1", "bc:24:11:00:00:66", &["198.51.100.7"]),
        interface(
            "eth0",
            "bc:24:11:00:00:65",
            &["fe80::1", "2001:db8::7", "169.254.3.4", "192.0.2.7"],
        ),
    ];
    assert_eq!(
        told(&rows, Some(MAC)),
        ["192.0.2.7", "2001:db8::7"],
        "the card's own addresses, IPv4 first"
    );
    assert_eq!(
        told(&rows, Some("BC:24:11:FF:FF:FF")),
        ["198.51.100.7", "192.0.2.7", "2001:db8::7"],
        "no interface bears the MAC address"
    );
    assert_eq!(
        told(
            &[
                interface("eth0", MAC, &["fe80::1"]),
                interface("eth1", "x", &["192.0.2.9"])
            ],
            Some(MAC)
        ),
        Vec::<String>::new(),
        "the card has none yet"
    );
}

#[test]
fn a_container_tells_its_addresses_in_two_ways() {
    let old =
        json!([{"name": "eth0", "hwaddr": MAC, "inet": "192.0.2.8/24", "inet6": "fe80::1/64"}]);
    assert_eq!(addresses(&old, None)[0].to_string(), "192.0.2.8");
    assert!(addresses(&Value::Null, None).is_empty());
}

#[test]
fn a_mac_address_is_found_in_either_kind_of_card() {
    for (net, mac) in [
        ("virtio=BC:24:11:00:00:65,bridge=vmbr0", Some(MAC)),
        (
            "name=eth0,bridge=vmbr0,hwaddr=BC:24:11:00:00:65,ip=dhcp",
            Some(MAC),
        ),
        ("model=virtio,macaddr=BC:24:11:00:00:65", Some(MAC)),
        ("virtio,bridge=vmbr0", None),
    ] {
        assert_eq!(mac_of(net).as_deref(), mac, "{net}");
    }
}

fn guest() -> crate::Path {
    path!("nodes", "pve1", "qemu", Segment::Bound("vmid"))
}

fn refusal(status: u16, message: &str) -> crate::Error {
    refused(&Call::get(guest()), status, message)
}

#[test]
fn without_a_mac_address_the_configuration_is_asked_along() {
    let probe = address(&guest(), GuestKind::Qemu, None, Which::First);
    let asks: Vec<String> = probe
        .asks
        .iter()
        .map(|ask| match ask {
            Ask::Get(call) => call.to_string(),
            Ask::Port { .. } => String::new(),
        })
        .collect();
    assert_eq!(
        asks,
        [
            "GET /nodes/pve1/qemu/{vmid}/agent/network-get-interfaces",
            "GET /nodes/pve1/qemu/{vmid}/config"
        ]
    );
    let rows = json!({"result": [
        interface("eth1", "BC:24:11:00:00:66", &["198.51.100.7"]),
        interface("eth0", MAC, &["192.0.2.7", "2001:db8::7"]),
    ]});
    let config = json!({"net0": format!("virtio={MAC},bridge=vmbr0")});
    let verdict = probe.judge(&[Ok(rows), Ok(config)]);
    assert!(matches!(verdict, Verdict::Holds(Some(found)) if found == "192.0.2.7"));
}

#[test]
fn what_passes_is_waited_for_and_nothing_else() {
    let probes = [
        agent_answers(&guest()),
        address(&guest(), GuestKind::Qemu, Some(MAC), Which::All),
    ];
    let waits = |probe: &Probe, status, message| {
        matches!(
            probe.judge(&[Err(refusal(status, message))]),
            Verdict::NotYet(_)
        )
    };
    for probe in &probes {
        for (status, message) in [
            (500, "QEMU guest agent is not running"),
            (500, "VM 101 is not running"),
            (500, "VM 101 qmp command 'guest-ping' failed - got timeout"),
            (595, "Connection refused"),
        ] {
            assert!(waits(probe, status, message), "{message}");
        }
        for (status, message) in [
            (500, "No QEMU guest agent configured"),
            (
                403,
                "Permission check failed (/vms/101, VM.GuestAgent.Audit)",
            ),
        ] {
            assert!(!waits(probe, status, message), "{message}");
        }
    }
}

#[test]
fn a_guest_that_the_ha_manager_moved_is_found_where_it_runs() {
    let probe = ha_running(&Address {
        node: "pve1".to_owned(),
        kind: GuestKind::Qemu,
        vmid: 105,
    });
    let gone = || {
        let message = "Configuration file 'nodes/pve1/qemu-server/105.conf' does not exist";
        Err(refusal(500, message))
    };
    let listed = |status: &str| {
        Ok(json!([{"vmid": 104, "status": "running", "node": "pve3"},
                  {"vmid": 105, "status": status, "node": "pve2"}]))
    };
    let here = |status: &str| Ok(json!({"vmid": 105, "status": status}));
    let cases = [
        (here("running"), listed("stopped"), Some("pve1")),
        (here("stopped"), listed("running"), None),
        (gone(), listed("unknown"), None),
        (gone(), listed("running"), Some("pve2")),
    ];
    for (current, resources, node) in cases {
        match (probe.judge(&[current, resources]), node) {
            (Verdict::Holds(found), Some(_)) => assert_eq!(found.as_deref(), node),
            (Verdict::NotYet(_), None) => {}
            (verdict, node) => panic!("{verdict:?}, not {node:?}"),
        }
    }
}

#[test]
fn a_status_is_reached_waited_for_or_not_there() {
    let (up, down) = (
        running(&guest(), Some("192.0.2.7".to_owned())),
        stopped(&guest()),
    );
    let judge = |probe: &Probe, status: &str, qmp: &str| {
        probe.judge(&[Ok(json!({"vmid": 101, "status": status, "qmpstatus": qmp}))])
    };
    assert!(
        matches!(judge(&up, "running", "running"), Verdict::Holds(Some(value)) if value == "192.0.2.7")
    );
    assert!(matches!(
        judge(&up, "running", "paused"),
        Verdict::NotYet(_)
    ));
    assert!(matches!(judge(&up, "stopped", "stopped"), Verdict::Absent));
    assert!(matches!(
        judge(&down, "stopped", "stopped"),
        Verdict::Holds(None)
    ));
    assert!(matches!(judge(&down, "running", "paused"), Verdict::Absent));
    assert!(matches!(judge(&down, "unknown", ""), Verdict::NotYet(_)));
}
