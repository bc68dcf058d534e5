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
        count => Finding::good(format!("ACL paths on which the caller has privileges: {count}")),
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
mod tests;
