//! Which guests are meant: from VMIDs and names to guests as they are now.
//!
//! One rule of freshness for all modules: `/cluster/resources` tells where a
//! guest is, its own status (or its node's list) tells what it is.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::cluster::Cluster;
use crate::cluster::resources::{Guest, Resources};
use crate::error::Error;
use crate::nodes::guest::{Address, GuestKind, Live};

/// A guest as a person names it: a text of digits is a VMID, as names of guests
/// are DNS names that people do not make of digits alone.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum GuestRef {
    /// By VMID.
    Vmid(u32),
    /// By name.
    Name(String),
}

impl From<&str> for GuestRef {
    fn from(text: &str) -> Self {
        text.trim()
            .parse()
            .map_or_else(|_| Self::Name(text.trim().to_owned()), Self::Vmid)
    }
}

impl fmt::Display for GuestRef {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Vmid(vmid) => write!(formatter, "{vmid}"),
            Self::Name(name) => formatter.write_str(name),
        }
    }
}

/// A reference that leads to no one guest.
#[derive(Clone, Debug, thiserror::Error)]
pub enum NotOne {
    /// No guest is named so.
    #[error(
        "there is no guest `{which}`{offline} (a guest without VM.Audit is invisible to {user})"
    )]
    None {
        /// As the person named it.
        which: String,
        /// Which nodes could not be asked.
        offline: String,
        /// Whom the server takes us for.
        user: String,
    },
    /// More than one guest has this name.
    #[error("more than one guest is named `{name}`: {candidates}; use the VMID")]
    Several {
        /// The name.
        name: String,
        /// `101 on pve1, 102 on pve2`.
        candidates: String,
    },
    /// The question could not be asked.
    #[error(transparent)]
    Error(#[from] Error),
}

/// A guest that was asked for, as it is now.
#[derive(Clone, Debug)]
pub struct Found {
    /// Where it is.
    pub address: Address,
    /// What it is; an error where its node does not answer.
    pub live: Result<Live, Error>,
    /// Whether the HA manager manages it.
    pub ha_managed: bool,
}

impl Found {
    /// Its name, or else its VMID.
    pub fn label(&self) -> String {
        match &self.live {
            Ok(Live {
                name: Some(name), ..
            }) => name.clone(),
            _ => self.address.vmid.to_string(),
        }
    }
}

impl Cluster {
    /// Where the guests are that these references name, in their order.
    ///
    /// A name that `/cluster/resources` does not know, or knows more than once,
    /// is looked for in the live lists of the online nodes: it may be younger
    /// than the last statistics round, or have gone from one guest to another.
    pub fn locate(
        &self,
        resources: &Resources,
        references: &[GuestRef],
        kinds: &[GuestKind],
    ) -> Vec<Result<Address, NotOne>> {
        let known: Vec<Option<Address>> = references
            .iter()
            .map(|reference| from_resources(resources, reference, kinds))
            .collect();
        let young: Vec<GuestRef> = known
            .iter()
            .zip(references)
            .filter(|(address, _)| address.is_none())
            .map(|(_, reference)| reference.clone())
            .collect();
        let mut young = self.locate_live(resources, &young, kinds).into_iter();
        known
            .into_iter()
            .zip(references)
            .map(|(address, reference)| match address {
                Some(address) => Ok(address),
                None => young
                    .next()
                    .unwrap_or_else(|| Err(self.no_guest(resources, reference))),
            })
            .collect()
    }

