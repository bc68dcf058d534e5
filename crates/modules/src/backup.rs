//! Backups: one now, and the jobs that make them by a schedule.

pub mod proxmox_backup;
pub mod proxmox_backup_info;
pub mod proxmox_backup_schedule;

use pve::nodes::guest::GuestKind;

/// Backups are made of guests of either kind.
const KINDS: &[GuestKind] = &[GuestKind::Qemu, GuestKind::Lxc];
