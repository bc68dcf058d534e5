//! `proxmox_storage_contents_info`: what lies on a storage, by `/nodes/{node}/storage/{storage}/content`.

use ansible::{Args, Choice, Failure};
use pve::Cluster;

use crate::connection::{Connection, DropIn};
use crate::fault;
use crate::job::Report;
use crate::reader::{self, Reader};

/// The options of `proxmox_storage_contents_info`.
#[derive(Args, Debug)]
pub struct StorageContentsInfoArgs {
    /// Where the API is.
    #[arg(flatten)]
    pub connection: DropIn,
    /// The storage.
    #[arg(required, aliases = ["name"])]
    pub storage: String,
    /// The node that is asked. Storages that are not shared have other content on each node.
    #[arg(required)]
    pub node: String,
    /// The kind of content to be told of.
    #[arg(default = "all")]
    pub content: Content,
    /// Only what belongs to this guest.
    pub vmid: Option<i64>,
}

/// A kind of content.
#[derive(Choice, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// Any.
    All,
    /// Backups.
    Backup,
    /// Root directories of containers.
    Rootdir,
    /// Disks of virtual machines.
    Images,
    /// ISO images.
    Iso,
    /// Images to be imported.
    Import,
}

/// The module.
pub struct ProxmoxStorageContentsInfo;

crate::module!(ProxmoxStorageContentsInfo, "proxmox_storage_contents_info");

impl Reader for ProxmoxStorageContentsInfo {
    type Args = StorageContentsInfoArgs;

    fn connection(args: &StorageContentsInfoArgs) -> &Connection {
        &args.connection.connection
    }

    fn read(args: &StorageContentsInfoArgs, cluster: &Cluster) -> Result<Report, Failure> {
        let StorageContentsInfoArgs { node, storage, .. } = args;
        let content = (args.content != Content::All).then(|| args.content.name());
        let volumes = cluster
            .storage_content(node, storage, content, args.vmid)
            .map_err(|error| {
                let to = format!("read the content of storage `{storage}` on node `{node}`");
                fault::unable(&to, &error)
            })?;
        Ok(reader::told("proxmox_storage_content", volumes))
    }
}
