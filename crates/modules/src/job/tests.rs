//! The way of every module, with a module that starts VMs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use ansible::{Args, Context, Failure, Outcome};
use pve::apply::Applied;
use pve::canned::{Canned, refused};
use pve::plan::{Ask, OnError, Probe, Verdict};
use pve::{Call, Cluster, Plan, Planned, Step, Track, path};
use secret::Secret;
use serde_json::{Map, Value, json};

use super::{Job, Report, Task, carry_out};
use crate::connection::Connection;

#[derive(Args)]
struct SampleArgs {
    /// Where the API is.
    #[arg(flatten)]
    connection: Connection,
    /// The VMs that are started.
    #[arg(required)]
    vms: Vec<String>,
    /// Whether the first failure is the last.
    #[arg(default = false)]
    stop: bool,
    /// Whether all are started or none.
    #[arg(default = false)]
    atomic: bool,
    /// How many at once.
    #[arg(default = 1)]
    parallel: u16,
}

/// Starts VMs with a secret, unless the cluster is busy.
struct Sample;

impl Job for Sample {
    type Args = SampleArgs;
    type Notes = &'static str;

    fn connection(args: &SampleArgs) -> &Connection {
        &args.connection
    }

    fn plan(
        task: &Task<'_, SampleArgs>,
        cluster: &Cluster,
    ) -> Result<Planned<&'static str>, Failure> {
        let busy = Call::get(path!("cluster", "tasks"));
        if cluster.get(&busy).is_ok_and(|tasks| *tasks != json!([])) {
            let until = Probe::new(vec![Ask::Get(busy)], |answers| match &answers[0] {
                Ok(tasks) if *tasks == json!([]) => Verdict::Holds(None),
                _ => Verdict::NotYet("busy".to_owned()),
            });
            return Ok(Planned::Blocked {
                until,
                why: "the cluster is busy".to_owned(),
            });
        }
        let start = |name: &String| {
            let call = Call::post(path!("start", name)).with("password", Secret::new("hunter2"));
            let stop = Call::post(path!("stop", name));
            let start = Step::task("start", "started", call).undo(stop);
            Track::new("VM", name, vec![start])
        };
        let plan = Plan {
            tracks: task.args.vms.iter().map(start).collect(),
            parallel: task.args.parallel.into(),
            on_error: if task.args.stop {
                OnError::Stop
            } else {
                OnError::Continue
            },
            atomic: task.args.atomic,
            before: json!({"running": []}),
            after: json!({"running": task.args.vms}),
            warnings: vec!["of the plan".to_owned()],
            ..Plan::default()
        };
        Ok(Planned::Ready(plan, "of the report"))
    }

    fn report(
        _task: &Task<'_, SampleArgs>,
        notes: &'static str,
        _plan: &Plan,
        applied: Option<&Applied>,
        _cluster: &Cluster,
    ) -> Report {
        Report {
            msg: Some("all is said".to_owned()),
            returns: Map::from_iter([("wrote".to_owned(), json!(applied.is_some()))]),
            warnings: vec![notes.to_owned()],
            ..Report::default()
        }
    }

    fn patience(_task: &Task<'_, SampleArgs>) -> Duration {
        Duration::from_millis(200)
    }
}

fn upid(name: &str) -> String {
    let number = name.trim_start_matches("web-");
    format!("UPID:pve1:0001ABCD:00FF00AA:68A1B2C3:qmstart:10{number}:root@pam:")
}

fn run(
    canned: Canned,
    context: &Context,
    stated: Value,
) -> (Result<Outcome, Failure>, Vec<String>) {
    let asked = canned.asked();
    let Value::Object(stated) = stated else {
        panic!("{stated} is no dictionary")
    };
    let args = SampleArgs::parse(stated).unwrap();
    let task = Task {
        args: &args,
        context,
    };
    let end = carry_out::<Sample>(&task, &canned.cluster());
    let asked = asked.lock().unwrap().clone();
    (end, asked)
}

