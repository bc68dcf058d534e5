//! Groups: what the modules that manage them share.

use ansible::Failure;
use pve::access::groups::{self, Group};
use pve::{Call, path};

use super::role::USER_CFG;
use crate::resource::{Emptied, Field, Fields, Resource};

/// A group. Its members are the users' own: they are no field of it.
pub(super) const GROUP: Resource = Resource {
    thing: "group",
    key: "groupid",
    file: USER_CFG,
    create: |id| Call::post(path!("access", "groups")).with("groupid", id),
    write: |verb, id| Call::new(verb, path!("access", "groups", id)),
    look: |_| groups::all(),
    read: |answer, id| fields_of(&groups::read(answer).ok()?, id),
    fresh: || fields(&Group::default()),
    emptied: Emptied::Empty,
};

/// What there is of a group to be managed.
pub(super) fn fields(group: &Group) -> Fields {
    Fields::from([("comment", Field::from(group.comment.as_str()))])
}

/// As [`fields`], of the one of this id among several.
pub(super) fn fields_of(groups: &[Group], id: &str) -> Option<Fields> {
    groups.iter().find(|group| group.groupid == id).map(fields)
}

/// Refuses what the server does not take as the id of a new group.
pub(super) fn check_id(id: &str) -> Result<(), Failure> {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
    if !id.is_empty() && id.chars().all(fits) {
        return Ok(());
    }
    Err(Failure::new(format!(
        "`{id}` cannot be a group's id: letters, digits, `.`, `_` and `-` make one"
    )))
}
