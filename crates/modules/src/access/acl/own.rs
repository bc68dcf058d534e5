//! The caller's own rights: nobody takes the last one from himself by accident.

use std::collections::{BTreeMap, BTreeSet};

use ansible::Failure;
use pve::Cluster;
use pve::access::acl::{Acl, SubjectKind, Write};
use pve::access::rights::{self, Caller};
use pve::access::roles::Role;
use pve::access::tokens;
use pve::access::users::User;

use super::Change;
use crate::fault;

/// What the same task makes of roles and of the caller, beside the entries.
#[derive(Debug, Default)]
pub(in crate::access) struct Beside {
    /// The privileges of roles as they will be; none where the role will be gone.
    pub roles: BTreeMap<String, Option<BTreeSet<String>>>,
    /// The groups of users as they will be.
    pub groups: BTreeMap<String, BTreeSet<String>>,
}

impl Beside {
    fn roles(&self, roles: &[Role]) -> Vec<Role> {
        let kept = roles
            .iter()
            .filter(|role| !self.roles.contains_key(&role.roleid))
            .cloned();
        let changed = self.roles.iter().filter_map(|(roleid, privs)| {
            Some(Role {
                roleid: roleid.clone(),
                privs: privs.clone()?,
                special: false,
            })
        });
        kept.chain(changed).collect()
    }

    fn caller(&self, caller: &Caller) -> Caller {
        let groups = self.groups.get(&caller.user).unwrap_or(&caller.groups);
        Caller {
            groups: groups.clone(),
            ..caller.clone()
        }
    }
}

/// The right to change entries.
const MODIFY: &str = "Permissions.Modify";

/// Refuses removals and exclusive wishes after which the caller has no right
/// left on a path on which it has one now, or could not take them back.
pub(super) fn keep(cluster: &Cluster, change: &Change, beside: &Beside) -> Result<(), Failure> {
    let Change {
        have,
        want,
        writes,
        exclusive,
        ..
    } = change;
    let name = cluster.client().user();
    let (user, token) = tokens::split(name).map_or((name, None), |(user, _)| (user, Some(name)));
    let touches = |write: &&Write| {
        (write.gives.is_none() || exclusive.contains(&write.path))
            && write.subjects.iter().any(|subject| {
                subject.kind == SubjectKind::Group || subject.id == user || subject.id == name
            })
    };
    let paths: BTreeSet<&str> = writes
        .iter()
        .filter(touches)
        .map(|write| write.path.as_str())
        .collect();
    // Nothing takes a right from root@pam.
    if paths.is_empty() || name == "root@pam" {
        return Ok(());
    }
    let unable = |error| fault::unable("tell what the caller's own rights would be", &error);
    let roles = cluster.roles().map_err(unable)?;
    let roles_after = beside.roles(&roles);
    let users = cluster.users().map_err(unable)?;
    let row = users.iter().find(|row| row.userid == user);
    let callers = callers(user, token, row, have);
    for path in paths {
        // What the server says sorts out who the caller is not.
        let known = match row {
            Some(_) => None,
            None => Some(cluster.permissions_on(path).map_err(unable)?),
        };
        let loses = callers.iter().find_map(|caller| {
            let before = rights::on_path(have, &roles, caller, path);
            let is_so = known
                .as_ref()
                .is_none_or(|known| weight(known) == weight(&before));
            let after = rights::on_path(want, &roles_after, &beside.caller(caller), path);
            is_so.then(|| lost(&before, &after))?
        });
        if let Some(loses) = loses {
            return Err(Failure::new(format!(
                "this would take from the caller, `{name}`, {loses} on `{path}`: do it as another user, or keep an \
                 entry for it"
            )));
        }
    }
    Ok(())
}

/// Who the caller may be, as far as rights go. A token without User.Modify or
/// Sys.Audit does not see its own user, so neither whether it is separate nor
/// that user's groups: it may be either, with none of the groups, one or all.
fn callers(user: &str, token: Option<&str>, row: Option<&User>, have: &Acl) -> Vec<Caller> {
    let caller = |groups: &BTreeSet<String>, is_separate: bool| Caller {
        user: user.to_owned(),
        groups: groups.clone(),
        token: token.filter(|_| is_separate).map(str::to_owned),
    };
    if let Some(row) = row {
        let own = token
            .and_then(tokens::split)
            .and_then(|(_, id)| row.tokens.get(id));
        return vec![caller(&row.groups, own.is_none_or(|own| own.privsep))];
    }
    let groups: BTreeSet<String> = have
        .keys()
        .filter(|grant| grant.subject.kind == SubjectKind::Group)
        .map(|grant| grant.subject.id.clone())
        .collect();
    let mut memberships: Vec<BTreeSet<String>> = groups
        .iter()
        .map(|group| BTreeSet::from([group.clone()]))
        .collect();
    memberships.extend([BTreeSet::new(), groups]);
    let either = memberships
        .iter()
        .flat_map(|groups| [true, false].map(|is_separate| caller(groups, is_separate)));
    either.collect()
}

/// What of rights on a path matters here: whether there are any, and the one to change entries.
fn weight(privileges: &BTreeSet<String>) -> (bool, bool) {
    (privileges.is_empty(), privileges.contains(MODIFY))
}

fn lost(before: &BTreeSet<String>, after: &BTreeSet<String>) -> Option<&'static str> {
    if before.contains(MODIFY) && !after.contains(MODIFY) {
        Some("the right to change the entries (Permissions.Modify)")
    } else if !before.is_empty() && after.is_empty() {
        Some("its last right")
    } else {
        None
    }
}
