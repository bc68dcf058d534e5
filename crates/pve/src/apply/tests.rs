//! Plans against a canned server.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use super::{Applied, Control, apply};
use crate::call::{Call, Param, Segment, Verb};
use crate::canned::{Canned, refused};
use crate::client::Client;
use crate::error::{Error, Request};
use crate::path;
use crate::plan::{
    Allocation, Bind, Ending, Follow, Lost, OnError, Plan, Probe, Settles, Step, Track, VMID,
    Verdict,
};
use crate::texts::Matched;

const TASK: &str = "UPID:pve1:0001ABCD:00FF00AA:68A1B2C3:qmclone:9000:root@pam:";
const LOCK: &str = "can't lock file '/var/lock/qemu-server/lock-9000.conf' - got timeout";

fn status() -> String {
    format!("GET /nodes/pve1/tasks/{TASK}/status")
}

fn ok() -> Value {
    json!({"status": "stopped", "exitstatus": "OK"})
}

fn carry_out(canned: Canned, plan: &Plan) -> (Applied, Vec<String>) {
    let asked = canned.asked();
    let never = AtomicBool::new(false);
    let applied = apply(
        &Client::new(canned),
        plan,
        &Control {
            interrupted: &never,
            watch: &|_| {},
        },
    );
    let asked = asked.lock().unwrap().clone();
    (applied, asked)
}

fn clone_call() -> Call {
    Call::post(path!("nodes", "pve1", "qemu", 9000u32, "clone")).with("newid", Param::Bound(VMID))
}

fn clone_track(name: &str) -> Track {
    let mut track = Track::new(
        "VM",
        name,
        vec![Step::task("clone", "cloned", clone_call())],
    );
    track.allocates = Some(Allocation {
        range: None,
        taken: Arc::new(BTreeSet::from([101])),
    });
    track
}

fn one(track: Track) -> Plan {
    Plan {
        tracks: vec![track],
        ..Plan::default()
    }
}

fn lost(call: &Call) -> Error {
    Error::Unknown {
        request: Request::from(call),
        cause: "connection reset".to_owned(),
    }
}

#[test]
fn vmids_are_asked_for_once_and_each_is_given_once() {
    let plan = Plan {
        tracks: (0..5).map(|n| clone_track(&format!("web-{n}"))).collect(),
        ..Plan::default()
    };
    let canned = Canned::new().always("GET /cluster/nextid", json!("100"));
    let (applied, asked) = carry_out(canned, &plan);
    assert!(applied.tracks.iter().all(super::TrackEnd::succeeded));
    let vmids: BTreeSet<&str> = applied
        .tracks
        .iter()
        .map(|end| end.bindings[VMID].as_str())
        .collect();
    assert_eq!(vmids, BTreeSet::from(["100", "102", "103", "104", "105"]));
    let asked_for_next = asked.iter().filter(|ask| ask.contains("nextid"));
    assert_eq!(asked_for_next.count(), 1);
}

#[test]
fn a_vmid_that_another_client_took_is_replaced_by_the_next() {
    let canned = Canned::new()
        .always("GET /cluster/nextid", json!("100"))
        .once(
            "POST /nodes/pve1/qemu/9000/clone newid=100",
            Err(refused(
                &clone_call(),
                500,
                "unable to create VM 100: config file already exists",
            )),
        );
    let (applied, _) = carry_out(canned, &one(clone_track("web-1")));
    assert!(applied.tracks[0].succeeded());
    assert_eq!(applied.tracks[0].bindings[VMID], "102");
}

