//! What is done for each state of a VM that is there.

use std::time::Duration;

use ansible::Failure;
use pve::nodes::guest::{Live, Status};
use pve::{Cluster, Planned, Step};
use serde_json::{Value, json};

use super::subject::{Notes, named, planned};
use crate::guests::delta::Delta;
use crate::guests::held;
use crate::guests::power::secs;
use crate::guests::proxmox_kvm::{KvmArgs, State};
use crate::guests::single::{Deed, One, patience};
use crate::guests::steps::{self, HARD_STOP, Remove, ShutDown};
use crate::job::Task;

/// What the server gives a VM to shut down in, where nobody says otherwise.
const SHUTDOWN_SECONDS: u32 = 60;

/// What a shutdown may take beyond the time that the guest is given.
const GRACE: Duration = Duration::from_secs(30);

/// The plan of a state other than present and absent.
pub fn plan(task: &Task<'_, KvmArgs>, cluster: &Cluster) -> Result<Planned<Notes>, Failure> {
    let named = named(task.args)?;
    let one = named.current(cluster)?.there(&named, cluster)?;
    let deed = deed(task, &one, cluster)?.returns("vmid", one.address.vmid);
    // A start takes up what a hibernation left, whose lock it is.
    let lock = one.read.lock.as_deref().filter(|lock| *lock != "suspended");
    Ok(planned(task, deed, &one.address, &one.label(), lock))
}

/// The plan of a removal.
pub fn absent(task: &Task<'_, KvmArgs>, cluster: &Cluster) -> Result<Planned<Notes>, Failure> {
    let args = task.args;
    let named = named(args)?;
    let Some(one) = named.current(cluster)?.guest else {
        return Ok(Notes::nothing(match (args.vmid, &args.name) {
            (None, Some(name)) => Deed::says(format!("VM with name = {name} is already absent")),
            (vmid, _) => Deed::default().returns("vmid", json!(vmid)),
        }));
    };
    let vmid = one.address.vmid;
    let forced = args.force == Some(true);
    let deed = if one.read.status == Status::Stopped || forced {
        let by_ha = is_managed(&one) && !args.removal.purge;
        held::hold_removal(cluster, &one.address, &one.label(), by_ha)?;
        let mut delta = Delta::default();
        delta.show("status", json!(one.read.status.as_str()), Value::Null);
        delta.then(shut_down(task, &one, true));
        let remove = Remove {
            purge: args.removal.purge,
            unreferenced_disks: args.removal.destroy_unreferenced_disks,
            force: false,
        };
        delta.then([remove.step(&one.address.path())]);
        Deed::says(format!("VM {vmid} removed"))
            .does(delta)
            .within(time_to_stop(task))
    } else {
        let msg = format!("VM {vmid} is running. Stop it before deletion or use force=true.");
        Deed::says(msg).warns(format!(
            "VM `{}` runs and was not removed; force: true stops it and removes it",
            one.label()
        ))
    };
    let lock = one.read.lock.as_deref().filter(|lock| *lock != "suspended");
    let deed = deed.returns("vmid", vmid);
    Ok(planned(task, deed, &one.address, &one.label(), lock))
}

