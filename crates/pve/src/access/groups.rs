//! `/access/groups`: groups of users.

use std::collections::BTreeSet;

use serde::Deserialize;

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

impl Cluster {
    /// All groups that the caller may see.
    pub fn groups(&self) -> Result<Vec<Group>, Error> {
        self.get_as(&Call::get(path!("access", "groups")))
    }
}