#[test]
fn a_bare_403_is_a_taken_vmid_or_a_missing_right() {
    let refusal = || Err(refused(&clone_call(), 403, "Permission check failed\n"));
    let taken = Canned::new()
        .always("GET /cluster/nextid", json!("100"))
        .once("POST /nodes/pve1/qemu/9000/clone newid=100", refusal())
        .once(
            "GET /cluster/nextid vmid=100",
            Err(refused(&clone_call(), 400, "VM 100 already exists")),
        );
    let (applied, _) = carry_out(taken, &one(clone_track("web-1")));
    assert_eq!(applied.tracks[0].bindings[VMID], "102");

    let forbidden = Canned::new()
        .always("GET /cluster/nextid", json!("100"))
        .always("GET /cluster/nextid vmid=100", json!("100"))
        .once("POST /nodes/pve1/qemu/9000/clone newid=100", refusal());
    let (applied, _) = carry_out(forbidden, &one(clone_track("web-1")));
    let trouble = applied.tracks[0].trouble.as_ref().unwrap();
    assert_eq!(trouble.error.status(), Some(403));
    assert!(!applied.changed());
}

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
fn a_failed_task_is_told_at_once_with_its_log() {
    let log: Vec<Value> = (0..30)
        .map(|n| json!({"n": n, "t": format!("line {n}")}))
        .collect();
    let canned = Canned::new()
        .always("GET /cluster/nextid", json!("100"))
        .always("POST /nodes/pve1/qemu/9000/clone newid=100", json!(TASK))
        .always(
            &status(),
            json!({"status": "stopped", "exitstatus": "clone failed: no space left"}),
        )
        .always(
            &format!("GET /nodes/pve1/tasks/{TASK}/log limit=0"),
            json!(log),
        );
    let (applied, _) = carry_out(canned, &one(clone_track("web-1")));
    let trouble = applied.tracks[0].trouble.as_ref().unwrap();
    assert_eq!(
        trouble.to_string(),
        format!("unable to clone VM `web-1`: task {TASK} failed: clone failed: no space left")
    );
    let Error::TaskFailed(failure) = &trouble.error else {
        panic!("{trouble:?}");
    };
    assert_eq!(failure.log.len(), 10);
    assert_eq!(failure.log[9], "line 29");
}

#[test]
fn warnings_of_a_task_are_success() {
    let canned = Canned::new()
        .always("GET /cluster/nextid", json!("100"))
        .always("POST /nodes/pve1/qemu/9000/clone newid=100", json!(TASK))
        .once(&status(), Ok(json!({"status": "running"})))
        .once(
            &status(),
            Ok(json!({"status": "stopped", "exitstatus": "unexpected status"})),
        )
        .always(
            &status(),
            json!({"status": "stopped", "exitstatus": "WARNINGS: 1"}),
        )
        .always(
            &format!("GET /nodes/pve1/tasks/{TASK}/log limit=0"),
            json!([{"n": 1, "t": "start"}, {"n": 2, "t": "WARN: volume deactivation failed"}]),
        );
    let (applied, _) = carry_out(canned, &one(clone_track("web-1")));
    assert!(applied.tracks[0].succeeded());
    assert_eq!(
        applied.warnings,
        ["web-1: WARN: volume deactivation failed"]
    );
}

