//! `proxmox`: a container, by `/nodes/{node}/lxc`.

use std::collections::BTreeMap;

use ansible::{Args, Choice, Failure};
use pve::apply::Applied;
use pve::{Cluster, Plan, Planned};
use secret::Secret;
use serde_json::Value;

use super::container::subject::Notes;
use super::container::{gone, present, switch};
use crate::connection::{Connection, DropIn};
use crate::job::{Job, Report, Task};

/// The options of `proxmox`.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an option that community.proxmox has"
)]
#[derive(Args, Debug)]
#[args(
    required_one_of(["vmid", "hostname"]),
    required_if(key = "state", value = "present", all = ["node", "hostname"]),
    required_if(key = "state", value = "present", any = ["clone", "ostemplate", "update"]),
    mutually_exclusive(
        ["clone", "ostemplate"],
        ["clone", "update"],
        ["force", "update"],
        ["disk", "disk_volume"],
        ["storage", "disk_volume"],
        ["mounts", "mount_volumes"],
    )
)]
pub struct ContainerArgs {
    /// Where the API is.
    #[arg(flatten)]
    pub connection: DropIn,
    /// The container's VMID. It counts where O(hostname) is stated too. A new container without it gets the next free
    /// one.
    pub vmid: Option<u32>,
    /// The container's host name. Without O(vmid) it says which container is meant; it must be the only one of that
    /// name then. With O(vmid) it is the name that the container gets, where O(state=present).
    pub hostname: Option<String>,
    /// The node that a new container is made on. What is cloned is found wherever it is; for a clone on another node,
    /// its volumes must lie on storages that both nodes share. A container that is there is found wherever it is, and
    /// stays there.
    pub node: Option<String>,
    /// V(present) makes the container or brings it to what is stated, V(started), V(stopped) and V(restarted) switch
    /// it, V(template) converts it to a template, for which it must not run. V(restarted) leaves a container that does
    /// not run as it is.
    ///
    /// V(absent) removes it with its volumes. A container that runs is not removed, with a warning, unless O(force) is
    /// true.
    #[arg(default = "present")]
    pub state: State,
    /// The template to make a new container of, such as V(local:vztmpl/debian-13-standard_13.1-1_amd64.tar.zst). A
    /// container that is there keeps its files.
    pub ostemplate: Option<String>,
    /// The VMID of the container to clone. What a clone has is what it was cloned from has: beside O(hostname),
    /// O(description), O(pool) and O(storage), other options are not written, and a warning tells which. A task without
    /// O(clone) writes them.
    pub clone: Option<u32>,
    /// Whether the clone's volumes are copies (V(full)) or share what they have in common with those of the template
    /// (V(linked)). V(opportunistic) links clones of templates and copies other containers.
    #[arg(default = "opportunistic")]
    pub clone_type: CloneType,
    /// Whether a container that is there is brought to what is stated. Otherwise it is left as it is.
    #[arg(default = true)]
    pub update: bool,
    /// Options that the container's configuration shall not have, by their names in the API, such as V(mp0) or
    /// V(nameserver). The volume of a mount point stays, as an unused one.
    pub delete: Option<Vec<String>>,
    /// With O(state=present) and O(ostemplate), a container of this O(vmid) or O(hostname) that is there is removed,
    /// with its volumes, and made anew. It must not run, and its name must be O(hostname): with a O(vmid) that belongs
    /// to a container of another name, the task fails.
    ///
    /// With O(state=stopped) and O(state=restarted), a container that does not shut down in time is stopped the hard
    /// way. With O(state=absent), one that runs is removed. With O(state=template), one that runs is stopped first.
    #[arg(default = false)]
    pub force: bool,
    /// With O(state=absent), whether the container is also taken out of backup jobs, replication jobs and HA.
    #[arg(default = false)]
    pub purge: bool,
    /// With O(state=absent), whether volumes are removed that bear the container's VMID and that its configuration does
    /// not name.
    #[arg(default = false)]
    pub destroy_unreferenced_disks: bool,
    /// How many seconds the task may take. It counts only where it is stated: the default is that of
    /// community.proxmox, and too short for the clone of a large volume. A shutdown is given 60 seconds, or as many as
    /// are stated here.
    #[arg(default = 30)]
    pub timeout: u32,

    /// The storage for the volumes of a new container: for its root where O(disk) does not name one, and for those of
    /// a full clone.
    #[arg(default = "local")]
    pub storage: String,
    /// The container's root volume: a size in GiB, V(10), which lies on O(storage); V(storage:10); a volume that is
    /// there, V(storage:vm-101-disk-0); or the API's property string of one of these, such as
    /// V(local-lvm:10,acl=1,mountoptions=noatime).
    ///
    /// The root of a container that is there keeps its volume, which grows to a size that is larger than its own. It
    /// cannot shrink, and it is not moved to another storage.
    pub disk: Option<String>,
    /// The same as O(disk), in parts.
    pub disk_volume: Option<Volume>,
    /// Mount points by key, V(mp0) and so on, each as O(disk) has it, with its place in the container:
    /// V(local-lvm:10,mp=/srv). A path of the node, V(/srv/data,mp=/srv), is allowed to root@pam only.
    pub mounts: Option<BTreeMap<String, Value>>,
    /// The same as O(mounts), in parts.
    pub mount_volumes: Option<Vec<Mount>>,

