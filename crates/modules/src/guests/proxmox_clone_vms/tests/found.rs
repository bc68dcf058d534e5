//! A VM that is there: what differs is written, and nothing else.

use pve::plan::VMID;
use serde_json::{Value, json};

use super::site::{Site, Vm, vm};

fn web() -> Vm {
    vm(101, "web-1").pool("web").config(json!({
        "cores": 2, "memory": "2048", "tags": "a;b", "ciuser": "ops", "agent": "1",
        "net0": "virtio=BC:24:11:00:00:01,bridge=vmbr0,tag=20", "scsi0": "ceph:vm-101-disk-0,size=10G",
    }))
}

fn wanted(stated: Value) -> Value {
    let mut wanted = json!({"name": "web-1", "template": "debian"});
    wanted
        .as_object_mut()
        .unwrap()
        .extend(super::site::map(stated));
    wanted
}

fn calls(vm: Vm, stated: Value) -> Vec<String> {
    Site::of([vm]).calls(wanted(stated))
}

const PUT: &str = "PUT /nodes/pve1/qemu/101/config";
const START: &str = "POST /nodes/pve1/qemu/101/status/start";
const REBOOT: &str = "POST /nodes/pve1/qemu/101/status/reboot";

#[test]
fn only_what_is_stated_and_differs_is_written() {
    for (stated, expected) in [
        (json!({}), vec![]),
        // The template, node and clone options of a VM that is there are history.
        (
            json!({"node": "pve2", "clone_type": "full", "storage": "ceph", "vmid_range": "500-600"}),
            vec![],
        ),
        (
            json!({"cores": 2, "memory": 2048, "tags": ["b", "a"], "pool": "web", "agent": true}),
            vec![],
        ),
        (
            json!({"net": {"net0": {"bridge": "vmbr0", "vlan": 20}}}),
            vec![],
        ),
        (json!({"cores": 4}), vec![format!("{PUT} cores=4")]),
        (
            json!({"net": {"net0": {"vlan": 30}}}),
            vec![format!(
                "{PUT} net0=virtio=BC:24:11:00:00:01,bridge=vmbr0,tag=30"
            )],
        ),
        (
            json!({"tags": [], "config": {"ciuser": null}}),
            vec![format!("{PUT} delete=ciuser,tags")],
        ),
        (
            json!({"disks": {"scsi0": "20G"}}),
            vec!["PUT /nodes/pve1/qemu/101/resize disk=scsi0 size=20G".to_owned()],
        ),
        (
            json!({"pool": "db"}),
            vec!["PUT /pools poolid=db vms=101 allow-move=1".to_owned()],
        ),
        (
            json!({"state": "started", "cores": 4}),
            vec![format!("{PUT} cores=4"), START.to_owned()],
        ),
    ] {
        assert_eq!(calls(web(), stated.clone()), expected, "{stated}");
    }
}

#[test]
fn a_vm_that_runs_is_not_started_and_one_that_is_there_is_not_stopped() {
    assert_eq!(
        calls(web().running(), json!({"state": "started"})),
        Vec::<String>::new()
    );
    assert_eq!(
        calls(web().running(), json!({"state": "present"})),
        Vec::<String>::new()
    );
    assert_eq!(calls(web(), json!({"state": "started"})), [START]);
}

#[test]
fn a_paused_vm_is_left_alone_and_said_to_be() {
    let (plan, _) =
        Site::of([web().paused()]).ready(&json!({"vms": [wanted(json!({"state": "started"}))]}));
    assert_eq!(plan.calls(), Vec::<String>::new());
    assert_eq!(
        plan.warnings,
        ["web-1 (101) is paused: it is neither resumed nor started"]
    );
}

#[test]
fn the_diff_shows_the_values_that_change() {
    let (plan, notes) = Site::of([web()]).ready(&json!({"vms": [wanted(json!({
        "cores": 4, "memory": 2048, "description": "x", "pool": "db", "disks": {"scsi0": "20G"}, "state": "started",
    }))]}));
    assert_eq!(
        plan.before,
        json!({"web-1": {"cores": "2", "description": null, "pool": "web", "scsi0": {"size": "10G"}, "status": "stopped"}})
    );
    assert_eq!(
        plan.after,
        json!({"web-1": {"cores": "4", "description": "x", "pool": "db", "scsi0": {"size": "20G"}, "status": "running"}})
    );
    assert_eq!(plan.tracks[0].bindings[VMID], "101");
    assert_eq!(notes[0].track, Some(0));

    let (plan, notes) = Site::of([web()]).ready(&json!({"vms": [wanted(json!({"cores": 2}))]}));
    assert_eq!((plan.before, plan.after), (json!({}), json!({})));
    assert_eq!(notes[0].track, None);
}

#[test]
fn what_cannot_be_done_to_it_is_told_before_anything_is_written() {
    for (vm, stated, message) in [
        (
            web(),
            json!({"disks": {"scsi0": "5G"}}),
            "scsi0 is 10G, and disks cannot shrink to 5G",
        ),
        (
            web(),
            json!({"disks": {"scsi1": "5G"}}),
            "there is no disk scsi1 to grow",
        ),
        (
            web(),
            json!({"config": {"scsi0": "local-lvm:10"}}),
            "scsi0: there is a disk already (ceph:vm-101-disk-0); it would be replaced by another",
        ),
        (
            web().config(json!({"agent": "0"})).running(),
            json!({"state": "started", "wait_for": "ip"}),
            "cannot be waited for: its configuration has neither a guest agent (agent: 1) nor a static address \
             (ipconfig0) that could tell its address",
        ),
    ] {
        assert_eq!(
            Site::of([vm]).refusal(json!([wanted(stated)])),
            format!("nothing was done: VM `web-1`: {message}")
        );
    }
}

