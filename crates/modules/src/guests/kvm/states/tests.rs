//! What each state comes to, for a VM that runs, one that does not, one that is paused.

use pve::Planned;
use serde_json::{Value, json};

use super::{absent, plan};
use crate::guests::proxmox_kvm::{KvmArgs, State};
use crate::guests::sample::{canned, task};
use crate::job::Task;

/// The calls of the plan, its limit in seconds, and the sentence; or why there is no plan.
fn planned(stated: &Value) -> Result<(Vec<String>, u64, Option<String>), String> {
    let (args, context): (KvmArgs, _) = task(stated);
    let task = Task {
        args: &args,
        context: &context,
    };
    let cluster = canned("9.2.11")
        .always(
            "GET /nodes/pve1/qemu/103/snapshot",
            json!([{"name": "current"}]),
        )
        .cluster();
    let planned = match args.state {
        State::Absent => absent(&task, &cluster),
        _ => plan(&task, &cluster),
    };
    match planned.map_err(|failure| failure.msg)? {
        Planned::Ready(plan, notes) => {
            let limit = plan.tracks.first().and_then(|track| track.limit);
            let seconds = limit.map_or(0, |limit| limit.as_secs());
            assert_eq!(plan.before != plan.after, plan.changes(), "{stated}");
            Ok((plan.calls(), seconds, notes.told.msg))
        }
        Planned::Blocked { why, .. } => Err(why),
    }
}

#[test]
fn a_state_is_reached_by_the_steps_that_are_missing() {
    let at = |vmid: u32, node: &str, action: &str| {
        format!("POST /nodes/{node}/qemu/{vmid}/status/{action}")
    };
    for (vmid, state, force, calls) in [
        (103, "started", false, vec![]),
        (101, "started", false, vec![at(101, "pve1", "start")]),
        (104, "started", false, vec![at(104, "pve1", "resume")]),
        (105, "started", false, vec![at(105, "pve2", "start")]),
        (101, "stopped", false, vec![]),
        (
            103,
            "stopped",
            false,
            vec![at(103, "pve1", "shutdown timeout=60")],
        ),
        (
            103,
            "stopped",
            true,
            vec![at(103, "pve1", "shutdown timeout=60 forceStop=1")],
        ),
        (104, "stopped", true, vec![at(104, "pve1", "stop")]),
        (101, "restarted", false, vec![]),
        (103, "restarted", false, vec![at(103, "pve1", "reboot")]),
        (103, "restarted", true, vec![at(103, "pve1", "reset")]),
        (103, "paused", false, vec![at(103, "pve1", "suspend")]),
        (104, "paused", false, vec![]),
        (101, "paused", false, vec![]),
        (
            104,
            "hibernated",
            false,
            vec![at(104, "pve1", "suspend todisk=1")],
        ),
        (103, "current", false, vec![]),
        (103, "absent", false, vec![]),
        (
            101,
            "absent",
            false,
            vec!["DELETE /nodes/pve1/qemu/101".to_owned()],
        ),
        (
            103,
            "absent",
            true,
            vec![
                at(103, "pve1", "shutdown timeout=60 forceStop=1"),
                "DELETE /nodes/pve1/qemu/103".to_owned(),
            ],
        ),
        (
            103,
            "template",
            true,
            vec![
                at(103, "pve1", "shutdown timeout=60 forceStop=1"),
                "POST /nodes/pve1/qemu/103/template".to_owned(),
            ],
        ),
    ] {
        let stated = json!({"vmid": vmid, "state": state, "force": force});
        assert_eq!(planned(&stated).unwrap().0, calls, "{stated}");
    }
}

#[test]
fn what_cannot_be_is_told_before_anything_is_written() {
    for (vmid, state, why) in [
        (
            104,
            "stopped",
            "unable to shut down VM `sleepy`: it is paused; let it go on (state=started) or use force=true",
        ),
        (
            103,
            "template",
            "unable to convert VM `db` to a template: it runs; stop it before, or use force=true",
        ),
        (
            107,
            "started",
            "VM `saved`: it is locked (backup): another operation is at work on it. Should that have been cut off, \
             `qm unlock 107` on pve2 takes the lock away",
        ),
    ] {
        assert_eq!(
            planned(&json!({"vmid": vmid, "state": state})).unwrap_err(),
            why
        );
    }
}

#[test]
fn a_timeout_counts_only_where_it_is_stated() {
    let hours = 4 * 3600;
    for (stated, shutdown, seconds) in [
        (
            json!({"vmid": 103, "state": "stopped"}),
            Some("timeout=60"),
            hours + 90,
        ),
        (
            json!({"vmid": 103, "state": "stopped", "timeout": 20}),
            Some("timeout=20"),
            20 + 90,
        ),
        (json!({"vmid": 101, "state": "started"}), None, hours),
        (
            json!({"vmid": 101, "state": "started", "timeout": 30}),
            None,
            30,
        ),
    ] {
        let (calls, limit, _) = planned(&stated).unwrap();
        assert!(
            shutdown.is_none_or(|timeout| calls[0].contains(timeout)),
            "{calls:?}"
        );
        assert_eq!(limit, seconds, "{stated}");
    }
}
