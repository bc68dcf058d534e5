//! How steps and tracks end, and what follows.

use super::*;

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
            "unable to clone VM `web-1`: it took longer than 0.08 s; task {TASK} is left running"
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
fn what_was_taken_away_is_put_back_only_where_the_steps_failed() {
    for (fails, expected) in [
        (true, vec!["DELETE /thing", "POST /work", "POST /thing"]),
        (false, vec!["DELETE /thing", "POST /work"]),
    ] {
        let mut canned = Canned::new();
        if fails {
            let work = Call::post(path!("work"));
            canned = canned.once("POST /work", Err(refused(&work, 500, "no space left")));
        }
        let mut track = Track::new(
            "thing",
            "it",
            vec![
                Step::call("take away", "taken away", Call::delete(path!("thing"))),
                Step::call("work", "worked", Call::post(path!("work"))),
            ],
        );
        track.rescue = vec![Step::call(
            "put back",
            "put back",
            Call::post(path!("thing")),
        )];
        let plan = Plan {
            tracks: vec![track],
            ..Plan::default()
        };
        let (applied, asked) = carry_out(canned, &plan);
        assert_eq!(applied.succeeded(), !fails);
        assert_eq!(asked, expected);
    }
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
fn progress_counts_what_was_not_needed_too() {
    let start = |vmid: u32| {
        let call = Call::post(path!("nodes", "pve1", "qemu", vmid, "status", "start"));
        let step = Step::task("start", "started", call)
            .on(Ending::Text(Matched::AlreadyRunning), Follow::Accept);
        Track::new("VM", vmid.to_string(), vec![step])
    };
    let refusal = refused(&Call::post(path!("nodes")), 500, "VM 100 already running");
    let canned = Canned::new().once("POST /nodes/pve1/qemu/100/status/start", Err(refusal));
    let told = Mutex::new(Vec::new());
    let never = Arc::new(AtomicBool::new(false));
    let applied = apply(
        &Client::new(canned),
        &Plan {
            tracks: vec![start(100), start(101)],
            parallel: 1,
            ..Plan::default()
        },
        &Control {
            interrupted: &never,
            watch: &|event| told.lock().unwrap().push(event.to_string()),
        },
    );
    assert!(!applied.tracks[0].changed() && applied.tracks[1].changed());
    let ended: Vec<String> = told
        .into_inner()
        .unwrap()
        .into_iter()
        .filter_map(|line| Some(line.rsplit_once('[')?.1.to_owned()))
        .collect();
    assert_eq!(ended, ["1/2]", "2/2]"]);
}

#[test]
fn a_server_that_falls_silent_is_told_once_and_the_deadline_says_why() {
    let call = Call::get(path!("nodes", "pve1", "tasks", TASK, "status"));
    let silence = Error::NotSent {
        request: Request::from(&call),
        why: Unreached::Connect {
            address: "pve1:8006".to_owned(),
            cause: "Connection refused".to_owned(),
        },
    };
    let canned = Canned::new().answering(move |call| match call.verb {
        Verb::Get => Some(Err(silence.clone())),
        _ => Some(Ok(json!(TASK))),
    });
    let start = Call::post(path!("nodes", "pve1", "qemu", 100u32, "status", "start"));
    let mut track = Track::new("VM", "web-1", vec![Step::task("start", "started", start)]);
    track.limit = Some(Duration::from_millis(300));
    let told = Mutex::new(Vec::new());
    let applied = apply(
        &Client::new(canned),
        &one(track),
        &Control {
            interrupted: &Arc::new(AtomicBool::new(false)),
            watch: &|event| told.lock().unwrap().push(event.to_string()),
        },
    );
    let told = told.into_inner().unwrap();
    let silent = told.iter().filter(|line| line.contains("out of sight"));
    assert_eq!(silent.count(), 1, "{told:?}");
    assert_eq!(
        applied.tracks[0].trouble.as_ref().unwrap().to_string(),
        format!(
            "unable to start VM `web-1`: it took longer than 0.3 s; at last: GET /nodes/pve1/tasks/{TASK}/status: \
             no connection to pve1:8006: Connection refused; task {TASK} is left running"
        )
    );
}

#[test]
fn an_interruption_finds_no_place_in_a_track_that_is_whole() {
    for whole in [true, false] {
        let interrupted = Arc::new(AtomicBool::new(false));
        let signal = Arc::clone(&interrupted);
        let canned = Canned::new().answering(move |call| {
            signal.store(true, Ordering::SeqCst);
            (call.verb == Verb::Delete).then_some(Ok(Value::Null))
        });
        let asked = canned.asked();
        let of_token = path!("access", "users", "a@pve", "token", "t1");
        let steps = vec![
            Step::call("remove", "removed", Call::delete(of_token.clone())),
            Step::call("create", "created", Call::post(of_token)),
        ];
        let mut track = Track::new("token", "a@pve!t1", steps);
        track.whole = whole;
        apply(
            &Client::new(canned),
            &one(track),
            &Control {
                interrupted: &interrupted,
                watch: &|_| {},
            },
        );
        assert_eq!(asked.lock().unwrap().len(), if whole { 2 } else { 1 });
    }
}

#[test]
fn a_whole_track_may_be_left_while_the_server_works_on_its_last_request() {
    let interrupted = Arc::new(AtomicBool::new(false));
    let signal = Arc::clone(&interrupted);
    let canned = Canned::new().answering(move |call| {
        signal.store(true, Ordering::SeqCst);
        match call.verb {
            Verb::Get => Some(Ok(json!({"status": "running"}))),
            Verb::Post => Some(Ok(json!(TASK))),
            _ => Some(Ok(Value::Null)),
        }
    });
    let local = path!("nodes", "pve1", "storage", "local");
    let download = Call::post(local.join("download-url"));
    let steps = vec![
        Step::call("remove", "removed", Call::delete(local.join("content"))),
        Step::task("download", "downloaded", download),
    ];
    let mut track = Track::new("volume", "local:iso/a.iso", steps);
    track.whole = true;
    let applied = apply(
        &Client::new(canned),
        &one(track),
        &Control {
            interrupted: &interrupted,
            watch: &|_| {},
        },
    );
    let trouble = applied.tracks[0].trouble.as_ref().unwrap();
    assert!(matches!(trouble.error, Error::Interrupted { .. }));
    assert_eq!(applied.running().next().unwrap().as_str(), TASK);
}

#[test]
fn the_time_in_which_a_file_is_sent_is_none_of_the_steps_own() {
    for sends in [true, false] {
        let mut asked = 0;
        let canned = Canned::new().answering(move |call| {
            if call.verb == Verb::Post {
                // A file that takes its time.
                std::thread::sleep(Duration::from_millis(600));
                return Some(Ok(json!(TASK)));
            }
            asked += 1;
            Some(Ok(if asked == 1 {
                json!({"status": "running"})
            } else {
                ok()
            }))
        });
        let mut call = Call::post(path!("nodes", "pve1", "storage", "local", "upload"));
        if sends {
            call = call.with_upload(Upload {
                field: "filename",
                name: "a.iso".to_owned(),
                source: "a.iso".into(),
                stop: Stop::default(),
            });
        }
        let step = Step::task("upload", "uploaded", call).within(Duration::from_millis(500));
        let track = Track::new("volume", "local:iso/a.iso", vec![step]);
        let (applied, _) = carry_out(canned, &one(track));
        assert_eq!(
            applied.succeeded(),
            sends,
            "{:?}",
            applied.tracks[0].trouble
        );
    }
}
