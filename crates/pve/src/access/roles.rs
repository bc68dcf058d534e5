//! `/access/roles`: named sets of privileges.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::Value;

use crate::call::Call;
use crate::cluster::Cluster;
use crate::error::Error;
use crate::path;
use crate::wire::{lists, tolerant};

/// The role that has every privilege the server knows.
const ALL_PRIVILEGES: &str = "Administrator";

/// A role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// Its id.
    pub roleid: String,
    /// Its privileges.
    pub privs: BTreeSet<String>,
    /// Whether it is built in, and so cannot be changed.
    pub special: bool,
}

#[derive(Deserialize)]
struct Row {
    roleid: String,
    privs: Option<String>,
    #[serde(default, deserialize_with = "tolerant::switch")]
    special: bool,
}

/// The roles out of the answer of `GET /access/roles`.
pub fn read(answer: &Value) -> Result<Vec<Role>, serde_json::Error> {
    let rows = Vec::<Row>::deserialize(answer)?;
    Ok(rows.into_iter().map(Role::from).collect())
}

impl From<Row> for Role {
    fn from(row: Row) -> Self {
        Self {
            roleid: row.roleid,
            privs: row
                .privs
                .as_deref()
                .map(|privs| lists::split(privs).map(str::to_owned).collect())
                .unwrap_or_default(),
            special: row.special,
        }
    }
}

impl Cluster {
    /// All roles.
    pub fn roles(&self) -> Result<Vec<Role>, Error> {
        let rows: Vec<Row> = self.get_as(&Call::get(path!("access", "roles")))?;
        Ok(rows.into_iter().map(Role::from).collect())
    }
}

/// The privileges that this server knows: those of the role that has all.
pub fn privileges(roles: &[Role]) -> BTreeSet<String> {
    roles
        .iter()
        .find(|role| role.roleid == ALL_PRIVILEGES)
        .map(|role| role.privs.clone())
        .unwrap_or_default()
}
