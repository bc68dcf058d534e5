//! `proxmox_shutdown_vms`: shuts guests down, by
//! `/nodes/{node}/{qemu,lxc}/{vmid}/status/{shutdown,stop}`.

use std::collections::{BTreeMap, BTreeSet};

use ansible::{Args, Choice, Failure};
use pve::apply::Applied;
use pve::nodes::guest::{Address, Status};
use pve::plan::{Bind, Ending, Follow, OnError, Probe, Verdict};
use pve::texts::Matched;
use pve::wire::Startup;
use pve::{Cluster, Plan, Planned, Step};
use serde_json::{Map, Value, json};

use super::order::{self, Order};
use super::power::{self, Fate, Item, Wish};
use super::select::{Chosen, Guest, Selection};
use super::steps::{self, HARD_STOP, ShutDown};
use crate::connection::Connection;
use crate::fault;
use crate::job::{Job, Report, Task};

/// `overrule-shutdown` came with Proxmox VE 8.2; an older server refuses what it does not know.
const OVERRULES_SINCE: (u32, u32) = (8, 2);

/// Bound where a guest did not shut down and was left running.
const LEFT: &str = "left";

/// The options of `proxmox_shutdown_vms`.
#[derive(Args, Debug)]
pub struct ShutdownArgs {
    /// Where the API is.
    #[arg(flatten)]
    pub connection: Connection,
    /// Which guests.
    #[arg(flatten)]
    pub selection: Selection,
    /// How many seconds each guest is given to shut down. The time in which it waits for its turn does not count.
    /// With O(order=startup) a guest's own C(down) comes before the default, but not before a value that is stated
    /// here.
    #[arg(default = 180)]
    pub timeout: u32,
    /// What follows when a guest has not shut down in that time: V(fail) fails, V(stop) stops it the hard way as if
    /// its power were cut, V(leave) leaves it running and warns.
    ///
    /// A paused VM cannot shut down, so the same follows at once.
    #[arg(default = "fail")]
    pub on_timeout: OnTimeout,
    /// V(startup) shuts guests down in the reverse of the order of C(startup) in their configurations: those without
    /// an order first, then those with a higher C(order) before those with a lower one.
    #[arg(default = "none")]
    pub order: Order,
    /// How many guests are shut down at a time.
    #[arg(default = 4)]
    pub parallel: u16,
}

/// What follows when time is over.
#[derive(Choice, Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnTimeout {
    /// A failure.
    Fail,
    /// A hard stop.
    Stop,
    /// Nothing.
    Leave,
}

/// The module.
pub struct ShutdownVms;

crate::module!(ShutdownVms, "proxmox_shutdown_vms");

impl Job for ShutdownVms {
    type Args = ShutdownArgs;
    type Notes = Vec<Item>;

    fn connection(args: &ShutdownArgs) -> &Connection {
        &args.connection
    }

    fn plan(
        task: &Task<'_, ShutdownArgs>,
        cluster: &Cluster,
    ) -> Result<Planned<Vec<Item>>, Failure> {
        let args = task.args;
        power::hold_parallel(args.parallel)?;
        let chosen = args.selection.choose(cluster)?;
        let configs = order::configs(cluster, &asked(args, &chosen.guests))?;
        let server = Server {
            startups: configs
                .iter()
                .map(|(address, config)| (address.clone(), order::startup(config)))
                .collect(),
            overrules: overrules(args, cluster, &chosen.guests)?,
            timeout_is_stated: task.context.given("timeout"),
        };
        let (plan, items) = plan(args, chosen, &server);
        Ok(Planned::Ready(plan, items))
    }

    fn report(
        task: &Task<'_, ShutdownArgs>,
        items: Vec<Item>,
        plan: &Plan,
        applied: Option<&Applied>,
        cluster: &Cluster,
    ) -> Report {
        let wish = wish(task.args);
        let mut warnings = power::foreseen(&wish, &items, applied);
        let mut rows: Vec<Value> = Vec::new();
        for item in &items {
            let mut row = wish.row(item, applied, cluster);
            row.insert("method".to_owned(), json!(method(item, plan, applied)));
            if let Some(left) = item.end(applied).and_then(|end| end.bindings.get(LEFT)) {
                row.insert("status".to_owned(), json!(item.guest.live.status.as_str()));
                warnings.push(format!("{}: {left}", item.guest.title()));
            }
            rows.push(Value::Object(row));
        }
        Report {
            msg: Some(msg(task, &items, applied)),
            warnings,
            returns: Map::from_iter([("guests".to_owned(), json!(rows))]),
            ..Report::default()
        }
    }
}

/// What planning needs beside the guests.
#[derive(Debug, Default)]
struct Server {
    /// Of the guests that change, where the order matters.
    startups: BTreeMap<Address, Startup>,
    /// The nodes that know `overrule-shutdown`.
    overrules: BTreeSet<String>,
    timeout_is_stated: bool,
}

fn wish(args: &ShutdownArgs) -> Wish {
    Wish {
        verb: "shut down",
        status: Some(Status::Stopped),
        parallel: args.parallel,
        on_error: OnError::Continue,
    }
}

fn changes(args: &ShutdownArgs, guest: &Guest) -> bool {
    guest.live.status != Status::Stopped && cannot(args, guest).is_none()
}

