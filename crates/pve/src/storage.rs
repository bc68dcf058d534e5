//! `/storage`: what storages there are, and how they are configured.

use crate::call::Call;
use crate::cluster::Cluster;
use crate::error::Error;
use crate::path;
use crate::wire::{Row, row};

/// Each of these on `/storage/{storage}` lets a caller see the storage.
pub const VISIBLE_BY: [&str; 2] = ["Datastore.Audit", "Datastore.AllocateSpace"];

impl Cluster {
    /// The storages that the caller may see, all or those of one type, by name
    /// and with all that the server tells of them.
    ///
    /// The question about a single storage tells the same, and only to those
    /// who may change it: it needs Datastore.Allocate.
    pub fn storages(&self, kind: Option<&str>) -> Result<Vec<Row>, Error> {
        let call = Call::get(path!("storage")).with_some("type", kind);
        let mut rows: Vec<Row> = self.get_as(&call)?;
        for row in &mut rows {
            row::switches(row, &["shared"]);
            row::lists(row, &["content", "nodes"]);
            row::properties(row, &["prune-backups"]);
        }
        row::sort(&mut rows, "storage");
        Ok(rows)
    }

    /// Whether the caller would see a storage of this name if there were one.
    pub fn would_see_storage(&self, storage: &str) -> Result<bool, Error> {
        let privileges = self.permissions_on(&acl_path(storage))?;
        Ok(VISIBLE_BY
            .iter()
            .any(|privilege| privileges.contains(*privilege)))
    }
}

/// The ACL path of a storage.
pub fn acl_path(storage: &str) -> String {
    format!("/storage/{storage}")
}
