//! What is asked before a volume is made: so that nothing large is sent in vain,
//! nothing is deleted for a URL that leads nowhere, and check mode says what the
//! task would do.

use ansible::{Choice, Failure};
use pve::nodes::query_url_metadata::UrlMetadata;
use pve::storage::acl_path;
use pve::{Cluster, Error};

use crate::fault;
use crate::storage::volume::Volume;

/// What is sent in a moment needs no questions before.
pub(super) const LARGE: u64 = 16 << 20;

/// What a caller needs on a storage to put a file there.
const MAY_STORE: &str = "Datastore.AllocateTemplate";

/// The node by which a storage is reached that the task names without one.
pub(super) fn node_of(cluster: &Cluster, storage: &str) -> Result<String, Failure> {
    let resources = cluster
        .resources()
        .map_err(|error| fault::unable(&format!("look for storage `{storage}`"), &error))?;
    let mut known: Vec<_> = resources
        .storages
        .iter()
        .filter(|known| known.storage == storage)
        .collect();
    known.sort_by(|a, b| a.node.cmp(&b.node));
    let usable: Vec<&str> = known
        .iter()
        .filter(|known| known.active && resources.is_online(&known.node))
        .map(|known| known.node.as_str())
        .collect();
    match usable.as_slice() {
        _ if known.is_empty() => Err(Failure::new(format!(
            "there is no storage `{storage}` that the caller may see"
        ))),
        [] => Err(Failure::new(format!(
            "storage `{storage}` is not available on any node that is online"
        ))),
        // One that is offline may have what the task is about.
        [node, ..] if known.len() == 1 || known.iter().any(|known| known.shared) => {
            Ok((*node).to_owned())
        }
        _ => {
            let nodes: Vec<&str> = known.iter().map(|known| known.node.as_str()).collect();
            Err(Failure::new(format!(
                "each of {} has a storage `{storage}` of its own: state node",
                nodes.join(", ")
            )))
        }
    }
}

/// What is asked of the server before a volume is made.
pub(super) struct Ahead<'a> {
    /// Whom to ask.
    pub(super) cluster: &'a Cluster,
    /// The volume that is to be.
    pub(super) volume: &'a Volume,
    /// Whether it is only told what would be done.
    pub(super) check_mode: bool,
}

impl Ahead<'_> {
    /// Before a file of so many bytes is sent.
    pub(super) fn upload(&self, size: u64) -> Result<(), Failure> {
        if self.check_mode || size >= LARGE {
            self.storage_takes(Some(size))?;
        }
        Ok(())
    }

    /// Before a download; how large the file is, as far as it was asked.
    pub(super) fn download(&self, url: &str) -> Result<(Option<u64>, Vec<String>), Failure> {
        if !self.check_mode {
            return Ok((None, Vec::new()));
        }
        let behind = self.behind(url);
        let size = behind.as_ref().ok().and_then(|behind| behind.size);
        self.storage_takes(size)?;
        match behind {
            Ok(_) => Ok((size, Vec::new())),
            Err(error) if error.status() == Some(403) => Err(self.unable("download", &error)),
            // Not every web server answers this question.
            Err(error) => Ok((
                None,
                vec![format!(
                    "whether {url} can be downloaded is not known: {error}"
                )],
            )),
        }
    }

    /// Before a volume is deleted for the file behind a URL; how large that is.
    pub(super) fn replacement(&self, url: &str) -> Result<Option<u64>, Failure> {
        let behind = self.behind(url).map_err(|error| {
            let failure = self.unable("replace", &error);
            Failure {
                msg: fault::advised(&failure.msg, "Nothing was deleted"),
                ..failure
            }
        })?;
        Ok(behind.size)
    }

    /// Before a template of the index is downloaded.
    pub(super) fn appliance(&self) -> Result<(), Failure> {
        if !self.check_mode {
            return Ok(());
        }
        let Volume { node, name, .. } = self.volume;
        let known = self
            .cluster
            .appliances(node)
            .map_err(|error| self.unable("download", &error))?;
        if !known.contains(name) {
            return Err(Failure::new(format!(
                "unable to download volume `{}`: no such template in the index of appliances that node `{node}` has",
                self.volume.id()
            )));
        }
        self.storage_takes(None)
    }

    fn behind(&self, url: &str) -> Result<UrlMetadata, Error> {
        self.cluster.url_metadata(&self.volume.node, url)
    }

    /// Whether the storage takes such a file, of this caller, and of this size.
    fn storage_takes(&self, size: Option<u64>) -> Result<(), Failure> {
        let Volume {
            node,
            storage,
            content,
            ..
        } = self.volume;
        let failed = |error: Error| self.unable("make", &error);
        let path = acl_path(storage);
        let mine = self.cluster.permissions_on(&path).map_err(failed)?;
        if !mine.contains(MAY_STORE) {
            return Err(Failure::new(format!(
                "unable to make volume `{}`: the caller lacks {MAY_STORE} on {path}; a token with privilege separation \
                 needs it itself, beside its user",
                self.volume.id()
            )));
        }
        let status = self.cluster.storage_status(node, storage).map_err(failed)?;
        if !status.content.iter().any(|kind| kind == content.name()) {
            return Err(Failure::new(format!(
                "unable to make volume `{}`: storage `{storage}` takes no content of type {}, only {}",
                self.volume.id(),
                content.name(),
                status.content.join(", ")
            )));
        }
        match (size, status.avail) {
            (Some(size), Some(avail)) if size > avail => Err(Failure::new(format!(
                "unable to make volume `{}`: it has {size} bytes, and storage `{storage}` {avail} left",
                self.volume.id()
            ))),
            _ => Ok(()),
        }
    }

    fn unable(&self, verb: &str, error: &Error) -> Failure {
        fault::unable(&format!("{verb} volume `{}`", self.volume.id()), error)
    }
}
