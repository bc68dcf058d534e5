use ansible::Args;
use pve::Track;
use pve::nodes::guest::{Address, GuestKind};
use serde_json::{Value, json};

use super::{SnapArgs, outdated, plan};

/// The calls of the plan for a guest that has these snapshots, the oldest first; or why there is none.
fn calls(options: &Value, kind: GuestKind, names: &[&str]) -> Result<String, String> {
    let mut options = options.clone();
    options["api_host"] = json!("pve1");
    let Value::Object(options) = options else {
        unreachable!()
    };
    let args = SnapArgs::parse(options).unwrap();
    let address = Address {
        node: "pve1".to_owned(),
        kind,
        vmid: 101,
    };
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    plan(&args, Track::default(), &address, &names, None)
        .map(|(plan, _)| plan.calls().join("; "))
        .map_err(|failure| failure.msg)
}

#[test]
fn each_state_is_one_request_or_none() {
    let base = "/nodes/pve1/qemu/101/snapshot";
    for (options, names, expected) in [
        (
            json!({"snapname": "a"}),
            vec!["b"],
            format!("POST {base} snapname=a"),
        ),
        (
            json!({"snapname": "a", "description": "x", "vmstate": true}),
            vec![],
            format!("POST {base} snapname=a description=x vmstate=1"),
        ),
        (
            json!({"snapname": "a", "description": "other"}),
            vec!["a"],
            String::new(),
        ),
        (
            json!({"snapname": "a", "state": "absent"}),
            vec!["b"],
            String::new(),
        ),
        (
            json!({"snapname": "a", "state": "absent"}),
            vec!["a"],
            format!("DELETE {base}/a"),
        ),
        (
            json!({"snapname": "a", "state": "absent", "force": true}),
            vec!["a"],
            format!("DELETE {base}/a force=1"),
        ),
        (
            json!({"snapname": "a", "state": "rollback"}),
            vec!["a"],
            format!("POST {base}/a/rollback"),
        ),
        (
            json!({"snapname": "c", "retention": 2}),
            vec!["a", "b"],
            format!("POST {base} snapname=c; DELETE {base}/a"),
        ),
    ] {
        assert_eq!(
            calls(&options, GuestKind::Qemu, &names),
            Ok(expected),
            "{options}"
        );
    }
    assert_eq!(
        calls(
            &json!({"snapname": "a", "state": "rollback"}),
            GuestKind::Qemu,
            &["b"]
        )
        .unwrap_err(),
        "Snapshot a does not exist"
    );
}

#[test]
fn a_container_has_no_memory_to_be_kept() {
    assert_eq!(
        calls(
            &json!({"snapname": "a", "vmstate": true}),
            GuestKind::Lxc,
            &[]
        )
        .as_deref(),
        Ok("POST /nodes/pve1/lxc/101/snapshot snapname=a")
    );
}

#[test]
fn the_oldest_go_and_the_new_one_never() {
    let names: Vec<String> = ["a", "b", "c"].map(str::to_owned).into();
    for (retention, gone) in [(0, 0), (1, 3), (2, 2), (3, 1), (4, 0), (9, 0)] {
        assert_eq!(outdated(&names, retention), &names[..gone], "{retention}");
    }
    assert_eq!(outdated(&[], 1), &[] as &[String]);
}
