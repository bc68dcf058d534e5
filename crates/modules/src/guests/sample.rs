//! A cluster for tests over plans of guests.

use std::collections::BTreeMap;

use ansible::{Args, Context};
use pve::Cluster;
use pve::canned::Canned;
use serde_json::{Map, Value, json};

/// Nodes pve1 and pve2, and on them a guest of each sort that planning tells apart.
const GUESTS: &[(u32, &str, &str, &str, &str, &str)] = &[
    // VMID, name, kind and node, status, startup, further
    (
        101,
        "web-1",
        "qemu pve1",
        "stopped",
        "order=2,up=5,down=30",
        "1",
    ),
    (102, "web-2", "qemu pve2", "stopped", "order=2", ""),
    (
        103,
        "db",
        "qemu pve1",
        "running",
        "order=1,up=20,down=90",
        "",
    ),
    (104, "sleepy", "qemu pve1", "paused", "", ""),
    (105, "ha", "qemu pve2", "stopped", "", "ha"),
    (106, "ha-up", "qemu pve2", "running", "", "ha"),
    (107, "saved", "qemu pve2", "stopped", "", "lock=backup"),
    (200, "dns", "lxc pve1", "running", "", ""),
    (201, "mail", "lxc pve2", "stopped", "", ""),
];

/// The cluster; its nodes run this version.
pub(super) fn cluster(version: &str) -> Cluster {
    canned(version).cluster()
}

/// As [`cluster`], for a test that has more to answer.
pub(super) fn canned(version: &str) -> Canned {
    let mut canned = Canned::new();
    let mut rows = vec![
        json!({"type": "node", "node": "pve1", "status": "online"}),
        json!({"type": "node", "node": "pve2", "status": "online"}),
    ];
    let mut lists: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for (vmid, name, place, status, startup, further) in GUESTS {
        let (kind, node) = place.split_once(' ').unwrap_or_default();
        let mut live = Map::new();
        let status_word = if *status == "paused" {
            "running"
        } else {
            status
        };
        live.insert("vmid".to_owned(), json!(vmid));
        live.insert("name".to_owned(), json!(name));
        live.insert("status".to_owned(), json!(status_word));
        live.insert("qmpstatus".to_owned(), json!(status));
        if status_word == "running" {
            live.insert("uptime".to_owned(), json!(80));
        }
        if *further == "ha" {
            live.insert("ha".to_owned(), json!({"managed": 1}));
        }
        if let Some(lock) = further.strip_prefix("lock=") {
            live.insert("lock".to_owned(), json!(lock));
        }
        let path = format!("/nodes/{node}/{kind}/{vmid}");
        let mut config = json!({"agent": "1", "net0": "virtio=BC:24:11:00:00:01,bridge=vmbr0"});
        if !startup.is_empty() {
            config["startup"] = json!(startup);
        }
        rows.push(
            json!({"type": kind, "node": node, "vmid": vmid, "name": name, "status": status_word}),
        );
        let full = if kind == "qemu" { " full=1" } else { "" };
        lists
            .entry(format!("GET /nodes/{node}/{kind}{full}"))
            .or_default()
            .push(Value::Object(live.clone()));
        canned = canned
            .always(&format!("GET {path}/status/current"), Value::Object(live))
            .always(&format!("GET {path}/config"), config);
    }
    for (list, rows) in lists {
        canned = canned.always(&list, json!(rows));
    }
    for node in ["pve1", "pve2"] {
        canned = canned.always(
            &format!("GET /nodes/{node}/version"),
            json!({"version": version}),
        );
    }
    canned.always("GET /cluster/resources", json!(rows)).always(
        "GET /access/permissions",
        json!({"/vms": {"VM.GuestAgent.Audit": 1}}),
    )
}

/// Options and context of a task that states these.
pub(super) fn task<A: Args>(stated: &Value) -> (A, Context) {
    let Value::Object(map) = stated.clone() else {
        panic!("not an object")
    };
    let context = Context {
        given: map.keys().cloned().collect(),
        ..Context::default()
    };
    (A::parse(map).unwrap(), context)
}
