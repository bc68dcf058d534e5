//! Locks that pass, answers that are lost, writes that come late.

use super::*;

#[test]
fn locks_are_tried_again_whether_refused_or_in_the_task() {
    let canned = Canned::new()
        .always("GET /cluster/nextid", json!("100"))
        .once(
            "POST /nodes/pve1/qemu/9000/clone newid=100",
            Err(refused(&clone_call(), 500, LOCK)),
        )
        .once(
            "POST /nodes/pve1/qemu/9000/clone newid=100",
            Ok(json!(TASK)),
        )
        .once(
            &status(),
            Ok(json!({"status": "stopped", "exitstatus": format!("clone failed: {LOCK}")})),
        )
        .once(
            "POST /nodes/pve1/qemu/9000/clone newid=100",
            Ok(json!(TASK)),
        )
        .always(&status(), ok());
    let (applied, asked) = carry_out(canned, &one(clone_track("web-1")));
    assert!(applied.tracks[0].succeeded());
    let clones = asked.iter().filter(|ask| ask.contains("/clone"));
    assert_eq!(clones.count(), 3);
}

#[test]
fn a_lost_answer_is_looked_up_before_the_write_is_repeated() {
    for (arrived, clones) in [(true, 1), (false, 2)] {
        let mut track = clone_track("web-1");
        track.steps = vec![
            Step::task("clone", "cloned", clone_call())
                .lost(looks_for_config(Duration::from_millis(1))),
        ];
        let mut canned = Canned::new()
            .always("GET /cluster/nextid", json!("100"))
            .once(
                "POST /nodes/pve1/qemu/9000/clone newid=100",
                Err(lost(&clone_call())),
            );
        if arrived {
            canned = canned.always("GET /nodes/pve1/qemu/100/config", json!({"name": "web-1"}));
        }
        let (applied, asked) = carry_out(canned, &one(track));
        assert!(applied.tracks[0].succeeded());
        assert!(applied.changed());
        let sent = asked.iter().filter(|ask| ask.contains("/clone"));
        assert_eq!(sent.count(), clones, "arrived: {arrived}");
    }
}

#[test]
fn a_task_that_the_look_up_finds_is_waited_for_and_bound() {
    let upid = "UPID:pve1:0000C0DE:00001234:65A1B2C3:vzdump:100:root@pam:";
    for (exit_status, succeeds) in [("OK", true), ("job errors", false)] {
        let call = Call::post(path!("nodes", "pve1", "vzdump"));
        let tasks = Call::get(path!("nodes", "pve1", "tasks"));
        let look_up = Probe::get(tasks, |answer| {
            let upid = answer
                .as_ref()
                .ok()
                .and_then(|tasks| tasks[0]["upid"].as_str());
            Verdict::Holds(upid.map(str::to_owned))
        });
        let step = Step::task("back up", "backed up", call.clone())
            .lost(Lost::Look {
                probe: look_up,
                quiet: Duration::ZERO,
            })
            .binds(Bind::Answer {
                name: "upid",
                pointer: "",
            });
        let canned = Canned::new()
            .once("POST /nodes/pve1/vzdump", Err(lost(&call)))
            .always("GET /nodes/pve1/tasks", json!([{"upid": upid}]))
            .always(
                &format!("GET /nodes/pve1/tasks/{upid}/status"),
                json!({"status": "stopped", "exitstatus": exit_status}),
            );
        let (applied, _) = carry_out(canned, &one(Track::new("node", "pve1", vec![step])));
        assert_eq!(applied.tracks[0].succeeded(), succeeds, "{exit_status}");
        assert_eq!(applied.tracks[0].bindings["upid"], upid);
    }
}

#[test]
fn a_write_that_the_server_begins_late_is_not_done_twice() {
    let taken = "unable to create VM 100: config file already exists";
    let clone = "POST /nodes/pve1/qemu/9000/clone newid=100";
    for (name, vmid) in [("web-1", "100"), ("other", "102")] {
        let mut track = clone_track("web-1");
        let config = Call::get(path!(
            "nodes",
            "pve1",
            "qemu",
            Segment::Bound(VMID),
            "config"
        ));
        let look_up = Probe::get(config, |answer| match answer {
            Ok(config) if config["name"] == "web-1" => Verdict::Holds(None),
            Ok(_) => Verdict::Never(Error::Never("VM 100 already exists".to_owned())),
            Err(_) => Verdict::Absent,
        });
        track.steps = vec![
            Step::task("clone", "cloned", clone_call()).lost(Lost::Look {
                probe: look_up,
                quiet: Duration::ZERO,
            }),
        ];
        let config = "GET /nodes/pve1/qemu/100/config";
        let absent = refused(&clone_call(), 500, "Configuration file 'x' does not exist");
        let canned = Canned::new()
            .always("GET /cluster/nextid", json!("100"))
            .once(clone, Err(lost(&clone_call())))
            .once(config, Err(absent))
            .once(clone, Err(refused(&clone_call(), 500, taken)))
            .always(config, json!({"name": name}));
        let (applied, asked) = carry_out(canned, &one(track));
        assert!(applied.tracks[0].succeeded());
        assert_eq!(
            applied.tracks[0].bindings[VMID], vmid,
            "it is {name} by now"
        );
        let others = asked.iter().filter(|ask| ask.contains("newid=102"));
        assert_eq!(others.count(), usize::from(vmid == "102"));
    }
}

#[test]
fn a_task_whose_end_was_not_seen_counts_as_a_change() {
    let canned = Canned::new()
        .always("GET /cluster/nextid", json!("100"))
        .always("POST /nodes/pve1/qemu/9000/clone newid=100", json!(TASK))
        .once(
            &status(),
            Err(refused(&clone_call(), 403, "Permission check failed")),
        );
    let (applied, _) = carry_out(canned, &one(clone_track("web-1")));
    assert!(applied.tracks[0].trouble.is_some());
    assert!(applied.changed());
}

#[test]
fn a_write_whose_answer_lacks_a_value_is_a_change_all_the_same() {
    let call = Call::post(path!("access", "users", "a@pve", "token", "t1"));
    let step = Step::call("create", "created", call).binds(Bind::Answer {
        name: "value",
        pointer: "/value",
    });
    let (applied, asked) = carry_out(
        Canned::new(),
        &one(Track::new("token", "a@pve!t1", vec![step])),
    );
    assert_eq!(
        applied.tracks[0].trouble.as_ref().unwrap().to_string(),
        "unable to create token `a@pve!t1`: POST /access/users/a@pve/token/t1: unexpected answer: no `/value` in it"
    );
    assert!(applied.changed());
    assert_eq!(asked.len(), 1, "it is not made again");
}
