//! `started`, `stopped` and `restarted`.

use ansible::Failure;
use pve::nodes::guest::{Live, Status};
use pve::{Cluster, Planned, Step};
use serde_json::json;

use super::subject::{Notes, named, there, title_of};
use crate::guests::delta::Delta;
use crate::guests::proxmox::{ContainerArgs, State};
use crate::guests::single::{Deed, One, patience};
use crate::guests::steps::{self, ShutDown};
use crate::job::Task;

/// What the server gives a container to shut down in, where nobody says otherwise.
const SHUTDOWN_SECONDS: u32 = 60;

/// The plan.
pub fn plan(task: &Task<'_, ContainerArgs>, cluster: &Cluster) -> Result<Planned<Notes>, Failure> {
    let args = task.args;
    let named = named(args)?;
    let one = there(args, named.current(cluster)?, &named, cluster)?;
    let title = title_of(args, &one);
    let runs = one.read.status == Status::Running;
    let deed = match (args.state, runs) {
        (State::Started, true) => Deed::says(format!("VM {title} is already running.")),
        (State::Started, false) => {
            hold_no_template(&one, &title)?;
            Deed::says(format!("VM {title} started.")).does(status(&one, "running", [start(&one)]))
        }
        (State::Stopped, false) => Deed::says(format!("VM {title} is already stopped.")),
        (State::Stopped, true) => Deed::says(format!("VM {title} stopped.")).does(status(
            &one,
            "stopped",
            [shut_down(task, &one)],
        )),
        (_, false) => Deed::says(format!("VM {title} is not running.")),
        // A reboot of the server's own would stop it the hard way when its time is over, force or not.
        (_, true) => Deed::says(format!("VM {title} is restarted.")).does(Delta {
            steps: vec![shut_down(task, &one), start(&one)],
            before: [("status".to_owned(), json!("running"))]
                .into_iter()
                .collect(),
            after: [("status".to_owned(), json!("restarted"))]
                .into_iter()
                .collect(),
        }),
    };
    Ok(deed
        .returns("vmid", one.address.vmid)
        .within(patience(task.context, args.timeout))
        .planned(&one.address, &title)
        .map(Notes::of))
}

fn hold_no_template(one: &One<Live>, title: &str) -> Result<(), Failure> {
    if one.read.template {
        return Err(Failure::new(format!(
            "VM {title} is a template: templates cannot be started"
        )));
    }
    Ok(())
}

/// A change of the status, by these steps.
fn status(one: &One<Live>, after: &str, steps: impl IntoIterator<Item = Step>) -> Delta {
    let mut delta = Delta::default();
    delta.show("status", json!(one.read.status.as_str()), json!(after));
    delta.then(steps);
    delta
}

/// Whether the HA manager manages it.
pub fn is_managed(one: &One<Live>) -> bool {
    one.ha_managed || one.read.ha_managed
}

fn start(one: &One<Live>) -> Step {
    if is_managed(one) {
        steps::start_by_ha(&one.address)
    } else {
        steps::start(&one.address.path())
    }
}

/// The step that shuts a container down.
pub fn shut_down(task: &Task<'_, ContainerArgs>, one: &One<Live>) -> Step {
    let args = task.args;
    let timeout = if task.context.given("timeout") {
        args.timeout
    } else {
        SHUTDOWN_SECONDS
    };
    ShutDown {
        timeout,
        force: args.force,
        by_ha: is_managed(one),
    }
    .step(&one.address.path())
}
