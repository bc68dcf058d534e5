//! `/access`: users, tokens, roles and what they are given.

mod acl;
pub(crate) mod group;
pub mod proxmox_access_acl;
pub mod proxmox_domain;
pub mod proxmox_domain_info;
pub mod proxmox_domain_sync;
pub mod proxmox_group;
pub mod proxmox_group_info;
pub mod proxmox_role;
pub mod proxmox_user;
pub mod proxmox_user_info;
pub mod pveum_access;
pub mod pveum_acl;
pub mod pveum_role;
pub mod pveum_token;
pub mod pveum_user;
pub(crate) mod realm;
pub(crate) mod role;
mod token;
pub(crate) mod user;
