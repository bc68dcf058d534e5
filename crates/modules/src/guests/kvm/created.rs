//! A VM that is made anew, or restored from an archive.

use std::collections::BTreeSet;
use std::sync::Arc;

use ansible::Failure;
use pve::apply::Applied;
use pve::cluster::resources::Resources;
use pve::nodes::guest::GuestKind;
use pve::nodes::reach::mac_of;
use pve::plan::{Allocation, VMID};
use pve::{Call, Cluster, Param, Planned, Step, Track, path};
use serde_json::{Map, Value, json};

use super::subject::{Notes, VMS, hold_node, named, of_root, unwanted};
use super::updated::hold_firmware;
use crate::guests::config::{Config, Want, Wanted};
use crate::guests::delta::Delta;
use crate::guests::proxmox_kvm::KvmArgs;
use crate::guests::rights::hold_root;
use crate::guests::single::{Deed, patience};
use crate::guests::steps::{Create, vm_path};
use crate::job::{Report, Task};

/// A VM that is made.
#[derive(Debug)]
pub struct Made {
    /// Its name.
    pub name: Option<String>,
    /// Its VMID, where it is not allocated.
    pub vmid: Option<u32>,
    /// The node it is made on.
    pub node: String,
    /// The VMID of what it is a clone of.
    pub source: Option<u32>,
    /// The network cards and disks that the result tells of.
    pub keys: Vec<String>,
}

/// The plan of `present` without `update` and `clone`.
pub fn plan(task: &Task<'_, KvmArgs>, cluster: &Cluster) -> Result<Planned<Notes>, Failure> {
    let args = task.args;
    let named = named(args)?;
    // A VMID is placed at once; a name has to be confirmed.
    let (resources, there) = if args.vmid.is_some() {
        let sought = named.place(cluster)?;
        (sought.resources, sought.guest.map(|one| one.address.vmid))
    } else {
        let sought = named.current(cluster)?;
        (sought.resources, sought.guest.map(|one| one.address.vmid))
    };
    if let Some(vmid) = there {
        let msg = format!("VM with vmid <{vmid}> already exists");
        return Ok(Notes::nothing(Deed::says(msg).returns("vmid", vmid)));
    }
    hold_free(args.vmid, &resources)?;
    let node = args.node.as_deref().unwrap_or_default();
    hold_node(&resources, node)?;
    let wanted = args
        .configuration
        .wanted()
        .map_err(|error| unwanted("create", &label(args), &error))?;
    let user = cluster.client().user();
    create(task, wanted, user, taken(&resources))
}

fn create(
    task: &Task<'_, KvmArgs>,
    wanted: Wanted,
    user: &str,
    taken: Arc<BTreeSet<u32>>,
) -> Result<Planned<Notes>, Failure> {
    let args = task.args;
    let node = args.node.as_deref().unwrap_or_default();
    let bios = match wanted.get("bios") {
        Some(Want::Text(bios)) => Some(bios.as_str()),
        _ => None,
    };
    hold_firmware(&wanted, bios)
        .map_err(|why| Failure::new(format!("unable to create VM `{}`: {why}", label(args))))?;
    hold_root(user, &of_root(wanted.keys().map(String::as_str)))?;
    let mut after = new(args.name.as_deref(), args.vmid, node);
    let mut params: Vec<(String, Param)> = Vec::new();
    let mut password = None;
    for (key, want) in &wanted {
        match want {
            Want::Text(text) if !text.is_empty() => {
                after.insert(key.clone(), json!(text));
                params.push((key.clone(), text.into()));
            }
            // The server keeps the password of a new VM in clear, and hashes one that is written later.
            Want::Password(secret) => {
                after.insert(key.clone(), json!("********"));
                password = Some(secret.clone());
            }
            Want::Text(_) | Want::Parts { .. } => {}
        }
    }
    let making = &args.making;
    for (key, value) in [
        ("archive", &making.archive),
        ("pool", &making.pool),
        ("storage", &making.storage),
    ] {
        if let Some(value) = value {
            after.insert(key.to_owned(), json!(value));
            params.push((key.to_owned(), value.into()));
        }
    }
    if making.archive.is_some() && args.force == Some(true) {
        params.push(("force".to_owned(), true.into()));
    }
    let create = Create {
        kind: GuestKind::Qemu,
        node,
        vmid: args.vmid,
        name: args.name.as_deref(),
        params,
    };
    let mut steps = vec![create.step()];
    steps.extend(password.map(|password| {
        let call = Call::put(vm_path(node, args.vmid).join("config")).with("cipassword", password);
        Step::call("set the password of", "got its password", call)
    }));
    let made = Made {
        name: args.name.clone(),
        vmid: args.vmid,
        node: node.to_owned(),
        source: None,
        keys: wanted.into_keys().filter(|key| tells(key)).collect(),
    };
    Ok(planned(
        task,
        label(args),
        after,
        steps,
        Vec::new(),
        taken,
        made,
    ))
}

