//! What `proxmox_clone_vms` is made of: what is wanted, what is there, and the
//! steps from one to the other.

pub mod blocked;
pub mod draft;
pub mod item;
pub mod picture;
pub mod reading;
pub mod report;
pub mod settings;
pub mod source;