    /// How many cores it sees. Without this option a new container sees all of the node's.
    pub cores: Option<u32>,
    /// How much processor time it gets at most, in cores (C(cpulimit) in the API). V(0) is no limit.
    pub cpus: Option<u32>,
    /// Its share of the processor time when there is not enough for all.
    pub cpuunits: Option<u32>,
    /// Memory in MiB.
    pub memory: Option<u32>,
    /// Swap space in MiB.
    pub swap: Option<u32>,
    /// Network interfaces by key, V(net0) and so on, each a property string such as
    /// V(name=eth0,bridge=vmbr0,ip=dhcp,tag=20). Of an interface that is there, what is not stated is kept, the MAC
    /// address (C(hwaddr)) above all; with another C(ip), C(gw) is what is stated.
    pub netif: Option<BTreeMap<String, Value>>,
    /// Proxmox VE has not had this setting since version 4, and the task fails with it: an address stands in O(netif).
    pub ip_address: Option<String>,
    /// The DNS servers.
    pub nameserver: Option<String>,
    /// The DNS search domains.
    pub searchdomain: Option<String>,
    /// Features as C(key=value), such as V(nesting=1). Those that are not stated are kept; V(nesting=0) takes one away.
    /// All but V(nesting) are allowed to root@pam only.
    pub features: Option<Vec<String>>,
    /// The tags. They replace those that the container has.
    pub tags: Option<Vec<String>>,
    /// The description, which the web interface shows as notes.
    pub description: Option<String>,
    /// Whether it starts with its node.
    pub onboot: Option<bool>,
    /// The place in the start-up order, as C(key=value): V(order=2), V(up=30), V(down=60). What is not stated is kept.
    pub startup: Option<Vec<String>>,
    /// The time zone. V(host) is the node's.
    pub timezone: Option<String>,
    /// What a console shows: a login (V(tty)), the container's own console (V(console)), or a shell without login
    /// (V(shell)).
    #[arg(choices = ["tty", "console", "shell"])]
    pub cmode: Option<String>,
    /// A script that is run when the container starts and stops, by its volume, such as V(local:snippets/hook.pl). It
    /// is allowed to root@pam only.
    pub hookscript: Option<String>,
    /// Whether a new container's root user is no privileged user of the node. A container that is there stays what it
    /// is.
    #[arg(default = true)]
    pub unprivileged: bool,
    /// What kind of system a new container is set up as. With V(auto) its template tells.
    #[arg(
        default = "auto",
        choices = [
            "auto", "debian", "devuan", "ubuntu", "centos", "fedora", "opensuse", "archlinux", "alpine", "gentoo",
            "nixos", "unmanaged",
        ]
    )]
    pub ostype: String,
    /// The pool that a new container belongs to.
    pub pool: Option<String>,
    /// The password of a new container's root user.
    pub password: Option<Secret>,
    /// SSH public keys for a new container's root user, one on each line.
    pub pubkey: Option<String>,
}

/// What is wanted of a container.
#[derive(Choice, Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It is there, as stated.
    Present,
    /// It is not there.
    Absent,
    /// It does not run.
    Stopped,
    /// It runs.
    Started,
    /// It runs, and has been stopped before if it ran.
    Restarted,
    /// It is a template.
    Template,
}

/// How volumes are cloned.
#[derive(Choice, Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloneType {
    /// They are copied.
    Full,
    /// They share the template's base.
    Linked,
    /// Linked for templates, full otherwise.
    Opportunistic,
}

/// A volume, in parts.
#[derive(Args, Clone, Debug, Default)]
#[args(
    required_together(["storage", "size"]),
    required_by(key = "volume", requires = ["storage", "size"]),
    mutually_exclusive(["host_path", "storage"], ["host_path", "volume"], ["host_path", "size"])
)]
pub struct Volume {
    /// The storage that the volume lies on.
    pub storage: Option<String>,
    /// The name of a volume that is there, such as V(vm-101-disk-1). Without it a new one is made.
    pub volume: Option<String>,
    /// Its size in GiB.
    pub size: Option<u32>,
    /// A path of the node, in place of a volume. It is allowed to root@pam only.
    #[arg(kind = "path")]
    pub host_path: Option<String>,
    /// Further keys of the API's property string, such as C(acl) or C(mountoptions).
    pub options: Option<BTreeMap<String, Value>>,
}

/// A mount point, in parts.
#[derive(Args, Clone, Debug)]
pub struct Mount {
    /// Its key: V(mp0) and so on.
    #[arg(required)]
    pub id: String,
    /// Where it is in the container.
    #[arg(required, kind = "path")]
    pub mountpoint: String,
    /// What is mounted.
    #[arg(flatten)]
    pub volume: Volume,
}

/// The module.
pub struct Proxmox;

crate::module!(Proxmox, "proxmox");

impl Job for Proxmox {
    type Args = ContainerArgs;
    type Notes = Notes;

    fn connection(args: &ContainerArgs) -> &Connection {
        &args.connection.connection
    }

    fn plan(task: &Task<'_, ContainerArgs>, cluster: &Cluster) -> Result<Planned<Notes>, Failure> {
        match task.args.state {
            State::Present => present::plan(task, cluster),
            State::Absent => gone::absent(task, cluster),
            State::Template => gone::template(task, cluster),
            State::Started | State::Stopped | State::Restarted => switch::plan(task, cluster),
        }
    }

    fn report(
        _task: &Task<'_, ContainerArgs>,
        notes: Notes,
        _plan: &Plan,
        applied: Option<&Applied>,
        cluster: &Cluster,
    ) -> Report {
        let waiting = notes.waiting(applied, cluster);
        let mut report = Report::from(notes.told);
        if let Some(made) = notes.made {
            let (msg, vmid) = made.told(applied);
            report.msg = Some(msg);
            report.returns.insert("vmid".to_owned(), vmid);
        }
        report.warnings.extend(waiting);
        report
    }
}

#[cfg(test)]
mod tests;
