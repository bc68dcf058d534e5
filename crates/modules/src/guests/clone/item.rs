//! One wanted VM, held against what is there.

use std::collections::BTreeSet;

use ansible::Failure;
use pve::nodes::guest::{Address, Live};

use super::picture::Picture;
use super::settings::{Settings, State};
use super::source::Source;
use crate::guests::proxmox_clone_vms::Vm;
use crate::guests::wait::WaitFor;

/// One wanted VM.
#[derive(Clone, Debug)]
pub struct Item {
    /// Its name, which is its identity.
    pub name: String,
    /// Its VMID, where one was stated.
    pub vmid: Option<u32>,
    /// What else is wanted of it.
    pub settings: Settings,
}

/// What is there of a wanted VM.
#[derive(Clone, Debug)]
pub enum There {
    /// Nothing: it is to be cloned.
    No(Source),
    /// The VM itself.
    Yes(Address, Live),
}

impl Item {
    /// Whether the VM is wanted to run.
    pub fn is_wanted_running(&self) -> bool {
        self.settings.state == Some(State::Started)
    }

    /// Whether the VMID is the one that was stated, or lies in the range that was.
    pub fn may_have(&self, vmid: u32) -> bool {
        match self.vmid {
            Some(stated) => stated == vmid,
            None => matches!(self.settings.range(), Ok(Some(range)) if range.contains(&vmid)),
        }
    }

    /// The VM with this name, if there is exactly one that may be meant. The
    /// name and, where one is stated, the VMID must both fit: nothing that is
    /// there is ever taken for another VM.
    pub fn find(&self, picture: &Picture) -> Result<Option<(Address, Live)>, String> {
        let named = picture.named(&self.name);
        match (named.as_slice(), self.vmid) {
            ([], None) => Ok(None),
            ([], Some(vmid)) => vmid_is_free(picture, vmid),
            ([(_, live)], _) if live.template => {
                Err(format!("{} has this name, and is a template", live.vmid))
            }
            ([(address, live)], None) => Ok(Some((address.clone(), live.clone()))),
            ([(address, live)], Some(vmid)) if address.vmid == vmid => {
                Ok(Some((address.clone(), live.clone())))
            }
            ([(address, _)], Some(vmid)) => Err(format!(
                "it is there as VMID {}, not as {vmid}",
                address.vmid
            )),
            (several, vmid) => match several
                .iter()
                .find(|(address, live)| Some(address.vmid) == vmid && !live.template)
            {
                Some((address, live)) => Ok(Some((address.clone(), live.clone()))),
                None => Err(format!(
                    "more than one VM has this name: {}",
                    several
                        .iter()
                        .map(|(address, _)| address.to_string())
                        .collect::<Vec<_>>()
                        .join(", ")
                )),
            },
        }
    }

    /// Why it may be there although it was not found. A stated VMID that is
    /// free settles the question, as placement is known for every node.
    pub fn doubt(&self, picture: &Picture) -> Option<String> {
        let resources = &picture.resources;
        let unseen = resources
            .named(&self.name)
            .find(|guest| !resources.is_online(&guest.address.node));
        if let Some(guest) = unseen {
            return Some(format!(
                "it is there as VMID {}, and that node is offline",
                guest.address
            ));
        }
        let blind = picture.blind_spots();
        (self.vmid.is_none() && !blind.is_empty()).then(|| {
            format!(
                "it may be there already, where it cannot be seen: {}; state its VMID to be sure",
                blind.join(", ")
            )
        })
    }
}

/// Nothing, if no guest has the VMID. One that is being cloned to it has no
/// name yet, and may be the wanted VM.
fn vmid_is_free(picture: &Picture, vmid: u32) -> Result<Option<(Address, Live)>, String> {
    match picture.resources.guest(vmid) {
        None => Ok(None),
        Some(_) if picture.is_being_made(vmid) => Ok(None),
        Some(guest) => {
            let live = picture.live.get(&vmid).map(|(_, live)| live);
            let name = live
                .and_then(|live| live.name.clone())
                .or_else(|| guest.name.clone())
                .unwrap_or_else(|| "a guest without a name".to_owned());
            Err(format!(
                "VMID {vmid} is taken by `{name}` on {}",
                guest.address.node
            ))
        }
    }
}

/// What stands against the plan, all of it told at once.
#[derive(Default)]
pub struct Problems(Vec<String>);

impl Problems {
    /// The result's value, if it has one; what went wrong is kept.
    pub fn keep<T>(&mut self, item: &Item, result: Result<T, String>) -> Option<T> {
        result
            .map_err(|why| self.0.push(format!("VM `{}`: {why}", item.name)))
            .ok()
    }

    /// Fails if anything went wrong.
    pub fn none(&self) -> Result<(), Failure> {
        if self.0.is_empty() {
            return Ok(());
        }
        Err(Failure::new(format!(
            "nothing was done: {}",
            self.0.join("; ")
        )))
    }
}

/// The wanted VMs; what is wrong with the options alone is told before anything is asked.
pub fn items(vms: &[Vm]) -> Result<Vec<Item>, Failure> {
    let mut problems = Problems::default();
    let mut names = BTreeSet::new();
    let mut vmids = BTreeSet::new();
    let mut items = Vec::new();
    for vm in vms {
        let item = Item {
            name: vm.name.clone(),
            vmid: vm.vmid,
            settings: vm.settings.clone(),
        };
        problems.keep(&item, valid(&item));
        if !names.insert(vm.name.as_str()) {
            problems.keep(
                &item,
                Err::<(), _>("it stands in vms more than once".to_owned()),
            );
        }
        if let Some(vmid) = vm.vmid.filter(|vmid| !vmids.insert(*vmid)) {
            problems.keep(
                &item,
                Err::<(), _>(format!("another VM in vms has VMID {vmid} too")),
            );
        }
        items.push(item);
    }
    problems.none()?;
    Ok(items)
}

/// Why a VM cannot be called so, if that is the case.
pub fn check_name(name: &str) -> Result<(), String> {
    check_dns_name(name)?;
    if name.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("a name of digits alone would be taken for a VMID".to_owned());
    }
    Ok(())
}

/// Why the server takes it for no name of a guest, if that is the case.
pub fn check_dns_name(name: &str) -> Result<(), String> {
    let label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    if !name.split('.').all(label) {
        return Err("the name must be a DNS name: letters, digits, hyphens, dots".to_owned());
    }
    Ok(())
}

fn valid(item: &Item) -> Result<(), String> {
    let settings = &item.settings;
    check_name(&item.name)?;
    if item.vmid.is_some_and(|vmid| vmid < 100) {
        return Err("VMIDs begin at 100".to_owned());
    }
    match (settings.wait_for, settings.port) {
        (Some(WaitFor::Port), None) => return Err("wait_for: port needs a port".to_owned()),
        (Some(wait_for), _) if wait_for != WaitFor::None && !item.is_wanted_running() => {
            return Err("wait_for needs state: started".to_owned());
        }
        _ => {}
    }
    for checked in [
        settings.wanted().map(drop),
        settings.sizes().map(drop),
        settings.range().map(drop),
    ] {
        checked.map_err(|error| error.to_string())?;
    }
    Ok(())
}
