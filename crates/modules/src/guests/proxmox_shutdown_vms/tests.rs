//! Tables over `plan`: what is sent for which guests, and what follows.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use pve::apply::{Control, apply};
use pve::plan::{Ending, Follow, Settles, Step};
use pve::texts::Matched;
use pve::{Call, Plan, Planned};
use serde_json::{Value, json};

use super::{ShutdownArgs, ShutdownVms};
use crate::guests::power::Item;
use crate::guests::sample::{canned, cluster, task};
use crate::job::{Job, Task};

fn ready(stated: &Value, version: &str) -> (Plan, Vec<Item>) {
    let (args, context) = task::<ShutdownArgs>(stated);
    let task = Task {
        args: &args,
        context: &context,
    };
    match ShutdownVms::plan(&task, &cluster(version)).unwrap() {
        Planned::Ready(plan, items) => (plan, items),
        Planned::Blocked { why, .. } => panic!("{why}"),
    }
}

/// What follows an ending: the calls of its steps, or what a step without a call has done.
fn follows(step: &Step, ending: Ending) -> Vec<String> {
    let found = step.on.iter().find(|(known, _)| *known == ending);
    match found.map(|(_, follow)| follow) {
        Some(Follow::Steps(steps)) => steps
            .iter()
            .map(|step| {
                step.call
                    .as_ref()
                    .map_or(step.done.to_owned(), Call::to_string)
            })
            .collect(),
        Some(Follow::Accept) => vec!["accepted".to_owned()],
        None => vec![],
    }
}

#[test]
fn only_what_runs_is_shut_down() {
    let cases = [
        (
            json!({"vms": ["db", "web-1", "dns"]}),
            vec![
                "POST /nodes/pve1/qemu/103/status/shutdown timeout=180",
                "POST /nodes/pve1/lxc/200/status/shutdown timeout=180",
            ],
        ),
        (
            json!({"vms": ["sleepy"], "on_timeout": "stop"}),
            vec!["POST /nodes/pve1/qemu/104/status/stop overrule-shutdown=1"],
        ),
        (json!({"vms": ["sleepy"], "on_timeout": "leave"}), vec![]),
        (json!({"vms": ["sleepy"]}), vec![]),
        (json!({"vms": ["web-1", "saved"]}), vec![]),
    ];
    for (stated, calls) in cases {
        let (plan, _) = ready(&stated, "9.2.11");
        assert_eq!(plan.calls(), calls, "{stated}");
        assert_eq!(plan.before != plan.after, plan.changes(), "{stated}");
    }
}

#[test]
fn what_follows_when_time_is_over_is_what_was_stated() {
    let overruling = "POST /nodes/pve1/qemu/103/status/stop overrule-shutdown=1";
    let bare = "POST /nodes/pve1/qemu/103/status/stop";
    let cases = [
        ("db", "fail", "9.2.11", vec![]),
        ("db", "leave", "9.2.11", vec!["left running"]),
        ("db", "stop", "9.2.11", vec![overruling]),
        ("db", "stop", "8.2.2", vec![overruling]),
        ("db", "stop", "8.1.4", vec![bare]),
        ("db", "stop", "7.4-3", vec![bare]),
        (
            "ha-up",
            "stop",
            "9.2.11",
            vec!["POST /nodes/pve2/qemu/106/status/stop"],
        ),
        (
            "dns",
            "stop",
            "8.4.21",
            vec!["POST /nodes/pve1/lxc/200/status/stop overrule-shutdown=1"],
        ),
    ];
    for (name, on_timeout, version, expected) in cases {
        let (plan, _) = ready(&json!({"vms": [name], "on_timeout": on_timeout}), version);
        let step = &plan.tracks[0].steps[0];
        for ending in [Ending::TimedOut, Ending::Text(Matched::ShutdownTimeout)] {
            assert_eq!(
                follows(step, ending),
                expected,
                "{name} {on_timeout} {version}"
            );
        }
    }
}

#[test]
fn the_server_is_waited_for_longer_than_it_is_given() {
    let (plan, _) = ready(&json!({"vms": ["db"], "timeout": 40}), "9.2.11");
    let step = &plan.tracks[0].steps[0];
    assert_eq!(step.limit.map(|limit| limit.as_secs()), Some(55));
    assert_eq!(
        follows(step, Ending::Text(Matched::NotRunning)),
        ["accepted"]
    );
}

