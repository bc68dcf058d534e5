//! What `proxmox_kvm` is made of: its options by theme, what they become in a
//! configuration, and what each of its states comes to.

pub mod cloud_init;
pub mod conduct;
pub mod devices;
pub mod disks;
pub mod hardware;
pub mod making;
pub mod settled;
pub mod stated;
pub mod wanted;
