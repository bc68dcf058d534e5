//! `/access/permissions`: what the caller may do.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::call::Call;
use crate::cluster::Cluster;
use crate::error::Error;
use crate::path;

/// Privileges by ACL path.
pub type Permissions = BTreeMap<String, BTreeSet<String>>;

impl Cluster {
    /// The caller's own privileges, for every path that has an ACL entry.
    pub fn permissions(&self) -> Result<Permissions, Error> {
        let answer: BTreeMap<String, BTreeMap<String, Value>> =
            self.get_as(&Call::get(path!("access", "permissions")))?;
        Ok(answer
            .into_iter()
            .map(|(path, privileges)| (path, privileges.into_keys().collect()))
            .collect())
    }

    /// The caller's own privileges on one path, inherited ones included.
    pub fn permissions_on(&self, acl_path: &str) -> Result<BTreeSet<String>, Error> {
        self.on_path(Call::get(path!("access", "permissions")), acl_path)
    }

    /// Another user's privileges on one path. A caller without Sys.Audit on
    /// `/access` is refused, a token that asks for its own user included.
    pub fn permissions_of(&self, user: &str, acl_path: &str) -> Result<BTreeSet<String>, Error> {
        let call = Call::get(path!("access", "permissions")).with("userid", user);
        self.on_path(call, acl_path)
    }

    fn on_path(&self, call: Call, acl_path: &str) -> Result<BTreeSet<String>, Error> {
        let mut answer: BTreeMap<String, BTreeMap<String, Value>> =
            self.get_as(&call.with("path", acl_path))?;
        Ok(answer
            .remove(acl_path)
            .map(|privileges| privileges.into_keys().collect())
            .unwrap_or_default())
    }
}
