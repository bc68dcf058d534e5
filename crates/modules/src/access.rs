//! `/access`: users, tokens, roles.

pub(crate) mod group;
pub mod proxmox_domain_info;
pub mod proxmox_group;
pub mod proxmox_group_info;
pub mod proxmox_role;
pub mod pveum_role;
pub(crate) mod role;
