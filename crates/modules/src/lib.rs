//! What each module does: it reads, compares and plans.
//!
//! [`MODULES`] is the one list of modules. A module is a [`Job`](job::Job): its options,
//! its `plan` and its `report`; everything else is the same for all and stands
//! in [`job`].

pub mod access;
pub mod backup;
pub mod cluster;
pub mod connection;
pub mod fault;
pub mod guests;
pub mod job;
pub mod nodes;
pub mod pools;
pub mod reader;
pub mod resource;
pub mod storage;

use ansible::Module;

/// Every module, by name.
pub const MODULES: &[Module] = &[
    guests::proxmox::MODULE,
    access::proxmox_access_acl::MODULE,
    backup::proxmox_backup::MODULE,
    backup::proxmox_backup_info::MODULE,
    backup::proxmox_backup_schedule::MODULE,
    guests::proxmox_clone_vms::MODULE,
    guests::proxmox_cloud_template::MODULE,
    cluster::proxmox_cluster_join_info::MODULE,
    cluster::proxmox_cluster_status_info::MODULE,
    cluster::proxmox_connectivity::MODULE,
    guests::proxmox_disk::MODULE,
    access::proxmox_domain::MODULE,
    access::proxmox_domain_info::MODULE,
    access::proxmox_domain_sync::MODULE,
    access::proxmox_group::MODULE,
    access::proxmox_group_info::MODULE,
    guests::proxmox_kvm::MODULE,
    guests::proxmox_nic::MODULE,
    nodes::proxmox_node_info::MODULE,
    pools::proxmox_pool::MODULE,
    pools::proxmox_pool_member::MODULE,
    guests::proxmox_reboot_vms::MODULE,
    guests::proxmox_remove_vms::MODULE,
    access::proxmox_role::MODULE,
    guests::proxmox_sendkey::MODULE,
    guests::proxmox_shutdown_vms::MODULE,
    guests::proxmox_snap::MODULE,
    guests::proxmox_snap_info::MODULE,
    guests::proxmox_snapshot_vms::MODULE,
    guests::proxmox_start_vms::MODULE,
    storage::proxmox_storage_contents_info::MODULE,
    storage::proxmox_storage_info::MODULE,
    nodes::proxmox_tasks_info::MODULE,
    storage::proxmox_template::MODULE,
    access::proxmox_user::MODULE,
    access::proxmox_user_info::MODULE,
    guests::proxmox_vm_info::MODULE,
    access::pveum_access::MODULE,
    access::pveum_acl::MODULE,
    access::pveum_role::MODULE,
    access::pveum_token::MODULE,
    access::pveum_user::MODULE,
];
