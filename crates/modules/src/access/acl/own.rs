//! The caller's own rights: nobody takes the last one from himself by accident.

use std::collections::BTreeSet;

use ansible::Failure;
use pve::Cluster;
use pve::access::acl::{Acl, SubjectKind, Write};
use pve::access::rights::{self, Caller};
use pve::access::tokens;

use crate::fault;

/// The right to change entries.
const MODIFY: &str = "Permissions.Modify";

/// Refuses writes after which the caller has no right left on a path on which
/// it has one now, or could not take them back.
pub(super) fn keep(
    cluster: &Cluster,
    have: &Acl,
    want: &Acl,
    writes: &[Write],
) -> Result<(), Failure> {
    let name = cluster.client().user();
    let (user, token) = tokens::split(name).map_or((name, None), |(user, _)| (user, Some(name)));
    let touches = |write: &&Write| {
        write.gives.is_none()
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
    let users = cluster.users().map_err(unable)?;
    let row = users.iter().find(|row| row.userid == user);
    let own = token.and_then(|token| tokens::split(token));
    let is_separate = own.is_none_or(|(_, id)| {
        row.and_then(|row| row.tokens.get(id))
            .is_none_or(|token| token.privsep)
    });
    let caller = Caller {
        user: user.to_owned(),
        groups: row.map(|row| row.groups.clone()).unwrap_or_default(),
        token: token.filter(|_| is_separate).map(str::to_owned),
    };
    for path in paths {
        let before = rights::on_path(have, &roles, &caller, path);
        let after = rights::on_path(want, &roles, &caller, path);
        let loses = if before.contains(MODIFY) && !after.contains(MODIFY) {
            "the right to change the entries (Permissions.Modify)"
        } else if !before.is_empty() && after.is_empty() {
            "its last right"
        } else {
            continue;
        };
        return Err(Failure::new(format!(
            "this would take from the caller, `{name}`, {loses} on `{path}`: do it as another user, or keep an \
             entry for it"
        )));
    }
    Ok(())
}