    /// As [`Cluster::locate`], by the live lists of the online nodes alone: for a
    /// guest that does not bear the name any more that `/cluster/resources` knows.
    pub fn locate_live(
        &self,
        resources: &Resources,
        references: &[GuestRef],
        kinds: &[GuestKind],
    ) -> Vec<Result<Address, NotOne>> {
        if references.is_empty() {
            return Vec::new();
        }
        let lists: Vec<(String, GuestKind)> = resources
            .online_nodes()
            .flat_map(|node| kinds.iter().map(|kind| (node.to_owned(), *kind)))
            .collect();
        let mut live: BTreeMap<String, Vec<Address>> = BTreeMap::new();
        let mut failed = None;
        for list in self.live_lists(&lists) {
            match list {
                Ok(guests) => {
                    for (address, guest) in guests {
                        live.entry(address.vmid.to_string())
                            .or_default()
                            .push(address.clone());
                        if let Some(name) = guest.name {
                            live.entry(name).or_default().push(address);
                        }
                    }
                }
                Err(error) => failed = Some(error),
            }
        }
        references
            .iter()
            .map(
                |reference| match live.get(&reference.to_string()).map(Vec::as_slice) {
                    Some([address]) => Ok(address.clone()),
                    Some(several @ [_, ..]) => Err(several_named(reference, several)),
                    _ => Err(match &failed {
                        Some(error) => NotOne::Error(error.clone()),
                        None => self.no_guest(resources, reference),
                    }),
                },
            )
            .collect()
    }

    fn no_guest(&self, resources: &Resources, reference: &GuestRef) -> NotOne {
        let offline: Vec<&str> = resources.offline_nodes().collect();
        NotOne::None {
            which: reference.to_string(),
            offline: if offline.is_empty() {
                String::new()
            } else {
                format!(
                    " on the nodes that are online (offline: {})",
                    offline.join(", ")
                )
            },
            user: self.client().user().to_owned(),
        }
    }

    /// What these guests are at this moment. For more guests than twice the
    /// nodes, the nodes' lists replace single questions.
    pub fn look_at(&self, resources: &Resources, addresses: &[Address]) -> Vec<Found> {
        let ha_managed = |address: &Address| {
            resources
                .guest(address.vmid)
                .is_some_and(|guest| guest.ha_managed)
        };
        let many = addresses.len() > 2 * resources.nodes.len().max(1);
        let live = if many {
            self.look_at_lists(addresses)
        } else {
            self.live_each(addresses)
        };
        live.into_iter()
            .zip(addresses)
            .map(|(live, address)| Found {
                address: address.clone(),
                ha_managed: ha_managed(address) || live.as_ref().is_ok_and(|live| live.ha_managed),
                live,
            })
            .collect()
    }

    fn look_at_lists(&self, addresses: &[Address]) -> Vec<Result<Live, Error>> {
        let lists: Vec<(String, GuestKind)> = addresses
            .iter()
            .map(|address| (address.node.clone(), address.kind))
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect();
        let mut guests: BTreeMap<Address, Live> = BTreeMap::new();
        let mut failed: BTreeMap<(String, GuestKind), Error> = BTreeMap::new();
        for (list, answer) in lists.iter().zip(self.live_lists(&lists)) {
            match answer {
                Ok(found) => guests.extend(found),
                Err(error) => {
                    failed.insert(list.clone(), error);
                }
            }
        }
        addresses
            .iter()
            .map(|address| {
                if let Some(live) = guests.get(address) {
                    return Ok(live.clone());
                }
                match failed.get(&(address.node.clone(), address.kind)) {
                    Some(error) => Err(error.clone()),
                    // It left its node between two answers: only its own status tells.
                    None => self.live(address),
                }
            })
            .collect()
    }
}

/// The guest if `/cluster/resources` knows exactly one; nothing if it may be too
/// young, or bears a name that another one has given up by now.
fn from_resources(
    resources: &Resources,
    reference: &GuestRef,
    kinds: &[GuestKind],
) -> Option<Address> {
    let fits = |guest: &&Guest| kinds.contains(&guest.address.kind);
    let guest = match reference {
        GuestRef::Vmid(vmid) => resources.guest(*vmid).filter(fits),
        GuestRef::Name(name) => {
            let mut named = resources.named(name).filter(fits);
            named.next().filter(|_| named.next().is_none())
        }
    };
    guest.map(|guest| guest.address.clone())
}

