use ansible::{Args, Context};
use pve::canned::Canned;
use pve::{Plan, Planned};
use serde_json::{Value, json};

use super::{ContainerArgs, Proxmox};
use crate::job::{Job, Task};

/// 200 runs, 201 does not, 202 is a template.
fn canned() -> Canned {
    let current =
        |status: &str, template: u8| json!({"vmid": 200, "status": status, "template": template});
    Canned::new()
        .always(
            "GET /cluster/resources",
            json!([
                {"type": "node", "node": "pve1", "status": "online"},
                {"type": "node", "node": "pve2", "status": "offline"},
                {"type": "qemu", "node": "pve1", "vmid": 101, "name": "web", "status": "running"},
                {"type": "lxc", "node": "pve1", "vmid": 200, "name": "dns", "status": "running"},
                {"type": "lxc", "node": "pve1", "vmid": 201, "name": "mail", "status": "stopped"},
                {"type": "lxc", "node": "pve1", "vmid": 202, "name": "alpine", "status": "stopped", "template": 1},
                {"type": "lxc", "node": "pve2", "vmid": 203, "name": "away", "status": "unknown"},
            ]),
        )
        .always("GET /nodes/pve1/lxc", json!([]))
        .always("GET /nodes/pve1/lxc/200/status/current", current("running", 0))
        .always("GET /nodes/pve1/lxc/200/snapshot", json!([{"name": "current"}]))
        .always("GET /nodes/pve1/lxc/201/snapshot", json!([{"name": "current"}]))
        .always("GET /nodes/pve1/lxc/200/config", json!({"rootfs": "ceph:vm-200-disk-0,size=8G"}))
        .always("GET /nodes/pve1/lxc/201/status/current", current("stopped", 0))
        .always("GET /nodes/pve1/lxc/202/status/current", current("stopped", 1))
        .always(
            "GET /nodes/pve1/lxc/201/config",
            json!({"hostname": "mail", "memory": 512, "rootfs": "ceph:vm-201-disk-0,size=8G"}),
        )
        .always("GET /nodes/pve1/lxc/201/pending", json!([]))
        .always(
            "GET /nodes/pve1/lxc/202/config",
            json!({"hostname": "alpine", "template": 1, "rootfs": "ceph:base-202-disk-0,size=1G"}),
        )
        .always(
            "GET /nodes/pve1/storage/local/content content=vztmpl",
            json!([{"volid": "local:vztmpl/d.tar.zst"}]),
        )
        .always(
            "GET /nodes/pve1/storage content=rootdir enabled=1",
            json!([{"storage": "ceph"}]),
        )
        .always(
            "GET /access/permissions",
            json!({"/": {
                "VM.Allocate": 1, "VM.Config.Disk": 1, "VM.Config.Network": 1, "Datastore.AllocateSpace": 1,
            }}),
        )
}

fn planned(given: &Value) -> Result<Plan, String> {
    let Value::Object(options) = given.clone() else {
        panic!("not an object")
    };
    let context = Context {
        given: options.keys().cloned().collect(),
        ..Context::default()
    };
    let args = ContainerArgs::parse(options).unwrap();
    let task = Task {
        args: &args,
        context: &context,
    };
    match Proxmox::plan(&task, &canned().cluster()) {
        Ok(Planned::Ready(plan, _)) => Ok(plan),
        Ok(Planned::Blocked { why, .. }) => Err(why),
        Err(failure) => Err(failure.msg),
    }
}

#[test]
fn each_state_has_its_calls() {
    let dns = "/nodes/pve1/lxc/200";
    let mail = "/nodes/pve1/lxc/201";
    for (given, calls) in [
        (json!({"vmid": 200, "state": "started"}), vec![]),
        (
            json!({"vmid": 201, "state": "started"}),
            vec![format!("POST {mail}/status/start")],
        ),
        (json!({"vmid": 201, "state": "stopped"}), vec![]),
        (
            json!({"vmid": 200, "state": "stopped", "timeout": 9, "force": true}),
            vec![format!("POST {dns}/status/shutdown timeout=9 forceStop=1")],
        ),
        (json!({"vmid": 201, "state": "restarted"}), vec![]),
        (
            json!({"vmid": 200, "state": "restarted"}),
            vec![
                format!("POST {dns}/status/shutdown timeout=60"),
                format!("POST {dns}/status/start"),
            ],
        ),
        (json!({"vmid": 202, "state": "template"}), vec![]),
        (
            json!({"vmid": 201, "state": "template"}),
            vec![format!("POST {mail}/template")],
        ),
        (
            json!({"vmid": 200, "state": "template", "force": true}),
            vec![
                format!("POST {dns}/status/shutdown timeout=60 forceStop=1"),
                format!("POST {dns}/template"),
            ],
        ),
        (json!({"vmid": 200, "state": "absent"}), vec![]),
        (json!({"vmid": 999, "state": "absent"}), vec![]),
        (
            json!({"vmid": 200, "state": "absent", "force": true}),
            vec![format!("DELETE {dns} force=1")],
        ),
        (
            json!({"vmid": 201, "state": "absent", "force": true, "purge": true}),
            vec![format!("DELETE {mail} purge=1")],
        ),
    ] {
        let plan = planned(&given).unwrap();
        assert_eq!(plan.calls(), calls, "{given}");
        assert_eq!(plan.before != plan.after, plan.changes(), "{given}");
    }
}

