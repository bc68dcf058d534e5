use std::collections::BTreeMap;

use ansible::Args;
use pve::canned::Canned;
use pve::pools::Members;
use serde_json::{Value, json};

use super::wanted::Wanted;
use super::{PoolMemberArgs, plan};

fn args(value: Value) -> PoolMemberArgs {
    let Value::Object(map) = value else {
        panic!("not an object")
    };
    PoolMemberArgs::parse(map).unwrap()
}

fn members(guests: &[u32], storages: &[&str]) -> Members {
    Members {
        guests: guests.iter().copied().collect(),
        storages: storages.iter().map(|&name| name.to_owned()).collect(),
    }
}

#[test]
fn only_what_differs_is_written() {
    let have = members(&[99, 101], &["nfs"]);
    let state = |state: &str| json!({"state": state});
    let exclusive = || json!({"exclusive": true});
    let cases = [
        (state("present"), members(&[101], &["nfs"]), vec![]),
        (
            state("present"),
            members(&[1000, 101, 103], &["ceph", "nfs"]),
            vec!["PUT /pools poolid=lab vms=103,1000 storage=ceph"],
        ),
        (state("absent"), members(&[103], &["ceph"]), vec![]),
        (
            state("absent"),
            members(&[101, 103], &["nfs"]),
            vec!["PUT /pools poolid=lab vms=101 storage=nfs delete=1"],
        ),
        (exclusive(), members(&[99, 101], &["nfs"]), vec![]),
        (
            exclusive(),
            members(&[103], &["nfs"]),
            vec![
                "PUT /pools poolid=lab vms=103",
                "PUT /pools poolid=lab vms=99,101 delete=1",
            ],
        ),
        (
            exclusive(),
            members(&[99, 101, 103], &[]),
            vec![
                "PUT /pools poolid=lab vms=103",
                "PUT /pools poolid=lab storage=nfs delete=1",
            ],
        ),
        (
            json!({"exclusive": true, "state": "absent"}),
            members(&[], &[]),
            vec!["PUT /pools poolid=lab vms=99,101 storage=nfs delete=1"],
        ),
    ];
    for (options, wanted, calls) in cases {
        let mut given = options.clone();
        given["poolid"] = json!("lab");
        given["members"] = json!([]);
        let plan = plan(&args(given), &have, &wanted, &BTreeMap::new()).unwrap();
        assert_eq!(plan.calls(), calls, "{options} {wanted:?}");
        assert_eq!(plan.before != plan.after, plan.changes(), "{options}");
    }
}

#[test]
fn members_are_shown_in_the_order_of_their_numbers() {
    let present = args(json!({"poolid": "lab", "members": []}));
    let (have, wanted) = (members(&[101], &[]), members(&[99, 1000], &["nfs"]));
    let plan = plan(&present, &have, &wanted, &BTreeMap::new()).unwrap();
    assert_eq!(
        plan.after["members"],
        json!([{"vm": "99"}, {"vm": "101"}, {"vm": "1000"}, {"storage": "nfs"}])
    );
}

#[test]
fn a_guest_leaves_another_pool_only_where_that_is_allowed() {
    let pools = BTreeMap::from([(101, "web".to_owned()), (104, "lab".to_owned())]);
    let (have, wanted) = (members(&[104], &[]), members(&[101, 103, 104], &[]));
    let mut given = json!({"poolid": "lab", "members": []});
    assert_eq!(
        plan(&args(given.clone()), &have, &wanted, &pools)
            .unwrap_err()
            .msg,
        "unable to add VM 101 to pool `lab`: it is in pool `web`; with allow_move: true it is taken from there"
    );

    given["allow_move"] = json!(true);
    let plan = plan(&args(given), &have, &wanted, &pools).unwrap();
    assert_eq!(
        plan.calls(),
        ["PUT /pools poolid=lab vms=101,103 allow-move=1"]
    );
    assert_eq!(plan.before["pools"], json!({"101": "web"}));
    assert_eq!(plan.after["pools"], json!({"101": "lab"}));
}

/// What `find` asks for members as these, for a pool that has VM 101 and storage `nfs`.
fn asked(given: &Value, adds: bool) -> (Result<Members, String>, Vec<String>) {
    let canned = Canned::new()
        .always(
            "GET /cluster/resources",
            json!([
                {"type": "node", "node": "pve1", "status": "online"},
                {"type": "qemu", "node": "pve1", "vmid": 101, "name": "web", "pool": "web"},
                {"type": "lxc", "node": "pve1", "vmid": 200, "name": "dns"},
                {"type": "storage", "node": "pve1", "storage": "ceph"},
            ]),
        )
        .always(
            "GET /storage",
            json!([{"storage": "ceph"}, {"storage": "nfs"}, {"storage": "off"}]),
        )
        .always("GET /cluster/nextid vmid=999", json!("999"));
    let log = canned.asked();
    let args = args(json!({"poolid": "web", "members": given.clone()}));
    let found = Wanted::read(&args.members)
        .and_then(|wanted| wanted.find(&canned.cluster(), &members(&[101], &["nfs"]), adds))
        .map(|found| found.members)
        .map_err(|failure| failure.msg);
    let log = log.lock().unwrap().clone();
    (found, log)
}

#[test]
fn nothing_is_asked_that_the_pool_tells() {
    let known = json!([{"vm": "101"}, {"vm": " 101 "}, {"storage": "nfs"}]);
    let (found, asked_for) = asked(&known, true);
    assert_eq!(found, Ok(members(&[101], &["nfs"])));
    assert_eq!(asked_for, Vec::<String>::new());

    let gone = json!([{"vm": "999"}, {"storage": "nowhere"}]);
    let (found, asked_for) = asked(&gone, false);
    assert_eq!(found, Ok(members(&[999], &["nowhere"])));
    assert_eq!(asked_for, Vec::<String>::new());
}

#[test]
fn one_request_is_enough_for_guests_and_active_storages() {
    let both = json!([{"vm": "web"}, {"vm": "dns"}, {"vm": "200"}, {"storage": "ceph"}]);
    let (found, asked_for) = asked(&both, true);
    assert_eq!(found, Ok(members(&[101, 200], &["ceph"])));
    assert_eq!(asked_for, ["GET /cluster/resources"]);

    let inactive = json!([{"vm": "200", "storage": "off"}]);
    let (found, asked_for) = asked(&inactive, true);
    assert_eq!(found, Ok(members(&[200], &["off"])));
    assert_eq!(asked_for, ["GET /cluster/resources", "GET /storage"]);
}

#[test]
fn what_is_not_there_cannot_be_added() {
    let cases = [
        (
            json!([{"vm": "999"}]),
            "VM with vmid 999 does not exist in cluster",
        ),
        (
            json!([{"vm": "7"}]),
            "VM with vmid 7 does not exist in cluster",
        ),
        (
            json!([{"storage": "b"}, {"storage": "ceph"}, {"storage": "a"}]),
            "Storage(s) not found in the cluster: a, b (a storage without Datastore.Audit is invisible to root@pam)",
        ),
        (
            json!([{"vm": "web"}, {}]),
            "members[1] names neither a vm nor a storage",
        ),
        (
            json!([{"vm": "", "storage": null}]),
            "members[0] names neither a vm nor a storage",
        ),
    ];
    for (given, msg) in cases {
        assert_eq!(asked(&given, true).0, Err(msg.to_owned()));
    }
}
