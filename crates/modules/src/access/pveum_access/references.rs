//! What tokens and entries name: it has to be there when its turn comes, and
//! that is better known before the first write than after most of them.

use std::collections::BTreeSet;

use ansible::Failure;
use pve::Cluster;
use pve::access::acl::SubjectKind;
use pve::access::users::User;

use super::AccessArgs;
use super::whole::Whole;
use crate::access::acl::Change;
use crate::fault;
use crate::resource::State;

/// Holds what the entries of `change` name, and the users of new tokens,
/// against what is there and what the task makes of it. In check mode another
/// task may be the one that makes it: then it is a warning.
pub(super) fn check(
    whole: &mut Whole<'_>,
    change: &Change,
    cluster: &Cluster,
    check_mode: bool,
) -> Result<(), Failure> {
    let mut missing = Vec::new();
    let unable = |what: &str| {
        let what = format!("read the {what}");
        move |error| fault::unable(&what, &error)
    };
    let args = whole.args;
    let roles = change.given_roles();
    if !roles.is_empty() {
        let rows = cluster.roles().map_err(unable("roles"))?;
        let stated = args.roles.iter().flatten();
        let there = after(
            rows.iter().map(|role| role.roleid.as_str()),
            stated.map(|role| (role.name.as_str(), role.state)),
        );
        // Whoever sees no role at all cannot tell.
        let unknown = roles
            .into_iter()
            .filter(|role| !rows.is_empty() && !there.contains(role));
        missing.extend(unknown.map(|role| named("role", role, "roles")));
    }
    let of_kind = |kind: SubjectKind| -> BTreeSet<&str> {
        let subjects = change.given_to().into_iter();
        let of_kind = subjects.filter(|subject| subject.kind == kind);
        of_kind.map(|subject| subject.id.as_str()).collect()
    };
    let groups = of_kind(SubjectKind::Group);
    if !groups.is_empty() && args.groups.is_some() {
        let rows = cluster.groups().map_err(unable("groups"))?;
        let stated = args.groups.iter().flatten();
        let there = after(
            rows.iter().map(|group| group.groupid.as_str()),
            stated.map(|group| (group.groupid.as_str(), group.state)),
        );
        let unknown = groups.into_iter().filter(|group| !there.contains(group));
        missing.extend(unknown.map(|group| named("group", group, "groups")));
    }
    let (users, tokens) = (of_kind(SubjectKind::User), of_kind(SubjectKind::Token));
    if args.users.is_some() || args.tokens.is_some() {
        let rows = cluster.users().map_err(unable("users"))?;
        let stated = args.users.iter().flatten();
        let there = after(
            rows.iter().map(|user| user.userid.as_str()),
            stated.map(|user| (user.userid.as_str(), user.state)),
        );
        let ids: Vec<String> = rows
            .iter()
            .flat_map(|user| {
                user.tokens
                    .keys()
                    .map(|name| format!("{}!{name}", user.userid))
            })
            .collect();
        let stated = whole.tokens.iter().zip(args.tokens.iter().flatten());
        let tokens_there = after(
            ids.iter().map(String::as_str),
            stated.map(|(id, token)| (id.as_str(), token.state)),
        );
        // Whoever does not see root does not see all users.
        if there.contains("root@pam") {
            let unknown = users.into_iter().filter(|user| !there.contains(user));
            missing.extend(unknown.map(|user| named("user", user, "users")));
            let gone = |token: &&str| {
                let user = token.split('!').next().unwrap_or_default();
                !tokens_there.contains(token) || !there.contains(user)
            };
            let unknown = tokens.into_iter().filter(gone);
            missing.extend(unknown.map(|token| named("token", token, "tokens")));
        }
    }
    told(whole, missing, check_mode)
}

/// What is to be said of a token whose user will not be there.
pub(super) fn owner(args: &AccessArgs, rows: &[User], user: &str, token: &str) -> Option<String> {
    let stated = args.users.iter().flatten();
    let there = after(
        rows.iter().map(|row| row.userid.as_str()),
        stated.map(|user| (user.userid.as_str(), user.state)),
    );
    // Whoever does not see root does not see all users.
    let is_missing = there.contains("root@pam") && !there.contains(user);
    is_missing.then(|| {
        format!("the user `{user}` of the token `{token}` is not there, and users does not make it")
    })
}

/// Refuses the task; in check mode it is told, and no more.
pub(super) fn told(
    whole: &mut Whole<'_>,
    missing: impl IntoIterator<Item = String>,
    check_mode: bool,
) -> Result<(), Failure> {
    let mut missing = missing.into_iter();
    if check_mode {
        whole.warnings.extend(missing);
        return Ok(());
    }
    missing
        .next()
        .map_or(Ok(()), |first| Err(Failure::new(first)))
}

fn named(thing: &str, id: &str, list: &str) -> String {
    format!("the {thing} `{id}` that acls names is not there, and {list} does not make it")
}

/// Those that are there after the task.
fn after<'a>(
    there: impl Iterator<Item = &'a str>,
    stated: impl Iterator<Item = (&'a str, State)>,
) -> BTreeSet<&'a str> {
    let mut after: BTreeSet<&str> = there.collect();
    for (id, state) in stated {
        match state {
            State::Present => after.insert(id),
            State::Absent => after.remove(id),
        };
    }
    after
}
