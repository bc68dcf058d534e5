//! `/access/permissions`: what the caller may do.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::call::Call;
use crate::cluster::Cluster;
use crate::error::Error;
use crate::path;
use crate::wire::text_of;

/// Privileges by ACL path.
pub type Permissions = BTreeMap<String, BTreeSet<String>>;

/// What the caller may do on any path, out of one answer.
#[derive(Clone, Debug, Default)]
pub struct Held(BTreeMap<String, BTreeMap<String, Value>>);

impl Held {
    /// The privileges on a path. One that no ACL entry names has what the
    /// nearest path above it hands down.
    pub fn on(&self, path: &str) -> BTreeSet<String> {
        if let Some(privileges) = self.0.get(path) {
            return privileges.keys().cloned().collect();
        }
        let mut above = path;
        while let Some((parent, _)) = above.rsplit_once('/') {
            above = parent;
            let known = self.0.get(if parent.is_empty() { "/" } else { parent });
            if let Some(privileges) = known {
                return privileges
                    .iter()
                    .filter(|(_, propagates)| text_of(propagates).as_deref() != Some("0"))
                    .map(|(privilege, _)| privilege.clone())
                    .collect();
            }
        }
        BTreeSet::new()
    }
}

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

    /// The same, for questions about any path.
    pub fn held(&self) -> Result<Held, Error> {
        self.get_as(&Call::get(path!("access", "permissions")))
            .map(Held)
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

#[cfg(test)]
mod tests {
    use crate::canned::Canned;
    use serde_json::json;

    #[test]
    fn a_path_without_an_entry_has_what_is_handed_down_to_it() {
        let answer = json!({
            "/": {"Sys.Audit": 1},
            "/storage": {"Datastore.Audit": 1, "Datastore.Allocate": 0},
            "/storage/nfs": {"Datastore.AllocateSpace": 1},
        });
        let cluster = Canned::new()
            .always("GET /access/permissions", answer)
            .cluster();
        let held = cluster.held().unwrap();
        for (path, expected) in [
            ("/", "Sys.Audit"),
            ("/vms/100", "Sys.Audit"),
            ("/storage", "Datastore.Allocate Datastore.Audit"),
            ("/storage/local", "Datastore.Audit"),
            ("/storage/nfs", "Datastore.AllocateSpace"),
        ] {
            let privileges: Vec<String> = held.on(path).into_iter().collect();
            assert_eq!(privileges.join(" "), expected, "{path}");
        }
    }
}