fn several_named(reference: &GuestRef, candidates: &[Address]) -> NotOne {
    NotOne::Several {
        name: reference.to_string(),
        candidates: candidates
            .iter()
            .map(Address::to_string)
            .collect::<Vec<_>>()
            .join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::GuestRef;
    use crate::canned::Canned;
    use crate::nodes::guest::GuestKind;
    use serde_json::json;

    const VMS: &[GuestKind] = &[GuestKind::Qemu];

    /// What `/cluster/resources` calls `web` is `old` by now, and 102 has taken its name.
    fn renamed() -> Canned {
        Canned::new()
            .always(
                "GET /cluster/resources",
                json!([
                    {"type": "node", "node": "pve1", "status": "online"},
                    {"type": "node", "node": "pve2", "status": "offline"},
                    {"type": "qemu", "node": "pve1", "vmid": 101, "name": "web", "status": "running"},
                    {"type": "qemu", "node": "pve1", "vmid": 102, "status": "unknown"},
                ]),
            )
            .always(
                "GET /nodes/pve1/qemu full=1",
                json!([
                    {"vmid": 101, "name": "old", "status": "running"},
                    {"vmid": 102, "name": "web", "status": "running"},
                    {"vmid": 103, "name": "young", "status": "running"},
                ]),
            )
    }

    #[test]
    fn a_known_name_costs_no_list_and_a_young_one_is_found_in_them() {
        let canned = renamed();
        let asked = canned.asked();
        let cluster = canned.cluster();
        let resources = cluster.resources().unwrap();
        let find = |name: &str| {
            let found = cluster.locate(&resources, &[GuestRef::from(name)], VMS);
            found[0]
                .as_ref()
                .map(|address| address.vmid)
                .map_err(ToString::to_string)
        };
        assert_eq!(find("web"), Ok(101));
        assert_eq!(asked.lock().unwrap().len(), 1, "no list");
        assert_eq!(find("young"), Ok(103));
        assert_eq!(
            find("nobody").unwrap_err(),
            "there is no guest `nobody` on the nodes that are online (offline: pve2) \
             (a guest without VM.Audit is invisible to root@pam)"
        );
        assert_eq!(
            *asked.lock().unwrap(),
            ["GET /cluster/resources", "GET /nodes/pve1/qemu full=1"],
            "and none of an offline node"
        );
    }

    #[test]
    fn a_name_that_went_from_one_guest_to_another_is_not_ambiguous() {
        let resources = json!([
            {"type": "node", "node": "pve1", "status": "online"},
            {"type": "qemu", "node": "pve1", "vmid": 101, "name": "web", "status": "running"},
            {"type": "qemu", "node": "pve1", "vmid": 102, "name": "web", "status": "running"},
        ]);
        for (live, expected) in [
            ("old", Ok(102)),
            (
                "web",
                Err("more than one guest is named `web`: 101 on pve1, 102 on pve1; use the VMID"),
            ),
        ] {
            let cluster = Canned::new()
                .always("GET /cluster/resources", resources.clone())
                .always(
                    "GET /nodes/pve1/qemu full=1",
                    json!([
                        {"vmid": 101, "name": live, "status": "running"},
                        {"vmid": 102, "name": "web", "status": "running"},
                    ]),
                )
                .cluster();
            let found =
                cluster.locate(&cluster.resources().unwrap(), &[GuestRef::from("web")], VMS);
            let vmid = found[0].as_ref().map(|address| address.vmid);
            assert_eq!(
                vmid.map_err(ToString::to_string),
                expected.map_err(str::to_owned)
            );
        }
    }

    #[test]
    fn live_lists_alone_know_who_bears_a_name_now() {
        let cluster = renamed().cluster();
        let resources = cluster.resources().unwrap();
        let names = [GuestRef::from("web"), GuestRef::from("102")];
        let vmids: Vec<u32> = cluster
            .locate_live(&resources, &names, VMS)
            .into_iter()
            .map(|address| address.unwrap().vmid)
            .collect();
        assert_eq!(vmids, [102, 102]);
    }
}