fn looks_for_config(quiet: Duration) -> Lost {
    let config = Call::get(path!(
        "nodes",
        "pve1",
        "qemu",
        Segment::Bound(VMID),
        "config"
    ));
    Lost::Look {
        probe: Probe::get(config, |answer| match answer {
            Ok(_) => Verdict::Holds(None),
            Err(_) => Verdict::Absent,
        }),
        quiet,
    }
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
fn time_in_the_queue_makes_no_track_late() {
    let put = |vmid: u32| Call::put(path!("nodes", "pve1", "qemu", vmid, "config"));
    let claimed =
        |vmid: u32| Step::call("configure", "configured", put(vmid)).claims("source:9000", 1);
    let slow = claimed(100).settles(Settles::After(Duration::from_millis(900)));
    let waits = || {
        let mut track = Track::new("VM", "101", vec![claimed(101)]);
        track.limit = Some(Duration::from_millis(500));
        track
    };
    let plan = Plan {
        tracks: vec![Track::new("VM", "100", vec![slow]), waits()],
        ..Plan::default()
    };
    let (applied, asked) = carry_out(Canned::new(), &plan);
    assert!(
        applied.tracks[1].succeeded(),
        "{:?}",
        applied.tracks[1].trouble
    );
    assert_eq!(asked.len(), 2);
}

#[test]
fn at_the_deadline_the_task_is_left_running_and_named() {
    let mut track = clone_track("web-1");
    track.limit = Some(Duration::from_millis(80));
    let canned = Canned::new()
        .always("GET /cluster/nextid", json!("100"))
        .always("POST /nodes/pve1/qemu/9000/clone newid=100", json!(TASK))
        .always(&status(), json!({"status": "running"}));
    let (applied, _) = carry_out(canned, &one(track));
    assert_eq!(
        applied.tracks[0].trouble.as_ref().unwrap().to_string(),
        format!(
            "unable to clone VM `web-1`: VM `web-1` took longer than 0.08 s; task {TASK} is left running"
        )
    );
    assert!(applied.changed(), "the clone goes on");
    assert_eq!(applied.running().count(), 1);
}

#[test]
fn an_interruption_begins_nothing_more_and_names_what_runs() {
    let interrupted = Arc::new(AtomicBool::new(false));
    let signal = Arc::clone(&interrupted);
    let canned = Canned::new()
        .always("GET /cluster/nextid", json!("100"))
        .answering(move |call| {
            if call.verb == Verb::Post {
                signal.store(true, Ordering::Relaxed);
                return Some(Ok(json!(TASK)));
            }
            None
        })
        .always(&status(), json!({"status": "running"}));
    let mut first = clone_track("web-1");
    first.finally = vec![Step::call(
        "unlock",
        "unlocked",
        Call::put(path!(
            "nodes",
            "pve1",
            "qemu",
            Segment::Bound(VMID),
            "config"
        ))
        .with("delete", "lock"),
    )];
    let plan = Plan {
        tracks: vec![first, clone_track("web-2")],
        parallel: 1,
        ..Plan::default()
    };
    let asked = canned.asked();
    let applied = apply(
        &Client::new(canned),
        &plan,
        &Control {
            interrupted: &interrupted,
            watch: &|_| {},
        },
    );
    let trouble = applied.tracks[0].trouble.as_ref().unwrap();
    assert!(matches!(trouble.error, Error::Interrupted { .. }));
    assert_eq!(applied.running().next().unwrap().as_str(), TASK);
    assert!(!applied.tracks[1].began);
    assert_eq!(
        asked.lock().unwrap().last().unwrap(),
        "PUT /nodes/pve1/qemu/100/config delete=lock"
    );
}

#[test]
fn what_follows_an_ending_takes_the_place_of_the_step() {
    let shutdown = Call::post(path!("nodes", "pve1", "qemu", 100u32, "status", "shutdown"));
    let kill = Call::post(path!("nodes", "pve1", "qemu", 100u32, "status", "stop"));
    let step = Step::task("shut down", "shut down", shutdown).on(
        Ending::Text(Matched::ShutdownTimeout),
        Follow::Steps(vec![Step::task("stop", "stopped", kill)]),
    );
    let canned = Canned::new()
        .always("POST /nodes/pve1/qemu/100/status/shutdown", json!(TASK))
        .always(
            &status(),
            json!({"status": "stopped", "exitstatus": "VM quit/powerdown failed - got timeout"}),
        );
    let (applied, asked) = carry_out(canned, &one(Track::new("VM", "web-1", vec![step])));
    assert!(applied.tracks[0].succeeded());
    assert!(applied.tracks[0].wrote("stop"));
    assert!(!applied.tracks[0].wrote("shut down"));
    assert_eq!(
        asked.last().unwrap(),
        "POST /nodes/pve1/qemu/100/status/stop"
    );
}

#[test]
fn the_steps_own_limit_can_be_provided_for() {
    let put = Call::put(path!("nodes", "pve1", "qemu", 100u32, "config"));
    let wait = Step::wait(
        "wait for",
        "ready",
        Probe::get(Call::get(path!("version")), |_| {
            Verdict::NotYet("no".to_owned())
        }),
    )
    .within(Duration::from_millis(60))
    .on(Ending::TimedOut, Follow::Accept);
    let mut track = Track::new(
        "VM",
        "web-1",
        vec![wait, Step::call("configure", "configured", put)],
    );
    track.limit = Some(Duration::from_secs(60));
    let (applied, asked) = carry_out(Canned::new(), &one(track));
    assert!(applied.tracks[0].succeeded());
    assert_eq!(asked.last().unwrap(), "PUT /nodes/pve1/qemu/100/config");
}

#[test]
fn claims_and_parallel_bound_what_runs_side_by_side() {
    for (parallel, claim, most) in [(3, 8, 3), (8, 2, 2)] {
        let now = Arc::new(AtomicUsize::new(0));
        let peak = Arc::new(AtomicUsize::new(0));
        let (inside, highest) = (Arc::clone(&now), Arc::clone(&peak));
        // A task runs from its POST to the second question for its status.
        let questions = Mutex::new(std::collections::HashMap::<String, u32>::new());
        let canned = Canned::new().answering(move |call| {
            let text = call.to_string();
            if call.verb == Verb::Post {
                let running = inside.fetch_add(1, Ordering::SeqCst) + 1;
                highest.fetch_max(running, Ordering::SeqCst);
                let vmid = text.split('/').nth(4)?;
                return Some(Ok(json!(format!(
                    "UPID:pve1:0001ABCD:00FF00AA:68A1B2C3:qmstart:{vmid}:root@pam:"
                ))));
            }
            let mut questions = questions.lock().unwrap();
            let asked = questions.entry(text).or_default();
            *asked += 1;
            if *asked == 1 {
                return Some(Ok(json!({"status": "running"})));
            }
            inside.fetch_sub(1, Ordering::SeqCst);
            Some(Ok(ok()))
        });
        let tracks = (100u32..112)
            .map(|vmid| {
                let call = Call::post(path!("nodes", "pve1", "qemu", vmid, "status", "start"));
                let step = Step::task("start", "started", call).claims("source:9000", claim);
                Track::new("VM", vmid.to_string(), vec![step])
            })
            .collect();
        let plan = Plan {
            tracks,
            parallel,
            ..Plan::default()
        };
        let (applied, _) = carry_out(canned, &plan);
        assert!(applied.tracks.iter().all(super::TrackEnd::succeeded));
        assert_eq!(peak.load(Ordering::SeqCst), most);
    }
}

#[test]
fn stages_run_one_after_the_other() {
    let put = |vmid: u32, stage| {
        let call = Call::put(path!("nodes", "pve1", "qemu", vmid, "config"));
        let mut track = Track::new(
            "VM",
            vmid.to_string(),
            vec![Step::call("configure", "configured", call)],
        );
        track.stage = stage;
        track
    };
    let plan = Plan {
        tracks: vec![put(100, 2), put(101, 1), put(102, 2), put(103, 1)],
        ..Plan::default()
    };
    let (_, asked) = carry_out(Canned::new(), &plan);
    let first: BTreeSet<&str> = asked[..2].iter().map(|ask| &ask[21..24]).collect();
    assert_eq!(first, BTreeSet::from(["101", "103"]));
}

#[test]
fn on_error_stop_begins_nothing_more() {
    let put = |vmid: u32| Call::put(path!("nodes", "pve1", "qemu", vmid, "config"));
    let plan = Plan {
        tracks: (100..103)
            .map(|vmid| {
                Track::new(
                    "VM",
                    vmid.to_string(),
                    vec![Step::call("configure", "configured", put(vmid))],
                )
            })
            .collect(),
        parallel: 1,
        on_error: OnError::Stop,
        ..Plan::default()
    };
    let canned = Canned::new().once(
        "PUT /nodes/pve1/qemu/100/config",
        Err(refused(&put(100), 500, "VM is locked (backup)")),
    );
    let (applied, asked) = carry_out(canned, &plan);
    assert_eq!(asked.len(), 1);
    assert!(applied.tracks[0].trouble.is_some());
    assert!(!applied.tracks[1].began && !applied.tracks[2].began);
}

#[test]
fn an_atomic_plan_takes_back_what_was_made() {
    let pool = |id: &str| {
        Track::new(
            "pool",
            id,
            vec![
                Step::call(
                    "create",
                    "created",
                    Call::post(path!("pools")).with("poolid", id),
                )
                .undo(Call::delete(path!("pools")).with("poolid", id)),
            ],
        )
    };
    let plan = Plan {
        tracks: vec![pool("a"), pool("b")],
        parallel: 1,
        atomic: true,
        ..Plan::default()
    };
    let refusal = refused(&Call::post(path!("pools")), 403, "Permission check failed");
    let canned = Canned::new().once("POST /pools poolid=b", Err(refusal));
    let (applied, asked) = carry_out(canned, &plan);
    assert_eq!(asked.last().unwrap(), "DELETE /pools poolid=a");
    assert!(!applied.changed());
}

#[test]
fn what_could_not_be_taken_back_whole_stays_a_change() {
    let call = |verb: Verb, id: &str| Call::new(verb, path!("pools")).with("poolid", id);
    let make =
        |verb, id| Step::call(verb, "made", call(Verb::Post, id)).undo(call(Verb::Delete, id));
    let wrong = refused(&call(Verb::Put, "c"), 500, "no");
    let fails = Step::call("change", "changed", call(Verb::Put, "c"));
    let track = Track::new(
        "pool",
        "a",
        vec![make("make", "a"), make("add", "b"), fails],
    );
    let canned = Canned::new()
        .once("PUT /pools poolid=c", Err(wrong.clone()))
        .once("DELETE /pools poolid=a", Err(wrong));
    let plan = Plan {
        atomic: true,
        ..one(track)
    };
    let (applied, _) = carry_out(canned, &plan);
    assert!(applied.changed());
    assert_eq!(
        applied.warnings,
        ["unable to take back pool `a`: PUT /pools answered 500: no"]
    );
}

#[test]
fn a_probe_binds_a_value_for_later_steps() {
    let agent = Call::get(path!("nodes", "pve1", "qemu", 100u32, "agent"));
    let wait = Step::wait(
        "wait for the address of",
        "reachable",
        Probe::get(agent, |_| Verdict::Holds(Some("10.0.0.7".to_owned()))),
    )
    .binds(Bind::Probe { name: "ip" });
    let port = Step::wait(
        "wait for the port of",
        "open",
        Probe::port(Param::Bound("ip"), 22),
    );
    let (applied, _) = carry_out(
        Canned::new(),
        &one(Track::new("VM", "web-1", vec![wait, port])),
    );
    assert_eq!(applied.tracks[0].bindings["ip"], "10.0.0.7");
    assert!(!applied.changed(), "waiting changes nothing");
}

#[test]
fn an_answer_binds_a_value_for_the_report() {
    let call = Call::post(path!("access", "users", "a@pve", "token", "t1"));
    let step = Step::call("create", "created", call).binds(Bind::Answer {
        name: "full-tokenid",
        pointer: "/full-tokenid",
    });
    let canned = Canned::new().always(
        "POST /access/users/a@pve/token/t1",
        json!({"full-tokenid": "a@pve!t1"}),
    );
    let (applied, _) = carry_out(canned, &one(Track::new("token", "a@pve!t1", vec![step])));
    assert_eq!(applied.tracks[0].bindings["full-tokenid"], "a@pve!t1");
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

#[test]
fn settling_can_mean_more_than_the_end_of_a_task() {
    let start = Call::post(path!("nodes", "pve1", "qemu", 100u32, "status", "start"));
    let current = Call::get(path!("nodes", "pve1", "qemu", 100u32, "status", "current"));
    let step = Step::task("start", "started", start).settles(Settles::Holds(Probe::get(
        current,
        |answer| match answer {
            Ok(status) if status["status"] == "running" => Verdict::Holds(None),
            _ => Verdict::NotYet("stopped".to_owned()),
        },
    )));
    let canned = Canned::new()
        .always("POST /nodes/pve1/qemu/100/status/start", json!(TASK))
        .always(&status(), ok())
        .once(
            "GET /nodes/pve1/qemu/100/status/current",
            Ok(json!({"status": "stopped"})),
        )
        .always(
            "GET /nodes/pve1/qemu/100/status/current",
            json!({"status": "running"}),
        );
    let (applied, asked) = carry_out(canned, &one(Track::new("VM", "100", vec![step])));
    assert!(applied.tracks[0].succeeded());
    assert_eq!(
        asked
            .iter()
            .filter(|ask| ask.ends_with("status/current"))
            .count(),
        2
    );
}
