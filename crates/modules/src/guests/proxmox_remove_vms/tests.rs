//! Tables over `plan`: what is sent for which guests, in which order, and what is left alone.

use pve::{Plan, Planned};
use serde_json::{Value, json};

use super::{Notes, RemoveArgs, RemoveVms};
use crate::guests::sample::{canned, task};
use crate::job::{Job, Task};

/// The plan for these options, where some guests have these configurations.
fn ready(stated: &Value, configs: &[(&str, Value)]) -> (Plan, Notes) {
    let (args, context) = task::<RemoveArgs>(stated);
    let task = Task {
        args: &args,
        context: &context,
    };
    let cluster = configs
        .iter()
        .fold(canned("9.2.11"), |canned, (guest, config)| {
            canned.once(&format!("GET /nodes/{guest}/config"), Ok(config.clone()))
        })
        .cluster();
    match RemoveVms::plan(&task, &cluster).unwrap() {
        Planned::Ready(plan, notes) => (plan, notes),
        Planned::Blocked { why, .. } => panic!("{why}"),
    }
}

#[test]
fn what_is_sent_follows_from_the_status_and_from_what_was_asked_for() {
    let web = "DELETE /nodes/pve1/qemu/101";
    let db = "DELETE /nodes/pve1/qemu/103 purge=1";
    let post = "POST /nodes/pve1/qemu/103/status";
    let cases = [
        (json!({"vms": ["web-1"]}), vec![format!("{web} purge=1")]),
        (json!({"vms": [101], "purge": false}), vec![web.to_owned()]),
        (
            json!({"vms": [101], "unreferenced_disks": true}),
            vec![format!("{web} purge=1 destroy-unreferenced-disks=1")],
        ),
        (json!({"vms": ["db"]}), vec![]),
        (
            json!({"vms": ["db"], "force": "graceful", "timeout": 20}),
            vec![format!("{post}/shutdown timeout=20"), db.to_owned()],
        ),
        (
            json!({"vms": ["db"], "force": "stop"}),
            vec![format!("{post}/stop"), db.to_owned()],
        ),
        (json!({"vms": ["sleepy"], "force": "graceful"}), vec![]),
        (json!({"vms": ["saved"], "force": "stop"}), vec![]),
        (json!({"vms": ["ha"], "purge": false}), vec![]),
        (
            json!({"vms": ["ha", "gone", 999]}),
            vec!["DELETE /nodes/pve2/qemu/105 purge=1".to_owned()],
        ),
        (json!({"vms": ["gone"]}), vec![]),
        (
            json!({"vms": ["dns"], "force": "stop"}),
            vec![
                "POST /nodes/pve1/lxc/200/status/stop".to_owned(),
                "DELETE /nodes/pve1/lxc/200 purge=1".to_owned(),
            ],
        ),
    ];
    for (stated, calls) in cases {
        let (plan, _) = ready(&stated, &[]);
        assert_eq!(plan.calls(), calls, "{stated}");
        assert_eq!(plan.before != plan.after, plan.changes(), "{stated}");
    }
}

#[test]
fn a_protected_guest_is_left_alone_whatever_was_asked_for() {
    let stated = json!({"vms": ["db", "web-1"], "force": "stop"});
    let (plan, notes) = ready(&stated, &[("pve1/qemu/103", json!({"protection": 1}))]);
    assert_eq!(plan.calls(), ["DELETE /nodes/pve1/qemu/101 purge=1"]);
    let why = notes.items[0].cannot.as_deref();
    assert_eq!(
        why,
        Some(
            "it is protected, and nothing was done to it. `qm set 103 --protection 0` on pve1 lifts that"
        )
    );
}

#[test]
fn linked_clones_go_before_what_they_stand_on() {
    let disk = |disk: &str| json!({"scsi0": disk});
    let (plan, _) = ready(
        &json!({"vms": ["web-1", "web-2", "mail", "saved"]}),
        &[
            ("pve1/qemu/101", disk("ceph:base-101-disk-0")),
            (
                "pve2/qemu/102",
                disk("ceph:base-101-disk-0/base-102-disk-0"),
            ),
            (
                "pve2/lxc/201",
                json!({"rootfs": "nfs:102/base-102-disk-0.raw/201/vm-201-disk-0.raw,size=8G"}),
            ),
        ],
    );
    let stages: Vec<(&str, u32)> = plan
        .tracks
        .iter()
        .map(|track| (track.id.as_str(), track.stage))
        .collect();
    assert_eq!(
        stages,
        [("web-1", 2), ("web-2", 1), ("mail", 0), ("saved", 0)]
    );
}

#[test]
fn a_whole_removal_has_its_time_after_however_long_a_shutdown() {
    for timeout in [0, 180, 7200] {
        let stated = json!({"vms": ["db"], "force": "graceful", "timeout": timeout});
        let (plan, _) = ready(&stated, &[]);
        let track = &plan.tracks[0];
        let down = track.steps[0].limit.unwrap();
        assert!(track.limit.unwrap() >= down + super::REMOVAL, "{timeout}");
    }
}
