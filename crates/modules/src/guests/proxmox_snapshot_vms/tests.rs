//! Tables over `plan`: what is sent for which guests and snapshots, and what is left alone.

use pve::{Plan, Planned};
use serde_json::{Value, json};

use super::{SnapshotArgs, SnapshotVms, Subject};
use crate::guests::sample::{canned, task};
use crate::job::{Job, Task};

/// The plan for these options, where guests have these snapshots; or why there is none.
fn planned(stated: &Value, snapshots: &[(&str, Value)]) -> Result<(Plan, Vec<Subject>), String> {
    let (args, context) = task::<SnapshotArgs>(stated);
    let task = Task {
        args: &args,
        context: &context,
    };
    let all = [
        "qemu/101", "qemu/102", "qemu/103", "qemu/104", "qemu/107", "lxc/200",
    ];
    let mut canned = canned("9.2.11");
    for (guest, list) in snapshots {
        canned = canned.once(&list_of(guest), Ok(list.clone()));
    }
    canned = canned.once(
        "GET /access/permissions",
        Ok(json!({"/vms": {"VM.Snapshot": 1, "VM.PowerMgmt": 1}})),
    );
    for guest in all {
        canned = canned.always(&list_of(guest), json!([{"name": "current"}]));
    }
    match SnapshotVms::plan(&task, &canned.cluster()) {
        Ok(Planned::Ready(plan, subjects)) => Ok((plan, subjects)),
        Ok(Planned::Blocked { why, .. }) => panic!("{why}"),
        Err(failure) => Err(failure.msg),
    }
}

fn list_of(guest: &str) -> String {
    let node = if guest.ends_with("102") || guest.ends_with("107") {
        "pve2"
    } else {
        "pve1"
    };
    format!("GET /nodes/{node}/{guest}/snapshot")
}

/// Snapshots of these names, each older than the next.
fn list(names: &[&str]) -> Value {
    let mut rows: Vec<Value> = names
        .iter()
        .zip(1_790_000_000..)
        .map(|(name, time)| json!({"name": name, "snaptime": time, "description": "old\n"}))
        .collect();
    // The server's own order is that of a hash.
    rows.reverse();
    rows.push(json!({"name": "current", "running": 1}));
    Value::Array(rows)
}

#[test]
fn what_is_sent_follows_from_the_state_and_from_what_is_there() {
    let vm = "/nodes/pve1/qemu/101/snapshot";
    let ct = "/nodes/pve1/lxc/200/snapshot";
    let db = "/nodes/pve1/qemu/103/snapshot";
    let cases = [
        (
            json!({"vms": [101, 200], "snapshot": "old", "vmstate": true, "description": "x"}),
            vec![],
            vec![
                format!("POST {vm} snapname=old description=x vmstate=1"),
                format!("POST {ct} snapname=old description=x"),
            ],
        ),
        (
            json!({"vms": [101], "snapshot": "old"}),
            vec!["old"],
            vec![],
        ),
        (
            json!({"vms": [101], "snapshot": "old", "description": "old"}),
            vec!["old"],
            vec![],
        ),
        (
            json!({"vms": [101], "snapshot": "old", "description": ""}),
            vec!["old"],
            vec![format!("PUT {vm}/old/config description=")],
        ),
        (
            json!({"vms": [101], "snapshot": "old", "state": "absent"}),
            vec!["other"],
            vec![],
        ),
        (
            json!({"vms": [101], "snapshot": "old", "state": "absent"}),
            vec!["old", "other"],
            vec![format!("DELETE {vm}/old")],
        ),
        (
            json!({"vms": [101], "snapshot": "old", "state": "rollback"}),
            vec!["old"],
            vec![format!("POST {vm}/old/rollback")],
        ),
        (
            json!({"vms": [103], "snapshot": "old", "state": "rollback"}),
            vec!["old"],
            vec![format!("POST {db}/old/rollback start=1")],
        ),
        (
            json!({"vms": [103], "snapshot": "old", "state": "rollback", "start": false}),
            vec!["old"],
            vec![format!("POST {db}/old/rollback")],
        ),
    ];
    for (stated, names, calls) in cases {
        let lists = [("qemu/101", list(&names)), ("qemu/103", list(&names))];
        let (plan, _) = planned(&stated, &lists).unwrap();
        assert_eq!(plan.calls(), calls, "{stated}");
        assert_eq!(plan.before != plan.after, plan.changes(), "{stated}");
    }
}

