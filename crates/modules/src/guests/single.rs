//! The one guest that a task names, by VMID or by name: what most drop-in
//! modules are about. Finding it takes two requests, `/cluster/resources` and
//! the guest's own answer, whatever of it is read.

mod deed;
mod notes;

use std::sync::Arc;
use std::time::Duration;

use ansible::{Context, Failure};
use pve::cluster::resources::Resources;
use pve::guests::{GuestRef, NotOne};
use pve::nodes::guest::{Address, GuestKind, Live};
use pve::{Cluster, Error};
use serde_json::Value;

use super::power::secs;
use super::steps::name_key;
use crate::fault;

pub use deed::{Deed, Told};
pub use notes::Notes;

/// How long a task may take that states no `timeout`: a full clone of a large
/// disk to a slow storage is no fault. What fails is told at once all the same.
const PATIENCE: Duration = Duration::from_secs(4 * 3600);

/// The time that a task gives: the option `timeout`, where it is stated. The
/// defaults of community.proxmox end tasks that the server goes on with.
pub fn patience(context: &Context, timeout: u32) -> Duration {
    if context.given("timeout") {
        secs(timeout)
    } else {
        PATIENCE
    }
}

/// A guest as a task names it. The VMID counts where both are stated.
#[derive(Clone, Debug)]
pub struct Named {
    /// By VMID, or else by name.
    pub reference: GuestRef,
    /// What kind of guest it may be.
    pub kinds: &'static [GuestKind],
}

/// The VM that a task names; its spec holds that it names one.
pub fn vm(vmid: Option<u32>, name: Option<&str>) -> Result<Named, Failure> {
    Named::of(vmid, name, &[GuestKind::Qemu])
        .ok_or_else(|| Failure::new("one of the following is required: name, vmid"))
}

/// Where a guest was looked for, and what was found.
#[derive(Debug)]
pub struct Sought<T> {
    /// Where everything is.
    pub resources: Resources,
    /// The guest, if it is there.
    pub guest: Option<One<T>>,
}

/// A guest that is there.
#[derive(Clone, Debug)]
pub struct One<T> {
    /// Where it is.
    pub address: Address,
    /// Its name, as it was read.
    pub name: Option<String>,
    /// Whether the HA manager manages it, as far as `/cluster/resources` tells.
    pub ha_managed: bool,
    /// Its pool.
    pub pool: Option<String>,
    /// What was read of it.
    pub read: T,
}

impl<T> One<T> {
    /// Its name, or else its VMID.
    pub fn label(&self) -> String {
        self.name
            .clone()
            .unwrap_or_else(|| self.address.vmid.to_string())
    }
}

/// Something that one question tells of a guest, its name among it.
trait Reading: Sized {
    fn name(&self, kind: GuestKind) -> Option<String>;
}

impl Reading for Live {
    fn name(&self, _kind: GuestKind) -> Option<String> {
        self.name.clone()
    }
}

/// The answer to `GET …/config`, or to `GET …/pending`.
impl Reading for Arc<Value> {
    fn name(&self, kind: GuestKind) -> Option<String> {
        let key = name_key(kind);
        let value = match self.as_array() {
            Some(rows) => rows
                .iter()
                .find(|row| row["key"] == key)
                .map(|row| row.get("pending").unwrap_or(&row["value"])),
            None => self.get(key),
        };
        value.and_then(Value::as_str).map(str::to_owned)
    }
}

impl Named {
    /// By VMID where one is stated, otherwise by name; `None` where neither is.
    pub fn of(vmid: Option<u32>, name: Option<&str>, kinds: &'static [GuestKind]) -> Option<Self> {
        let reference = match (vmid, name) {
            (Some(vmid), _) => GuestRef::Vmid(vmid),
            (None, Some(name)) => GuestRef::Name(name.to_owned()),
            (None, None) => return None,
        };
        Some(Self { reference, kinds })
    }

    /// The guest with its `status/current`.
    pub fn current(&self, cluster: &Cluster) -> Result<Sought<Live>, Failure> {
        self.seek(cluster, &|address| cluster.live(address))
    }

    /// The guest with its configuration.
    pub fn config(&self, cluster: &Cluster) -> Result<Sought<Arc<Value>>, Failure> {
        self.seek(cluster, &|address| cluster.get(&address.config()))
    }

    /// The guest with its configuration and what waits for its next boot.
    pub fn pending(&self, cluster: &Cluster) -> Result<Sought<Arc<Value>>, Failure> {
        self.seek(cluster, &|address| cluster.get(&address.pending()))
    }

    /// The guest with nothing of its own: where `/cluster/resources` has it. For
    /// a task that asks something else of it that answers as well.
    pub fn place(&self, cluster: &Cluster) -> Result<Sought<()>, Failure> {
        let resources = resources(cluster)?;
        let guest = self
            .locate(cluster, &resources)?
            .map(|address| One::of(&resources, address, None, ()));
        Ok(Sought { resources, guest })
    }

