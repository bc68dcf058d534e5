//! Interruptions and failures: what is left, what is put back, what is undone.

use super::*;

/// Carries a plan out whose run is interrupted by the first request of this verb.
fn interrupted_by(verb: &'static str, canned: Canned, plan: &Plan) -> (Applied, Vec<String>) {
    let interrupted = Arc::new(AtomicBool::new(false));
    let signal = Arc::clone(&interrupted);
    let canned = canned.answering(move |call| {
        signal.fetch_or(call.verb.as_str() == verb, Ordering::SeqCst);
        None
    });
    let asked = canned.asked();
    let applied = apply(
        &Client::new(canned),
        plan,
        &Control {
            interrupted: &interrupted,
            watch: &|_| {},
        },
    );
    let asked = asked.lock().unwrap().clone();
    (applied, asked)
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
fn what_is_put_back_waits_for_the_task_that_is_still_at_it() {
    let take = Call::post(path!("nodes", "pve1", "qemu", 100u32, "snapshot"));
    let mut track = Track::new("VM", "100", vec![Step::task("snapshot", "taken", take)]);
    track.rescue = vec![Step::call(
        "put back",
        "put back",
        Call::put(path!("thing")),
    )];
    let canned = Canned::new()
        .always(TAKE, json!(TASK))
        .once(&status(), Ok(json!({"status": "running"})))
        .once(&status(), Ok(json!({"status": "running"})))
        .always(&status(), ok());
    let (applied, asked) = interrupted_by("POST", canned, &one(track));
    assert_eq!(
        asked[asked.len() - 2..],
        [status(), "PUT /thing".to_owned()]
    );
    assert_eq!(applied.running().count(), 0);
    assert!(applied.changed(), "what the task made is there");
}

#[test]
fn a_step_that_is_for_the_whole_alone_is_left_out_after_a_failure() {
    for (fails, accepted, begins) in [
        (false, false, true),
        (true, false, false),
        (true, true, true),
    ] {
        let put = |id: &str| Call::put(path!("mount", id));
        let mut canned = Canned::new().once(
            "POST /work",
            Err(refused(&Call::post(path!("work")), 500, "no space left")),
        );
        if fails {
            let wrong = refused(&put("a"), 500, "VM 100 already running");
            canned = canned.once("PUT /mount/a", Err(wrong));
        }
        let mut first = Step::call("put back", "put back", put("a"));
        if accepted {
            first = first.on(Ending::Text(Matched::AlreadyRunning), Follow::Accept);
        }
        let rescue = || {
            vec![
                Step::call("put back", "put back", put("b")),
                Step::call("start", "started", Call::post(path!("start"))).if_well(),
            ]
        };
        let work = Step::call("work", "worked", Call::post(path!("work")));
        let mut track = Track::new("container", "200", vec![work]);
        track.rescue = std::iter::once(first).chain(rescue()).collect();
        let (_, asked) = carry_out(canned, &one(track));
        let mut expected = vec!["POST /work", "PUT /mount/a", "PUT /mount/b"];
        expected.extend(begins.then_some("POST /start"));
        assert_eq!(asked, expected, "{fails} {accepted}");
    }
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

/// A plan that is all or none, of a pool after the other.
fn pools(ids: &[&str]) -> Plan {
    let pool = |id: &&str| {
        let call = |verb| Call::new(verb, path!("pools")).with("poolid", *id);
        let create = Step::call("create", "created", call(Verb::Post)).undo(call(Verb::Delete));
        Track::new("pool", *id, vec![create])
    };
    Plan {
        tracks: ids.iter().map(pool).collect(),
        parallel: 1,
        atomic: true,
        ..Plan::default()
    }
}

#[test]
fn an_atomic_plan_takes_back_what_was_made_and_begins_nothing_more() {
    let refusal = refused(&Call::post(path!("pools")), 403, "Permission check failed");
    let canned = Canned::new().once("POST /pools poolid=b", Err(refusal));
    let (applied, asked) = carry_out(canned, &pools(&["a", "b", "c"]));
    assert_eq!(
        asked,
        [
            "POST /pools poolid=a",
            "POST /pools poolid=b",
            "DELETE /pools poolid=a"
        ]
    );
    assert!(!applied.changed());
    let undone: Vec<bool> = applied.tracks.iter().map(|end| end.undone).collect();
    assert_eq!(undone, [true, false, false]);
}

#[test]
fn an_atomic_plan_that_is_interrupted_between_tracks_takes_back_what_was_made() {
    let (applied, asked) = interrupted_by("POST", Canned::new(), &pools(&["a", "b"]));
    assert_eq!(asked, ["POST /pools poolid=a", "DELETE /pools poolid=a"]);
    assert!(applied.tracks[0].undone && !applied.tracks[1].began);
    assert!(!applied.changed());
}

#[test]
fn an_atomic_plan_that_is_whole_when_the_signal_comes_stays() {
    let (applied, asked) = interrupted_by("POST", Canned::new(), &pools(&["a"]));
    assert_eq!(asked, ["POST /pools poolid=a"]);
    assert!(applied.succeeded() && applied.changed());
}

#[test]
fn a_plan_must_end_that_would_leave_less_than_there_was_or_a_part_of_the_whole() {
    let put_back = || {
        vec![Step::call(
            "put back",
            "put back",
            Call::put(path!("thing")),
        )]
    };
    let (mut rescue, mut finally, mut whole) = (pools(&["a"]), pools(&["a"]), pools(&["a"]));
    rescue.tracks[0].rescue = put_back();
    finally.tracks[0].finally = put_back();
    whole.tracks[0].whole = true;
    for (mut plan, must_end) in [
        (pools(&["a"]), false),
        (rescue, true),
        (finally, true),
        (whole, true),
    ] {
        assert!(plan.must_end(), "all or none");
        plan.atomic = false;
        assert_eq!(plan.must_end(), must_end, "{plan:?}");
    }
}

/// A snapshot, all or none.
fn snapshot() -> Plan {
    let snapshots = path!("nodes", "pve1", "qemu", 100u32, "snapshot");
    let take = Step::task(
        "take a snapshot of",
        "snapshot taken",
        Call::post(snapshots.clone()),
    )
    .undo(Call::delete(snapshots.join("s")));
    Plan {
        atomic: true,
        ..one(Track::new("VM", "100", vec![take]))
    }
}

const TAKE: &str = "POST /nodes/pve1/qemu/100/snapshot";
const REMOVE: &str = "DELETE /nodes/pve1/qemu/100/snapshot/s";
const LISTED: &str = "GET /nodes/pve1/qemu/100/snapshot";

#[test]
fn what_a_task_still_makes_is_waited_for_before_it_is_taken_back() {
    for (signal, limit) in [("POST", None), ("never", Some(Duration::from_millis(40)))] {
        let mut plan = snapshot();
        plan.tracks[0].limit = limit;
        let canned = Canned::new()
            .always(TAKE, json!(TASK))
            .once(&status(), Ok(json!({"status": "running"})))
            .once(&status(), Ok(json!({"status": "running"})))
            .always(&status(), ok());
        let (applied, asked) = interrupted_by(signal, canned, &plan);
        assert_eq!(asked[asked.len() - 2..], [status(), REMOVE.to_owned()]);
        assert!(asked.iter().filter(|call| **call == status()).count() >= 3);
        assert!(applied.tracks[0].undone && !applied.changed());
        assert!(applied.tracks[0].trouble.is_some());
        assert_eq!(applied.running().count(), 0, "nothing goes on");
    }
}

#[test]
fn a_task_is_told_to_be_left_running_only_where_it_is() {
    let told = |atomic: bool| {
        let plan = Plan {
            atomic,
            ..snapshot()
        };
        let interrupted = Arc::new(AtomicBool::new(false));
        let signal = Arc::clone(&interrupted);
        let canned = Canned::new()
            .answering(move |call| {
                signal.fetch_or(call.verb == Verb::Post, Ordering::SeqCst);
                None
            })
            .always(TAKE, json!(TASK))
            .once(&status(), Ok(json!({"status": "running"})))
            .always(&status(), ok());
        let told = Mutex::new(Vec::new());
        let control = Control {
            interrupted: &interrupted,
            watch: &|event| told.lock().unwrap().push(event.to_string()),
        };
        apply(&Client::new(canned), &plan, &control);
        let mut told = told.into_inner().unwrap();
        told.retain(|line| line.contains("failed"));
        told
    };
    assert_eq!(
        told(true),
        [format!(
            "100: failed: interrupted; task {TASK} is waited for"
        )]
    );
    assert_eq!(
        told(false),
        [format!(
            "100: failed: interrupted; task {TASK} is left running"
        )]
    );
}

#[test]
fn what_its_task_did_not_make_is_not_taken_back() {
    let canned = Canned::new()
        .always(TAKE, json!(TASK))
        .once(&status(), Ok(json!({"status": "running"})))
        .always(
            &status(),
            json!({"status": "stopped", "exitstatus": "no space left"}),
        );
    let (applied, asked) = interrupted_by("POST", canned, &snapshot());
    assert!(!asked.contains(&REMOVE.to_owned()), "{asked:?}");
    assert!(!applied.tracks[0].undone && !applied.changed());
}

#[test]
fn what_was_made_by_a_request_whose_answer_was_lost_is_taken_back() {
    for (there, undone) in [(true, true), (false, false)] {
        let mut plan = snapshot();
        plan.tracks[0].limit = Some(Duration::from_millis(40));
        plan.tracks[0].steps[0].lost = Lost::Look {
            probe: Probe::get(
                Call::get(path!("nodes", "pve1", "qemu", 100u32, "snapshot")),
                |answer| match answer.as_ref().map(Value::as_str) {
                    Ok(Some("made")) => Verdict::Holds(None),
                    Ok(Some("being made")) => Verdict::NotYet("it is being made".to_owned()),
                    _ => Verdict::Absent,
                },
            ),
            quiet: Duration::from_millis(100),
        };
        let call = Call::post(path!("nodes", "pve1", "qemu", 100u32, "snapshot"));
        let mut canned = Canned::new().once(TAKE, Err(lost(&call)));
        if there {
            canned = canned
                .once(LISTED, Ok(json!("being made")))
                .once(LISTED, Ok(json!("being made")))
                .always(LISTED, json!("made"));
        }
        let (applied, asked) = carry_out(canned, &plan);
        assert_eq!(asked.contains(&REMOVE.to_owned()), undone, "{asked:?}");
        assert_eq!(applied.tracks[0].undone, undone);
        assert!(!applied.changed());
    }
}

#[test]
fn a_lock_that_passes_does_not_keep_from_taking_back() {
    let call = Call::delete(path!("nodes"));
    let canned = Canned::new()
        .always(TAKE, json!(TASK))
        .once(REMOVE, Err(refused(&call, 500, "VM is locked (backup)")))
        .once(&status(), Ok(json!({"status": "running"})))
        .always(&status(), ok());
    let (applied, asked) = interrupted_by("POST", canned, &snapshot());
    assert_eq!(asked.iter().filter(|call| **call == REMOVE).count(), 2);
    assert!(applied.tracks[0].undone);
}

#[test]
fn that_there_is_nothing_to_take_back_is_as_good() {
    let call = Call::delete(path!("nodes"));
    let gone = refused(&call, 500, "snapshot 's' does not exist");
    let canned = Canned::new()
        .always(TAKE, json!(TASK))
        .once(REMOVE, Err(gone))
        .once(&status(), Ok(json!({"status": "running"})))
        .always(&status(), ok());
    let (applied, _) = interrupted_by("POST", canned, &snapshot());
    assert!(applied.tracks[0].undone && applied.warnings.is_empty());
}

#[test]
fn only_what_a_step_did_is_taken_back_whatever_its_fellows_are_called() {
    let make = |id: &str| {
        let call = |verb| Call::new(verb, path!("pools")).with("poolid", id);
        Step::call("create", "created", call(Verb::Post)).undo(call(Verb::Delete))
    };
    let exists = refused(&Call::post(path!("pools")), 500, "pool 'b' already exists");
    let canned = Canned::new().once("POST /pools poolid=b", Err(exists));
    let plan = Plan {
        atomic: true,
        ..one(Track::new("pools", "a, b", vec![make("a"), make("b")]))
    };
    let (_, asked) = carry_out(canned, &plan);
    assert_eq!(asked[2..], ["DELETE /pools poolid=a"]);
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
