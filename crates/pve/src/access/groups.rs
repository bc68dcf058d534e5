//! `/access/groups`: groups of users.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::Value;

use crate::call::Call;
use crate::cluster::Cluster;
use crate::error::Error;
use crate::path;
use crate::wire::tolerant;

/// A group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Group {
    /// Its id; the answer about one group leaves it out.
    pub groupid: String,
    /// A note.
    #[serde(deserialize_with = "tolerant::nullable")]
    pub comment: String,
    /// Its members; the list of all groups writes them with commas in between.
    #[serde(alias = "members", deserialize_with = "users")]
    pub users: BTreeSet<String>,
}

fn users<'de, D: serde::Deserializer<'de>>(from: D) -> Result<BTreeSet<String>, D::Error> {
    Ok(tolerant::list(from)?.into_iter().collect())
}

/// The question about all groups that the caller may see.
pub fn all() -> Call {
    Call::get(path!("access", "groups"))
}

/// The groups out of the answer to [`all`].
pub fn read(answer: &Value) -> Result<Vec<Group>, serde_json::Error> {
    Vec::deserialize(answer)
}

impl Cluster {
    /// All groups that the caller may see.
    pub fn groups(&self) -> Result<Vec<Group>, Error> {
        self.get_as(&all())
    }

    /// A group, if it is there.
    pub fn group(&self, groupid: &str) -> Result<Option<Group>, Error> {
        match self.get_as::<Group>(&Call::get(path!("access", "groups", groupid))) {
            Ok(group) => Ok(Some(Group {
                groupid: groupid.to_owned(),
                ..group
            })),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Group, read};
    use serde_json::json;

    #[test]
    fn one_group_and_a_row_of_the_list_read_the_same() {
        let row = json!([{"groupid": "ops", "comment": "Operations", "users": "b@pve,a@pve"}]);
        let rows = read(&row).unwrap();
        let one = json!({"comment": "Operations", "members": ["a@pve", "b@pve"]});
        let one: Group = serde_json::from_value(one).unwrap();
        assert_eq!(
            rows,
            [Group {
                groupid: "ops".to_owned(),
                ..one
            }]
        );
    }

    #[test]
    fn a_group_may_have_neither_comment_nor_members() {
        for bare in [
            json!({"groupid": "ops"}),
            json!({"groupid": "ops", "users": ""}),
            json!({"groupid": "ops", "comment": null, "members": []}),
        ] {
            let group: Group = serde_json::from_value(bare.clone()).unwrap();
            assert!(group.comment.is_empty() && group.users.is_empty(), "{bare}");
        }
    }
}
