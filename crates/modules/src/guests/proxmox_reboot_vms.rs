//! `proxmox_reboot_vms`: reboots guests, by `/nodes/{node}/{qemu,lxc}/{vmid}/status/reboot`.

mod told;

use std::collections::BTreeMap;

use ansible::{Args, Choice, Failure};
use pve::apply::Applied;
use pve::nodes::guest::{Address, GuestKind, Status};
use pve::nodes::reach;
use pve::plan::{Ending, Follow};
use pve::texts::Matched;
use pve::{Cluster, Plan, Planned, Segment, Step, path};
use serde_json::{Map, Value, json};

use super::config::Config;
use super::order::{self, Order, Turns};
use super::power::{self, Fate, Item, NODE, Wish};
use super::proxmox_clone_vms::OnVmError;
use super::proxmox_start_vms::{hold_templates, may_ask_agents};
use super::select::{Chosen, Guest, Selection};
use super::steps::{self, HARD_STOP, Reboot};
use super::wait::{self, Reach, WaitFor};
use crate::connection::Connection;
use crate::job::{Job, Report, Task};

/// The options of `proxmox_reboot_vms`.
#[derive(Args, Debug)]
#[expect(
    clippy::doc_markdown,
    reason = "doc comments of options are in the markup of ansible-doc"
)]
#[args(required_if(key = "wait_for", value = "port", all = ["port"]))]
pub struct RebootArgs {
    /// Where the API is.
    #[arg(flatten)]
    pub connection: Connection,
    /// Which guests.
    #[arg(flatten)]
    pub selection: Selection,
    /// Whether only guests are rebooted that have values waiting for their next boot, so that a second run changes
    /// nothing.
    #[arg(default = false)]
    pub only_pending: bool,
    /// How many seconds each guest is given to shut down. The time in which it waits for its turn does not count.
    #[arg(default = 180)]
    pub timeout: u32,
    /// What follows when a VM has not shut down in that time: V(fail) fails and leaves it running, V(stop) stops it
    /// the hard way, as if its power were cut, and starts it again. The server always does the latter to a container.
    #[arg(default = "fail")]
    pub on_timeout: OnTimeout,
    /// How far each guest must have come, after it was down: V(running) holds that it runs again, V(agent) waits for
    /// its guest agent, V(ip) for an address, V(port) for a TCP port that takes connections from where the module
    /// runs. What tells the address is the same as for M(ferrox.proxmox.proxmox_start_vms).
    #[arg(default = "running")]
    pub wait_for: Until,
    /// The TCP port of O(wait_for=port).
    pub port: Option<u16>,
    /// How many seconds each guest may take to run again, and then once more to come as far as O(wait_for) says.
    #[arg(default = 300)]
    pub boot_timeout: u32,
    /// V(startup) reboots guests in the order of C(startup) in their configurations: those with a lower C(order)
    /// first, guests of the same order side by side, those without an order last. The next ones wait until the former
    /// have come as far as O(wait_for) says and C(up) seconds have passed.
    #[arg(default = "none")]
    pub order: Order,
    /// How many guests are rebooted at a time.
    #[arg(default = 4)]
    pub parallel: u16,
    /// Whether further guests are begun after one has failed.
    #[arg(default = "continue")]
    pub on_error: OnVmError,
}

/// What follows when time is over.
#[derive(Choice, Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnTimeout {
    /// A failure.
    Fail,
    /// A hard stop, and a start.
    Stop,
}

/// How far a guest must have come.
#[derive(Choice, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// It runs.
    Running,
    /// Its guest agent answers.
    Agent,
    /// It has an address.
    Ip,
    /// A port of it takes connections.
    Port,
}

impl From<Until> for WaitFor {
    fn from(until: Until) -> Self {
        match until {
            Until::Running => Self::Running,
            Until::Agent => Self::Agent,
            Until::Ip => Self::Ip,
            Until::Port => Self::Port,
        }
    }
}

/// The module.
pub struct RebootVms;

crate::module!(RebootVms, "proxmox_reboot_vms");

/// What the report needs.
#[derive(Debug)]
pub struct Notes {
    items: Vec<Item>,
    /// What waits for the next boot of each guest that was asked for it.
    pending: BTreeMap<Address, Vec<String>>,
}

impl Job for RebootVms {
    type Args = RebootArgs;
    type Notes = Notes;

    fn connection(args: &RebootArgs) -> &Connection {
        &args.connection
    }

    fn plan(task: &Task<'_, RebootArgs>, cluster: &Cluster) -> Result<Planned<Notes>, Failure> {
        let args = task.args;
        power::hold_parallel(args.parallel)?;
        let chosen = args.selection.choose(cluster)?;
        hold_templates(&chosen.guests, "rebooted")?;
        let asked: Vec<Address> = chosen
            .guests
            .iter()
            .filter(|guest| guest.live.status == Status::Running && cannot(guest).is_none())
            .map(|guest| guest.address.clone())
            .collect();
        let configs = if args.only_pending {
            order::pending(cluster, &asked)?
        } else if args.order == Order::Startup || args.wait_for != Until::Running {
            order::configs(cluster, &asked)?
        } else {
            BTreeMap::new()
        };
        let (plan, items) = plan(args, chosen, &configs)?;
        may_ask_agents(args.wait_for.into(), cluster, &items, &configs)?;
        let pending = configs
            .into_iter()
            .map(|(address, config)| (address, config.pending().to_vec()))
            .collect();
        Ok(Planned::Ready(plan, Notes { items, pending }))
    }

