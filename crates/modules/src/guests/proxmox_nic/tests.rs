use ansible::{Args, Context};
use pve::Planned;
use pve::canned::Canned;
use serde_json::{Value, json};

use super::{NicArgs, ProxmoxNic};
use crate::job::{Job, Task};

/// The writes, or the failure's words, for these options of a VM with two cards.
fn writes(options: &Value) -> Result<(Vec<String>, Vec<String>), String> {
    let Value::Object(mut options) = options.clone() else {
        unreachable!()
    };
    let given = options.keys().cloned().collect();
    options.insert("vmid".to_owned(), json!(101));
    let args = NicArgs::parse(options).unwrap();
    let cluster = Canned::new()
        .always(
            "GET /cluster/resources",
            json!([
                {"type": "node", "node": "pve1", "status": "online"},
                {"type": "qemu", "node": "pve1", "vmid": 101, "name": "web", "status": "running"},
            ]),
        )
        .always(
            "GET /nodes/pve1/qemu/101/config",
            json!({
                "name": "web",
                "net0": "virtio=BC:24:11:00:00:01,bridge=vmbr0,firewall=1,tag=20,trunks=5;6,rate=10",
                "net1": "e1000=BC:24:11:00:00:02,bridge=vmbr1",
            }),
        )
        .cluster();
    let context = Context {
        given,
        ..Context::default()
    };
    let task = Task {
        args: &args,
        context: &context,
    };
    match ProxmoxNic::plan(&task, &cluster) {
        Ok(Planned::Ready(plan, _)) => {
            assert_eq!(plan.changes(), plan.before != plan.after);
            Ok((plan.calls(), plan.warnings))
        }
        Ok(Planned::Blocked { why, .. }) => Err(why),
        Err(failure) => Err(failure.msg),
    }
}

#[test]
fn what_is_not_stated_of_a_card_is_kept() {
    for (options, expected) in [
        (json!({"interface": "net0"}), ""),
        (
            json!({"interface": "net0", "mac": "bc:24:11:00:00:01", "rate": 10.0, "trunks": [6, 5]}),
            "",
        ),
        (
            json!({"interface": "net0", "tag": 21}),
            "net0=virtio=BC:24:11:00:00:01,bridge=vmbr0,firewall=1,tag=21,trunks=5;6,rate=10",
        ),
        (
            json!({"interface": "net0", "tag": 0, "trunks": [], "rate": 0}),
            "net0=virtio=BC:24:11:00:00:01,bridge=vmbr0,firewall=1",
        ),
        (
            json!({"interface": "net0", "firewall": false, "model": "e1000"}),
            "net0=e1000=BC:24:11:00:00:01,bridge=vmbr0,firewall=0,tag=20,trunks=5;6,rate=10",
        ),
        (
            json!({"interface": "net1", "firewall": false, "link_down": false, "model": "e1000"}),
            "",
        ),
        (
            json!({"interface": "net2", "bridge": "vmbr0", "tag": 0, "queues": 4}),
            "net2=virtio,bridge=vmbr0,queues=4",
        ),
        (
            json!({"interface": "net1", "state": "absent"}),
            "delete=net1",
        ),
        (json!({"interface": "net2", "state": "absent"}), ""),
    ] {
        let (calls, warnings) = writes(&options).unwrap();
        let expected: Vec<String> = [expected]
            .into_iter()
            .filter(|expected| !expected.is_empty())
            .map(|expected| format!("PUT /nodes/pve1/qemu/101/config {expected}"))
            .collect();
        assert_eq!(calls, expected, "{options}");
        assert!(warnings.is_empty(), "{options}");
    }
}

#[test]
fn an_mtu_that_a_model_cannot_have_is_left_out_and_told() {
    let (calls, warnings) = writes(&json!({"interface": "net1", "mtu": 9000})).unwrap();
    assert!(calls.is_empty(), "{calls:?}");
    assert_eq!(
        warnings,
        ["net1: the mtu is not set, as only the model virtio has one; this card is e1000"]
    );
    let (calls, warnings) = writes(&json!({"interface": "net2", "mtu": 1})).unwrap();
    assert_eq!(calls, ["PUT /nodes/pve1/qemu/101/config net2=virtio,mtu=1"]);
    assert!(warnings.is_empty());
}

#[test]
fn what_is_no_card_is_said_before_anything_is_asked() {
    for interface in ["net32", "net", "eth0", "net-1", ""] {
        let failure = writes(&json!({"interface": interface})).unwrap_err();
        assert_eq!(
            failure,
            format!("interface must be one of net0 to net31, got: {interface}")
        );
    }
}

#[test]
fn no_option_has_a_value_that_the_api_would_misread() {
    let failure = writes(&json!({"interface": "net1", "bridge": "vmbr0,tag=5"})).unwrap_err();
    assert!(failure.starts_with("net1: "), "{failure}");
}