fn deed(task: &Task<'_, KvmArgs>, one: &One<Live>, cluster: &Cluster) -> Result<Deed, Failure> {
    let args = task.args;
    let vmid = one.address.vmid;
    let vm = one.address.path();
    let status = one.read.status;
    let forced = args.force == Some(true);
    let told = |deed: Deed| deed.returns("status", word(status));
    Ok(match (args.state, status) {
        (State::Started, Status::Running) => {
            told(Deed::says(format!("VM {vmid} is already running")))
        }
        (State::Started, _) => {
            hold_no_template(one)?;
            let step = match status {
                Status::Paused => steps::resume(&vm),
                _ if is_managed(one) => steps::start_by_ha(&one.address),
                _ => steps::start(&vm),
            };
            told(Deed::says(format!("VM {vmid} started")).does(becomes(one, "running", [step])))
        }
        (State::Stopped, Status::Stopped) => {
            told(Deed::says(format!("VM {vmid} is already stopped")))
        }
        (State::Stopped, Status::Paused) if !forced => {
            return Err(Failure::new(format!(
                "unable to shut down VM `{}`: it is paused; let it go on (state=started) or use force=true",
                one.label()
            )));
        }
        (State::Stopped, _) => {
            let stop = becomes(one, "stopped", shut_down(task, one, forced));
            told(Deed::says(format!("VM {vmid} is shutting down")).does(stop))
                .within(time_to_stop(task))
        }
        (State::Restarted, Status::Stopped) => {
            told(Deed::says(format!("VM {vmid} is not running")))
        }
        (State::Restarted, _) => {
            let steps = if forced {
                vec![steps::reset(&vm)]
            } else {
                steps::restart(&vm).into()
            };
            told(Deed::says(format!("VM {vmid} is restarted")).does(becomes(
                one,
                "restarted",
                steps,
            )))
        }
        (State::Paused, Status::Paused) => told(Deed::says(format!("VM {vmid} is already paused"))),
        (State::Paused, Status::Running) => {
            let pause = becomes(one, "paused", [steps::pause(&vm)]);
            told(Deed::says(format!("VM {vmid} is suspending")).does(pause))
        }
        (State::Hibernated, Status::Running | Status::Paused) => {
            let hibernate = becomes(one, "hibernated", [steps::hibernate(&vm)]);
            told(Deed::says(format!("VM {vmid} is suspending")).does(hibernate))
        }
        (State::Paused | State::Hibernated, _) => {
            told(Deed::says(format!("VM {vmid} is not running")))
        }
        (State::Template, _) => return template(task, one, cluster),
        (State::Current | State::Present | State::Absent, _) => {
            let name = args
                .name
                .as_deref()
                .or(one.name.as_deref())
                .unwrap_or("(unnamed)");
            let status = word(status);
            told(Deed::says(format!(
                "VM {name} with vmid = {vmid} is {status}"
            )))
        }
    })
}

fn template(task: &Task<'_, KvmArgs>, one: &One<Live>, cluster: &Cluster) -> Result<Deed, Failure> {
    let vmid = one.address.vmid;
    if one.read.template {
        return Ok(Deed::says(format!("VM {vmid} is already a template")));
    }
    let runs = one.read.status != Status::Stopped;
    if runs && task.args.force != Some(true) {
        return Err(Failure::new(format!(
            "unable to convert VM `{}` to a template: it runs; stop it before, or use force=true",
            one.label()
        )));
    }
    held::hold_conversion(cluster, &one.address, &one.label())?;
    let mut delta = if runs {
        becomes(one, "stopped", shut_down(task, one, true))
    } else {
        Delta::default()
    };
    delta.show("template", json!(false), json!(true));
    delta.then([steps::convert_to_template(&one.address.path())]);
    Ok(Deed::says(format!("VM {vmid} is converting to template"))
        .does(delta)
        .within(time_to_stop(task)))
}

/// The status as the API has it, for which a paused VM runs.
fn word(status: Status) -> &'static str {
    match status {
        Status::Paused => "running",
        status => status.as_str(),
    }
}

fn is_managed(one: &One<Live>) -> bool {
    one.ha_managed || one.read.ha_managed
}

/// A change of the status, by these steps.
fn becomes(one: &One<Live>, after: &str, steps: impl IntoIterator<Item = Step>) -> Delta {
    let mut delta = Delta::default();
    delta.show("status", json!(one.read.status.as_str()), json!(after));
    delta.then(steps);
    delta
}

/// What stops it, if it runs. A VM that is paused hears of no shutdown.
fn shut_down(task: &Task<'_, KvmArgs>, one: &One<Live>, force: bool) -> Option<Step> {
    let vm = one.address.path();
    match one.read.status {
        Status::Stopped => None,
        Status::Paused => Some(steps::stop(&vm, is_managed(one), false)),
        Status::Running | Status::Unknown => {
            let shut_down = ShutDown {
                timeout: seconds(task),
                force,
                by_ha: is_managed(one),
            };
            Some(shut_down.step(&vm))
        }
    }
}

/// How many seconds a guest is given to shut down.
fn seconds(task: &Task<'_, KvmArgs>) -> u32 {
    if task.context.given("timeout") {
        task.args.timeout
    } else {
        SHUTDOWN_SECONDS
    }
}

/// How long a task may take that stops a VM: the guest has all of `timeout`.
fn time_to_stop(task: &Task<'_, KvmArgs>) -> Duration {
    patience(task.context, task.args.timeout).max(secs(seconds(task))) + HARD_STOP + GRACE
}

fn hold_no_template(one: &One<Live>) -> Result<(), Failure> {
    if one.read.template {
        return Err(Failure::new(format!(
            "unable to start VM `{}`: it is a template, and templates cannot be started",
            one.label()
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
