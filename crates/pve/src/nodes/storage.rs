//! `/nodes/{node}/storage`: storages as a node sees them, and what lies there.

use crate::call::Call;
use crate::cluster::Cluster;
use crate::error::Error;
use crate::path;
use crate::wire::{Row, row};

impl Cluster {
    /// The volumes on a storage, by name and with all that the server tells of
    /// them: all, those of one kind of content, those of one guest.
    pub fn storage_content(
        &self,
        node: &str,
        storage: &str,
        content: Option<&str>,
        vmid: Option<i64>,
    ) -> Result<Vec<Row>, Error> {
        let call = Call::get(path!("nodes", node, "storage", storage, "content"))
            .with_some("content", content)
            .with_some("vmid", vmid);
        let mut rows: Vec<Row> = self.get_as(&call)?;
        row::sort(&mut rows, "volid");
        Ok(rows)
    }
}
