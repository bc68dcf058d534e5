//! Which guests are meant: the options that choose, and the guests as they are now.

mod look;
mod pointed;

use std::collections::{BTreeMap, BTreeSet};

use ansible::{Args, Choice, Failure};
use pve::Cluster;
use pve::cluster::resources::{Guest as Listed, Resources};
use pve::guests::GuestRef;
use pve::nodes::guest::{Address, GuestKind, Live};

use crate::fault;
use look::{Missing, all_of, bears, guest, look_at_all, references};
pub use pointed::Pointed;

/// The options that choose guests.
#[derive(Args, Debug)]
#[args(
    required_one_of(["vms", "tags", "pool", "node", "all"]),
    mutually_exclusive(["vms", "tags", "pool", "node", "all"])
)]
pub struct Selection {
    /// Guests by name or VMID. Each must be there; an ambiguous name fails and lists the candidates.
    pub vms: Option<Vec<String>>,
    /// All guests with at least one of these tags.
    pub tags: Option<Vec<String>>,
    /// All guests of this pool.
    pub pool: Option<String>,
    /// All guests on this node.
    pub node: Option<String>,
    /// All guests of the cluster that the caller may see.
    pub all: Option<bool>,
    /// Guests, by name or VMID, that are left alone although they were chosen.
    pub exclude: Vec<String>,
    /// What kind of guests are chosen. Templates never are, unless O(vms) names one.
    #[arg(default = "any")]
    pub kind: Kind,
}

/// What kind of guests.
#[derive(Choice, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Both.
    Any,
    /// Virtual machines.
    Qemu,
    /// Containers.
    Lxc,
}

impl Kind {
    fn kinds(self) -> &'static [GuestKind] {
        match self {
            Self::Any => &[GuestKind::Qemu, GuestKind::Lxc],
            Self::Qemu => &[GuestKind::Qemu],
            Self::Lxc => &[GuestKind::Lxc],
        }
    }
}

/// The guests that were chosen.
#[derive(Debug, Default)]
pub struct Chosen {
    /// They, each once: in the order they were named in, or by VMID.
    pub guests: Vec<Guest>,
    /// Guests that could not be looked at, excludes that name nothing, a choice that meets none.
    pub warnings: Vec<String>,
    /// Those that were named and are not there, where that is no error.
    pub absent: Vec<GuestRef>,
    /// Those that a trait has chosen and whose node does not answer.
    pub silent: Vec<Address>,
}

/// A guest as it is now.
#[derive(Clone, Debug)]
pub struct Guest {
    /// Where it is.
    pub address: Address,
    /// What it is.
    pub live: Live,
    /// Whether the HA manager manages it.
    pub ha_managed: bool,
    /// Its pool.
    pub pool: Option<String>,
}

impl Guest {
    /// Its name, or else its VMID.
    pub fn label(&self) -> String {
        self.live
            .name
            .clone()
            .unwrap_or_else(|| self.address.vmid.to_string())
    }

    /// `web-1 (101)`.
    pub fn title(&self) -> String {
        format!("{} ({})", self.label(), self.address.vmid)
    }

    fn is(&self, reference: &GuestRef) -> bool {
        match reference {
            GuestRef::Vmid(vmid) => self.address.vmid == *vmid,
            GuestRef::Name(name) => self.live.name.as_deref() == Some(name),
        }
    }
}

impl Selection {
    /// How the guests were chosen, for the sentence that there are none.
    pub fn description(&self) -> String {
        let less = if self.exclude.is_empty() {
            ""
        } else {
            ", less exclude"
        };
        match (&self.vms, &self.tags, &self.pool, &self.node) {
            (Some(_), ..) => "the list vms, less exclude, is empty".to_owned(),
            (_, Some(tags), ..) => format!("no guest has the tag {}{less}", tags.join(" or ")),
            (_, _, Some(pool), _) => format!("there is none in the pool `{pool}`{less}"),
            (.., Some(node)) => format!("there is none on the node {node}{less}"),
            _ => "the caller sees none".to_owned(),
        }
    }

    /// Looks the guests up: one request that tells where they are, and one for
    /// each guest or, for many guests, one for each node and kind.
    pub fn choose(&self, cluster: &Cluster) -> Result<Chosen, Failure> {
        self.look_up(cluster, Missing::Fails)
    }

    fn look_up(&self, cluster: &Cluster, missing: Missing) -> Result<Chosen, Failure> {
        if self.all == Some(false) {
            return Err(Failure::new(
                "all is false, and nothing else chooses guests: state vms, tags, pool or node, or all: true",
            ));
        }
        let resources = cluster
            .resources()
            .map_err(|error| fault::unable("look for guests", &error))?;
        let exclude: Vec<GuestRef> = references(&self.exclude);
        let mut chosen = match &self.vms {
            Some(vms) => self.named(&references(vms), missing, cluster, &resources)?,
            None => self.listed(&exclude, cluster, &resources)?,
        };
        // Guests on an offline node are warned about already.
        let told = !chosen.warnings.is_empty();
        chosen.warnings.extend(
            exclude
                .iter()
                .filter(|reference| {
                    let known = resources.guests.iter().any(|guest| bears(guest, reference));
                    !known && !chosen.guests.iter().any(|guest| guest.is(reference))
                })
                .map(|reference| format!("exclude: there is no guest `{reference}`")),
        );
        // A name counts as it is and as it was: a guest that is to be left alone stays so.
        chosen.guests.retain(|guest| {
            let listed = resources.guest(guest.address.vmid);
            !exclude.iter().any(|reference| {
                guest.is(reference) || listed.is_some_and(|listed| bears(listed, reference))
            })
        });
        chosen
            .absent
            .retain(|reference| !exclude.contains(reference));
        let by_trait = self.tags.is_some() || self.pool.is_some() || self.node.is_some();
        if by_trait && chosen.guests.is_empty() && !told {
            let why = self.description();
            chosen.warnings.push(format!("no guest was chosen: {why}"));
        }
        Ok(chosen)
    }

