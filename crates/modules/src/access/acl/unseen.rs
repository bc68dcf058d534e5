//! Entries that the caller cannot see: without Sys.Audit on `/access` the server
//! leaves out every path on which the caller lacks Permissions.Modify.

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
    let may = |path: &str, privilege: &str| {
        cluster
            .permissions_on(path)
            .map(|privileges| privileges.contains(privilege))
            .map_err(|error| fault::unable("read the caller's own rights", &error))
    };
    if may("/access", "Sys.Audit")? {
        return Ok(unseen);
    }
    for path in paths.iter().filter(|path| !seen.contains(**path)) {
        if !may(path, "Permissions.Modify")? {
            unseen.insert((*path).to_owned());
        }
    }
    Ok(unseen)
}

/// What is said of paths that cannot be seen.
pub(super) fn warnings(unseen: &BTreeSet<String>, wishes: &[Wish]) -> Vec<String> {
    let of_path = |path: &String| {
        let vague = wishes.iter().any(|wish| {
            wish.path == *path
                && (wish.exclusive
                    || (wish.state == State::Absent
                        && (wish.roles.is_empty() || wish.subjects.is_empty())))
        });
        let rest = if vague {
            "; entries that the task does not name in full stay"
        } else {
            ""
        };
        format!(
            "the caller does not see the entries of `{path}` (Sys.Audit on /access or Permissions.Modify on \
             {path} is needed): what the task states is written, but whether that changes anything cannot be told{rest}"
        )
    };
    unseen.iter().map(of_path).collect()
}