/// The plan that makes a VM.
pub fn planned(
    task: &Task<'_, KvmArgs>,
    label: String,
    after: Map<String, Value>,
    steps: Vec<Step>,
    warnings: Vec<String>,
    taken: Arc<BTreeSet<u32>>,
    made: Made,
) -> Planned<Notes> {
    let mut track = Track::new(GuestKind::Qemu.noun(), label, Vec::new());
    if let Some(vmid) = made.vmid {
        track.bindings.insert(VMID, vmid.to_string());
    } else {
        track.allocates = Some(Allocation { range: None, taken });
    }
    let deed = Deed {
        delta: Delta {
            steps,
            before: Map::new(),
            after,
        },
        warnings,
        limit: Some(patience(task.context, task.args.timeout)),
        ..Deed::default()
    };
    deed.planned_as(track).map(|told| Notes {
        made: Some(made),
        ..Notes::of(told)
    })
}

/// What a new VM shows in the diff in any case.
pub fn new(name: Option<&str>, vmid: Option<u32>, node: &str) -> Map<String, Value> {
    let vmid = vmid.map_or_else(|| json!("allocated"), |vmid| json!(vmid));
    Map::from_iter([
        ("name".to_owned(), json!(name)),
        ("node".to_owned(), json!(node)),
        ("vmid".to_owned(), vmid),
    ])
}

/// The VMIDs that are taken, as far as they can be seen.
pub fn taken(resources: &Resources) -> Arc<BTreeSet<u32>> {
    let vmids = resources.guests.iter().map(|guest| guest.address.vmid);
    Arc::new(vmids.collect())
}

/// A container has no business under the VMID of a VM.
pub fn hold_free(vmid: Option<u32>, resources: &Resources) -> Result<(), Failure> {
    let other = vmid
        .and_then(|vmid| resources.guest(vmid))
        .filter(|guest| !VMS.contains(&guest.address.kind));
    match other {
        Some(guest) => Err(Failure::new(format!(
            "VMID {} is taken by the container `{}`",
            guest.address.vmid,
            guest.name.as_deref().unwrap_or("without a name")
        ))),
        None => Ok(()),
    }
}

fn label(args: &KvmArgs) -> String {
    match (&args.name, args.vmid) {
        (Some(name), _) => name.clone(),
        (None, Some(vmid)) => vmid.to_string(),
        (None, None) => String::new(),
    }
}

/// Whether the result tells of this key: `net0`, and disks.
fn tells(key: &str) -> bool {
    let base = key.trim_end_matches(|letter: char| letter.is_ascii_digit());
    base.len() < key.len() && matches!(base, "net" | "ide" | "sata" | "scsi" | "virtio")
}

impl Made {
    /// What the result says of it.
    pub fn report(&self, applied: Option<&Applied>, cluster: &Cluster) -> Report {
        let allocated = applied
            .and_then(|applied| applied.tracks.first())
            .and_then(|end| end.bindings.get(VMID)?.parse().ok());
        let vmid: Option<u32> = self.vmid.or(allocated);
        let name = self.name.as_deref().unwrap_or("without a name");
        let which = vmid.map_or_else(|| "the next free one".to_owned(), |vmid| vmid.to_string());
        let msg = match self.source {
            Some(source) => {
                format!("VM {name} with newid {which} cloned from vm with vmid {source}")
            }
            None => format!("VM {name} with vmid {which} deployed"),
        };
        let mut report = Report {
            msg: Some(msg),
            ..Report::default()
        };
        let done = applied.is_some_and(Applied::succeeded);
        report.returns.insert("vmid".to_owned(), json!(vmid));
        if let Some(vmid) = vmid.filter(|_| done && self.source.is_none()) {
            self.devices(vmid, cluster, &mut report);
        }
        report
    }

    /// The MACs and volumes that the server gave it.
    fn devices(&self, vmid: u32, cluster: &Cluster, report: &mut Report) {
        let (mut mac, mut devices) = (Map::new(), Map::new());
        if !self.keys.is_empty() {
            let call = Call::get(path!("nodes", &self.node, "qemu", vmid, "config"));
            match cluster.get(&call) {
                Ok(config) => {
                    let config = Config::from_config(&config);
                    for key in &self.keys {
                        let Some(value) = config.get(key) else {
                            continue;
                        };
                        if key.starts_with("net") {
                            mac.insert(key.clone(), json!(mac_of(value)));
                        } else {
                            let volume = value.split(',').next();
                            devices.insert(key.clone(), json!(volume));
                        }
                    }
                }
                Err(error) => report
                    .warnings
                    .push(format!("its MACs and volumes could not be read: {error}")),
            }
        }
        report.returns.insert("mac".to_owned(), json!(mac));
        report.returns.insert("devices".to_owned(), json!(devices));
    }
}
