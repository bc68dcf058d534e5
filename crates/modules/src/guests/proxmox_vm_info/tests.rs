//! Tables over what is told of which guests.

use pve::canned::{Canned, refused};
use pve::{Call, path};
use serde_json::{Value, json};

use super::{ProxmoxVmInfo, VmInfoArgs};
use crate::guests::sample::task;
use crate::reader::Reader;

/// pve1 with 101 `web` that runs, 102 `web` that is stopped, a template and container 200; pve2 is offline.
fn canned() -> Canned {
    let guest = |kind: &str, vmid: u32, name: &str, node: &str, status: &str| {
        json!({"type": kind, "id": format!("{kind}/{vmid}"), "vmid": vmid, "name": name, "node": node,
            "status": status})
    };
    let resources = json!([
        {"type": "node", "node": "pve1", "status": "online"},
        {"type": "node", "node": "pve2", "status": "offline"},
        guest("lxc", 200, "dns", "pve1", "running"),
        guest("qemu", 101, "web", "pve1", "stopped"),
        guest("qemu", 102, "web", "pve1", "stopped"),
        guest("qemu", 103, "base", "pve1", "stopped"),
        guest("qemu", 300, "far", "pve2", "unknown"),
    ]);
    let live = json!([
        {"vmid": 101, "name": "web", "status": "running"},
        {"vmid": "102", "name": "renamed", "status": "stopped"},
        {"vmid": 103, "name": "base", "status": "stopped", "template": 1},
    ]);
    let dns = json!({"vmid": 200, "name": "dns", "status": "running", "ha": {"managed": 0}});
    let web = json!({"vmid": 101, "name": "web", "status": "running", "qmpstatus": "running"});
    Canned::new()
        .always("GET /cluster/resources", resources)
        .always("GET /nodes/pve1/qemu", live)
        .always("GET /nodes/pve1/lxc/200/status/current", dns)
        .always("GET /nodes/pve1/qemu/101/status/current", web)
}

/// What is told of the guests, and the warnings.
fn told(canned: Canned, stated: &Value) -> (Vec<Value>, Vec<String>) {
    let mut options = json!({"api_host": "pve.example.net", "api_user": "root@pam"});
    let more = stated.as_object().unwrap().clone();
    options.as_object_mut().unwrap().extend(more);
    let (args, _) = task::<VmInfoArgs>(&options);
    let report = ProxmoxVmInfo::read(&args, &canned.cluster()).unwrap();
    let guests = report.returns["proxmox_vms"].as_array().unwrap().clone();
    (guests, report.warnings)
}

/// One key of each guest.
fn each(guests: &[Value], key: &str) -> Vec<Value> {
    guests.iter().map(|guest| guest[key].clone()).collect()
}

const FAR: &str = "node `pve2` is offline: of its guests no more is told than the cluster \
    remembers: far (300)";

/// Options, and then: VMIDs, what is asked beside the resources, warnings.
type Choice<'a> = (Value, &'a [u32], &'a [&'a str], &'a [&'a str]);

#[test]
fn guests_are_chosen_and_only_their_nodes_are_asked() {
    let lists = ["/nodes/pve1/qemu", "/nodes/pve1/lxc/200/status/current"];
    let cases: [Choice<'_>; 10] = [
        (json!({}), &[101, 102, 103, 200, 300], &lists, &[FAR]),
        (
            json!({"node": ""}),
            &[101, 102, 103, 200, 300],
            &lists,
            &[FAR],
        ),
        (
            json!({"type": "qemu", "node": "pve1"}),
            &[101, 102, 103],
            &lists[..1],
            &[],
        ),
        (json!({"type": "lxc"}), &[200], &lists[1..], &[]),
        (json!({"vmid": 200}), &[200], &lists[1..], &[]),
        (json!({"vmid": 0, "type": "lxc"}), &[200], &lists[1..], &[]),
        (json!({"vmid": 999}), &[], &[], &[]),
        (json!({"vmid": 300}), &[300], &[], &[FAR]),
        // Both were called so, and one of them is no more.
        (
            json!({"name": "web", "node": "pve1"}),
            &[101],
            &lists[..1],
            &[],
        ),
        // Nobody was, and one is by now.
        (
            json!({"name": "renamed", "node": "pve1"}),
            &[102],
            &lists,
            &[],
        ),
    ];
    for (stated, vmids, questions, warned) in cases {
        let canned = canned();
        let asked = canned.asked();
        let (guests, warnings) = told(canned, &stated);
        assert_eq!(each(&guests, "vmid"), vmids, "{stated}");
        assert_eq!(warnings, warned, "{stated}");
        let mut asked = asked.lock().unwrap().clone();
        asked.sort();
        let mut expected: Vec<String> =
            questions.iter().map(|path| format!("GET {path}")).collect();
        expected.push("GET /cluster/resources".to_owned());
        expected.sort();
        assert_eq!(asked, expected, "{stated}");
    }
}