    fn report(
        task: &Task<'_, RebootArgs>,
        notes: Notes,
        _plan: &Plan,
        applied: Option<&Applied>,
        cluster: &Cluster,
    ) -> Report {
        let args = task.args;
        let wish = wish(args);
        let rows: Vec<Value> = notes
            .items
            .iter()
            .map(|item| {
                let guest = &item.guest;
                let mut row = wish.row(item, applied, cluster);
                row.insert("method".to_owned(), json!(told::method(item, applied)));
                row.insert("uptime_before".to_owned(), json!(guest.live.uptime));
                if args.only_pending {
                    let pending = notes.pending.get(&guest.address);
                    row.insert("pending".to_owned(), json!(pending.unwrap_or(&Vec::new())));
                }
                if matches!(args.wait_for, Until::Ip | Until::Port) {
                    let found = item.end(applied).map(wait::addresses).unwrap_or_default();
                    row.insert("ip_addresses".to_owned(), json!(found));
                }
                Value::Object(row)
            })
            .collect();
        let mut warnings = power::foreseen(&wish, &notes.items, applied);
        if args.only_pending && applied.is_some() {
            warnings.extend(told::still_pending(&notes.items, applied, cluster));
        }
        Report {
            msg: Some(told::msg(task, &notes, applied)),
            warnings,
            returns: Map::from_iter([("guests".to_owned(), json!(rows))]),
            ..Report::default()
        }
    }
}

fn wish(args: &RebootArgs) -> Wish {
    Wish {
        verb: "reboot",
        status: Some(Status::Running),
        parallel: args.parallel,
        on_error: args.on_error.into(),
    }
}

fn plan(
    args: &RebootArgs,
    chosen: Chosen,
    configs: &BTreeMap<Address, Config>,
) -> Result<(Plan, Vec<Item>), Failure> {
    let reboots = chosen
        .guests
        .iter()
        .filter(|guest| reboots(args, guest, configs.get(&guest.address)))
        .map(|guest| &guest.address);
    let turns = Turns::of(args.order, reboots, configs);
    let fates = power::fates(&chosen.guests, |guest| {
        fate(
            args,
            guest,
            turns.up(&guest.address),
            configs.get(&guest.address),
        )
    })?;
    let (mut plan, items) = wish(args).plan(chosen, fates, &turns.stages);
    // It runs before and after: the diff tells what happens in between.
    for item in items.iter().filter(|item| item.writes) {
        plan.after[item.guest.title()] = json!("rebooted");
    }
    Ok((plan, items))
}

/// What keeps a guest from being rebooted.
fn cannot(guest: &Guest) -> Option<String> {
    match guest.live.status {
        Status::Stopped => None,
        Status::Unknown => Some("its node does not know its status".to_owned()),
        Status::Paused => Some(match guest.address.kind {
            GuestKind::Qemu => format!(
                "it is paused and cannot reboot: resume it (`qm resume {}` on {})",
                guest.address.vmid, guest.address.node
            ),
            GuestKind::Lxc => "it is frozen and cannot reboot: resume it".to_owned(),
        }),
        Status::Running => power::held(guest, &[]),
    }
}

fn reboots(args: &RebootArgs, guest: &Guest, config: Option<&Config>) -> bool {
    guest.live.status == Status::Running
        && cannot(guest).is_none()
        && (!args.only_pending || config.is_some_and(|config| !config.pending().is_empty()))
}

fn fate(
    args: &RebootArgs,
    guest: &Guest,
    up: u32,
    config: Option<&Config>,
) -> Result<Fate, wait::NoWay> {
    if let Some(why) = cannot(guest) {
        return Ok(Fate::Cannot(why));
    }
    if !reboots(args, guest, config) {
        return Ok(Fate::There);
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
    let boot = power::secs(args.boot_timeout);
    let reboot = reboot(args, guest);
    let mut limit = reboot.limit.unwrap_or_default() + HARD_STOP + boot + power::secs(up);
    let runs = Step::wait("wait for", "running again", reach::running(&path, None)).within(boot);
    let mut steps = vec![reboot, runs];
    if up > 0 {
        steps.push(order::pause(
            "wait after the reboot of",
            "start-up delay over",
            up,
        ));
    }
    if args.wait_for != Until::Running {
        let reach = Reach::of(address.kind, |key| config?.get(key).map(str::to_owned));
        let waits = reach.steps(&path, args.wait_for.into(), args.port.unwrap_or_default())?;
        for wait in waits {
            limit += boot;
            steps.push(wait.within(boot));
        }
    }
    Ok(Fate::Steps(steps, Some(limit)))
}

fn reboot(args: &RebootArgs, guest: &Guest) -> Step {
    let address = &guest.address;
    let mut step = Reboot {
        address,
        timeout: args.timeout,
        uptime: guest.live.uptime,
    }
    .step();
    if args.on_timeout == OnTimeout::Stop {
        for ending in [Ending::TimedOut, Ending::Text(Matched::ShutdownTimeout)] {
            let down = steps::stop(&address.path(), guest.ha_managed, false);
            let up = if guest.ha_managed {
                steps::start_by_ha(address)
            } else {
                steps::start(&address.path())
            };
            step = step.on(ending, Follow::Steps(vec![down, up]));
        }
    }
    step
}

#[cfg(test)]
mod tests;
