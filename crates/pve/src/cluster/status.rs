//! `/cluster/status`: quorum.

use serde::Deserialize;

use super::Cluster;
use crate::call::Call;
use crate::error::Error;
use crate::path;
use crate::wire::tolerant;

/// A cluster and its quorum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quorum {
    /// The cluster's name.
    pub cluster: String,
    /// Whether enough nodes are there for anything to be written.
    pub quorate: bool,
}

#[derive(Deserialize)]
struct Row {
    #[serde(rename = "type")]
    kind: String,
    name: String,
    #[serde(default, deserialize_with = "tolerant::switch")]
    quorate: bool,
}

impl Cluster {
    /// The cluster and its quorum; none for a single node that is in no
    /// cluster. Needs Sys.Audit on `/`.
    pub fn quorum(&self) -> Result<Option<Quorum>, Error> {
        let rows: Vec<Row> = self.get_as(&Call::get(path!("cluster", "status")))?;
        Ok(rows
            .into_iter()
            .find(|row| row.kind == "cluster")
            .map(|row| Quorum {
                cluster: row.name,
                quorate: row.quorate,
            }))
    }
}
