//! `order`: the start-up order that guests' configurations state.

use std::collections::{BTreeMap, BTreeSet};

use ansible::{Choice, Failure};
use pve::nodes::guest::Address;
use pve::plan::{Probe, Settles, Verdict};
use pve::wire::Startup;
use pve::{Call, Cluster, Step};
use serde_json::Value;

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
    read_each(cluster, addresses, Address::config, Config::from_config)
}

/// As [`configs`], with what waits for the next boot.
pub fn pending(
    cluster: &Cluster,
    addresses: &[Address],
) -> Result<BTreeMap<Address, Config>, Failure> {
    read_each(cluster, addresses, Address::pending, Config::from_pending)
}

fn read_each(
    cluster: &Cluster,
    addresses: &[Address],
    call: fn(&Address) -> Call,
    read: fn(&Value) -> Config,
) -> Result<BTreeMap<Address, Config>, Failure> {
    let calls: Vec<Call> = addresses.iter().map(call).collect();
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
            Ok((address.clone(), read(&data)))
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

/// Whose turn comes when, where guests are started in their order.
#[derive(Debug, Default)]
pub struct Turns {
    startups: BTreeMap<Address, Startup>,
    /// The stage of each guest; those without one come first.
    pub stages: BTreeMap<Address, u32>,
}

impl Turns {
    /// The turns of these guests.
    pub fn of<'a>(
        order: Order,
        guests: impl Iterator<Item = &'a Address>,
        configs: &BTreeMap<Address, Config>,
    ) -> Self {
        let startups: BTreeMap<Address, Startup> = guests
            .filter(|_| order == Order::Startup)
            .map(|address| {
                let startup = configs.get(address).map(startup);
                (address.clone(), startup.unwrap_or_default())
            })
            .collect();
        let stages = stages(&startups);
        Self { startups, stages }
    }

    /// How many seconds the next stage waits for this guest; after the last one nobody waits.
    pub fn up(&self, address: &Address) -> u32 {
        let last = self.stages.values().max();
        self.startups
            .get(address)
            .filter(|_| self.stages.get(address) < last)
            .and_then(|startup| startup.up)
            .unwrap_or_default()
    }
}

/// A pause between one stage and the next.
pub fn pause(verb: &'static str, done: &'static str, seconds: u32) -> Step {
    Step::wait(verb, done, Probe::new(Vec::new(), |_| Verdict::Holds(None)))
        .settles(Settles::After(secs(seconds)))
}
