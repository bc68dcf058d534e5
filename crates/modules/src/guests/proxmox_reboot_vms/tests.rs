//! Tables over `plan`: what is sent for which guests, in which order, and what follows.

use ansible::Failure;
use pve::plan::{Ending, Follow, Lost, Verdict};
use pve::texts::Matched;
use pve::{Call, Error, Plan, Planned};
use serde_json::{Value, json};

use super::{Notes, RebootArgs, RebootVms};
use crate::guests::sample::{canned, task};
use crate::job::{Job, Task};

const TASK: &str = "UPID:pve1:0001ABCD:00FF00AA:68A1B2C3:qmreboot:103:root@pam:";

fn planned(stated: &Value, pending: &[(&str, Value)]) -> Result<(Plan, Notes), Failure> {
    let (args, context) = task::<RebootArgs>(stated);
    let task = Task {
        args: &args,
        context: &context,
    };
    let cluster = pending
        .iter()
        .fold(canned("9.2.11"), |canned, (guest, rows)| {
            canned.always(&format!("GET /nodes/{guest}/pending"), rows.clone())
        })
        .cluster();
    match RebootVms::plan(&task, &cluster)? {
        Planned::Ready(plan, notes) => Ok((plan, notes)),
        Planned::Blocked { why, .. } => panic!("{why}"),
    }
}

#[test]
fn only_what_runs_is_rebooted() {
    let db = "POST /nodes/pve1/qemu/103/status/reboot timeout=180";
    let dns = "POST /nodes/pve1/lxc/200/status/reboot timeout=180";
    let waits = json!([{"key": "cores", "value": 2, "pending": 4}]);
    let settled = json!([{"key": "cores", "value": 2}]);
    let pending = [("pve1/qemu/103", waits), ("pve1/lxc/200", settled)];
    let cases = [
        (json!({"vms": ["db", "web-1", "dns"]}), vec![db, dns]),
        (json!({"vms": ["sleepy", "saved"]}), vec![]),
        (
            json!({"vms": ["db", "dns"], "only_pending": true}),
            vec![db],
        ),
        (
            json!({"vms": ["ha-up"], "timeout": 20}),
            vec!["POST /nodes/pve2/qemu/106/status/reboot timeout=20"],
        ),
    ];
    for (stated, calls) in cases {
        let (plan, _) = planned(&stated, &pending).unwrap();
        assert_eq!(plan.calls(), calls, "{stated}");
        assert_eq!(plan.before != plan.after, plan.changes(), "{stated}");
    }
}

#[test]
fn each_stage_follows_the_start_up_order() {
    let stated = json!({"vms": ["dns", "db"], "order": "startup", "boot_timeout": 40});
    let (plan, _) = planned(&stated, &[]).unwrap();
    let stages: Vec<(&str, u32, Vec<&str>)> = plan
        .tracks
        .iter()
        .map(|track| {
            let done = track.steps.iter().map(|step| step.done).collect();
            (track.id.as_str(), track.stage, done)
        })
        .collect();
    assert_eq!(
        stages,
        [
            ("dns", 1, vec!["rebooted", "running again"]),
            (
                "db",
                0,
                vec!["rebooted", "running again", "start-up delay over"]
            ),
        ]
    );
}

#[test]
fn what_follows_when_time_is_over_is_what_was_stated() {
    let post = |place: &str, action: &str| format!("POST /nodes/{place}/status/{action}");
    for (name, on_timeout, place) in [
        ("db", "fail", None),
        ("db", "stop", Some("pve1/qemu/103")),
        ("ha-up", "stop", Some("pve2/qemu/106")),
    ] {
        let stated = json!({"vms": [name], "on_timeout": on_timeout});
        let (plan, _) = planned(&stated, &[]).unwrap();
        let track = &plan.tracks[0];
        let step = &track.steps[0];
        let expected: Vec<String> = place
            .into_iter()
            .flat_map(|place| [post(place, "stop"), post(place, "start")])
            .collect();
        for ending in [Ending::TimedOut, Ending::Text(Matched::ShutdownTimeout)] {
            let follow = step.on.iter().find(|(known, _)| *known == ending);
            let calls: Vec<String> = match follow {
                Some((_, Follow::Steps(steps))) => steps
                    .iter()
                    .filter_map(|step| step.call.as_ref().map(Call::to_string))
                    .collect(),
                Some((_, Follow::Accept)) => panic!("a reboot that did not happen is accepted"),
                None => vec![],
            };
            assert_eq!(calls, expected, "{name} {on_timeout}");
        }
        let steps = track.steps.iter().filter_map(|step| step.limit).sum();
        assert!(track.limit.unwrap() >= steps, "{name} {on_timeout}");
    }
}

#[test]
fn a_lost_answer_is_believed_only_where_the_guest_tells_of_it() {
    let (plan, _) = planned(&json!({"vms": ["db"]}), &[]).unwrap();
    let Lost::Look { probe, .. } = &plan.tracks[0].steps[0].lost else {
        panic!("it is repeated blindly")
    };
    let other = TASK.replace(":103:", ":104:");
    let runs = |uptime: u32| json!({"vmid": 103, "status": "running", "uptime": uptime});
    let at_work = |upid: &str| json!([{"upid": upid, "type": "qmreboot", "status": "running"}]);
    let cases = [
        ("as before", runs(90), json!([]), "absent"),
        ("anew", runs(3), json!([]), "holds"),
        (
            "down",
            json!({"vmid": 103, "status": "stopped"}),
            json!([]),
            "not yet",
        ),
        ("going down", runs(90), at_work(TASK), TASK),
        ("another goes down", runs(90), at_work(&other), "absent"),
    ];
    for (what, current, tasks, expected) in cases {
        let verdict = match probe.judge(&[Ok(current), Ok(tasks)]) {
            Verdict::Holds(None) => "holds".to_owned(),
            Verdict::Holds(Some(upid)) => upid,
            Verdict::NotYet(_) => "not yet".to_owned(),
            Verdict::Absent => "absent".to_owned(),
            Verdict::Never(error) => error.to_string(),
        };
        assert_eq!(verdict, expected, "{what}");
    }
    let silent = Error::Never("gone".to_owned());
    assert!(matches!(
        probe.judge(&[Err(silent), Ok(json!([]))]),
        Verdict::Never(_)
    ));
}
