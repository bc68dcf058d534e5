//! The container that the task is about, and what the result says of it.

use ansible::Failure;
use pve::Cluster;
use pve::apply::Applied;
use pve::cluster::resources::Resources;
use pve::nodes::guest::GuestKind;
use pve::plan::VMID;
use serde_json::{Value, json};

use crate::guests::proxmox::ContainerArgs;
use crate::guests::single::{self, Named, One, Sought};

/// The kinds of guests that the module is about.
pub const CONTAINERS: &[GuestKind] = &[GuestKind::Lxc];

/// How the task names its container.
pub fn named(args: &ContainerArgs) -> Result<Named, Failure> {
    Named::of(args.vmid, args.hostname.as_deref(), CONTAINERS)
        .ok_or_else(|| Failure::new("one of the following is required: vmid, hostname"))
}

/// `dns (200)`, as far as known.
pub fn title(hostname: Option<&str>, vmid: Option<u32>) -> String {
    match (hostname, vmid) {
        (Some(hostname), Some(vmid)) => format!("{hostname} ({vmid})"),
        (Some(hostname), None) => hostname.to_owned(),
        (None, Some(vmid)) => vmid.to_string(),
        (None, None) => String::new(),
    }
}

/// As the task calls it, or else as it is called.
pub fn title_of<T>(args: &ContainerArgs, one: &One<T>) -> String {
    let name = args.hostname.as_deref().or(one.name.as_deref());
    title(name, Some(one.address.vmid))
}

/// A virtual machine is none of this module's guests. Its words are those of community.proxmox.
pub fn hold_no_vm(args: &ContainerArgs, resources: &Resources) -> Result<(), Failure> {
    let is_meant = |vmid: u32, name: Option<&str>| match (args.vmid, &args.hostname) {
        (Some(wanted), _) => wanted == vmid,
        (None, hostname) => hostname.is_some() && hostname.as_deref() == name,
    };
    let vm = resources.guests.iter().find(|guest| {
        guest.address.kind == GuestKind::Qemu && is_meant(guest.address.vmid, guest.name.as_deref())
    });
    match vm {
        Some(vm) => {
            let vmid = match &args.hostname {
                Some(hostname) => title(Some(hostname), Some(vm.address.vmid)),
                None => vm.address.vmid.to_string(),
            };
            Err(Failure::new(format!(
                "The specified VM {vmid} is not an lxc."
            )))
        }
        None => Ok(()),
    }
}

/// The container, for a state that needs one.
pub fn there<T>(
    args: &ContainerArgs,
    sought: Sought<T>,
    named: &Named,
    cluster: &Cluster,
) -> Result<One<T>, Failure> {
    if sought.guest.is_none() {
        hold_no_vm(args, &sought.resources)?;
    }
    sought.there(named, cluster)
}

/// What the report needs to know.
pub type Notes = single::Notes<Made>;

/// A container that is made.
#[derive(Debug)]
pub struct Made {
    /// Its host name.
    pub hostname: String,
    /// Its VMID, where it is not allocated.
    pub vmid: Option<u32>,
    /// `Created`, `Cloned`.
    pub verb: &'static str,
    /// What of.
    pub source: String,
}

impl Made {
    /// The sentence, and the VMID as it is known by now.
    pub fn told(&self, applied: Option<&Applied>) -> (String, Value) {
        let allocated = applied
            .and_then(|applied| applied.tracks.first())
            .and_then(|end| end.bindings.get(VMID)?.parse().ok());
        let vmid = self.vmid.or(allocated);
        let title = title(Some(&self.hostname), vmid);
        (
            format!("{} VM {title} from {}", self.verb, self.source),
            json!(vmid),
        )
    }
}