#[test]
fn a_locked_vm_fails_alone() {
    let (plan, notes) = Site::of([web().locked("backup")]).ready(&json!({"vms": [
        {"name": "web-1", "cores": 4, "tags": ["new"]},
    ]}));
    assert_eq!(plan.calls(), Vec::<String>::new());
    assert_eq!(plan.tracks.len(), 1, "it has a track, which fails");
    assert_eq!(
        notes[0].cannot.as_deref(),
        Some(
            "it is locked (backup): another operation is at work on it. Should that have been cut off, `qm unlock 101` \
             on pve1 takes the lock away"
        )
    );
    assert_eq!(
        calls(web().locked("backup"), json!({"cores": 2})),
        Vec::<String>::new(),
        "a lock is no matter where there is nothing to write"
    );
}

#[test]
fn a_hibernated_vm_is_not_to_be_unlocked() {
    let (_, notes) = Site::of([web().locked("suspended")]).ready(&json!({"vms": [
        {"name": "web-1", "cores": 4},
    ]}));
    let why = notes[0].cannot.as_deref().unwrap();
    assert!(
        why.starts_with("it is hibernated") && !why.contains("unlock"),
        "{why}"
    );
}

#[test]
fn a_value_that_waits_for_a_boot_is_not_written_again() {
    let waiting = || web().running().pending("cores", &json!(4));
    assert_eq!(calls(waiting(), json!({"cores": 4})), Vec::<String>::new());
    assert_eq!(
        calls(waiting(), json!({"cores": 2})),
        [format!("{PUT} cores=2")]
    );
    let (_, notes) = Site::of([waiting()]).ready(&json!({"vms": [wanted(json!({}))]}));
    assert_eq!(notes[0].pending, ["cores"]);
    let going = web().running().pending("ciuser", &Value::Null);
    assert_eq!(
        calls(going, json!({"config": {"ciuser": ""}})),
        Vec::<String>::new()
    );
}

#[test]
fn on_pending_reboot_reboots_a_running_vm_that_has_or_gets_waiting_values() {
    let plan = |vm: Vm, stated: Value| {
        let args = json!({"vms": [wanted(stated)], "on_pending": "reboot"});
        Site::of([vm]).ready(&args).0
    };
    let verbs = |plan: &pve::Plan| -> Vec<&'static str> {
        plan.tracks
            .iter()
            .flat_map(|track| &track.steps)
            .map(|step| step.verb)
            .collect()
    };
    // What waits already is known to need the reboot: check mode foretells it.
    let waiting = plan(web().running().pending("cores", &json!(4)), json!({}));
    assert_eq!(waiting.calls(), [REBOOT]);
    assert!(waiting.changes());
    assert_eq!(waiting.before, json!({"web-1": {"pending": ["cores"]}}));
    assert_eq!(waiting.after, json!({"web-1": {"pending": []}}));
    // Only the server knows which values of a write can be plugged in.
    assert_eq!(
        verbs(&plan(web().running(), json!({"cores": 4}))),
        ["configure", "look at"]
    );
    for (vm, stated) in [
        (web().running(), json!({"cores": 2})),
        (web(), json!({})),
        (web().paused().pending("cores", &json!(4)), json!({})),
    ] {
        assert_eq!(verbs(&plan(vm, stated)), Vec::<&str>::new());
    }
    let warned = Site::of([web().running().pending("cores", &json!(4))]).calls(wanted(json!({})));
    assert_eq!(warned, Vec::<String>::new(), "without on_pending: reboot");
}

/// `Hello world!`, as the server stores it.
const HASH: &str = "$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5";

#[test]
fn a_password_is_written_when_it_differs_from_the_stored_one() {
    let plan = |dump: Option<&str>, config: Value, password: &str| {
        let vm = match dump {
            Some(dump) => web().dump(dump),
            None => web(),
        };
        let (plan, _) = Site::of([vm.config(config)])
            .ready(&json!({"vms": [wanted(json!({"cipassword": password}))]}));
        (plan.calls(), plan.warnings)
    };
    let stored = format!("#cloud-config\npassword: {HASH}\n");
    let none: (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
    let write = (vec![format!("{PUT} cipassword=********")], Vec::new());
    let unknown = "web-1 (101): cipassword cannot be compared with what is stored, and is set on creation only";
    let has_one = || json!({"cipassword": "**********"});
    assert_eq!(plan(Some(&stored), has_one(), "Hello world!"), none);
    assert_eq!(plan(Some(&stored), has_one(), "hunter2"), write);
    assert_eq!(plan(None, json!({}), "hunter2"), write, "none is stored");
    for (dump, config) in [
        (
            Some(stored.as_str()),
            json!({"cipassword": "**********", "cicustom": "user=local:snippets/u.yml"}),
        ),
        (None, has_one()),
    ] {
        assert_eq!(
            plan(dump, config, "hunter2"),
            (Vec::new(), vec![unknown.to_owned()])
        );
    }
}

#[test]
fn a_vm_that_is_the_template_of_another_keeps_its_waiting_values() {
    let (_, notes) =
        Site::of([web().running().pending("cores", &json!(4))]).ready(&json!({"vms": [
            {"name": "web-1"}, {"name": "web-2", "template": "web-1"},
        ]}));
    assert_eq!(notes[0].pending, ["cores"]);
}
