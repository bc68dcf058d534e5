//! Groups: what the modules that manage them share.

use ansible::{Args, Failure};
use pve::access::groups::{self, Group};
use pve::{Call, path};

use super::role::USER_CFG;
use crate::resource::{Change, Emptied, Fate, Field, Fields, Resource, State, stated};

/// The options of a group, in a list.
#[derive(Args, Clone, Debug)]
pub struct GroupOptions {
    /// The group's id.
    #[arg(required, aliases = ["name"])]
    pub groupid: String,
    /// A note. An empty text takes it away; without this option an existing group keeps its own.
    pub comment: Option<String>,
    /// Whether the group is there. With the group its ACL entries go.
    #[arg(default = "present")]
    pub state: State,
}

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
fn fields(group: &Group) -> Fields {
    Fields::from([("comment", Field::from(group.comment.as_str()))])
}

/// As [`fields`], of the one of this id among several.
fn fields_of(groups: &[Group], id: &str) -> Option<Fields> {
    groups.iter().find(|group| group.groupid == id).map(fields)
}

/// What makes a group as it is wanted.
pub(super) fn change(
    groupid: &str,
    groups: &[Group],
    comment: Option<&str>,
    state: State,
) -> Result<Change, Failure> {
    let wanted = stated([("comment", comment.map(Field::from))]);
    let change = GROUP.change(
        groupid,
        fields_of(groups, groupid).as_ref(),
        &state.wish(wanted),
    );
    if change.fate == Fate::Created {
        check_id(groupid)?;
    }
    Ok(change)
}

/// Refuses what the server does not take as the id of a new group.
fn check_id(id: &str) -> Result<(), Failure> {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
    if !id.is_empty() && id.chars().all(fits) {
        return Ok(());
    }
    Err(Failure::new(format!(
        "`{id}` cannot be a group's id: letters, digits, `.`, `_` and `-` make one"
    )))
}
