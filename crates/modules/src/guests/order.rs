//! `order`: the start-up order that guests' configurations state.

use std::collections::{BTreeMap, BTreeSet};

use ansible::{Choice, Failure};
use pve::nodes::guest::Address;
use pve::plan::{Probe, Settles, Verdict};
use pve::wire::Startup;
use pve::{Call, Cluster, Step};

use super::config::Config;
use super::power::secs;
use crate::fault;

/// In which order guests are started or shut down.
#[derive(Choice, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// As they come.
    None,
    /// As their configuration's `startup` says.
    Startup,
}

/// The configurations of several guests, asked side by side.
pub fn configs(
    cluster: &Cluster,
    addresses: &[Address],
) -> Result<BTreeMap<Address, Config>, Failure> {
    let calls: Vec<Call> = addresses.iter().map(Address::config).collect();
    addresses
        .iter()
        .zip(cluster.get_each(&calls))
        .map(|(address, answer)| {
            let data = answer.map_err(|error| {
                fault::unable(
                    &format!("read the configuration of the guest `{}`", address.vmid),
                    &error,
                )
            })?;
            Ok((address.clone(), Config::from_config(&data)))
        })
        .collect()
}

/// A guest's place in the start-up order. The server takes no other text than one
/// that can be read; should it ever, the guest has no place.
pub fn startup(config: &Config) -> Startup {
    config
        .get("startup")
        .and_then(|startup| startup.parse().ok())
        .unwrap_or_default()
}

/// The stage of each guest, lowest order first; those without an order come last.
pub fn stages(startups: &BTreeMap<Address, Startup>) -> BTreeMap<Address, u32> {
    let place = |startup: &Startup| startup.order.unwrap_or(u32::MAX);
    let places: BTreeSet<u32> = startups.values().map(place).collect();
    let stage_of: BTreeMap<u32, u32> = places.into_iter().zip(0..).collect();
    startups
        .iter()
        .map(|(address, startup)| (address.clone(), stage_of[&place(startup)]))
        .collect()
}

/// A pause between one stage and the next.
pub fn pause(verb: &'static str, done: &'static str, seconds: u32) -> Step {
    Step::wait(verb, done, Probe::new(Vec::new(), |_| Verdict::Holds(None)))
        .settles(Settles::After(secs(seconds)))
}
