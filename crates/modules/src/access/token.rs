//! API tokens: what the modules that manage them share.

use std::sync::Arc;

use ansible::Failure;
use pve::access::tokens::{self, Token};
use pve::apply::Applied;
use pve::plan::{Keep, Place};
use pve::{Call, Cluster, Path, Plan, Verb};
use secret::Secret;

use super::role::USER_CFG;
use crate::resource::{Change, Emptied, Fate, Field, Fields, Resource, Wish};

/// What the value of a new token is bound to.
const VALUE: &str = "value";

/// An API token; its id is `user@realm!name`.
pub(super) const TOKEN: Resource = Resource {
    thing: "token",
    key: "tokenid",
    file: USER_CFG,
    create: |id| Call::post(path_of(id)),
    write: |verb, id| Call::new(verb, path_of(id)),
    look: |id| tokens::of(tokens::split(id).map_or(id, |(user, _)| user)),
    read: |answer, id| {
        let (_, name) = tokens::split(id)?;
        tokens::read(answer).ok()?.get(name).map(fields)
    },
    // A token that is told no end has that of its user.
    fresh: || Fields::from([("comment", Field::from("")), ("privsep", Field::from(true))]),
    emptied: Emptied::Empty,
};

/// An id is checked before there is a plan: see [`checked`].
fn path_of(id: &str) -> Path {
    tokens::path_of(id).unwrap_or_else(|| pve::path!("access", "users", id, "token"))
}

/// A token as it is compared and shown.
pub(super) fn fields(token: &Token) -> Fields {
    Fields::from([
        ("comment", Field::from(token.comment.as_str())),
        ("expire", Field::from(token.expire)),
        ("privsep", Field::from(token.privsep)),
    ])
}

/// `user@realm!name`, out of the user and the token's name, or of a text that
/// has both; the server takes names of two characters or more (measured).
pub(super) fn checked(userid: &str, tokenid: Option<&str>) -> Result<String, Failure> {
    let wrong = |why: &str| Failure::new(format!("`{}` {why}", tokenid.unwrap_or(userid)));
    let (user, name) = match (userid.split_once('!'), tokenid) {
        (None, Some(tokenid)) => tokens::split(tokenid).unwrap_or((userid, tokenid)),
        (Some((user, name)), None) => (user, name),
        (Some((user, name)), Some(tokenid)) if tokenid == name || tokenid == userid => (user, name),
        (Some(_), Some(_)) => return Err(wrong("is another token than that of userid")),
        (None, None) => {
            return Err(wrong(
                "names no token: write `user@realm!tokenid`, or state tokenid",
            ));
        }
    };
    if user != userid.split('!').next().unwrap_or_default() {
        return Err(wrong("is the token of another user than userid"));
    }
    if !user.contains('@') {
        return Err(Failure::new(format!(
            "`{user}` has no realm: write `user@realm`"
        )));
    }
    let is_plain = |character: char| character.is_ascii_alphanumeric() || "._-".contains(character);
    if name.len() < 2
        || !name.starts_with(|first: char| first.is_ascii_alphabetic())
        || !name.chars().all(is_plain)
    {
        return Err(wrong(
            "is no name of a token: a letter first, then letters, digits, `.`, `-` or `_`, two characters at least",
        ));
    }
    Ok(format!("{user}!{name}"))
}

/// What makes a token as it is wanted. The value of a new one is kept, and put
/// into a place if there is one.
pub(super) fn change(
    id: &str,
    have: Option<&Token>,
    wish: &Wish,
    place: Option<Arc<Place>>,
) -> Change {
    let mut change = TOKEN.change(id, have.map(fields).as_ref(), wish);
    if change.fate == Fate::Created {
        change.step = change.step.map(|step| {
            step.keeps(keep(place))
                .undo((TOKEN.write)(Verb::Delete, id))
        });
    }
    change
}

/// What a token gains or loses when its privilege separation changes.
pub(super) fn privsep_warning(cluster: &Cluster, id: &str, change: &Change) -> Option<String> {
    if change.fate != Fate::Changed || !change.differs.contains(&"privsep") {
        return None;
    }
    let (user, _) = tokens::split(id)?;
    let own = cluster.acl().map(|acl| {
        let own = acl.into_keys().filter(|grant| grant.subject.id == id);
        let roles: Vec<String> = own
            .map(|grant| format!("{} on {}", grant.role, grant.path))
            .collect();
        roles.join(", ")
    });
    let own = match own {
        Ok(roles) if roles.is_empty() => "none that the caller can see".to_owned(),
        Ok(roles) => roles,
        Err(_) => "unknown to the caller".to_owned(),
    };
    Some(if change.after["privsep"] == true {
        format!(
            "with privilege separation the token `{id}` loses every right of `{user}` that its own ACL entries do not \
             give it; they are: {own}"
        )
    } else {
        format!(
            "without privilege separation the token `{id}` gains every right that `{user}` has; so far it had only what \
             its own ACL entries give it: {own}"
        )
    })
}

/// How the value of a token is kept.
pub(super) fn keep(place: Option<Arc<Place>>) -> Keep {
    Keep {
        name: VALUE,
        pointer: "/value",
        place,
    }
}

/// The tokens that were made, each with its value.
pub(super) fn made<'a>(
    plan: &'a Plan,
    applied: Option<&'a Applied>,
) -> impl Iterator<Item = (&'a str, &'a Secret)> {
    let ends = applied.map_or(&[][..], |applied| &applied.tracks);
    plan.tracks
        .iter()
        .zip(ends)
        .filter(|(track, _)| track.thing == TOKEN.thing)
        .filter_map(|(track, end)| Some((track.id.as_str(), end.secrets.get(VALUE)?)))
}

#[cfg(test)]
mod tests {
    use super::checked;

    #[test]
    fn a_token_may_be_named_whole_or_in_two_parts() {
        for (userid, tokenid) in [
            ("ansible@pam", Some("mms")),
            ("ansible@pam", Some("ansible@pam!mms")),
            ("ansible@pam!mms", None),
            ("ansible@pam!mms", Some("mms")),
            ("ansible@pam!mms", Some("ansible@pam!mms")),
        ] {
            assert_eq!(checked(userid, tokenid).unwrap(), "ansible@pam!mms");
        }
    }

    #[test]
    fn what_names_no_token_is_refused_before_it_is_asked_for() {
        for (userid, tokenid, why) in [
            ("a@pam", None, "names no token"),
            ("a@pam", Some("b@pam!mms"), "is the token of another user"),
            ("a@pam!one", Some("two"), "is another token"),
            ("a", Some("mms"), "has no realm"),
            ("a@pam", Some("m"), "is no name of a token"),
            ("a@pam", Some("1ms"), "is no name of a token"),
            ("a@pam", Some("m ms"), "is no name of a token"),
        ] {
            let failure = checked(userid, tokenid).unwrap_err();
            assert!(failure.msg.contains(why), "{}", failure.msg);
        }
    }
}
