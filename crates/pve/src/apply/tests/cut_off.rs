//! Interruptions and failures: what is left, what is put back, what is undone.

use super::*;

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
