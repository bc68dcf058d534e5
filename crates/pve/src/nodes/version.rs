//! `/nodes/{node}/version`: what a node runs; in the middle of an upgrade the
//! nodes of a cluster differ.

use serde::Deserialize;

use crate::call::Call;
use crate::cluster::Cluster;
use crate::error::{Error, Request};
use crate::path;

#[derive(Deserialize)]
struct Row {
    version: String,
}

impl Cluster {
    /// Major and minor version of Proxmox VE on a node: `(9, 2)`.
    pub fn node_version(&self, node: &str) -> Result<(u32, u32), Error> {
        self.version_told_by(&Call::get(path!("nodes", node, "version")))
    }

    /// Major and minor version of Proxmox VE on the node that answers us.
    pub fn version(&self) -> Result<(u32, u32), Error> {
        self.version_told_by(&Call::get(path!("version")))
    }

    fn version_told_by(&self, call: &Call) -> Result<(u32, u32), Error> {
        let row: Row = self.get_as(call)?;
        parse(&row.version).ok_or_else(|| Error::Unexpected {
            request: Request::from(call),
            what: format!("`{}` is no version", row.version),
        })
    }
}

fn parse(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.split(['.', '-', '~']);
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn major_and_minor_are_told() {
        for (text, told) in [
            ("9.2.11", Some((9, 2))),
            ("8.4", Some((8, 4))),
            ("7.4-20", Some((7, 4))),
            ("nine", None),
        ] {
            assert_eq!(parse(text), told, "{text}");
        }
    }
}
