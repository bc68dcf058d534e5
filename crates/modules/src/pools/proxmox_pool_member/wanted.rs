//! From members as a person names them to members that exist.

use std::collections::{BTreeMap, BTreeSet};

use ansible::Failure;
use pve::cluster::resources::Resources;
use pve::guests::{GuestRef, NotOne};
use pve::nodes::guest::GuestKind;
use pve::pools::Members;
use pve::{Call, Cluster, path};
use serde_json::Value;

use super::Member;
use crate::fault;

const KINDS: &[GuestKind] = &[GuestKind::Qemu, GuestKind::Lxc];

/// Members as the task names them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    vmids: BTreeSet<u32>,
    names: BTreeSet<String>,
    storages: BTreeSet<String>,
}

/// Members that are there.
pub(super) struct Found {
    pub members: Members,
    /// The pools that guests among them are in, as far as they were looked up.
    pub pools: BTreeMap<u32, String>,
}

impl Wanted {
    pub(super) fn read(members: &[Member]) -> Result<Self, Failure> {
        let stated = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let mut wanted = Self::default();
        for (number, member) in members.iter().enumerate() {
            let (vm, storage) = (stated(&member.vm), stated(&member.storage));
            if vm.is_none() && storage.is_none() {
                return Err(Failure::new(format!(
                    "members[{number}] names neither a vm nor a storage"
                )));
            }
            match vm.as_deref().map(GuestRef::from) {
                Some(GuestRef::Vmid(vmid)) => wanted.vmids.extend([vmid]),
                Some(GuestRef::Name(name)) => wanted.names.extend([name]),
                None => {}
            }
            wanted.storages.extend(storage);
        }
        Ok(wanted)
    }

    /// Looks up what the pool does not tell: guests by one request for all, and
    /// storages by another only where that one does not show them. What shall
    /// be added must exist.
    pub(super) fn find(
        self,
        cluster: &Cluster,
        have: &Members,
        adds: bool,
    ) -> Result<Found, Failure> {
        let Self {
            vmids,
            names,
            storages,
        } = self;
        let new = |vmid: &&u32| adds && !have.guests.contains(*vmid);
        let mut found = Found {
            members: Members {
                guests: vmids.clone(),
                storages,
            },
            pools: BTreeMap::new(),
        };
        let mut seen = BTreeSet::new();
        if !names.is_empty() || vmids.iter().any(|vmid| new(&vmid)) {
            let resources = cluster
                .resources()
                .map_err(|error| fault::unable("look for guests", &error))?;
            for vmid in vmids.iter().filter(new) {
                exists(cluster, &resources, *vmid)?;
            }
            found
                .members
                .guests
                .extend(named(cluster, &resources, names)?);
            let pools = resources
                .guests
                .iter()
                .filter_map(|guest| Some((guest.address.vmid, guest.pool.clone()?)));
            found.pools = pools.collect();
            seen = resources
                .storages
                .into_iter()
                .map(|storage| storage.storage)
                .collect();
        }
        if adds {
            let unseen = &(&found.members.storages - &have.storages) - &seen;
            storages_exist(cluster, &unseen)?;
        }
        Ok(found)
    }
}

/// A guest that the caller may not see is there all the same.
fn exists(cluster: &Cluster, resources: &Resources, vmid: u32) -> Result<(), Failure> {
    let there = resources.guest(vmid).is_some()
        || cluster
            .is_taken(vmid)
            .map_err(|error| fault::unable(&format!("look for VM {vmid}"), &error))?;
    if there {
        Ok(())
    } else {
        Err(Failure::new(format!(
            "VM with vmid {vmid} does not exist in cluster"
        )))
    }
}

fn named(
    cluster: &Cluster,
    resources: &Resources,
    names: BTreeSet<String>,
) -> Result<Vec<u32>, Failure> {
    let references: Vec<GuestRef> = names.into_iter().map(GuestRef::Name).collect();
    cluster
        .locate(resources, &references, KINDS)
        .into_iter()
        .map(|located| match located {
            Ok(address) => Ok(address.vmid),
            Err(NotOne::None {
                which,
                offline,
                user,
            }) => Err(Failure::new(format!(
                "No VM with name {which} found{offline} (a guest without VM.Audit is invisible to {user})"
            ))),
            Err(NotOne::Several { name, candidates }) => Err(Failure::new(format!(
                "Multiple VMs with name {name} found, provide vmid instead: {candidates}"
            ))),
            Err(error @ NotOne::Error(_)) => Err(fault::not_one(&error)),
        })
        .collect()
}

/// A storage that no node has active is there all the same.
fn storages_exist(cluster: &Cluster, wanted: &BTreeSet<String>) -> Result<(), Failure> {
    if wanted.is_empty() {
        return Ok(());
    }
    let rows: Vec<Value> = cluster
        .get_as(&Call::get(path!("storage")))
        .map_err(|error| fault::unable("read the storages", &error))?;
    let known = rows.iter().filter_map(|row| row["storage"].as_str());
    let known: BTreeSet<String> = known.map(str::to_owned).collect();
    let missing: Vec<&str> = wanted.difference(&known).map(String::as_str).collect();
    if missing.is_empty() {
        Ok(())
    } else {
        Err(Failure::new(format!(
            "Storage(s) not found in the cluster: {} (a storage without Datastore.Audit is invisible to {})",
            missing.join(", "),
            cluster.client().user()
        )))
    }
}
