use std::collections::BTreeSet;

use super::{Finding, at_least, nodes, quorum, storages, version};
use pve::canned::refused;
use pve::cluster::resources::{Node, Resources, Storage};
use pve::cluster::status::Quorum;
use pve::{Call, path};

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}

fn told(finding: &Finding) -> (Option<bool>, &str) {
    (finding.ok, &finding.detail)
}

/// pve1 and pve2 are online, pve3 is not; nfs is active on pve1 only, ceph everywhere, fast is pve1's own.
fn three() -> Resources {
    let node = |node: &str, online| Node {
        node: node.to_owned(),
        online,
    };
    let storage = |storage: &str, node: &str, shared, active| Storage {
        storage: storage.to_owned(),
        node: node.to_owned(),
        shared,
        active,
        plugin: String::new(),
        content: BTreeSet::new(),
    };
    Resources {
        nodes: vec![node("pve1", true), node("pve2", true), node("pve3", false)],
        storages: vec![
            storage("nfs", "pve2", true, false),
            storage("nfs", "pve1", true, true),
            storage("ceph", "pve1", true, true),
            storage("ceph", "pve2", true, true),
            storage("ceph", "pve3", true, false),
            storage("fast", "pve1", false, true),
        ],
        ..Resources::default()
    }
}

#[test]
fn versions_compare_by_number() {
    for (have, wanted, ok) in [
        ("9.2.11", "9.2.11", true),
        ("9.2.11", "9.2.9", true),
        ("9.10.0", "9.9", true),
        ("8.4.21", "9", false),
        ("8.4", "8.4.1", false),
        ("7.4-20", "7.4-3", true),
        ("nine", "8", false),
    ] {
        let finding = at_least(have, &version(wanted).unwrap());
        assert_eq!(finding.ok, Some(ok), "{have} {wanted}");
    }
    assert_eq!(version("9.x"), None);
    assert_eq!(version(""), None);
}

#[test]
fn only_nodes_that_are_wanted_must_be_online() {
    let cases = [
        (vec![], None, "online: pve1, pve2; offline: pve3"),
        (vec!["pve1"], None, "online: pve1, pve2; offline: pve3"),
        (vec!["pve3"], Some(false), "offline: pve3"),
        (
            vec!["pve3", "pve9", "pve1"],
            Some(false),
            "no such node: pve9 (there are pve1, pve2, pve3); offline: pve3",
        ),
    ];
    for (wanted, ok, detail) in cases {
        assert_eq!(told(&nodes(&texts(&wanted), &three())), (ok, detail));
    }
}

#[test]
fn storages_must_be_active_where_they_are_wanted() {
    let cases = [
        (
            vec!["ceph", "fast"],
            vec![],
            Some(true),
            "active: ceph, fast",
        ),
        (
            vec!["nfs"],
            vec![],
            Some(false),
            "`nfs` is not active on pve2",
        ),
        (vec!["nfs"], vec!["pve1"], Some(true), "active: nfs"),
        (
            vec!["fast"],
            vec!["pve2"],
            Some(false),
            "`fast` is not there on pve2",
        ),
        (
            vec!["ceph", "gone"],
            vec![],
            Some(false),
            "`gone` is not there, or the caller may not see it",
        ),
    ];
    for (wanted, on, ok, detail) in cases {
        let finding = storages(&texts(&wanted), &texts(&on), &three());
        assert_eq!(told(&finding), (ok, detail));
    }
}

#[test]
fn quorum_that_may_not_be_seen_is_no_failure() {
    let cluster = |quorate| {
        Ok(Some(Quorum {
            cluster: "lab".to_owned(),
            quorate,
        }))
    };
    let call = Call::get(path!("cluster", "status"));
    let refusal = refused(&call, 403, "Permission check failed (/, Sys.Audit)\n");
    for (given, ok) in [
        (Ok(None), Some(true)),
        (cluster(true), Some(true)),
        (cluster(false), Some(false)),
        (Err(refusal), None),
    ] {
        assert_eq!(quorum(given).unwrap().ok, ok);
    }
    assert!(quorum(Err(refused(&call, 500, "no"))).is_err());
}
