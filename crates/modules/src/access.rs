//! `/access`: users, tokens, roles.

pub mod proxmox_domain_info;
pub mod pveum_role;
pub(crate) mod role;
