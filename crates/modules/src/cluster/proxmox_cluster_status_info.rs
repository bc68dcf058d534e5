//! `proxmox_cluster_status_info`: the cluster and its nodes, by `/cluster/status`.

use ansible::{Args, Failure};
use pve::Cluster;

use crate::connection::{Connection, DropIn};
use crate::fault;
use crate::job::Report;
use crate::reader::{self, Reader};

/// The options of `proxmox_cluster_status_info`.
#[derive(Args, Debug)]
pub struct ClusterStatusInfoArgs {
    /// Where the API is.
    #[arg(flatten)]
    pub connection: DropIn,
}

/// The module.
pub struct ProxmoxClusterStatusInfo;

crate::module!(ProxmoxClusterStatusInfo, "proxmox_cluster_status_info");

impl Reader for ProxmoxClusterStatusInfo {
    type Args = ClusterStatusInfoArgs;

    fn connection(args: &ClusterStatusInfoArgs) -> &Connection {
        &args.connection.connection
    }

    fn read(_args: &ClusterStatusInfoArgs, cluster: &Cluster) -> Result<Report, Failure> {
        let rows = cluster
            .status()
            .map_err(|error| fault::unable("read the status of the cluster", &error))?;
        Ok(reader::told("cluster_status", rows))
    }
}
