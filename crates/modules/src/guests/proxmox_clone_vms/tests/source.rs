//! What is cloned, how, and to where.

use serde_json::{Value, json};

use super::site::{Site, Vm, debian, vm};

fn clone_call(vms: Vec<Vm>, wanted: Value) -> String {
    Site::of(vms).calls(wanted).remove(0)
}

fn on_pve2() -> Vm {
    vm(9002, "debian").on("pve2").template()
}

#[test]
fn a_template_is_found_by_vmid_and_by_name_and_the_target_nodes_own_is_taken() {
    for (vms, wanted, call) in [
        (
            vec![debian()],
            json!({"template": "9000"}),
            "POST /nodes/pve1/qemu/9000/clone newid={vmid} name=web-1 full=0",
        ),
        (
            vec![debian()],
            json!({"template": "debian", "node": "pve2"}),
            "POST /nodes/pve1/qemu/9000/clone newid={vmid} name=web-1 full=0 target=pve2",
        ),
        (
            vec![debian(), on_pve2()],
            json!({"template": "debian", "node": "pve2"}),
            "POST /nodes/pve2/qemu/9002/clone newid={vmid} name=web-1 full=0",
        ),
        // A VM of the template's name is not what is meant.
        (
            vec![debian(), vm(103, "debian")],
            json!({"template": "debian"}),
            "POST /nodes/pve1/qemu/9000/clone newid={vmid} name=web-1 full=0",
        ),
        (
            vec![vm(103, "golden").on("pve2")],
            json!({"template": "golden"}),
            "POST /nodes/pve2/qemu/103/clone newid={vmid} name=web-1 full=1",
        ),
        (
            vec![debian()],
            json!({"template": "debian", "pool": "web"}),
            "POST /nodes/pve1/qemu/9000/clone newid={vmid} name=web-1 full=0 pool=web",
        ),
    ] {
        let mut wanted = wanted;
        wanted["name"] = json!("web-1");
        assert_eq!(clone_call(vms, wanted), call);
    }
}

#[test]
fn storage_and_format_are_for_full_clones_alone() {
    let base =
        json!({"name": "web-1", "template": "debian", "storage": "local-lvm", "format": "raw"});
    for (clone_type, end) in [
        (json!("auto"), "full=0"),
        (json!("linked"), "full=0"),
        (json!("full"), "full=1 storage=local-lvm format=raw"),
    ] {
        let mut wanted = base.clone();
        wanted["clone_type"] = clone_type;
        let call = clone_call(vec![debian()], wanted);
        assert!(call.ends_with(end), "{call}");
    }
}

#[test]
fn storage_and_format_of_a_linked_clone_are_warned_about() {
    let warnings = |stated: Value| {
        let wanted = json!({"vms": [{"name": "web-1"}], "defaults": stated});
        Site::of([debian()]).ready(&wanted).0.warnings
    };
    for (stated, subject) in [
        (json!({"storage": "ceph"}), "storage is"),
        (json!({"format": "raw"}), "format is"),
        (
            json!({"storage": "ceph", "format": "raw", "clone_type": "linked"}),
            "storage and format are",
        ),
    ] {
        let mut stated = stated;
        stated["template"] = json!("debian");
        assert_eq!(
            warnings(stated),
            [format!(
                "web-1: {subject} for full clones; this one is linked and lies where its template lies"
            )]
        );
    }
    let full = json!({"template": "debian", "storage": "ceph", "clone_type": "full"});
    assert_eq!(warnings(full), Vec::<String>::new());
}