/// Some VMs cannot be started, and with the n-th start the run is interrupted;
/// tasks that were begun then go on.
fn eventful(refuses: &'static [&'static str], interrupts: usize) -> (Canned, Context) {
    let flag = Arc::new(AtomicBool::new(false));
    let context = Context {
        interrupted: Arc::clone(&flag),
        ..Context::default()
    };
    let starts = AtomicUsize::new(0);
    let canned = Canned::new().answering(move |call| {
        let text = call.to_string();
        if text.ends_with("/status") {
            let status = if interrupts == 0 {
                json!({"status": "stopped", "exitstatus": "OK"})
            } else {
                json!({"status": "running"})
            };
            return Some(Ok(status));
        }
        let name = text.strip_prefix("POST /start/")?.split(' ').next()?;
        if starts.fetch_add(1, Ordering::SeqCst) + 1 == interrupts {
            flag.store(true, Ordering::SeqCst);
        }
        Some(if refuses.contains(&name) {
            Err(refused(call, 500, "no space left"))
        } else {
            Ok(json!(upid(name)))
        })
    });
    (canned, context)
}

fn vms(count: usize) -> Vec<String> {
    (1..=count).map(|number| format!("web-{number}")).collect()
}

#[test]
fn check_mode_foretells_and_writes_nothing() {
    let context = Context {
        check_mode: true,
        ..Context::default()
    };
    let (end, asked) = run(Canned::new(), &context, json!({"vms": vms(2)}));
    let outcome = end.unwrap();
    assert!(outcome.changed);
    assert!(asked.iter().all(|ask| ask.starts_with("GET ")), "{asked:?}");
    assert_eq!(outcome.returns["wrote"], json!(false));
    assert_eq!(
        outcome.diff.unwrap().after,
        json!({"running": ["web-1", "web-2"]})
    );

    let (end, _) = run(Canned::new(), &context, json!({"vms": []}));
    assert!(!end.unwrap().changed);
}

#[test]
fn a_run_writes_what_was_planned_and_merges_what_is_said_of_it() {
    let (canned, context) = eventful(&[], 0);
    let log = format!("GET /nodes/pve1/tasks/{}/log limit=0", upid("web-1"));
    let warned = json!({"status": "stopped", "exitstatus": "WARNINGS: 1"});
    let canned = canned
        .once(&log, Ok(json!([{"n": 1, "t": "WARN: no agent"}])))
        .once(
            &format!("GET /nodes/pve1/tasks/{}/status", upid("web-1")),
            Ok(warned),
        );
    let (end, asked) = run(canned, &context, json!({"vms": vms(2)}));
    let outcome = end.unwrap();
    assert!(outcome.changed);
    assert_eq!(outcome.msg.as_deref(), Some("all is said"));
    assert_eq!(
        outcome.warnings,
        ["of the plan", "of the report", "web-1: WARN: no agent"]
    );
    assert_eq!(
        asked.iter().filter(|ask| ask.starts_with("POST")).count(),
        2
    );
    assert!(outcome.diff.is_some());
    assert!(!outcome.returns.contains_key("plan"));
}

#[test]
fn with_vvv_the_calls_are_listed_and_secrets_masked() {
    for (verbosity, listed) in [
        (2, None),
        (3, Some(json!(["POST /start/web-1 password=********"]))),
    ] {
        for check_mode in [true, false] {
            let (canned, context) = eventful(&[], 0);
            let context = Context {
                check_mode,
                verbosity,
                ..context
            };
            let (end, _) = run(canned, &context, json!({"vms": vms(1)}));
            assert_eq!(end.unwrap().returns.get("plan"), listed.as_ref());
        }
    }
}

#[test]
fn a_blocked_plan_is_waited_for_and_made_anew() {
    let canned = Canned::new().once("GET /cluster/tasks", Ok(json!(["busy"])));
    let canned = canned.always("GET /cluster/tasks", json!([]));
    let (end, asked) = run(canned, &Context::default(), json!({"vms": vms(1)}));
    assert!(end.unwrap().changed);
    let questions = asked.iter().filter(|ask| *ask == "GET /cluster/tasks");
    assert_eq!(
        questions.count(),
        3,
        "the plan, the probe, and the plan anew"
    );
}