#[test]
fn however_long_a_shutdown_may_take_there_is_time_for_what_follows() {
    for timeout in [0, 40, 180, 600, 3600] {
        let stated = json!({"vms": ["db"], "timeout": timeout, "on_timeout": "stop"});
        let (plan, _) = ready(&stated, "9.2.11");
        let track = &plan.tracks[0];
        let Some((_, Follow::Steps(steps))) = track.steps[0].on.last() else {
            panic!("nothing follows")
        };
        let whole = track.steps[0].limit.unwrap() + steps[0].limit.unwrap();
        assert!(track.limit.unwrap() >= whole, "{timeout}");
    }
}

#[test]
fn an_ha_managed_guest_is_followed_beyond_its_task() {
    let (plan, _) = ready(&json!({"vms": ["ha-up", "db"]}), "9.2.11");
    let settles: Vec<bool> = plan
        .tracks
        .iter()
        .map(|track| matches!(track.steps[0].settles, Settles::Holds(_)))
        .collect();
    assert_eq!(settles, [true, false]);
}

#[test]
fn the_order_is_the_reverse_of_the_start_up_with_each_guests_own_time() {
    let calls = |timeout: Option<u32>| {
        let mut stated = json!({"vms": ["db", "dns"], "order": "startup"});
        if let Some(timeout) = timeout {
            stated["timeout"] = json!(timeout);
        }
        let (plan, _) = ready(&stated, "9.2.11");
        let stages: Vec<(String, u32)> = plan
            .tracks
            .iter()
            .map(|track| (track.id.clone(), track.stage))
            .collect();
        assert_eq!(stages, [("db".to_owned(), 1), ("dns".to_owned(), 0)]);
        plan.calls()
    };
    let shutdown =
        |timeout: u32| format!("POST /nodes/pve1/qemu/103/status/shutdown timeout={timeout}");
    assert_eq!(calls(None)[0], shutdown(90), "its own down");
    assert_eq!(calls(Some(180))[0], shutdown(180), "what is stated");
}

#[test]
fn a_shutdown_that_the_server_never_ends_is_followed_too() {
    const TASK: &str = "UPID:pve1:0001ABCD:00FF00AA:68A1B2C3:qmshutdown:103:root@pam:";
    let post = "POST /nodes/pve1/qemu/103/status";
    let cases = [
        (
            "fail",
            "running",
            "shutdown",
            true,
            vec![format!("{post}/shutdown timeout=180")],
        ),
        (
            "leave",
            "running",
            "shutdown",
            false,
            vec![format!("{post}/shutdown timeout=180")],
        ),
        (
            "stop",
            "stopped",
            "stop",
            false,
            vec![
                format!("{post}/shutdown timeout=180"),
                format!("{post}/stop overrule-shutdown=1"),
            ],
        ),
    ];
    for (on_timeout, status, method, fails, expected) in cases {
        let canned = canned("9.2.11")
            .always(&format!("{post}/shutdown timeout=180"), json!(TASK))
            .always(
                &format!("GET /nodes/pve1/tasks/{TASK}/status"),
                json!({"status": "running"}),
            );
        let asked = canned.asked();
        let cluster = canned.cluster();
        let (args, context) =
            task::<ShutdownArgs>(&json!({"vms": ["db"], "on_timeout": on_timeout}));
        let task = Task {
            args: &args,
            context: &context,
        };
        let Ok(Planned::Ready(mut plan, items)) = ShutdownVms::plan(&task, &cluster) else {
            panic!("no plan")
        };
        plan.tracks[0].steps[0].limit = Some(Duration::from_millis(100));
        let control = Control {
            interrupted: &Arc::new(AtomicBool::new(false)),
            watch: &|_| {},
        };
        let applied = apply(cluster.client(), &plan, &control);
        let report = ShutdownVms::report(&task, items, &plan, Some(&applied), &cluster);
        let row = &report.returns["guests"][0];
        assert_eq!(
            (&row["status"], &row["method"], row["error"].is_string()),
            (&json!(status), &json!(method), fails),
            "{on_timeout}"
        );
        if fails {
            assert!(row["error"].to_string().contains(TASK), "{row}");
        }
        let asked = asked.lock().unwrap();
        let writes: Vec<&String> = asked
            .iter()
            .filter(|call| call.starts_with("POST"))
            .collect();
        assert_eq!(writes, expected.iter().collect::<Vec<_>>(), "{on_timeout}");
    }
}
