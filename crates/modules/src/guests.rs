//! Guests: virtual machines and containers.

pub mod clone;
pub mod config;
pub mod container;
pub mod delta;
pub mod disks;
pub mod held;
pub mod kvm;
pub mod linked;
pub mod order;
pub mod password;
pub mod power;
pub mod proxmox;
pub mod proxmox_clone_vms;
pub mod proxmox_cloud_template;
pub mod proxmox_disk;
pub mod proxmox_kvm;
pub mod proxmox_nic;
pub mod proxmox_reboot_vms;
pub mod proxmox_remove_vms;
pub mod proxmox_sendkey;
pub mod proxmox_shutdown_vms;
pub mod proxmox_snap;
pub mod proxmox_snap_info;
pub mod proxmox_snapshot_vms;
pub mod proxmox_start_vms;
pub mod proxmox_vm_info;
pub mod rights;
#[cfg(test)]
mod sample;
pub mod select;
pub mod single;
pub mod snapshots;
pub mod steps;
pub mod values;
pub mod volumes;
pub mod wait;
