//! One node: what it has, and what it does.

pub mod proxmox_node_info;
pub mod proxmox_tasks_info;