/// The guests whose configuration matters: no other is asked for it.
fn asked(args: &ShutdownArgs, guests: &[Guest]) -> Vec<Address> {
    guests
        .iter()
        .filter(|guest| args.order == Order::Startup && changes(args, guest))
        .map(|guest| guest.address.clone())
        .collect()
}

/// The nodes whose `stop` may overrule a shutdown, asked only where that may be needed.
fn overrules(
    args: &ShutdownArgs,
    cluster: &Cluster,
    guests: &[Guest],
) -> Result<BTreeSet<String>, Failure> {
    let nodes: BTreeSet<&String> = guests
        .iter()
        .filter(|guest| changes(args, guest) && !guest.ha_managed)
        .filter(|_| args.on_timeout == OnTimeout::Stop)
        .map(|guest| &guest.address.node)
        .collect();
    let mut overrules = BTreeSet::new();
    for node in nodes {
        let version = cluster.node_version(node).map_err(|error| {
            fault::unable(&format!("read the version of the node `{node}`"), &error)
        })?;
        if version >= OVERRULES_SINCE {
            overrules.insert(node.clone());
        }
    }
    Ok(overrules)
}

fn plan(args: &ShutdownArgs, chosen: Chosen, server: &Server) -> (Plan, Vec<Item>) {
    let stages = order::stages(&server.startups);
    let last = stages.values().max().copied().unwrap_or_default();
    let stages = stages
        .into_iter()
        .map(|(address, stage)| (address, last - stage))
        .collect();
    let fates = chosen
        .guests
        .iter()
        .map(|guest| fate(args, guest, server))
        .collect();
    wish(args).plan(chosen, fates, &stages)
}

/// What keeps a guest from being shut down.
fn cannot(args: &ShutdownArgs, guest: &Guest) -> Option<String> {
    match guest.live.status {
        Status::Stopped => None,
        Status::Unknown => Some("its node does not know its status".to_owned()),
        Status::Running | Status::Paused => power::held(guest, &[]).or_else(|| {
            let stuck = guest.live.status == Status::Paused && args.on_timeout == OnTimeout::Fail;
            stuck.then(|| {
                format!(
                    "{PAUSED}: resume it (`qm resume {}` on {}), or use on_timeout: stop",
                    guest.address.vmid, guest.address.node
                )
            })
        }),
    }
}

const PAUSED: &str = "it is paused and cannot shut down";

fn fate(args: &ShutdownArgs, guest: &Guest, server: &Server) -> Fate {
    if let Some(why) = cannot(args, guest) {
        return Fate::Cannot(why);
    }
    let (step, limit) = match (guest.live.status, args.on_timeout) {
        (Status::Stopped, _) => return Fate::There,
        (Status::Paused, OnTimeout::Stop) => (stop(guest, server), None),
        (Status::Paused, _) => (left(PAUSED.to_owned()), None),
        _ => {
            let step = shut_down(args, guest, server);
            // What follows has its own time, or else a long shutdown would leave none for it.
            let limit = step.limit.map(|limit| limit + HARD_STOP);
            (step, limit)
        }
    };
    Fate::Steps(vec![step], limit)
}

fn shut_down(args: &ShutdownArgs, guest: &Guest, server: &Server) -> Step {
    let own = server
        .startups
        .get(&guest.address)
        .and_then(|startup| startup.down)
        .filter(|_| !server.timeout_is_stated);
    let timeout = own.unwrap_or(args.timeout);
    let mut step = ShutDown {
        timeout,
        force: false,
        by_ha: guest.ha_managed,
    }
    .step(&guest.address.path());
    for ending in [Ending::TimedOut, Ending::Text(Matched::ShutdownTimeout)] {
        let next = match args.on_timeout {
            OnTimeout::Fail => continue,
            OnTimeout::Stop => stop(guest, server),
            OnTimeout::Leave => left(format!(
                "it did not shut down within {timeout} s and was left running"
            )),
        };
        step = step.on(ending, Follow::Steps(vec![next]));
    }
    step
}

fn stop(guest: &Guest, server: &Server) -> Step {
    let overrules = server.overrules.contains(&guest.address.node);
    steps::stop(&guest.address.path(), guest.ha_managed, overrules)
}

/// A step that only notes why the guest was left running.
fn left(why: String) -> Step {
    let probe = Probe::new(Vec::new(), move |_| Verdict::Holds(Some(why.clone())));
    Step::wait("leave", "left running", probe).binds(Bind::Probe { name: LEFT })
}

/// `shutdown`, `stop` or `none`: what took the guest down, or would.
fn method(item: &Item, plan: &Plan, applied: Option<&Applied>) -> &'static str {
    let did = |verb: &str| match (item.end(applied), item.track) {
        (Some(end), _) => end.wrote(verb),
        (None, Some(track)) => plan.tracks[track]
            .steps
            .iter()
            .any(|step| step.call.is_some() && step.verb == verb),
        (None, None) => false,
    };
    if did("stop") {
        "stop"
    } else if did("shut down") {
        "shutdown"
    } else {
        "none"
    }
}

fn msg(task: &Task<'_, ShutdownArgs>, items: &[Item], applied: Option<&Applied>) -> String {
    if items.is_empty() {
        return format!(
            "nothing to shut down: {}",
            task.args.selection.description()
        );
    }
    let done = if task.context.check_mode {
        "would be shut down"
    } else {
        "shut down"
    };
    power::summary(items, applied, done, &wish(task.args), "had stopped")
}

#[cfg(test)]
mod tests;
