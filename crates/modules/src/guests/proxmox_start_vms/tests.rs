//! Tables over `plan`: what is sent for which guests, and when.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use pve::apply::{Control, apply};
use pve::canned::refused;
use pve::plan::{Ending, Settles, Step};
use pve::texts::Matched;
use pve::{Plan, Planned};
use serde_json::{Value, json};

use super::{StartArgs, StartVms};
use crate::guests::power::Item;
use crate::guests::sample::{canned, cluster, task};
use crate::job::{Job, Task};

fn ready(stated: &Value) -> Result<(Plan, Vec<Item>), String> {
    let (args, context) = task::<StartArgs>(stated);
    let task = Task {
        args: &args,
        context: &context,
    };
    match StartVms::plan(&task, &cluster("9.2.11")) {
        Ok(Planned::Ready(plan, items)) => Ok((plan, items)),
        Ok(Planned::Blocked { why, .. }) => Err(why),
        Err(failure) => Err(failure.msg),
    }
}

fn done(steps: &[Step]) -> Vec<&str> {
    steps.iter().map(|step| step.done).collect()
}

#[test]
fn only_what_is_stopped_is_started() {
    let start = |path: &str| format!("POST /nodes/{path}/status/start");
    let cases = [
        (
            json!({"vms": ["web-1", 201]}),
            vec![start("pve1/qemu/101"), start("pve2/lxc/201")],
        ),
        (json!({"vms": ["db", "dns"], "wait_for": "running"}), vec![]),
        (json!({"vms": ["sleepy", "saved"]}), vec![]),
        (
            json!({"all": true, "exclude": ["web-1"], "kind": "qemu"}),
            vec![start("pve2/qemu/102"), start("pve2/qemu/105")],
        ),
    ];
    for (stated, calls) in cases {
        let (plan, _) = ready(&stated).unwrap();
        assert_eq!(plan.calls(), calls, "{stated}");
        assert_eq!(plan.before != plan.after, plan.changes(), "{stated}");
    }
}

#[test]
fn what_cannot_be_started_says_why() {
    let (plan, items) = ready(&json!({"vms": ["sleepy", "saved", "web-1"]})).unwrap();
    let whys: Vec<Option<&str>> = items.iter().map(|item| item.cannot.as_deref()).collect();
    assert_eq!(
        whys,
        [
            Some("it is paused: resume it (`qm resume 104` on pve1)"),
            Some(
                "it is locked (backup): another operation is at work on it. Should that have been cut off, \
                 `qm unlock 107` on pve2 takes the lock away"
            ),
            None,
        ]
    );
    assert_eq!(
        plan.tracks.len(),
        3,
        "each is a track, so that each is an item of the failure"
    );
}

#[test]
fn what_runs_already_is_waited_for_too() {
    let (plan, _) = ready(&json!({"vms": ["web-1", "db", "dns"], "wait_for": "ip"})).unwrap();
    let steps: Vec<Vec<&str>> = plan.tracks.iter().map(|track| done(&track.steps)).collect();
    assert_eq!(
        steps,
        [
            vec!["started", "address known"],
            vec!["address known"],
            vec!["address known"]
        ]
    );
}

#[test]
fn the_next_stage_waits_until_the_delay_is_over() {
    let stated = json!({"vms": ["web-1", "web-2", "ha", "db"], "order": "startup", "timeout": 60});
    let (plan, _) = ready(&stated).unwrap();
    let told: Vec<(&str, u32, Vec<&str>, u64)> = plan
        .tracks
        .iter()
        .map(|track| {
            let limit = track.limit.unwrap_or_default().as_secs();
            (track.id.as_str(), track.stage, done(&track.steps), limit)
        })
        .collect();
    assert_eq!(
        told,
        [
            ("web-1", 0, vec!["started", "start-up delay over"], 65),
            ("web-2", 0, vec!["started"], 60),
            ("ha", 1, vec!["started"], 60),
        ]
    );
}

#[test]
fn the_last_stage_has_nobody_to_delay() {
    let (plan, _) = ready(&json!({"vms": ["web-1"], "order": "startup"})).unwrap();
    assert_eq!(done(&plan.tracks[0].steps), ["started"]);
}

#[test]
fn an_ha_managed_guest_is_followed_beyond_its_task() {
    let (plan, _) = ready(&json!({"vms": ["ha", "web-2"]})).unwrap();
    let settles: Vec<bool> = plan
        .tracks
        .iter()
        .map(|track| matches!(track.steps[0].settles, Settles::Holds(_)))
        .collect();
    assert_eq!(settles, [true, false]);
}

#[test]
fn somebody_who_was_faster_is_accepted() {
    let (plan, _) = ready(&json!({"vms": ["web-1"]})).unwrap();
    let endings: Vec<Ending> = plan.tracks[0].steps[0]
        .on
        .iter()
        .map(|(ending, _)| *ending)
        .collect();
    assert_eq!(endings, [Ending::Text(Matched::AlreadyRunning)]);
}

#[test]
fn an_ha_managed_guest_that_starts_elsewhere_is_found_there() {
    const TASK: &str = "UPID:pve2:0001ABCD:00FF00AA:68A1B2C3:hastart:105:root@pam:";
    let mut times: BTreeMap<String, u32> = BTreeMap::new();
    let cluster = canned("9.2.11")
        .always("POST /nodes/pve2/qemu/105/status/start", json!(TASK))
        .always(
            &format!("GET /nodes/pve2/tasks/{TASK}/status"),
            json!({"status": "stopped", "exitstatus": "OK"}),
        )
        .always(
            "GET /nodes/pve1/qemu/105/agent/network-get-interfaces",
            json!({"result": [{"name": "eth0", "hardware-address": "BC:24:11:00:00:01",
                               "ip-addresses": [{"ip-address": "192.0.2.105"}]}]}),
        )
        // After it was planned, the guest is on pve1.
        .answering(move |call| {
            let seen = times.entry(call.to_string()).or_default();
            *seen += 1;
            match (call.to_string().as_str(), *seen) {
                (_, 1) => None,
                ("GET /cluster/resources", _) => Some(Ok(
                    json!([{"vmid": 105, "status": "running", "node": "pve1"}]),
                )),
                ("GET /nodes/pve2/qemu/105/status/current", _) => {
                    let message =
                        "Configuration file 'nodes/pve2/qemu-server/105.conf' does not exist";
                    Some(Err(refused(call, 500, message)))
                }
                _ => None,
            }
        })
        .cluster();
    let (args, context) = task::<StartArgs>(&json!({"vms": ["ha"], "wait_for": "ip"}));
    let task = Task {
        args: &args,
        context: &context,
    };
    let Ok(Planned::Ready(plan, items)) = StartVms::plan(&task, &cluster) else {
        panic!("no plan")
    };
    let control = Control {
        interrupted: &Arc::new(AtomicBool::new(false)),
        watch: &|_| {},
    };
    let applied = apply(cluster.client(), &plan, &control);
    let report = StartVms::report(&task, items, &plan, Some(&applied), &cluster);
    let row = &report.returns["guests"][0];
    assert_eq!(
        (&row["error"], &row["node"], &row["ip_addresses"]),
        (&json!(null), &json!("pve1"), &json!(["192.0.2.105"]))
    );
}
