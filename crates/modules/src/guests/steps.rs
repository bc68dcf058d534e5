//! The steps that guests are changed by: one way to create, clone, configure,
//! start, stop, migrate, convert and remove them, and to make and move their disks, for all modules.
//!
//! A step names a guest by its path below `/nodes`, as the VMID of a new one and
//! the node of one that the HA manager moves are known only while a plan runs.

mod clone;
mod configure;
mod create;
mod disks;
mod lock;
mod migrate;
mod power;
mod reboot;
mod remove;
mod settled;
mod snapshot;

use std::time::Duration;

use pve::plan::{Lost, Probe};
use pve::{Path, Segment, path};

pub use clone::{Clone, clone_tasks, is_locked_by_clone, name_key, running, running_clones, tasks};
pub use configure::{adapt, configure, enter_pool, grow};
pub use create::Create;
pub use disks::{MoveDisk, give_disk, make_disk, unlink_disk};
pub use lock::{UNLOCKED, unlocked};
pub use migrate::Migrate;
pub use power::{
    HARD_STOP, ShutDown, hibernate, pause, reboot, reboot_if_pending, reset, restart, resume,
    start, start_by_ha, stop,
};
pub use reboot::Reboot;
pub use remove::{Remove, convert_to_template};
pub use snapshot::{
    Take, describe_snapshot, remove as remove_snapshot, roll_back, snapshot_removed, snapshot_taken,
};

/// How long a guest must stand still before a request whose answer was lost
/// counts as not done.
const QUIET: Duration = Duration::from_secs(5);

/// The path of a VM whose VMID may not be known yet.
pub fn vm_path(node: &str, vmid: Option<u32>) -> Path {
    let vmid = vmid.map_or(Segment::Bound(pve::plan::VMID), Segment::from);
    path!("nodes", node, "qemu", vmid)
}

/// After a lost answer, the guest itself tells whether the request took effect.
pub fn look(probe: Probe) -> Lost {
    Lost::Look {
        probe,
        quiet: QUIET,
    }
}
