//! What `proxmox_kvm` is made of: its options by theme, what they become in a
//! configuration, and what each of its states comes to.

pub mod cloned;
pub mod cloud_init;
pub mod conduct;
pub mod created;
pub mod devices;
pub mod disks;
pub mod hardware;
pub mod making;
pub mod moved;
pub mod pending;
pub mod settled;
pub mod stated;
pub mod states;
pub mod subject;
pub mod updated;
pub mod wanted;
