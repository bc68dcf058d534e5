//! The cluster as a whole: the way to it, its nodes and storages.

pub mod proxmox_cluster_join_info;
pub mod proxmox_cluster_status_info;
pub mod proxmox_connectivity;
