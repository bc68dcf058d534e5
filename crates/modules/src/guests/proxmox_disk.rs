//! `proxmox_disk`: a disk or drive of a VM, by `/nodes/{node}/qemu/{vmid}/config`
//! and, beside it, `resize`, `move_disk` and `unlink`.

mod drive;
mod key;
mod moved;
mod present;
mod resized;
mod unlinked;

use ansible::{Args, Choice, Failure};
use pve::apply::Applied;
use pve::nodes::guest::Address;
use pve::wire::PropertyString;
use pve::{Cluster, Plan, Planned, Track};

use self::drive::Drive;
use super::config::Config;
use super::single::{Told, patience, vm};
use crate::connection::{Connection, DropIn};
use crate::job::{Job, Report, Task};

/// The options of `proxmox_disk`.
#[derive(Args, Debug)]
#[args(
    required_one_of(["name", "vmid"]),
    required_if(key = "create", value = "forced", all = ["storage"]),
    required_if(key = "state", value = "resized", all = ["size"]),
    required_by(key = "target_disk", requires = ["target_vmid"]),
    required_by(key = "iso_image", requires = ["media"]),
    mutually_exclusive(["target_vmid", "target_storage"], ["import_from", "size"])
)]
pub struct DiskArgs {
    /// Where the API is.
    #[arg(flatten)]
    pub connection: DropIn,
    /// The VM's name. O(vmid) comes before it.
    pub name: Option<String>,
    /// The VM's VMID.
    pub vmid: Option<u32>,
    /// The disk or drive: V(ide0) to V(ide3), V(sata0) to V(sata5), V(scsi0) to V(scsi30), V(virtio0) to V(virtio15),
    /// V(efidisk0), V(tpmstate0), or V(unused0) to V(unused255) for a volume that is detached.
    #[arg(required)]
    pub disk: String,
    /// What it shall be: there with the stated options (V(present)), of another size (V(resized)), out of the VM with
    /// its volume kept (V(detached)), on another storage or at another VM (V(moved)), or gone with its volume
    /// (V(absent)).
    #[arg(default = "present")]
    pub state: State,
    /// With O(state=present), whether a disk that is not there is made (V(regular)) or not (V(disabled)). V(forced)
    /// makes a new one with each run, and detaches the one that is there.
    #[arg(default = "regular")]
    pub create: Create,
    /// The storage that a new disk is made on. A disk that is there stays where it is, with a warning where that is
    /// elsewhere.
    pub storage: Option<String>,
    /// The size of a new disk, in GiB unless it has a unit: V(K), V(M), V(G) or V(T). A disk that is there stays as it
    /// is, with a warning where it differs. With O(state=resized) the size that it grows to, in bytes unless it has a
    /// unit; with V(+) before it, how much it grows by with each run.
    pub size: Option<String>,
    /// An image that a new disk is filled with, which then has its size: a volume such as
    /// V(local:import/debian-13.qcow2), or a path on the node, which is root@pam's to name.
    pub import_from: Option<String>,
    /// What is in a CD-ROM drive: an image such as V(local:iso/debian-13.iso), V(cdrom) for the node's own drive, or
    /// V(none). Goes with O(media=cdrom).
    pub iso_image: Option<String>,
    /// How many seconds it may take where this is stated; otherwise as long as it takes.
    #[arg(default = "600")]
    pub timeout: u32,
    /// Where it is moved to.
    #[arg(flatten)]
    pub moving: Moving,
    /// Its options.
    #[arg(flatten)]
    pub drive: Drive,
}

/// What a disk shall be.
#[derive(Choice, Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// There.
    Present,
    /// Of another size.
    Resized,
    /// Out of the VM.
    Detached,
    /// On another storage or at another VM.
    Moved,
    /// Gone.
    Absent,
}

/// Whether a disk is made.
#[derive(Choice, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Create {
    /// Never.
    Disabled,
    /// Where there is none.
    Regular,
    /// Always.
    Forced,
}

/// Where a disk is moved to.
#[derive(Args, Debug, Default)]
pub struct Moving {
    /// The storage that O(state=moved) moves it to.
    pub target_storage: Option<String>,
    /// The VM that O(state=moved) hands it over to, which is on the same node.
    pub target_vmid: Option<u32>,
    /// What it becomes there. What it is now, unless stated.
    pub target_disk: Option<String>,
    /// Whether O(state=moved) removes the volume that it leaves. Otherwise it stays as C(unusedN).
    pub delete_moved: Option<bool>,
    /// The most KiB in a second that O(state=moved) copies.
    pub bwlimit: Option<u32>,
}

/// The disk that a task is about.
#[derive(Clone, Copy, Debug)]
struct Subject<'a> {
    /// Its VM.
    vm: &'a Address,
    /// Its key.
    key: &'a str,
    /// The VM's configuration.
    have: &'a Config,
}

impl Subject<'_> {
    /// Its value, where it is there.
    fn had(&self) -> Option<&str> {
        self.have.get(self.key)
    }

    /// Its value taken apart.
    fn parts(&self) -> Option<PropertyString> {
        self.have.disk(self.key)
    }

    /// Whether it is a CD-ROM drive, that of cloud-init among them.
    fn is_drive(&self) -> bool {
        self.parts()
            .is_some_and(|parts| parts.get("media") == Some("cdrom"))
    }

    /// The failure that it cannot be done, because …
    fn unable(&self, verb: &str, why: impl std::fmt::Display) -> Failure {
        Failure::new(format!("unable to {verb} disk `{}`: {why}", self.key))
    }

    /// The failure that it is not there, in the words of community.proxmox.
    fn missing(&self) -> Failure {
        Failure::new(format!(
            "Unable to process missing disk {} in VM {}",
            self.key, self.vm.vmid
        ))
    }
}

/// The module.
pub struct ProxmoxDisk;

crate::module!(ProxmoxDisk, "proxmox_disk");

impl Job for ProxmoxDisk {
    type Args = DiskArgs;
    type Notes = Told;

    fn connection(args: &DiskArgs) -> &Connection {
        &args.connection.connection
    }

    fn plan(task: &Task<'_, DiskArgs>, cluster: &Cluster) -> Result<Planned<Told>, Failure> {
        let args = task.args;
        key::hold("disk", &args.disk)?;
        if args.state == State::Moved {
            moved::hold_target(&args.moving)?;
        }
        let named = vm(args.vmid, args.name.as_deref())?;
        let sought = named.config(cluster)?;
        let Some(one) = &sought.guest else {
            return Err(named.missing(cluster, &sought.resources));
        };
        let have = Config::from_config(&one.read);
        let subject = Subject {
            vm: &one.address,
            key: &args.disk,
            have: &have,
        };
        let deed = match args.state {
            State::Present => present::present(args, &subject),
            State::Resized => {
                resized::resized(args.size.as_deref().unwrap_or_default(), &subject, cluster)
            }
            State::Detached => unlinked::detached(&subject),
            State::Moved => moved::moved(args, &subject, cluster, &sought.resources),
            State::Absent => unlinked::absent(&subject),
        }?;
        let track = Track::new("disk", &args.disk, Vec::new());
        Ok(deed
            .returns("vmid", one.address.vmid)
            .within(patience(task.context, args.timeout))
            .planned_as(track))
    }

    fn report(
        _task: &Task<'_, DiskArgs>,
        told: Told,
        _plan: &Plan,
        _applied: Option<&Applied>,
        _cluster: &Cluster,
    ) -> Report {
        told.into()
    }
}

#[cfg(test)]
mod tests;
