//! What is made of the answers.

use pve::Error;
use pve::access::permissions::Permissions;
use pve::cluster::resources::Resources;
use pve::cluster::status::Quorum;

/// How a check went.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Finding {
    /// None is worth a look and no failure.
    pub(super) ok: Option<bool>,
    pub(super) detail: String,
    pub(super) hint: Option<String>,
}

impl Finding {
    pub(super) fn good(detail: impl Into<String>) -> Self {
        Self {
            ok: Some(true),
            detail: detail.into(),
            hint: None,
        }
    }

    pub(super) fn bad(detail: impl Into<String>) -> Self {
        Self {
            ok: Some(false),
            ..Self::good(detail)
        }
    }

    fn open(detail: impl Into<String>) -> Self {
        Self {
            ok: None,
            ..Self::good(detail)
        }
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// The numbers of a version: `9.2.11`, `8.4`, `7.4-3`.
pub(super) fn version(text: &str) -> Option<Vec<u32>> {
    text.trim()
        .split(['.', '-', '~'])
        .map(|part| part.parse().ok())
        .collect()
}

pub(super) fn at_least(have: &str, wanted: &[u32]) -> Finding {
    let text: Vec<String> = wanted.iter().map(u32::to_string).collect();
    let text = text.join(".");
    match version(have) {
        Some(numbers) if numbers.as_slice() >= wanted => {
            Finding::good(format!("{have} is at least {text}"))
        }
        Some(_) => Finding::bad(format!("{have} is older than {text}"))
            .hint("upgrade the nodes of the cluster"),
        None => Finding::bad(format!(
            "`{have}` is no version that could be compared with {text}"
        )),
    }
}

pub(super) fn permissions(permissions: &Permissions) -> Finding {
    let paths = permissions
        .values()
        .filter(|privileges| !privileges.is_empty());
    match paths.count() {
        0 => Finding::open("the caller has no privilege at all").hint(
            "grant it a role with `pveum acl modify`; a token with privilege separation needs its own",
        ),
        count => Finding::good(format!("the caller has privileges on {count} ACL paths")),
    }
}

pub(super) fn nodes(wanted: &[String], resources: &Resources) -> Finding {
    let known: Vec<&str> = resources
        .nodes
        .iter()
        .map(|node| node.node.as_str())
        .collect();
    let offline: Vec<&str> = resources.offline_nodes().collect();
    let unknown: Vec<&str> = wanted
        .iter()
        .map(String::as_str)
        .filter(|node| !known.contains(node))
        .collect();
    let missed = |node: &&&str| wanted.iter().any(|wanted| wanted == **node);
    let missed: Vec<&str> = offline.iter().filter(missed).copied().collect();
    let mut faults = Vec::new();
    if !unknown.is_empty() {
        let known = known.join(", ");
        faults.push(format!(
            "no such node: {} (there are {known})",
            unknown.join(", ")
        ));
    }
    if !missed.is_empty() {
        faults.push(format!("offline: {}", missed.join(", ")));
    }
    if !faults.is_empty() {
        let finding = Finding::bad(faults.join("; "));
        return if missed.is_empty() {
            finding.hint("check the names: `pvecm nodes` on a node")
        } else {
            finding.hint("check that they are up: `pvecm status` and `systemctl status pve-cluster corosync`")
        };
    }
    if offline.is_empty() {
        Finding::good(format!("online: {}", known.join(", ")))
    } else {
        let online: Vec<&str> = resources.online_nodes().collect();
        Finding::open(format!(
            "online: {}; offline: {}",
            online.join(", "),
            offline.join(", ")
        ))
    }
}

pub(super) fn quorum(quorum: Result<Option<Quorum>, Error>) -> Result<Finding, Error> {
    match quorum {
        Ok(None) => Ok(Finding::good("a single node, which needs no quorum")),
        Ok(Some(quorum)) if quorum.quorate => Ok(Finding::good(format!(
            "the cluster `{}` is quorate",
            quorum.cluster
        ))),
        Ok(Some(quorum)) => {
            let detail = format!(
                "the cluster `{}` has no quorum: nothing can be changed",
                quorum.cluster
            );
            Ok(Finding::bad(detail).hint("bring more of its nodes up: `pvecm status` on a node"))
        }
        Err(Error::Refused(refusal)) if refusal.status == 403 => {
            Ok(Finding::open("not known, as the caller may not see it")
                .hint("Sys.Audit on / shows it"))
        }
        Err(error) => Err(error),
    }
}

pub(super) fn storages(wanted: &[String], nodes: &[String], resources: &Resources) -> Finding {
    let mut faults = Vec::new();
    let mut hints = Vec::new();
    let mut hint = |text: &'static str| {
        if !hints.contains(&text) {
            hints.push(text);
        }
    };
    for storage in wanted {
        let on: Vec<_> = resources
            .storages
            .iter()
            .filter(|known| known.storage == *storage && resources.is_online(&known.node))
            .collect();
        if on.is_empty() {
            faults.push(format!(
                "`{storage}` is not there, or the caller may not see it"
            ));
            hint("check its name and that it is enabled; Datastore.Audit shows it");
            continue;
        }
        let meant = |node: &str| nodes.is_empty() || nodes.iter().any(|wanted| wanted == node);
        let mut inactive: Vec<&str> = on
            .iter()
            .filter(|known| !known.active && meant(&known.node))
            .map(|known| known.node.as_str())
            .collect();
        inactive.sort_unstable();
        if !inactive.is_empty() {
            faults.push(format!(
                "`{storage}` is not active on {}",
                inactive.join(", ")
            ));
            hint("see `pvesm status` on that node");
        }
        let absent: Vec<&str> = nodes
            .iter()
            .map(String::as_str)
            .filter(|node| resources.is_online(node) && on.iter().all(|known| known.node != *node))
            .collect();
        if !absent.is_empty() {
            faults.push(format!("`{storage}` is not there on {}", absent.join(", ")));
            hint("see for which nodes it is defined: `pvesm status` on that node");
        }
    }
    if faults.is_empty() {
        Finding::good(format!("active: {}", wanted.join(", ")))
    } else {
        Finding::bad(faults.join("; ")).hint(hints.join("; "))
    }
}

#[cfg(test)]
mod tests {
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
}
