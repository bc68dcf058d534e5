//! A VM that is not there: its clone, and what is written to the clone.

use std::time::Duration;

use pve::plan::{OnError, VMID};
use serde_json::{Value, json};

use super::site::{Site, debian, vm};

/// What is planned beside the clone itself.
fn after_the_clone(stated: Value) -> Vec<String> {
    let mut wanted = json!({"name": "web-1", "template": "debian"});
    wanted
        .as_object_mut()
        .unwrap()
        .extend(super::site::map(stated));
    let mut calls = Site::of([debian()]).calls(wanted);
    assert!(calls.remove(0).contains("/clone"));
    calls
}

#[test]
fn only_what_differs_from_the_template_is_written_to_the_clone() {
    let put = "PUT /nodes/pve1/qemu/{vmid}/config";
    for (stated, calls) in [
        (json!({}), vec![]),
        (json!({"cores": 2, "memory": 2048, "agent": true}), vec![]),
        (
            json!({"cores": 4, "memory": 4096}),
            vec![format!("{put} cores=4 memory=4096")],
        ),
        (json!({"agent": false}), vec![format!("{put} agent=0")]),
        (json!({"net": {"net0": {"bridge": "vmbr0"}}}), vec![]),
        // The template's MAC would be the same for all its clones.
        (
            json!({"net": {"net0": {"bridge": "vmbr1", "vlan": 20}}}),
            vec![format!("{put} net0=virtio,bridge=vmbr1,tag=20")],
        ),
        (
            json!({"net": {"net0": {"mac": "02:00:00:00:00:09"}, "net1": "bridge=vmbr1"}}),
            vec![format!(
                "{put} net0=virtio=02:00:00:00:00:09,bridge=vmbr0 net1=virtio,bridge=vmbr1"
            )],
        ),
        (json!({"disks": {"scsi0": {"size": "10G"}}}), vec![]),
        (
            json!({"disks": {"scsi0": "40G"}, "cores": 4}),
            vec![
                format!("{put} cores=4"),
                "PUT /nodes/pve1/qemu/{vmid}/resize disk=scsi0 size=40G".to_owned(),
            ],
        ),
        (
            json!({"ciuser": "ops", "cipassword": "hunter2", "ipconfig": {"ipconfig0": {"ip": "dhcp"}}}),
            vec![format!(
                "{put} cipassword=******** ciuser=ops ipconfig0=ip=dhcp"
            )],
        ),
        (
            json!({"nameservers": ["9.9.9.9", "1.1.1.1"], "searchdomains": ["example.org"]}),
            vec![format!(
                "{put} nameserver=9.9.9.9 1.1.1.1 searchdomain=example.org"
            )],
        ),
        // The clone's volumes are its own: the template's must not be written to it.
        (
            json!({"config": {"scsi0": "discard=on", "scsi1": "ceph:8"}, "disks": {"scsi0": "40G"}}),
            vec![
                "POST /nodes/pve1/qemu/{vmid}/config scsi1=ceph:8".to_owned(),
                format!("{put} scsi0={{own}}"),
                "PUT /nodes/pve1/qemu/{vmid}/resize disk=scsi0 size=40G".to_owned(),
            ],
        ),
        (json!({"config": {"scsi0": "size=10G"}}), vec![]),
        (
            json!({"tags": ["web", "prod"], "config": {"ide2": "", "vga": "serial0"}}),
            vec![format!("{put} tags=web;prod vga=serial0 delete=ide2")],
        ),
        (
            json!({"state": "started"}),
            vec!["POST /nodes/pve1/qemu/{vmid}/status/start".to_owned()],
        ),
    ] {
        assert_eq!(after_the_clone(stated.clone()), calls, "{stated}");
    }
}

#[test]
fn a_clone_on_another_node_is_configured_there() {
    let site = Site::of([debian()]).always("GET /cluster/nextid vmid=500", json!("500"));
    let calls = site.calls(json!({
        "name": "web-1", "template": "debian", "node": "pve2", "vmid": 500, "cores": 4,
        "disks": {"scsi0": "20G"}, "state": "started",
    }));
    assert_eq!(
        calls,
        [
            "POST /nodes/pve1/qemu/9000/clone newid=500 name=web-1 full=0 target=pve2",
            "PUT /nodes/pve2/qemu/500/config cores=4",
            "PUT /nodes/pve2/qemu/500/resize disk=scsi0 size=20G",
            "POST /nodes/pve2/qemu/500/status/start",
        ]
    );
}

#[test]
fn a_stated_vmid_is_used_and_one_that_is_not_is_allocated_beside_it() {
    let site =
        Site::of([debian(), vm(101, "db-1")]).always("GET /cluster/nextid vmid=500", json!("500"));
    let (plan, notes) = site.ready(&json!({"vms": [
        {"name": "web-1", "template": "debian", "vmid": 500},
        {"name": "web-2", "template": "debian"},
        {"name": "web-3", "template": "debian", "vmid_range": "500-510"},
    ]}));
    let [stated, free, ranged] = plan.tracks.as_slice() else {
        panic!("{:?}", plan.tracks);
    };
    assert_eq!(stated.bindings[VMID], "500");
    assert!(stated.allocates.is_none());
    let allocation = free.allocates.as_ref().unwrap();
    assert_eq!(allocation.range, None);
    assert_eq!(
        allocation.taken.iter().copied().collect::<Vec<_>>(),
        [101, 500, 9000],
        "those that are there, and those that are stated"
    );
    assert_eq!(ranged.allocates.as_ref().unwrap().range, Some(500..=510));
    assert_eq!(
        notes.iter().map(|note| note.vmid).collect::<Vec<_>>(),
        [Some(500), None, None]
    );
}