    /// The guests that were named. Whatever is wrong with a name is told for all of them at once.
    fn named(
        &self,
        names: &[GuestRef],
        missing: Missing,
        cluster: &Cluster,
        resources: &Resources,
    ) -> Result<Chosen, Failure> {
        let kinds = self.kind.kinds();
        let mut absent = Vec::new();
        let mut look = |wanted: Vec<(usize, GuestRef)>, located| {
            let located = all_of(located, missing)?;
            let guests = look_at_all(cluster, resources, &located, missing)?;
            let (there, gone): (Vec<_>, Vec<_>) = wanted
                .into_iter()
                .zip(guests)
                .partition(|(_, guest)| guest.is_some());
            absent.extend(gone.into_iter().map(|((_, name), _)| name));
            Ok::<Vec<_>, Failure>(
                there
                    .into_iter()
                    .filter_map(|(wanted, guest)| Some((wanted, guest?)))
                    .collect(),
            )
        };
        let wanted = names.iter().cloned().enumerate().collect();
        // The last statistics round may be 10 s old: a guest that has another name by now is not the one.
        let (mut found, renamed): (Vec<_>, Vec<_>) =
            look(wanted, cluster.locate(resources, names, kinds))?
                .into_iter()
                .partition(|((_, name), guest)| guest.is(name));
        let wanted: Vec<(usize, GuestRef)> =
            renamed.into_iter().map(|(wanted, _)| wanted).collect();
        let names: Vec<GuestRef> = wanted.iter().map(|(_, name)| name.clone()).collect();
        found.extend(look(wanted, cluster.locate_live(resources, &names, kinds))?);
        found.sort_by_key(|((index, _), _)| *index);
        let mut seen = BTreeSet::new();
        Ok(Chosen {
            guests: found
                .into_iter()
                .map(|(_, guest)| guest)
                .filter(|guest| seen.insert(guest.address.clone()))
                .collect(),
            absent,
            ..Chosen::default()
        })
    }

    /// The guests that a trait has chosen; those on a node that does not answer are a warning.
    fn listed(
        &self,
        exclude: &[GuestRef],
        cluster: &Cluster,
        resources: &Resources,
    ) -> Result<Chosen, Failure> {
        self.hold_names(resources)?;
        let addresses: Vec<Address> = resources
            .guests
            .iter()
            .filter(|guest| self.fits(guest))
            .filter(|guest| !exclude.iter().any(|reference| bears(guest, reference)))
            .map(|guest| guest.address.clone())
            .collect();
        let (there, silent): (Vec<Address>, Vec<Address>) = addresses
            .into_iter()
            .partition(|address| resources.is_online(&address.node));
        let mut chosen = Chosen {
            silent,
            ..Chosen::default()
        };
        for found in cluster.look_at(resources, &there) {
            match &found.live {
                Ok(live) if live.template => {}
                Ok(live) => chosen.guests.push(guest(resources, &found, live.clone())),
                // It was removed, or went elsewhere, between two answers.
                Err(error) if error.is_not_found() => {}
                Err(error) if error.status() == Some(595) => chosen.silent.push(found.address),
                Err(error) => {
                    let what = format!("look at the guest `{}`", found.address.vmid);
                    return Err(fault::unable(&what, error));
                }
            }
        }
        let mut by_node: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for Address { node, vmid, .. } in &chosen.silent {
            by_node.entry(node).or_default().push(vmid.to_string());
        }
        chosen.warnings = by_node
            .into_iter()
            .map(|(node, vmids)| {
                format!(
                    "the node {node} is offline; its guests are left as they are: {}",
                    vmids.join(", ")
                )
            })
            .collect();
        Ok(chosen)
    }

    /// A node or a pool that is not there chooses nothing for ever: that is an error of the task.
    fn hold_names(&self, resources: &Resources) -> Result<(), Failure> {
        if let Some(node) = &self.node {
            if !resources.nodes.iter().any(|known| known.node == *node) {
                let nodes: Vec<&str> = resources
                    .nodes
                    .iter()
                    .map(|known| known.node.as_str())
                    .collect();
                return Err(Failure::new(format!(
                    "there is no node `{node}`; there are: {}",
                    nodes.join(", ")
                )));
            }
            if !resources.is_online(node) {
                return Err(Failure::new(format!("the node {node} is offline")));
            }
        }
        if let Some(pool) = &self.pool {
            let used = || {
                resources
                    .guests
                    .iter()
                    .any(|guest| guest.pool.as_ref() == Some(pool))
            };
            if !resources.pools.contains(pool) && !used() {
                return Err(Failure::new(format!(
                    "there is no pool `{pool}` (a pool without Pool.Audit is invisible)"
                )));
            }
        }
        Ok(())
    }

    fn fits(&self, guest: &Listed) -> bool {
        let by_trait = match (&self.tags, &self.pool, &self.node) {
            (Some(tags), ..) => tags.iter().any(|tag| guest.tags.contains(tag)),
            (_, Some(pool), _) => guest.pool.as_ref() == Some(pool),
            (.., Some(node)) => guest.address.node == *node,
            _ => true,
        };
        by_trait && self.kind.kinds().contains(&guest.address.kind)
    }
}
