//! `/cluster/config`: what corosync is told.

use super::Cluster;
use crate::call::Call;
use crate::error::Error;
use crate::path;
use crate::wire::{Row, row};

/// Of a node that is in no cluster (measured on 9.2.11).
const NO_CLUSTER: u16 = 424;

impl Cluster {
    /// What a node needs to join, with all that the server tells; none where
    /// the node that is asked is in no cluster. Needs Sys.Audit on `/`.
    pub fn join_info(&self) -> Result<Option<Row>, Error> {
        let mut info: Row = match self.get_as(&Call::get(path!("cluster", "config", "join"))) {
            Ok(info) => info,
            Err(error) if error.status() == Some(NO_CLUSTER) => return Ok(None),
            Err(error) => return Err(error),
        };
        if let Some(nodes) = info.get_mut("nodelist") {
            row::sort_list(nodes, "name");
        }
        Ok(Some(info))
    }
}
