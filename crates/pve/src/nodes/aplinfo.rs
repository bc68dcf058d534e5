//! `/nodes/{node}/aplinfo`: the index of container templates that a node knows.

use serde::Deserialize;

use crate::call::Call;
use crate::cluster::Cluster;
use crate::error::Error;
use crate::path;

#[derive(Deserialize)]
struct Row {
    #[serde(default)]
    template: String,
}

impl Cluster {
    /// The container templates that the node can download from the appliance
    /// index: `debian-12-standard_12.7-1_amd64.tar.zst`.
    pub fn appliances(&self, node: &str) -> Result<Vec<String>, Error> {
        let rows: Vec<Row> = self.get_as(&Call::get(path!("nodes", node, "aplinfo")))?;
        let mut templates: Vec<String> = rows.into_iter().map(|row| row.template).collect();
        templates.sort_unstable();
        Ok(templates)
    }
}