#[test]
fn the_options_bound_the_plan() {
    let (plan, _) = Site::of([debian()]).ready(&json!({
        "vms": [{"name": "web-1", "template": "debian"}], "parallel": 7, "timeout": 90, "on_error": "stop",
    }));
    assert_eq!(plan.parallel, 7);
    assert_eq!(plan.on_error, OnError::Stop);
    assert_eq!(plan.tracks[0].limit, Some(Duration::from_secs(90)));
    assert!(!plan.atomic, "a VM that was made stays");
}

#[test]
fn the_diff_shows_a_new_vm_as_it_will_be() {
    let (plan, _) = Site::of([debian()]).ready(&json!({"vms": [{
        "name": "web-1", "template": "debian", "cores": 4, "memory": 2048, "pool": "web", "cipassword": "hunter2",
        "disks": {"scsi0": "40G"}, "state": "started",
    }]}));
    assert_eq!(plan.before, json!({}));
    assert_eq!(
        plan.after,
        json!({"web-1": {
            "template": 9000, "node": "pve1", "vmid": "allocated", "pool": "web", "cores": "4",
            "cipassword": "******** (new)", "scsi0": {"size": "40G"}, "status": "running",
        }})
    );
    assert!(!format!("{plan:?}").contains("hunter2"));
}

#[test]
fn cloud_init_settings_without_a_drive_are_warned_about() {
    let warnings = |config: Value, stated: Value| {
        let mut wanted = json!({"name": "web-1", "template": "bare"});
        wanted
            .as_object_mut()
            .unwrap()
            .extend(super::site::map(stated));
        let bare = vm(9001, "bare").template().config(config);
        Site::of([bare]).ready(&json!({"vms": [wanted]})).0.warnings
    };
    let text = "web-1: there is no cloud-init drive, so ciuser and the like do not reach the guest; give the \
                template one, or add one with config: {ide2: \"STORAGE:cloudinit\"}";
    assert_eq!(warnings(json!({}), json!({"ciuser": "ops"})), [text]);
    for (config, stated) in [
        (json!({}), json!({"cores": 4})),
        (
            json!({"ide2": "ceph:vm-9001-cloudinit,media=cdrom"}),
            json!({"ciuser": "ops"}),
        ),
        (
            json!({}),
            json!({"ciuser": "ops", "config": {"ide2": "ceph:cloudinit"}}),
        ),
    ] {
        assert_eq!(warnings(config, stated), Vec::<String>::new());
    }
}

#[test]
fn a_pool_that_is_not_there_is_told_before_anything_is_cloned() {
    let asked = pve::Call::get(pve::path!("pools")).with("poolid", "mail");
    let refusal = Site::of([debian()])
        .once(
            "GET /pools poolid=mail",
            Err(pve::canned::refused(
                &asked,
                500,
                "pool 'mail' does not exist",
            )),
        )
        .refusal(json!([{"name": "web-1", "template": "debian", "pool": "mail"}]));
    assert_eq!(
        refusal,
        "nothing was done: VM `web-1`: there is no pool `mail`"
    );
}

#[test]
fn how_far_the_guest_is_waited_for_follows_from_what_it_will_be() {
    let done = |stated: Value| -> Vec<&'static str> {
        let mut wanted = json!({"name": "web-1", "template": "debian", "state": "started"});
        wanted
            .as_object_mut()
            .unwrap()
            .extend(super::site::map(stated));
        let (plan, _) = Site::of([debian()]).ready(&json!({"vms": [wanted]}));
        plan.tracks[0].steps.iter().map(|step| step.done).collect()
    };
    assert_eq!(done(json!({})), ["cloned", "started"]);
    assert_eq!(
        done(json!({"wait_for": "agent"})),
        ["cloned", "started", "guest agent answers"]
    );
    assert_eq!(
        done(json!({
            "wait_for": "port", "port": 22, "agent": false, "ipconfig": {"ipconfig0": "ip=192.0.2.7/24"},
        })),
        [
            "cloned",
            "configured",
            "started",
            "address known",
            "port open"
        ]
    );
}

#[test]
fn a_missing_privilege_for_the_agent_is_told_before_anything_is_cloned() {
    let refusal = |wait_for: &str| {
        let asked = Site::of([debian()]).once(
            "GET /access/permissions",
            Ok(json!({"/vms": {"VM.Audit": 1}})),
        );
        asked.planned(&json!({"vms": [{
            "name": "web-1", "template": "debian", "state": "started", "wait_for": wait_for,
        }]}))
    };
    assert!(
        refusal("ip")
            .unwrap_err()
            .starts_with("unable to ask the guest agent of `web-1`")
    );
    assert!(refusal("running").is_ok());
}
