//! `proxmox_cluster_join_info`: what a node needs to join the cluster, by `/cluster/config/join`.

use ansible::{Args, Failure};
use pve::Cluster;

use crate::connection::{Connection, DropIn};
use crate::fault;
use crate::job::Report;
use crate::reader::{self, Reader};

/// The options of `proxmox_cluster_join_info`.
#[derive(Args, Debug)]
pub struct ClusterJoinInfoArgs {
    /// Where the API is.
    #[arg(flatten)]
    pub connection: DropIn,
}

/// The module.
pub struct ProxmoxClusterJoinInfo;

crate::module!(ProxmoxClusterJoinInfo, "proxmox_cluster_join_info");

impl Reader for ProxmoxClusterJoinInfo {
    type Args = ClusterJoinInfoArgs;

    fn connection(args: &ClusterJoinInfoArgs) -> &Connection {
        &args.connection.connection
    }

    fn read(_args: &ClusterJoinInfoArgs, cluster: &Cluster) -> Result<Report, Failure> {
        let info = cluster
            .join_info()
            .map_err(|error| fault::unable("read what a node needs to join", &error))?
            .ok_or_else(|| {
                Failure::new(
                    "Node is not part of a cluster and does not have any join information.",
                )
            })?;
        Ok(reader::told("cluster_join", info))
    }
}
