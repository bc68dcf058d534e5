//! Guests: virtual machines and containers.

pub mod clone;
pub mod config;
pub mod proxmox_clone_vms;
pub mod wait;
