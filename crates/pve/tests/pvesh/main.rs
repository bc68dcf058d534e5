//! `pvesh` as a transport, against a program that stands in for it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pve::apply::uncarried;
use pve::call::{Stop, Upload};
use pve::connection::Credentials;
use pve::plan::{Ending, Follow};
use pve::texts::Matched;
use pve::transport::{Pvesh, Transport};
use pve::{Call, Client, Error, Param, Plan, Segment, Step, Track, Unreached, path};
use secret::Secret;
use serde_json::Value;

fn pvesh() -> Pvesh {
    in_a_run(false)
}

fn in_a_run(interrupted: bool) -> Pvesh {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pvesh/pvesh");
    Pvesh::new(
        Duration::from_millis(500),
        &Arc::new(AtomicBool::new(interrupted)),
    )
    .stand_in(program, "pve1")
}

/// The arguments that a call becomes, after the encoding they are to be read in.
fn words(call: &Call) -> Option<Vec<String>> {
    let answer = pvesh().send(call, None).ok()?;
    let text = String::from_utf8(STANDARD.decode(answer.as_str()?).ok()?).ok()?;
    Some(
        text.strip_suffix('\0')?
            .split('\0')
            .map(str::to_owned)
            .collect(),
    )
}

/// Why a call is not sent.
fn why(outcome: Result<impl std::fmt::Debug, Error>) -> String {
    match outcome {
        Err(Error::NotSent {
            why: Unreached::Options(why),
            ..
        }) => why,
        other => unreachable!("{other:?}"),
    }
}

#[test]
fn each_verb_is_a_command_and_a_list_a_repeated_option() {
    let call = Call::put(path!("pools"))
        .with("vms", "101")
        .with("vms", "102");
    assert_eq!(
        words(&call).unwrap(),
        [
            "C.UTF-8",
            "set",
            "/pools",
            "--output-format",
            "json",
            "--vms",
            "101",
            "--vms",
            "102"
        ]
    );
    for (call, verb) in [
        (Call::get(path!("x")), "get"),
        (Call::post(path!("x")), "create"),
        (Call::delete(path!("x")), "delete"),
    ] {
        assert_eq!(words(&call).unwrap()[1], verb);
    }
}

#[test]
fn values_and_paths_arrive_as_they_are() {
    let path = path!(
        "nodes",
        "pve1",
        "storage",
        "local",
        "content",
        "local:iso/a b.iso"
    );
    for value in [
        "--force",
        "-",
        "",
        "a 'b' \"c\" $HOME `d`",
        "two\nlines",
        "x=1;y&z",
        "Überwachung",
        "ssh-ed25519%20AAAA%2BB%0A",
    ] {
        let words = words(&Call::post(path.clone()).with("comment", value)).unwrap();
        assert_eq!(
            words[2],
            "/nodes/pve1/storage/local/content/local:iso/a b.iso"
        );
        assert_eq!(words[5..], ["--comment", value]);
    }
}

#[test]
fn a_write_without_data_is_no_error() {
    let answer = pvesh().send(&Call::put(path!("quiet")), None);
    assert_eq!(answer.unwrap(), Value::Null);
}

#[test]
fn a_refusal_keeps_its_status() {
    match pvesh().send(&Call::get(path!("forbidden")), None) {
        Err(Error::Refused(refusal)) => assert_eq!(
            refusal.missing_right(),
            Some(("/pool/web".to_owned(), vec!["Pool.Audit".to_owned()]))
        ),
        other => unreachable!("{other:?}"),
    }
}

#[test]
fn no_secret_stands_on_a_command_line() {
    let call = Call::post(path!("access", "users"))
        .with("userid", "a@pve")
        .with("password", Secret::new("hunter2"));
    let why = why(pvesh().send(&call, None));
    assert!(why.contains("`password` is a secret") && why.contains("set api_host"));
    assert!(!why.contains("hunter2"));
}

#[test]
fn a_password_cannot_be_tried() {
    let credentials = Credentials::Password {
        user: "a@pve".to_owned(),
        password: Secret::new("hunter2"),
        otp: None,
    };
    let why = why(pvesh().accepts(&credentials));
    assert!(why.contains("the secret of a@pve") && why.contains("set api_host"));
    assert!(!why.contains("hunter2"));
}

#[test]
fn a_file_cannot_be_sent() {
    let call = Call::post(path!("upload")).with_upload(Upload {
        field: "filename",
        name: "a.iso".to_owned(),
        source: "a.iso".into(),
        stop: Stop::default(),
    });
    assert!(why(pvesh().send(&call, None)).contains("uploads no files"));
}

#[test]
fn what_another_node_would_get_wrong_is_not_sent() {
    let to = |node: &str, value: &str| {
        let call = Call::put(path!("nodes", node, "qemu", 100u32, "config"));
        pvesh().send(&call.with("description", value), None)
    };
    assert!(why(to("pve2", "")).contains("`description` is empty, and gets lost"));
    assert!(why(to("pve2", "Überwachung")).contains("hands it on to the node pve2"));
    for (node, value) in [
        ("pve2", "plain"),
        ("pve1", ""),
        ("pve1", "Überwachung"),
        ("localhost", "ü"),
    ] {
        assert!(to(node, value).is_ok(), "{node} {value}");
    }
}

#[test]
fn without_pvesh_a_host_is_asked_for() {
    let nowhere = pvesh().stand_in("no-such-program", "pve1");
    assert!(
        why(nowhere.send(&Call::get(path!("version")), None)).starts_with(
            "no Proxmox VE host was given: set api_host or the environment variable PROXMOX_HOST"
        )
    );
}

#[test]
fn what_does_not_end_in_time_or_is_killed_is_not_known() {
    for (call, within) in [
        (Call::get(path!("slow")), None),
        (Call::post(path!("slow")), Some(Duration::from_millis(100))),
        (Call::post(path!("killed")), None),
    ] {
        let answer = pvesh().send(&call, within);
        assert!(matches!(answer, Err(Error::Unknown { .. })), "{answer:?}");
    }
}

#[test]
fn what_is_sent_after_an_interruption_is_sent() {
    let answer = in_a_run(true).send(&Call::put(path!("quiet")), None);
    assert_eq!(answer.unwrap(), Value::Null);
}

#[test]
fn a_plan_is_known_to_need_another_way_before_its_first_write() {
    let plan = |step: Step| Plan {
        tracks: vec![Track::new(
            "VM",
            "web-1",
            vec![
                Step::call("create", "created", Call::post(path!("x"))),
                step,
            ],
        )],
        ..Plan::default()
    };
    let set = |value: Param| {
        Step::call(
            "configure",
            "configured",
            Call::put(path!("y")).with("cipassword", value),
        )
    };
    let client = Client::new(pvesh());
    let secret = || set(Param::Secret(Secret::new("hunter2")));
    let later = Step::call(
        "stop",
        "stopped",
        Call::post(path!("nodes", Segment::Bound("node"))),
    )
    .on(
        Ending::Text(Matched::NotRunning),
        Follow::Steps(vec![secret()]),
    );
    assert!(uncarried(&client, &plan(set(Param::Bound("vmid")))).is_none());
    for (plan, verb) in [(plan(secret()), "configure"), (plan(later), "stop")] {
        let trouble = uncarried(&client, &plan).unwrap();
        assert_eq!((trouble.verb, trouble.id.as_str()), (verb, "web-1"));
    }
}
