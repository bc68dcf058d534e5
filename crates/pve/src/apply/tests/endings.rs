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
fn an_answer_that_comes_after_the_deadline_names_the_task_still() {
    let mut track = clone_track("web-1");
    track.limit = Some(Duration::from_millis(80));
    let canned = Canned::new().answering(|call| {
        if call.verb == Verb::Get {
            return Some(Ok(json!("100")));
        }
        std::thread::sleep(Duration::from_millis(200));
        Some(Ok(json!(TASK)))
    });
    let (applied, asked) = carry_out(canned, &one(track));
    assert_eq!(
        applied.tracks[0].trouble.as_ref().unwrap().to_string(),
        format!(
            "unable to clone VM `web-1`: it took longer than 0.08 s; task {TASK} is left running"
        )
    );
    assert!(applied.changed(), "the clone goes on");
    assert!(
        asked.last().unwrap().starts_with("POST "),
        "a question would have no time"
    );
}

#[test]
fn a_write_that_was_begun_in_time_is_done_however_late_its_answer() {
    let put = |id: &str| Call::put(path!("pools", id));
    let canned = Canned::new().answering(|_| {
        std::thread::sleep(Duration::from_millis(200));
        Some(Ok(Value::Null))
    });
    let steps = ["a", "b"].map(|id| Step::call("change", "changed", put(id)));
    let mut track = Track::new("pool", "a", steps.into());
    track.limit = Some(Duration::from_millis(80));
    let (applied, asked) = carry_out(canned, &one(track));
    assert_eq!(asked, ["PUT /pools/a"], "the limit begins nothing more");
    assert!(applied.changed() && applied.tracks[0].steps.len() == 1);
    assert!(matches!(
        applied.tracks[0].trouble.as_ref().unwrap().error,
        Error::Deadline { .. }
    ));
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
