//! `/nodes/{node}`: what one node tells.

pub mod aplinfo;
pub mod guest;
pub mod query_url_metadata;
pub mod reach;
pub mod snapshot;
pub mod storage;
pub mod tasks;
pub mod version;
pub mod vzdump;

use crate::call::Call;
use crate::cluster::Cluster;
use crate::error::Error;
use crate::path;
use crate::wire::{Row, row};

impl Cluster {
    /// The nodes by name, with all that the server tells of them. What an
    /// offline one uses is not told, nor is it to a caller without Sys.Audit
    /// on it.
    pub fn nodes(&self) -> Result<Vec<Row>, Error> {
        let mut rows: Vec<Row> = self.get_as(&Call::get(path!("nodes")))?;
        row::sort(&mut rows, "node");
        Ok(rows)
    }
}
