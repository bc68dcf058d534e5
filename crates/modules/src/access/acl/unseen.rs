//! Entries that the caller cannot see: without Sys.Audit on `/access` the server
//! leaves out every path whose entries the caller may not change.

use std::collections::BTreeSet;

use ansible::Failure;
use pve::Cluster;
use pve::access::acl::Acl;

use super::Wish;
use crate::fault;
use crate::resource::State;

/// The paths among these whose entries the caller does not see. A path of which
/// one entry is seen is seen whole, so that mostly nothing need be asked.
pub(super) fn paths(
    cluster: &Cluster,
    have: &Acl,
    paths: &BTreeSet<&str>,
) -> Result<BTreeSet<String>, Failure> {
    let seen: BTreeSet<&str> = have.keys().map(|grant| grant.path.as_str()).collect();
    let mut unseen = BTreeSet::new();
    if cluster.client().user() == "root@pam" || paths.iter().all(|path| seen.contains(path)) {
        return Ok(unseen);
    }
    let holds = |path: &str, any_of: &[&str]| {
        cluster
            .permissions_on(path)
            .map(|privileges| any_of.iter().any(|one| privileges.contains(*one)))
            .map_err(|error| fault::unable("read the caller's own rights", &error))
    };
    if holds("/access", &["Sys.Audit"])? {
        return Ok(unseen);
    }
    for path in paths.iter().filter(|path| !seen.contains(**path)) {
        if !holds(path, changed_with(path))? {
            unseen.insert((*path).to_owned());
        }
    }
    Ok(unseen)
}

/// The privileges of which one is enough to change the entries of a path.
///
/// Source: `PVE::RPCEnvironment::check_perm_modify`.
fn changed_with(path: &str) -> &'static [&'static str] {
    let kind = path.trim_start_matches('/').split_once('/');
    match kind.map(|(kind, _)| kind) {
        Some("vms") => &["Permissions.Modify", "VM.Allocate"],
        Some("storage") => &["Permissions.Modify", "Datastore.Allocate"],
        Some("pool") => &["Permissions.Modify", "Pool.Allocate"],
        _ => &["Permissions.Modify"],
    }
}

/// What is said of paths that cannot be seen.
pub(super) fn warnings(unseen: &BTreeSet<String>, wishes: &[Wish]) -> Vec<String> {
    let of_path = |path: &String| {
        let vague = wishes.iter().any(|wish| {
            wish.path == *path
                && (wish.exclusive || (wish.state == State::Absent && !wish.is_full()))
        });
        let rest = if vague {
            "; entries that the task does not name in full stay"
        } else {
            ""
        };
        format!(
            "the caller sees no entries of `{path}`: it has neither {} there nor Sys.Audit on /access, so whether \
             anything changes cannot be told{rest}",
            changed_with(path).join(" nor ")
        )
    };
    unseen.iter().map(of_path).collect()
}
