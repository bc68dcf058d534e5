//! What runs side by side, and what one after the other.

use super::*;

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
        assert!(applied.tracks.iter().all(TrackEnd::succeeded));
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
fn a_queue_before_one_claim_does_not_keep_others_from_beginning() {
    // The first clone of the running VM ends only when the other VM was started,
    // which needs the slot that the second clone gives back while it queues.
    let started = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&started);
    let canned = Canned::new()
        .answering(move |call| {
            let text = call.to_string();
            if text.ends_with("/clone") {
                return Some(Ok(json!(TASK)));
            }
            if text.ends_with("/start") {
                seen.store(true, Ordering::SeqCst);
            }
            if text.ends_with("/status") && !seen.load(Ordering::SeqCst) {
                return Some(Ok(json!({"status": "running"})));
            }
            None
        })
        .always(&status(), ok());
    let clone = |name: &str| {
        let call = Call::post(path!("nodes", "pve1", "qemu", 100u32, "clone"));
        let step = Step::task("clone", "cloned", call).claims("source:100", 1);
        Track::new("VM", name, vec![step])
    };
    let start = Call::post(path!("nodes", "pve1", "qemu", 101u32, "status", "start"));
    let mut plan = Plan {
        tracks: vec![
            clone("web-1"),
            clone("web-2"),
            Track::new("VM", "db-1", vec![Step::call("start", "started", start)]),
        ],
        parallel: 2,
        ..Plan::default()
    };
    for track in &mut plan.tracks {
        track.limit = Some(Duration::from_secs(10));
    }
    let (applied, _) = carry_out(canned, &plan);
    assert!(applied.tracks.iter().all(TrackEnd::succeeded));
}
