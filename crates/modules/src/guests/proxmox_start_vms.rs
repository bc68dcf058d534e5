//! `proxmox_start_vms`: starts guests, by `/nodes/{node}/{qemu,lxc}/{vmid}/status/start`.

use std::collections::BTreeMap;

use ansible::{Args, Failure};
use pve::apply::Applied;
use pve::nodes::guest::{Address, GuestKind, Status};
use pve::plan::OnError;
use pve::{Cluster, Plan, Planned, Segment, Step, path};
use serde_json::{Map, Value, json};

use super::config::Config;
use super::held;
use super::order::{self, Order, Turns};
use super::power::{self, Fate, Item, NODE, Wish};
use super::select::{Chosen, Guest, Selection};
use super::steps;
use super::wait::{self, Reach, WaitFor};
use crate::connection::Connection;
use crate::job::{Job, Report, Task};

/// The options of `proxmox_start_vms`.
#[derive(Args, Debug)]
#[expect(
    clippy::doc_markdown,
    reason = "doc comments of options are in the markup of ansible-doc"
)]
#[args(required_if(key = "wait_for", value = "port", all = ["port"]))]
pub struct StartArgs {
    /// Where the API is.
    #[arg(flatten)]
    pub connection: Connection,
    /// Which guests.
    #[arg(flatten)]
    pub selection: Selection,
    /// How far each guest must have come: V(none) waits for the end of its start, V(running) also holds that it
    /// runs then, V(agent) waits for its guest agent, V(ip) for an address, V(port) for a TCP port that takes
    /// connections from where the module runs.
    ///
    /// Guests that run already are waited for too. V(ip) and V(port) take a static address from C(ipconfigN) where
    /// there is one, and otherwise ask the guest agent. Containers need no agent: they tell their addresses
    /// themselves, and V(agent) is V(running) for them.
    #[arg(default = "none")]
    pub wait_for: WaitFor,
    /// The TCP port of O(wait_for=port).
    pub port: Option<u16>,
    /// How many seconds each guest may take, from its start to what O(wait_for) says. The time in which it waits
    /// for its turn does not count.
    #[arg(default = 300)]
    pub timeout: u32,
    /// V(startup) starts guests in the order of C(startup) in their configurations: those with a lower C(order)
    /// first, guests of the same order side by side, those without an order last. The next ones wait until
    /// C(up) seconds have passed.
    #[arg(default = "none")]
    pub order: Order,
    /// How many guests are started at a time.
    #[arg(default = 4)]
    pub parallel: u16,
}

/// The module.
pub struct StartVms;

crate::module!(StartVms, "proxmox_start_vms");

impl Job for StartVms {
    type Args = StartArgs;
    type Notes = Vec<Item>;

    fn connection(args: &StartArgs) -> &Connection {
        &args.connection
    }

    fn plan(task: &Task<'_, StartArgs>, cluster: &Cluster) -> Result<Planned<Vec<Item>>, Failure> {
        let args = task.args;
        power::hold_parallel(args.parallel)?;
        let chosen = args.selection.choose(cluster)?;
        hold_templates(&chosen.guests, "started")?;
        let configs = order::configs(cluster, &asked(args, &chosen.guests))?;
        let (plan, items) = plan(args, chosen, &configs)?;
        may_ask_agents(args.wait_for, cluster, &items, &configs)?;
        Ok(Planned::Ready(plan, items))
    }

    fn report(
        task: &Task<'_, StartArgs>,
        items: Vec<Item>,
        _plan: &Plan,
        applied: Option<&Applied>,
        cluster: &Cluster,
    ) -> Report {
        let wish = wish(task.args);
        let rows: Vec<Value> = items
            .iter()
            .map(|item| {
                let mut row = wish.row(item, applied, cluster);
                if matches!(task.args.wait_for, WaitFor::Ip | WaitFor::Port) {
                    let found = item.end(applied).map(wait::addresses).unwrap_or_default();
                    row.insert("ip_addresses".to_owned(), json!(found));
                }
                Value::Object(row)
            })
            .collect();
        Report {
            msg: Some(msg(task, &items, applied)),
            warnings: power::foreseen(&wish, &items, applied),
            returns: Map::from_iter([("guests".to_owned(), json!(rows))]),
            ..Report::default()
        }
    }
}

fn wish(args: &StartArgs) -> Wish {
    Wish {
        verb: "start",
        status: Some(Status::Running),
        parallel: args.parallel,
        on_error: OnError::Continue,
    }
}

/// A template that was named can be no more than a slip of the pen.
pub(super) fn hold_templates(guests: &[Guest], done: &str) -> Result<(), Failure> {
    let templates: Vec<String> = guests
        .iter()
        .filter(|guest| guest.live.template)
        .map(|guest| format!("`{}`", guest.title()))
        .collect();
    match templates.as_slice() {
        [] => Ok(()),
        [one] => Err(Failure::new(format!(
            "{one} is a template: templates cannot be {done}"
        ))),
        several => Err(Failure::new(format!(
            "{} are templates: templates cannot be {done}",
            several.join(", ")
        ))),
    }
}

