//! What is read of each VM and template before the plan is made.

use std::collections::BTreeMap;

use ansible::Failure;
use pve::nodes::guest::Status;
use pve::texts::Matched;
use pve::wire::password::Compared;
use pve::{Call, Cluster, Error, path};
use secret::Secret;

use super::item::{Item, Problems, There};
use super::picture::Picture;
use crate::fault;
use crate::guests::config::Config;
use crate::guests::password;

/// The configurations that the plan compares with.
pub struct Reading {
    configs: BTreeMap<u32, Config>,
    passwords: BTreeMap<u32, Compared>,
}

impl Reading {
    /// Asks for them, side by side. A VMID or pool that cannot be had is a problem.
    pub fn of(
        cluster: &Cluster,
        picture: &Picture,
        items: &[Item],
        there: &[There],
        problems: &mut Problems,
    ) -> Result<Self, Failure> {
        let mut calls: BTreeMap<u32, Call> = BTreeMap::new();
        let mut checks: Vec<(&Item, Call)> = Vec::new();
        for (item, there) in items.iter().zip(there) {
            // A pool without Pool.Audit is not listed.
            let pool = item.settings.pool.as_ref();
            if let Some(pool) = pool.filter(|pool| !picture.resources.pools.contains(*pool)) {
                checks.push((item, Call::get(path!("pools")).with("poolid", pool)));
            }
            match there {
                There::No(source) => {
                    // A source may be one of the wanted VMs, whose pending values count.
                    calls
                        .entry(source.address.vmid)
                        .or_insert_with(|| source.address.config());
                    // `nextid` sees guests that the caller may not see.
                    checks.extend(item.vmid.map(|vmid| {
                        let call = Call::get(path!("cluster", "nextid")).with("vmid", vmid);
                        (item, call)
                    }));
                }
                // Only a running VM can have values that wait for its next boot.
                There::Yes(address, live) if live.status == Status::Stopped => {
                    calls.insert(address.vmid, address.config());
                }
                There::Yes(address, _) => {
                    calls.insert(address.vmid, address.pending());
                }
            }
        }
        let (askers, checks): (Vec<&Item>, Vec<Call>) = checks.into_iter().unzip();
        for (item, answer) in askers.into_iter().zip(cluster.get_each(&checks)) {
            problems.keep(
                item,
                answer.map_or_else(|error| obstacle(picture, item, &error), |_| Ok(())),
            );
        }
        let (vmids, calls): (Vec<u32>, Vec<Call>) = calls.into_iter().unzip();
        let mut configs = BTreeMap::new();
        for (vmid, answer) in vmids.into_iter().zip(cluster.get_each(&calls)) {
            let data =
                answer.map_err(|error| fault::unable(&format!("read VM `{vmid}`"), &error))?;
            let config = if data.is_array() {
                Config::from_pending(&data)
            } else {
                Config::from_config(&data)
            };
            configs.insert(vmid, config);
        }
        let passwords = passwords(cluster, items, there, &configs);
        Ok(Self { configs, passwords })
    }

    /// The configuration of a VM that was asked about.
    pub fn config(&self, vmid: u32) -> Config {
        self.configs.get(&vmid).cloned().unwrap_or_default()
    }

    /// How the stored cloud-init password of a VM compares, if one is wanted.
    pub fn password(&self, vmid: u32) -> Compared {
        self.passwords
            .get(&vmid)
            .copied()
            .unwrap_or(Compared::Differs)
    }
}

/// What stands against a VMID or a pool that was asked about. Whoever may not
/// ask may still be allowed to use it.
fn obstacle(picture: &Picture, item: &Item, error: &Error) -> Result<(), String> {
    match (error.matched(), item.vmid, &item.settings.pool) {
        _ if error.status() == Some(403) => Ok(()),
        (Some(Matched::VmidTaken), Some(vmid), _) if picture.is_being_made(vmid) => Err(format!(
            "VMID {vmid} is taken by a VM that another client is cloning"
        )),
        (Some(Matched::VmidTaken), Some(vmid), _) => Err(format!(
            "VMID {vmid} is taken by a guest that cannot be seen (one without VM.Audit is invisible)"
        )),
        (Some(Matched::NotFound), _, Some(pool)) => Err(format!("there is no pool `{pool}`")),
        _ => Err(error.to_string()),
    }
}

/// How the stored cloud-init passwords compare with the wanted ones. Where none
/// is stored there is nothing to compare.
fn passwords(
    cluster: &Cluster,
    items: &[Item],
    there: &[There],
    configs: &BTreeMap<u32, Config>,
) -> BTreeMap<u32, Compared> {
    let stores_one = |vmid: u32| {
        let config = configs.get(&vmid);
        config.is_some_and(|config| config.get("cipassword").is_some())
    };
    let asked: Vec<(u32, &Secret, Call)> = items
        .iter()
        .zip(there)
        .filter_map(|(item, there)| match there {
            There::Yes(address, _) if stores_one(address.vmid) => {
                let call = password::user_data(address);
                Some((address.vmid, item.settings.cipassword.as_ref()?, call))
            }
            _ => None,
        })
        .collect();
    let calls: Vec<Call> = asked.iter().map(|(_, _, call)| call.clone()).collect();
    asked
        .iter()
        .zip(cluster.get_each(&calls))
        .map(|((vmid, wanted, _), dump)| {
            let compared = match configs.get(vmid) {
                Some(have) => password::compared(have, wanted, dump.as_deref()),
                None => Compared::Unknown,
            };
            (*vmid, compared)
        })
        .collect()
}