    /// As [`Named::place`], but that a guest of this name says itself that it
    /// bears it: for what must not happen to another one.
    pub fn certain(&self, cluster: &Cluster) -> Result<Sought<()>, Failure> {
        match self.reference {
            GuestRef::Vmid(_) => self.place(cluster),
            GuestRef::Name(_) => {
                let sought = self.current(cluster)?;
                Ok(Sought {
                    guest: sought.guest.map(|guest| One {
                        address: guest.address,
                        name: guest.name,
                        ha_managed: guest.ha_managed,
                        pool: guest.pool,
                        read: (),
                    }),
                    resources: sought.resources,
                })
            }
        }
    }

    fn seek<T: Reading>(
        &self,
        cluster: &Cluster,
        read: &dyn Fn(&Address) -> Result<T, Error>,
    ) -> Result<Sought<T>, Failure> {
        let resources = resources(cluster)?;
        let mut found = match self.locate(cluster, &resources)? {
            Some(address) => self.look(&resources, address, read)?,
            None => {
                return Ok(Sought {
                    resources,
                    guest: None,
                });
            }
        };
        // The last statistics round may be 10 s old: a guest that has gone, or has another name by now,
        // is not the one.
        if found.is_none() {
            let live = cluster.locate_live(
                &resources,
                std::slice::from_ref(&self.reference),
                self.kinds,
            );
            if let Some(address) = one(live)? {
                found = self.look(&resources, address, read)?;
            }
        }
        Ok(Sought {
            resources,
            guest: found,
        })
    }

    /// A VMID that `/cluster/resources` does not have is not there: it places
    /// guests at once. A name may be younger than its last round.
    fn locate(&self, cluster: &Cluster, resources: &Resources) -> Result<Option<Address>, Failure> {
        match &self.reference {
            GuestRef::Vmid(vmid) => Ok(resources
                .guest(*vmid)
                .map(|guest| guest.address.clone())
                .filter(|address| self.kinds.contains(&address.kind))),
            GuestRef::Name(_) => {
                one(cluster.locate(resources, std::slice::from_ref(&self.reference), self.kinds))
            }
        }
    }

    fn look<T: Reading>(
        &self,
        resources: &Resources,
        address: Address,
        read: &dyn Fn(&Address) -> Result<T, Error>,
    ) -> Result<Option<One<T>>, Failure> {
        if !resources.is_online(&address.node) {
            return Err(Failure::new(format!(
                "the guest `{}` is on the node {}, which is offline",
                address.vmid, address.node
            )));
        }
        let read = match read(&address) {
            Ok(read) => read,
            Err(error) if error.is_not_found() => return Ok(None),
            Err(error) => {
                let what = format!("look at the guest `{}`", address.vmid);
                return Err(fault::unable(&what, &error));
            }
        };
        let name = read.name(address.kind);
        let is_it = match &self.reference {
            GuestRef::Vmid(_) => true,
            GuestRef::Name(wanted) => name.as_ref() == Some(wanted),
        };
        Ok(is_it.then(|| One::of(resources, address, name, read)))
    }

    /// The failure of a task that needs a guest which is not there, with the
    /// words that playbooks know from community.proxmox.
    pub fn missing(&self, cluster: &Cluster, resources: &Resources) -> Failure {
        let which = match &self.reference {
            GuestRef::Vmid(vmid) => format!("vmid {vmid}"),
            GuestRef::Name(name) => format!("name = {name}"),
        };
        let offline: Vec<&str> = resources.offline_nodes().collect();
        let offline = if offline.is_empty() {
            String::new()
        } else {
            format!("offline: {}; ", offline.join(", "))
        };
        let user = cluster.client().user();
        Failure::new(format!(
            "VM with {which} does not exist in cluster ({offline}a guest without VM.Audit is invisible to {user})"
        ))
    }
}

impl<T> One<T> {
    fn of(resources: &Resources, address: Address, name: Option<String>, read: T) -> Self {
        let listed = resources.guest(address.vmid);
        Self {
            name: name.or_else(|| listed.and_then(|guest| guest.name.clone())),
            ha_managed: listed.is_some_and(|guest| guest.ha_managed),
            pool: listed.and_then(|guest| guest.pool.clone()),
            address,
            read,
        }
    }
}

impl<T> Sought<T> {
    /// The guest, or the failure that it is not there.
    pub fn there(self, named: &Named, cluster: &Cluster) -> Result<One<T>, Failure> {
        match self.guest {
            Some(guest) => Ok(guest),
            None => Err(named.missing(cluster, &self.resources)),
        }
    }
}

/// `/cluster/resources`.
fn resources(cluster: &Cluster) -> Result<Resources, Failure> {
    cluster
        .resources()
        .map_err(|error| fault::unable("look for guests", &error))
}

fn one(located: Vec<Result<Address, NotOne>>) -> Result<Option<Address>, Failure> {
    match located.into_iter().next() {
        Some(Ok(address)) => Ok(Some(address)),
        None | Some(Err(NotOne::None { .. })) => Ok(None),
        Some(Err(error)) => Err(fault::not_one(&error)),
    }
}

#[cfg(test)]
mod tests;