#[test]
fn the_newest_of_a_prefix_are_kept_and_the_one_that_is_named_among_them() {
    let names = ["n1", "hand", "n2", "n3"];
    let cases: &[(Value, &[&str])] = &[
        (
            json!({"state": "pruned", "prefix": "n", "keep": 0}),
            &["n1", "n2", "n3"],
        ),
        (
            json!({"state": "pruned", "prefix": "n", "keep": 2}),
            &["n1"],
        ),
        (json!({"state": "pruned", "prefix": "n", "keep": 3}), &[]),
        (json!({"state": "pruned", "prefix": "n", "keep": 9}), &[]),
        (json!({"state": "pruned", "prefix": "m", "keep": 0}), &[]),
        (
            json!({"snapshot": "n4", "prefix": "n", "keep": 2}),
            &["n1", "n2"],
        ),
        (
            json!({"snapshot": "n1", "prefix": "n", "keep": 1}),
            &["n2", "n3"],
        ),
        (json!({"snapshot": "n3", "prefix": "n", "keep": 3}), &[]),
    ];
    for (stated, gone) in cases {
        let mut stated = stated.clone();
        stated["vms"] = json!([101]);
        let (plan, _) = planned(&stated, &[("qemu/101", list(&names))]).unwrap();
        let removed: Vec<String> = plan
            .calls()
            .iter()
            .filter_map(|call| call.strip_prefix("DELETE /nodes/pve1/qemu/101/snapshot/"))
            .map(str::to_owned)
            .collect();
        assert_eq!(removed, *gone, "{stated}");
    }
}

#[test]
fn one_that_is_not_whole_is_neither_counted_nor_taken_for_one() {
    let half = json!([{"name": "old", "snaptime": 1, "snapstate": "prepare"}, {"name": "current"}]);
    let of = |stated: Value| planned(&stated, &[("qemu/101", half.clone())]).unwrap();
    let (_, subjects) = of(json!({"vms": [101], "snapshot": "old"}));
    assert_eq!(
        subjects[0].item.cannot.as_deref(),
        Some(
            "its snapshot `old` is not whole: it was begun or half removed, and nothing is at work on it. \
             state: absent removes it"
        )
    );
    let (plan, _) = of(json!({"vms": [101], "state": "pruned", "prefix": "o", "keep": 0}));
    assert!(plan.calls().is_empty());
    let (plan, _) = of(json!({"vms": [101], "snapshot": "old", "state": "absent"}));
    assert_eq!(
        plan.calls(),
        ["DELETE /nodes/pve1/qemu/101/snapshot/old".to_owned()]
    );
    let back = json!({"vms": [101], "snapshot": "old", "state": "rollback"});
    assert_eq!(
        planned(&back, &[("qemu/101", half.clone())]).unwrap_err(),
        "unable to roll back all guests, and nothing was done: VM `web-1 (101)`: its snapshot `old` is not whole"
    );
}

#[test]
fn a_lock_that_passes_is_waited_for_and_the_time_for_it_is_its_own() {
    let (plan, _) = planned(
        &json!({"vms": [107, 101], "snapshot": "old", "timeout": 60}),
        &[],
    )
    .unwrap();
    let [saved, web] = &plan.tracks[..] else {
        panic!("two guests")
    };
    assert!(saved.steps[0].call.is_none() && saved.steps[1].call.is_some());
    assert!(web.steps[0].call.is_some());
    assert!(saved.limit > web.limit);
    // Nothing to do is nothing to wait for.
    let (plan, _) = planned(
        &json!({"vms": [107], "snapshot": "old"}),
        &[("qemu/107", list(&["old"]))],
    )
    .unwrap();
    assert!(plan.tracks.is_empty());
}

#[test]
fn all_or_none_stops_at_the_first_failure() {
    let (plan, _) = planned(
        &json!({"vms": [101], "snapshot": "old", "atomic": true}),
        &[],
    )
    .unwrap();
    assert!(plan.atomic && plan.on_error == pve::plan::OnError::Stop);
    let (plan, _) = planned(&json!({"vms": [101], "snapshot": "old"}), &[]).unwrap();
    assert!(!plan.atomic && plan.on_error == pve::plan::OnError::Continue);
}