/// The guests whose configuration matters: no other is asked for it.
fn asked(args: &StartArgs, guests: &[Guest]) -> Vec<Address> {
    let waits = matches!(args.wait_for, WaitFor::Agent | WaitFor::Ip | WaitFor::Port);
    guests
        .iter()
        .filter(|guest| waits || (args.order == Order::Startup && will_start(guest)))
        .map(|guest| guest.address.clone())
        .collect()
}

fn will_start(guest: &Guest) -> bool {
    cannot(guest).is_none() && guest.live.status == Status::Stopped
}

fn plan(
    args: &StartArgs,
    chosen: Chosen,
    configs: &BTreeMap<Address, Config>,
) -> Result<(Plan, Vec<Item>), Failure> {
    let starting = chosen
        .guests
        .iter()
        .filter(|guest| will_start(guest))
        .map(|guest| &guest.address);
    let turns = Turns::of(args.order, starting, configs);
    let fates = power::fates(&chosen.guests, |guest| {
        let up = turns.up(&guest.address);
        fate(args, guest, up, configs.get(&guest.address))
    })?;
    Ok(wish(args).plan(chosen, fates, &turns.stages))
}

/// What keeps a guest from being started.
fn cannot(guest: &Guest) -> Option<String> {
    match guest.live.status {
        Status::Running => None,
        Status::Paused => Some(match guest.address.kind {
            GuestKind::Qemu => format!(
                "it is paused: resume it (`qm resume {}` on {})",
                guest.address.vmid, guest.address.node
            ),
            GuestKind::Lxc => "it is frozen: resume it".to_owned(),
        }),
        Status::Unknown => Some("its node does not know its status".to_owned()),
        // A start takes these two locks away: of a VM that sleeps on disk, of a container whose disks are mounted.
        Status::Stopped => power::held(guest, &[held::HIBERNATED, "mounted"]),
    }
}

fn fate(
    args: &StartArgs,
    guest: &Guest,
    up: u32,
    config: Option<&Config>,
) -> Result<Fate, wait::NoWay> {
    if let Some(why) = cannot(guest) {
        return Ok(Fate::Cannot(why));
    }
    let address = &guest.address;
    let path = if guest.ha_managed {
        path!(
            "nodes",
            Segment::Bound(NODE),
            address.kind.as_str(),
            address.vmid
        )
    } else {
        address.path()
    };
    let starts = guest.live.status != Status::Running;
    let mut steps = Vec::new();
    if starts {
        steps.push(start(guest));
        if up > 0 {
            steps.push(order::pause(
                "wait after the start of",
                "start-up delay over",
                up,
            ));
        }
    }
    // Its own status was read a moment ago: what runs is not asked again.
    if starts || args.wait_for != WaitFor::Running {
        let reach = Reach::of(guest.address.kind, |key| {
            config?.get(key).map(str::to_owned)
        });
        steps.extend(reach.steps(&path, args.wait_for, args.port.unwrap_or_default())?);
    }
    Ok(if steps.is_empty() {
        Fate::There
    } else {
        Fate::Steps(steps, Some(power::secs(args.timeout) + power::secs(up)))
    })
}

fn start(guest: &Guest) -> Step {
    if guest.ha_managed {
        steps::start_by_ha(&guest.address)
    } else {
        steps::start(&guest.address.path())
    }
}

/// Fails where the caller may not ask the agents of guests that are waited for.
pub(super) fn may_ask_agents(
    wait_for: WaitFor,
    cluster: &Cluster,
    items: &[Item],
    configs: &BTreeMap<Address, Config>,
) -> Result<(), Failure> {
    let guests: Vec<_> = items
        .iter()
        .filter(|item| item.track.is_some() && item.cannot.is_none())
        .map(|item| &item.guest)
        .filter(|guest| {
            let config = configs.get(&guest.address);
            Reach::of(guest.address.kind, |key| {
                config?.get(key).map(str::to_owned)
            })
            .needs_agent(wait_for)
        })
        .map(|guest| (guest.label(), Some(guest.address.vmid), guest.pool.clone()))
        .collect();
    wait::may_ask_agents(cluster, &guests)
}

fn msg(task: &Task<'_, StartArgs>, items: &[Item], applied: Option<&Applied>) -> String {
    if items.is_empty() {
        return format!("nothing to start: {}", task.args.selection.description());
    }
    let done = if task.context.check_mode {
        "would be started"
    } else {
        "started"
    };
    power::summary(items, applied, done, &wish(task.args), "ran")
}

#[cfg(test)]
mod tests;
