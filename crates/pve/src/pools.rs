//! `/pools`: guests and storages in groups, for rights and for overview.
//!
//! The pool stands in the parameter `poolid`, as the older form with the pool in the path cannot say
//! `a/b`: a pool in a pool.

use std::collections::BTreeSet;

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::call::{Call, Verb};
use crate::client::decode;
use crate::cluster::Cluster;
use crate::error::Error;
use crate::path;
use crate::wire::tolerant;

/// A pool.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Pool {
    /// A note.
    #[serde(deserialize_with = "tolerant::nullable")]
    pub comment: String,
    /// What is in it; pools in it are not told.
    #[serde(deserialize_with = "members")]
    pub members: Members,
}

/// What is in a pool. A guest is in one pool at most, a storage in any number of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Members {
    /// Guests of both kinds, by VMID.
    pub guests: BTreeSet<u32>,
    /// Storages.
    pub storages: BTreeSet<String>,
}

impl Members {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.guests.is_empty() && self.storages.is_empty()
    }

    /// These and those.
    #[must_use]
    pub fn with(&self, others: &Self) -> Self {
        Self {
            guests: &self.guests | &others.guests,
            storages: &self.storages | &others.storages,
        }
    }

    /// Those of these that are among the others.
    #[must_use]
    pub fn common(&self, others: &Self) -> Self {
        Self {
            guests: &self.guests & &others.guests,
            storages: &self.storages & &others.storages,
        }
    }

    /// These, without those.
    #[must_use]
    pub fn without(&self, others: &Self) -> Self {
        Self {
            guests: &self.guests - &others.guests,
            storages: &self.storages - &others.storages,
        }
    }
}

fn members<'de, D: Deserializer<'de>>(from: D) -> Result<Members, D::Error> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Row {
        #[serde(deserialize_with = "tolerant::optional_integer")]
        vmid: Option<u32>,
        storage: Option<String>,
    }
    let rows: Vec<Row> = tolerant::nullable(from)?;
    let mut members = Members::default();
    for row in rows {
        members.guests.extend(row.vmid);
        members.storages.extend(row.storage);
    }
    Ok(members)
}

/// A request about one pool.
pub fn of(verb: Verb, poolid: &str) -> Call {
    Call::new(verb, path!("pools")).with("poolid", poolid)
}

/// The pool out of the answer to a GET [`of`] it.
pub fn read(answer: &Value) -> Result<Option<Pool>, serde_json::Error> {
    Ok(Vec::deserialize(answer)?.into_iter().next())
}

impl Cluster {
    /// A pool, if it is there.
    pub fn pool(&self, poolid: &str) -> Result<Option<Pool>, Error> {
        let call = of(Verb::Get, poolid);
        match self.get(&call) {
            Ok(answer) => Ok(decode::<Vec<Pool>>(&call, &answer)?.into_iter().next()),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Members, Pool, read};
    use serde_json::json;

    #[test]
    fn guests_of_both_kinds_and_storages_are_members() {
        let answer = json!([{"poolid": "web", "comment": "Web servers", "members": [
            {"id": "qemu/101", "type": "qemu", "vmid": 101, "node": "pve1", "name": "web-1"},
            {"id": "lxc/200", "type": "lxc", "vmid": "200", "node": "pve1"},
            {"id": "storage/pve1/nfs", "type": "storage", "storage": "nfs", "node": "pve1"},
        ]}]);
        let members = Members {
            guests: [101, 200].into(),
            storages: ["nfs".to_owned()].into(),
        };
        let pool = Pool {
            comment: "Web servers".to_owned(),
            members,
        };
        assert_eq!(read(&answer).unwrap(), Some(pool));
    }

    #[test]
    fn a_pool_may_have_neither_comment_nor_members() {
        for bare in [
            json!({"poolid": "lab", "members": []}),
            json!({"poolid": "lab", "comment": null, "members": null}),
            json!({"poolid": "lab"}),
        ] {
            assert_eq!(
                read(&json!([bare])).unwrap(),
                Some(Pool::default()),
                "{bare}"
            );
        }
        assert_eq!(read(&json!([])).unwrap(), None);
    }
}
