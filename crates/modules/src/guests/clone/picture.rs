//! What is there before anything is cloned: guests, live, and who is being made.

use std::collections::BTreeMap;

use pve::cluster::resources::Resources;
use pve::nodes::guest::{Address, GuestKind, Live};
use pve::{Cluster, Error};

use crate::guests::steps::is_locked_by_clone;

/// The cluster as the plan sees it.
pub struct Picture {
    /// Where everything is.
    pub resources: Resources,
    /// The VMs that were asked about, live.
    pub live: BTreeMap<u32, (Address, Live)>,
    /// Whether `live` has all VMs of all nodes that are online.
    pub complete: bool,
    /// Nodes whose VMs could not be listed.
    pub silent: Vec<(String, Error)>,
}

impl Picture {
    /// Reads what is there. VMs that `/cluster/resources` knows by all these
    /// names are asked one by one if they are few; otherwise every node lists
    /// its VMs, as a name may be younger than the last statistics round.
    pub fn read(cluster: &Cluster, names: &[&str]) -> Result<Self, Error> {
        let resources = cluster.resources()?;
        let known: Vec<Address> = names
            .iter()
            .flat_map(|name| resources.named(name))
            .filter(|guest| guest.address.kind == GuestKind::Qemu)
            .map(|guest| guest.address.clone())
            .collect();
        let few = known.len() == names.len() && known.len() <= 2 * resources.nodes.len();
        if few {
            let live: BTreeMap<u32, (Address, Live)> = cluster
                .live_each(&known)
                .into_iter()
                .zip(known)
                .filter_map(|(live, address)| Some((address.vmid, (address, live.ok()?))))
                .collect();
            let is_there = |name: &&&str| {
                live.values()
                    .any(|(_, live)| live.name.as_deref() == Some(**name))
            };
            if names.iter().filter(is_there).count() == names.len() {
                return Ok(Self {
                    resources,
                    live,
                    complete: false,
                    silent: Vec::new(),
                });
            }
        }
        Ok(Self::of_lists(cluster, resources))
    }

    fn of_lists(cluster: &Cluster, resources: Resources) -> Self {
        let lists: Vec<(String, GuestKind)> = resources
            .online_nodes()
            .map(|node| (node.to_owned(), GuestKind::Qemu))
            .collect();
        let mut live = BTreeMap::new();
        let mut silent = Vec::new();
        for (answer, (node, _)) in cluster.live_lists(&lists).into_iter().zip(&lists) {
            match answer {
                Ok(guests) => live.extend(
                    guests
                        .into_iter()
                        .map(|(address, guest)| (address.vmid, (address, guest))),
                ),
                Err(error) => silent.push((node.clone(), error)),
            }
        }
        Self {
            resources,
            live,
            complete: true,
            silent,
        }
    }

    /// The VMs with this name.
    pub fn named(&self, name: &str) -> Vec<&(Address, Live)> {
        self.live
            .values()
            .filter(|(_, live)| live.name.as_deref() == Some(name))
            .collect()
    }

    /// Nodes whose guests have no names here: offline ones, and those that did
    /// not answer. A VM that is not found may be one of theirs.
    pub fn blind_spots(&self) -> Vec<String> {
        let nameless = |node: &str| {
            self.resources
                .guests
                .iter()
                .filter(|guest| guest.address.node == node && guest.name.is_none())
                .count()
        };
        let offline = self
            .resources
            .offline_nodes()
            .filter(|node| nameless(node) > 0)
            .map(|node| format!("{node} is offline"));
        let silent = self
            .silent
            .iter()
            .map(|(node, error)| format!("{node} does not list its VMs ({error})"));
        offline.chain(silent).collect()
    }

    /// VMs that have no name and are locked by a clone: somebody makes them.
    pub fn being_made(&self) -> impl Iterator<Item = &Address> {
        self.live
            .values()
            .filter(|(_, live)| is_being_made(live))
            .map(|(address, _)| address)
    }

    /// Whether the VM with this VMID is one of them.
    pub fn is_being_made(&self, vmid: u32) -> bool {
        let there = self.live.get(&vmid);
        there.is_some_and(|(_, live)| is_being_made(live))
    }
}

fn is_being_made(live: &Live) -> bool {
    live.name.is_none() && is_locked_by_clone(live.lock.as_deref())
}