#[test]
fn a_plan_that_stays_blocked_fails_with_its_reason() {
    let canned = Canned::new().always("GET /cluster/tasks", json!(["busy"]));
    let (end, asked) = run(canned, &Context::default(), json!({"vms": vms(1)}));
    assert_eq!(
        end.unwrap_err().msg,
        "unable to make a plan: waiting (the cluster is busy) took longer than 0.2 s; at last: busy"
    );
    assert!(asked.iter().all(|ask| ask.starts_with("GET ")));
}

#[test]
fn check_mode_reports_a_blocked_plan_and_does_not_wait() {
    let context = Context {
        check_mode: true,
        ..Context::default()
    };
    let canned = Canned::new().always("GET /cluster/tasks", json!(["busy"]));
    let (end, asked) = run(canned, &context, json!({"vms": vms(1)}));
    let outcome = end.unwrap();
    assert!(!outcome.changed);
    assert_eq!(
        outcome.msg.as_deref(),
        Some("nothing can be planned yet: the cluster is busy")
    );
    assert_eq!(outcome.warnings, ["the cluster is busy"]);
    assert_eq!(asked.len(), 1);
}

/// The failure of a run, with the starts that were sent.
fn failed(canned: Canned, context: &Context, stated: Value) -> (Failure, usize) {
    let (end, asked) = run(canned, context, stated);
    let starts = asked.iter().filter(|ask| ask.starts_with("POST")).count();
    (end.unwrap_err(), starts)
}

#[test]
fn a_failure_says_how_many_failed_and_the_first_cause() {
    let cause = "POST /start/web-2 answered 500: no space left";
    let (canned, context) = eventful(&["web-2", "web-19"], 0);
    let (failure, starts) = failed(canned, &context, json!({"vms": vms(20)}));
    assert_eq!(
        failure.msg,
        format!("2 of 20 VMs failed: unable to start VM `web-2`: {cause}")
    );
    assert_eq!(starts, 20);
    assert!(failure.outcome.changed, "the others were started");
    assert!(failure.outcome.diff.is_some());
    assert_eq!(failure.details["kind"], json!("refused"));
    assert_eq!(failure.details["status"], json!(500));
    assert_eq!(failure.outcome.returns["wrote"], json!(true));

    let (canned, context) = eventful(&["web-2"], 0);
    let (failure, starts) = failed(canned, &context, json!({"vms": vms(5), "stop": true}));
    assert_eq!(
        failure.msg,
        format!("1 of 5 VMs failed, 3 not begun: unable to start VM `web-2`: {cause}")
    );
    assert_eq!(starts, 2);

    let (canned, context) = eventful(&["web-1"], 0);
    let (failure, _) = failed(canned, &context, json!({"vms": vms(1)}));
    assert_eq!(
        failure.msg,
        "unable to start VM `web-1`: POST /start/web-1 answered 500: no space left"
    );
    assert!(!failure.outcome.changed);
}

#[test]
fn an_interrupted_run_names_what_goes_on_and_counts_what_was_not_begun() {
    let (canned, context) = eventful(&[], 2);
    let stated = json!({"vms": vms(5), "parallel": 2});
    let (failure, starts) = failed(canned, &context, stated);
    let (first, second) = (upid("web-1"), upid("web-2"));
    assert_eq!(
        failure.msg,
        format!(
            "interrupted: 2 of 5 VMs left unfinished, 3 not begun; left running: {first}, {second}"
        )
    );
    assert_eq!(starts, 2);
    assert_eq!(failure.details["kind"], json!("interrupted"));
    assert_eq!(failure.details["running"], json!([first, second]));
    assert!(failure.outcome.changed, "the tasks take effect");

    let (canned, context) = eventful(&[], 1);
    let (failure, _) = failed(canned, &context, json!({"vms": vms(1)}));
    assert_eq!(
        failure.msg,
        format!("interrupted: VM `web-1` left unfinished; left running: {first}")
    );
}

