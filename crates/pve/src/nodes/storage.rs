//! `/nodes/{node}/storage`: storages as a node sees them, and what lies there.

use serde::Deserialize;
use serde_json::Value;

use crate::call::Call;
use crate::cluster::Cluster;
use crate::error::Error;
use crate::path;
use crate::wire::{Row, row, tolerant};

/// A file on a storage: a container template, an ISO image, an image to be imported.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct File {
    /// `local:iso/debian.iso`.
    pub volid: String,
    /// Bytes.
    #[serde(default, deserialize_with = "tolerant::optional_integer")]
    pub size: Option<u64>,
    /// When it was written: seconds since 1970.
    #[serde(default, deserialize_with = "tolerant::optional_integer")]
    pub ctime: Option<u64>,
}

impl File {
    /// The one of this name in the answer to [`content`].
    pub fn among(answer: &Value, volid: &str) -> Option<Self> {
        let rows = answer.as_array()?.iter();
        rows.filter_map(|row| Self::deserialize(row).ok())
            .find(|file| file.volid == volid)
    }
}

/// A storage as a node has it.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Status {
    /// The kinds of content that it takes.
    #[serde(default, deserialize_with = "tolerant::list")]
    pub content: Vec<String>,
    /// Bytes that are free; none where the storage does not tell.
    #[serde(default, deserialize_with = "tolerant::optional_integer")]
    pub avail: Option<u64>,
}

/// What lies on a storage, of one kind of content.
pub fn content(node: &str, storage: &str, kind: &str) -> Call {
    Call::get(path!("nodes", node, "storage", storage, "content")).with("content", kind)
}

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

    /// The files of one kind of content on a storage. A storage that does not
    /// take that kind has none.
    pub fn files(&self, node: &str, storage: &str, kind: &str) -> Result<Vec<File>, Error> {
        self.get_as(&content(node, storage, kind))
    }

    /// A storage as a node has it.
    pub fn storage_status(&self, node: &str, storage: &str) -> Result<Status, Error> {
        self.get_as(&Call::get(path!(
            "nodes", node, "storage", storage, "status"
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::{File, Status};
    use crate::canned::Canned;
    use serde_json::json;

    #[test]
    fn a_file_is_told_from_others_by_its_whole_name() {
        let answer = json!([
            {"volid": "local:iso/a.iso.img", "size": 1},
            {"volid": "local:iso/a.iso", "size": "7", "ctime": 1_700_000_000, "format": "iso"},
        ]);
        let file = File::among(&answer, "local:iso/a.iso").unwrap();
        assert_eq!((file.size, file.ctime), (Some(7), Some(1_700_000_000)));
        assert_eq!(File::among(&answer, "local:iso/b.iso"), None);
    }

    #[test]
    fn a_storage_tells_what_it_takes_and_how_much() {
        let cluster = Canned::new()
            .always(
                "GET /nodes/pve1/storage/local/status",
                json!({"content": "iso,import", "avail": 1024, "type": "dir"}),
            )
            .cluster();
        assert_eq!(
            cluster.storage_status("pve1", "local").unwrap(),
            Status {
                content: vec!["iso".to_owned(), "import".to_owned()],
                avail: Some(1024)
            }
        );
    }
}
