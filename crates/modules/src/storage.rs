//! Storages, and what lies on them.

pub mod proxmox_storage_contents_info;
pub mod proxmox_storage_info;
pub mod proxmox_template;
pub mod volume;
