//! The cluster as a whole: the way to it, its nodes and storages.

pub mod proxmox_connectivity;