#[test]
fn a_clone_that_cannot_be_made_is_told_before_anything_is_written() {
    let local = || {
        vm(9001, "local")
            .template()
            .config(json!({"scsi0": "local-lvm:base-9001-disk-0,size=4G"}))
    };
    let image = || {
        vm(9003, "image").template().config(json!({
        "scsi0": "ceph:base-9003-disk-0,size=4G", "ide2": "local-lvm:iso/d.iso,media=cdrom", "unused0": "local-lvm:x",
    }))
    };
    for (vms, wanted, message) in [
        (
            vec![debian(), on_pve2()],
            json!({"template": "debian"}),
            "more than one template is named `debian`: 9000 on pve1, 9002 on pve2; give the node, or the \
             template's VMID",
        ),
        (
            vec![debian(), on_pve2()],
            json!({"template": "debian", "node": "pve3"}),
            "more than one template is named `debian`: 9000 on pve1, 9002 on pve2; give the template's VMID",
        ),
        (
            vec![vm(103, "golden")],
            json!({"template": "golden", "clone_type": "linked"}),
            "103 is no template, and only templates have linked clones",
        ),
        (
            vec![debian()],
            json!({"template": "debian", "node": "pve7"}),
            "there is no node `pve7`",
        ),
        (
            vec![debian()],
            json!({"template": "debian", "clone_type": "full", "storage": "tank"}),
            "there is no storage `tank` on pve1 (a storage without Datastore.Audit is invisible)",
        ),
        (
            vec![debian()],
            json!({"template": "debian", "clone_type": "full", "storage": "local-lvm", "node": "pve2"}),
            "a clone from pve1 to pve2 needs a shared storage, and `local-lvm` is local",
        ),
        (
            vec![local()],
            json!({"template": "local", "node": "pve2"}),
            "9001 on pve1 has a disk on the local storage `local-lvm`, so it cannot be cloned to pve2: clone it on \
             pve1, or from a template on pve2 or on shared storage",
        ),
        (
            vec![debian()],
            json!({"template": "debian", "disks": {"scsi0": {"size": "5G"}}}),
            "scsi0 is 10G, and disks cannot shrink to 5G",
        ),
        (
            vec![debian()],
            json!({"template": "debian", "disks": {"scsi5": "5G"}}),
            "there is no disk scsi5 to grow",
        ),
        (
            vec![debian()],
            json!({"template": "debian", "agent": false, "state": "started", "wait_for": "agent"}),
            "cannot be waited for: its configuration has no guest agent (set agent: 1 and install the agent in \
             the guest)",
        ),
        (
            vec![debian()],
            json!({"template": "debian", "config": {"cipassword": "hunter2"}}),
            "cipassword: is a secret; it has an option of its own",
        ),
        (
            vec![debian()],
            json!({"template": "debian", "config": {"name": "web-2"}}),
            "name: is the VM's identity, and cannot be changed",
        ),
    ] {
        let mut wanted = wanted;
        wanted["name"] = json!("web-1");
        let message = format!("nothing was done: VM `web-1`: {message}");
        assert_eq!(Site::of(vms).refusal(json!([wanted])), message);
    }
    // An image in a drive and a disk that is not attached are not cloned.
    let call = clone_call(
        vec![image()],
        json!({"name": "web-1", "template": "image", "node": "pve2"}),
    );
    assert!(call.ends_with("target=pve2"), "{call}");
}

#[test]
fn an_offline_node_is_named_where_a_template_or_a_target_is_missing() {
    for (template, message) in [
        (
            json!({"template": "ubuntu"}),
            "there is no template `ubuntu` on the nodes that are online (offline: pve3) (one without VM.Audit is \
             invisible)",
        ),
        (
            json!({"template": "debian", "node": "pve3"}),
            "the node pve3 is offline",
        ),
    ] {
        let mut wanted = template;
        wanted["name"] = json!("web-1");
        assert_eq!(
            Site::with_nodes(&["pve1"], &["pve3"], [debian()]).refusal(json!([wanted])),
            format!("nothing was done: VM `web-1`: {message}")
        );
    }
}

#[test]
fn claims_follow_from_the_locks_that_the_clone_takes() {
    let claims = |vms: Vec<Vm>, wanted: Value| -> Vec<(String, usize)> {
        let (plan, _) = Site::of(vms).ready(&json!({"vms": [wanted]}));
        let clone = &plan.tracks[0].steps[0];
        let claims = clone.claims.iter();
        claims
            .map(|claim| (claim.what.clone(), claim.limit))
            .collect()
    };
    let owned = |pairs: &[(&str, usize)]| -> Vec<(String, usize)> {
        pairs
            .iter()
            .map(|(what, limit)| ((*what).to_owned(), *limit))
            .collect()
    };
    assert_eq!(
        claims(
            vec![debian()],
            json!({"name": "web-1", "template": "debian"})
        ),
        owned(&[("source:9000", 8), ("storage:ceph", 8)])
    );
    assert_eq!(
        claims(
            vec![debian()],
            json!({"name": "web-1", "template": "debian", "clone_type": "full", "storage": "local-lvm"})
        ),
        owned(&[("source:9000", 8), ("storage:local-lvm", 8)])
    );
    // A VM that runs is locked for each of its clones.
    assert_eq!(
        claims(
            vec![vm(103, "golden").running()],
            json!({"name": "web-1", "template": "golden"})
        ),
        owned(&[("source:103", 1)])
    );
}