#[test]
fn an_interrupted_run_tells_what_had_failed_before() {
    let (canned, context) = eventful(&["web-1"], 2);
    let (failure, _) = failed(canned, &context, json!({"vms": vms(4)}));
    assert_eq!(
        failure.msg,
        format!(
            "interrupted: 1 of 4 VMs failed, 1 left unfinished, 2 not begun: unable to start VM `web-1`: \
             POST /start/web-1 answered 500: no space left; left running: {}",
            upid("web-2")
        )
    );
    assert_eq!(failure.details["kind"], json!("refused"));
}

#[test]
fn a_run_that_is_interrupted_before_it_begins_does_nothing() {
    let (canned, context) = eventful(&[], 0);
    context.interrupted.store(true, Ordering::SeqCst);
    let (failure, starts) = failed(canned, &context, json!({"vms": vms(3)}));
    assert_eq!(failure.msg, "interrupted: 3 of 3 VMs not begun");
    assert_eq!(starts, 0);
    assert_eq!(failure.details["kind"], json!("interrupted"));
    assert!(!failure.outcome.changed);
}

#[test]
fn an_interrupted_run_that_is_all_or_none_leaves_nothing_unfinished() {
    // The second one is on its way when the signal comes, and its task is waited for.
    let flag = Arc::new(AtomicBool::new(false));
    let context = Context {
        interrupted: Arc::clone(&flag),
        ..Context::default()
    };
    for (stops, fate, tail) in [
        (true, "broken off", "what was made was taken back"),
        (
            false,
            "left unfinished",
            "not all that was made could be taken back",
        ),
    ] {
        flag.store(false, Ordering::SeqCst);
        let signal = Arc::clone(&flag);
        let mut asked_of_the_second = 0;
        let canned = Canned::new().answering(move |call| {
            let text = call.to_string();
            if let Some(name) = text.strip_prefix("POST /start/") {
                return Some(Ok(json!(upid(name.split(' ').next()?))));
            }
            if text.starts_with("POST /stop/") {
                return (!stops).then(|| Err(refused(call, 500, "no")));
            }
            if !text.ends_with("/status") {
                return None;
            }
            if text.contains(&upid("web-2")) {
                signal.store(true, Ordering::SeqCst);
                asked_of_the_second += 1;
                if asked_of_the_second == 1 {
                    return Some(Ok(json!({"status": "running"})));
                }
            }
            Some(Ok(json!({"status": "stopped", "exitstatus": "OK"})))
        });
        let stated = json!({"vms": vms(3), "atomic": true});
        let (failure, _) = failed(canned, &context, stated);
        assert_eq!(
            failure.msg,
            format!("interrupted: 1 of 3 VMs {fate}, 1 not begun; {tail}")
        );
        assert_eq!(failure.outcome.changed, !stops);
        assert!(!failure.details.contains_key("running"));
    }
}

#[test]
fn a_run_that_is_all_or_none_says_what_became_of_what_was_made() {
    let cause = "unable to start VM `web-2`: POST /start/web-2 answered 500: no space left";
    for (stops, tail, changed) in [
        (Ok(json!(null)), "what was made was taken back", false),
        (
            Err(refused(&Call::post(path!("stop", "web-1")), 500, "no")),
            "not all that was made could be taken back",
            true,
        ),
    ] {
        let (canned, context) = eventful(&["web-2"], 0);
        let canned = canned.once("POST /stop/web-1", stops);
        let stated = json!({"vms": vms(3), "atomic": true});
        let (failure, _) = failed(canned, &context, stated);
        assert_eq!(
            failure.msg,
            format!("1 of 3 VMs failed, 1 not begun: {cause}; {tail}")
        );
        assert_eq!(failure.outcome.changed, changed);
    }
}
