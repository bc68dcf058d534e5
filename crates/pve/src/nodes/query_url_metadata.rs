//! `/nodes/{node}/query-url-metadata`: what a node learns of a file behind a URL.

use serde::Deserialize;

use crate::call::Call;
use crate::cluster::Cluster;
use crate::error::Error;
use crate::path;
use crate::wire::tolerant;

/// What the web server that holds a file tells of it.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
pub struct UrlMetadata {
    /// Bytes.
    #[serde(default, deserialize_with = "tolerant::optional_integer")]
    pub size: Option<u64>,
}

impl Cluster {
    /// What is behind a URL, as the node sees it: by a HEAD request, which not
    /// every web server answers. It needs Sys.AccessNetwork on the node, or
    /// Sys.Audit and Sys.Modify on `/`.
    pub fn url_metadata(&self, node: &str, url: &str) -> Result<UrlMetadata, Error> {
        let call = Call::get(path!("nodes", node, "query-url-metadata")).with("url", url);
        self.get_as(&call)
    }
}
