//! `/cluster/status`: the nodes, and their quorum.

use serde::Deserialize;

use super::Cluster;
use crate::call::Call;
use crate::error::Error;
use crate::path;
use crate::wire::{Row as Whole, row, tolerant};

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
    /// The cluster, where there is one, and then its nodes by name, with all
    /// that the server tells of them. Needs Sys.Audit on `/`.
    pub fn status(&self) -> Result<Vec<Whole>, Error> {
        let mut rows: Vec<Whole> = self.get_as(&call())?;
        for row in &mut rows {
            row::switches(row, &["quorate", "local", "online"]);
        }
        row::sort(&mut rows, "name");
        row::sort(&mut rows, "type");
        Ok(rows)
    }

    /// The cluster and its quorum; none for a single node that is in no
    /// cluster. Needs Sys.Audit on `/`.
    pub fn quorum(&self) -> Result<Option<Quorum>, Error> {
        let rows: Vec<Row> = self.get_as(&call())?;
        Ok(rows
            .into_iter()
            .find(|row| row.kind == "cluster")
            .map(|row| Quorum {
                cluster: row.name,
                quorate: row.quorate,
            }))
    }
}

fn call() -> Call {
    Call::get(path!("cluster", "status"))
}