#[test]
fn a_node_that_is_not_there_is_a_failure() {
    let options = json!({"api_host": "pve.example.net", "api_user": "root@pam", "node": "pve9"});
    let (args, _) = task::<VmInfoArgs>(&options);
    let failure = ProxmoxVmInfo::read(&args, &canned().cluster()).unwrap_err();
    assert_eq!(failure.msg, "Node pve9 doesn't exist in PVE cluster");
}

#[test]
fn a_guest_looks_the_same_alone_and_among_others() {
    let (all, _) = told(canned(), &json!({"type": "qemu"}));
    assert_eq!(
        each(&all, "status"),
        ["running", "stopped", "stopped", "unknown"]
    );
    assert_eq!(each(&all, "template"), [false, false, true, false]);
    let (alone, _) = told(canned(), &json!({"vmid": 101}));
    assert_eq!(alone, all[..1]);
}

#[test]
fn a_name_may_be_that_of_a_guest_that_cannot_be_asked() {
    let (guests, warnings) = told(canned(), &json!({"name": "new"}));
    assert!(guests.is_empty());
    let unknown =
        "node `pve2` is offline: nobody knows whether a guest there has the name `new`: far (300)";
    assert_eq!(warnings, [unknown]);
}

#[test]
fn a_configuration_is_in_effect_or_with_what_waits() {
    for (wanted, current) in [("current", 1), ("pending", 0)] {
        let question = format!("GET /nodes/pve1/lxc/200/config current={current}");
        let canned = canned().always(&question, json!({"cores": current}));
        let (guests, warnings) = told(canned, &json!({"vmid": 200, "config": wanted}));
        assert_eq!(each(&guests, "config"), [json!({"cores": current})]);
        assert!(warnings.is_empty(), "{warnings:?}");
    }
    let (guests, _) = told(canned(), &json!({"vmid": 200}));
    assert!(guests[0].get("config").is_none() && guests[0].get("network").is_none());
}

#[test]
fn what_cannot_be_told_of_one_guest_is_null_and_a_warning() {
    let path = path!(
        "nodes",
        "pve1",
        "qemu",
        101,
        "agent",
        "network-get-interfaces"
    );
    let agent = Call::get(path);
    let name = agent.to_string();
    let lo = json!([{"name": "lo"}]);
    let stopped = "no network is told where it does not run: ";
    let both = format!("{stopped}renamed (102), base (103)");
    let cases = [
        (Ok(json!({"result": lo})), lo.clone(), vec![both.clone()]),
        (
            Err(refused(&agent, 500, "No QEMU guest agent configured")),
            Value::Null,
            vec![
                both.clone(),
                "no network is told where its guest agent is not enabled: web (101)".to_owned(),
            ],
        ),
        (
            Err(refused(&agent, 500, "QEMU guest agent is not running")),
            Value::Null,
            vec![
                both.clone(),
                "no network is told where its guest agent does not answer: web (101)".to_owned(),
            ],
        ),
        (
            Err(refused(&agent, 500, "VM 101 not running")),
            Value::Null,
            vec![format!("{both}, web (101)")],
        ),
        (
            Err(refused(&agent, 500, "out of order")),
            Value::Null,
            vec![
                both,
                format!(
                    "unable to read the network of VM `web (101)`: {name} answered 500: out of order"
                ),
            ],
        ),
    ];
    for (answer, network, mut warned) in cases {
        let canned = canned().once(&name, answer);
        let stated = json!({"type": "qemu", "node": "pve1", "network": true});
        let (guests, mut warnings) = told(canned, &stated);
        assert_eq!(
            each(&guests, "network"),
            [network, Value::Null, Value::Null]
        );
        warned.sort();
        warnings.sort();
        assert_eq!(warnings, warned);
    }
}