#[test]
fn a_container_is_made_or_brought_to_what_is_stated() {
    let (template, node) = ("local:vztmpl/d.tar.zst", "pve1");
    for (given, calls) in [
        (
            json!({"vmid": 300, "hostname": "ns1", "ostemplate": template, "disk": "ceph:4"}),
            vec![
                "POST /nodes/pve1/lxc vmid=300 hostname=ns1 ostemplate=local:vztmpl/d.tar.zst unprivileged=1 \
                 rootfs=ceph:4",
            ],
        ),
        (
            json!({"hostname": "ns1", "ostemplate": template, "storage": "ceph"}),
            vec![
                "POST /nodes/pve1/lxc vmid={vmid} hostname=ns1 ostemplate=local:vztmpl/d.tar.zst unprivileged=1 \
                 storage=ceph",
            ],
        ),
        (
            json!({"hostname": "a1", "clone": 202}),
            vec!["POST /nodes/pve1/lxc/202/clone newid={vmid} hostname=a1 full=0"],
        ),
        (
            json!({"vmid": 300, "hostname": "m1", "clone": 201, "storage": "ceph", "pool": "lab"}),
            vec![
                "POST /nodes/pve1/lxc/201/clone newid=300 hostname=m1 full=1 pool=lab storage=ceph",
            ],
        ),
        (
            json!({"vmid": 201, "hostname": "mail", "clone": 202}),
            vec![],
        ),
        (
            json!({"vmid": 201, "hostname": "mail", "update": false, "memory": 1024}),
            vec![],
        ),
        (
            json!({"vmid": 201, "hostname": "mail", "memory": 1024, "disk": "ceph:10,acl=1"}),
            vec![
                "PUT /nodes/pve1/lxc/201/config memory=1024",
                "PUT /nodes/pve1/lxc/201/resize disk=rootfs size=10G",
                "PUT /nodes/pve1/lxc/201/config rootfs=ceph:vm-201-disk-0,size=10G,acl=1",
            ],
        ),
        (
            json!({"vmid": 201, "hostname": "mail", "force": true, "ostemplate": template, "disk": "ceph:4"}),
            vec![
                "POST /nodes/pve1/lxc vmid=201 hostname=mail ostemplate=local:vztmpl/d.tar.zst unprivileged=1 \
                 rootfs=ceph:4",
                "DELETE /nodes/pve1/lxc/201",
                "POST /nodes/pve1/lxc vmid=201 hostname=mail ostemplate=local:vztmpl/d.tar.zst unprivileged=1 \
                 rootfs=ceph:4",
            ],
        ),
    ] {
        let mut given = given;
        given["node"] = json!(node);
        let plan = planned(&given).unwrap();
        assert_eq!(plan.calls(), calls, "{given}");
        assert_eq!(plan.before != plan.after, plan.changes(), "{given}");
    }
}

#[test]
fn between_the_removal_and_the_new_container_nobody_interrupts() {
    let plan = planned(&json!({
        "vmid": 201, "hostname": "mail", "node": "pve1", "force": true,
        "ostemplate": "local:vztmpl/d.tar.zst", "disk": "ceph:4",
    }));
    assert!(plan.unwrap().tracks[0].whole);
}

#[test]
fn a_timeout_counts_only_where_it_is_stated() {
    let limit = |given: Value| {
        planned(&given).unwrap().tracks[0]
            .limit
            .map(|limit| limit.as_secs())
    };
    assert_eq!(
        limit(json!({"vmid": 201, "state": "started", "timeout": 9})),
        Some(9)
    );
    assert_eq!(
        limit(json!({"vmid": 201, "state": "started"})),
        Some(4 * 3600)
    );
}

#[test]
fn what_cannot_be_is_told_before_anything_is_done() {
    for (given, message) in [
        (
            json!({"vmid": 101, "state": "started"}),
            "The specified VM 101 is not an lxc.",
        ),
        (
            json!({"hostname": "web", "state": "absent"}),
            "The specified VM web (101) is not an lxc.",
        ),
        (
            json!({"vmid": 202, "state": "started"}),
            "VM alpine (202) is a template: templates cannot be started",
        ),
        (
            json!({"vmid": 203, "state": "started"}),
            "the guest `203` is on the node pve2, which is offline",
        ),
        (
            json!({"hostname": "x", "node": "pve1", "clone": 200, "storage": "ceph"}),
            "VM 200 is running, and only one that is stopped is copied: stop it before",
        ),
        (
            json!({"hostname": "", "node": "pve1", "vmid": 201}),
            "hostname: is empty",
        ),
        (
            json!({"hostname": "x", "node": "pve2", "clone": 202}),
            "the node pve2 is offline",
        ),
        (
            json!({"hostname": "x", "node": "pve1", "clone": 201, "clone_type": "linked"}),
            "Cloning type 'linked' is only supported for template containers.",
        ),
        (
            json!({"vmid": 201, "hostname": "mail", "node": "pve1", "force": true,
                   "ostemplate": "local:vztmpl/d.tar.zst"}),
            "storage 'local' on pve1 takes no volumes of containers",
        ),
    ] {
        assert_eq!(planned(&given).unwrap_err(), message, "{given}");
    }
}
