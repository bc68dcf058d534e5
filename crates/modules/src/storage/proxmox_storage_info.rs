//! `proxmox_storage_info`: the storages and their configuration, by `/storage`.

use ansible::{Args, Failure};
use pve::storage::{VISIBLE_BY, acl_path};
use pve::wire::{Row, row};
use pve::{Cluster, Error};

use crate::connection::{Connection, DropIn};
use crate::fault;
use crate::job::Report;
use crate::reader::{self, Reader};

/// The options of `proxmox_storage_info`.
#[derive(Args, Debug)]
#[args(mutually_exclusive(["storage", "type"]))]
pub struct StorageInfoArgs {
    /// Where the API is.
    #[arg(flatten)]
    pub connection: DropIn,
    /// The storage to be told of. One that is not there is a failure.
    #[arg(aliases = ["name"])]
    pub storage: Option<String>,
    /// The type of the storages to be told of, such as V(nfs). Without either option these are all.
    #[arg(rename = "type")]
    pub kind: Option<String>,
}

/// The module.
pub struct ProxmoxStorageInfo;

crate::module!(ProxmoxStorageInfo, "proxmox_storage_info");

impl Reader for ProxmoxStorageInfo {
    type Args = StorageInfoArgs;

    fn connection(args: &StorageInfoArgs) -> &Connection {
        &args.connection.connection
    }

    fn read(args: &StorageInfoArgs, cluster: &Cluster) -> Result<Report, Failure> {
        let mut storages = cluster
            .storages(args.kind.as_deref())
            .map_err(|error| fault::unable("read the storages", &error))?;
        if let Some(storage) = &args.storage {
            storages.retain(|row| is_named(row, storage));
            if storages.is_empty() {
                return Err(missing(storage, cluster.would_see_storage(storage)));
            }
        }
        Ok(reader::told("proxmox_storages", storages))
    }
}

fn is_named(row: &Row, storage: &str) -> bool {
    row::text(row, "storage").as_deref() == Some(storage)
}

/// The server lists what the caller may see, and says nothing of the rest.
fn missing(storage: &str, would_be_seen: Result<bool, Error>) -> Failure {
    match would_be_seen {
        Ok(true) => Failure::new(format!("Storage '{storage}' does not exist")),
        Ok(false) => Failure::new(format!(
            "unable to read storage `{storage}`: there is none that the caller may see. The caller lacks {} on {}; \
             a token with privilege separation needs it itself, beside its user",
            VISIBLE_BY.join(" or "),
            acl_path(storage),
        )),
        Err(error) => fault::unable(&format!("read storage `{storage}`"), &error),
    }
}
