//! `proxmox_clone_vms`: virtual machines as clones of templates, with their
//! configuration, started and waited for; by `/nodes/{node}/qemu`.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ansible::{Args, ArgsError, Choice, Failure, Spec};
use pve::apply::Applied;
use pve::nodes::guest::{Address, Live};
use pve::plan::OnError;
use pve::{Cluster, Plan, Planned};
use serde_json::{Map, Value};

use super::clone::blocked::{BeingMade, somebody_clones};
use super::clone::draft::Draft;
use super::clone::item::{Item, Problems, There, items};
use super::clone::picture::Picture;
use super::clone::reading::Reading;
use super::clone::report::{Note, report};
use super::clone::settings::{Settings, over};
use super::clone::source::Source;
use super::power::hold_parallel;
use super::wait;
use crate::connection::Connection;
use crate::fault;
use crate::job::{Job, Report, Task};

/// The options of `proxmox_clone_vms`, entries and defaults apart.
#[derive(Args, Debug)]
pub struct Options {
    /// Where the API is.
    #[arg(flatten)]
    pub connection: Connection,
    /// The VMs.
    #[arg(required)]
    pub vms: Vec<Vm>,
    /// What holds for every VM that does not state it itself. C(net), C(disks), C(ipconfig) and C(config)
    /// merge by key; lists replace.
    pub defaults: Option<Settings>,
    /// How many VMs are worked on side by side. One that only waits for its guest to boot does not count.
    #[arg(default = 4)]
    pub parallel: u16,
    /// How many seconds each VM may take, from its clone to the end of its wait. A task that takes longer is
    /// left running and named.
    #[arg(default = 1800)]
    pub timeout: u64,
    /// Whether further VMs are begun after one has failed.
    #[arg(default = "continue")]
    pub on_error: OnVmError,
    /// What is done about values that a running VM takes over only at its next boot: a warning, or a reboot
    /// of that VM.
    #[arg(default = "warn")]
    pub on_pending: OnPending,
}

/// One VM.
#[derive(Args, Clone, Debug)]
pub struct Vm {
    /// The name. It is the VM's identity: one that is there is compared, one that is not is cloned.
    #[arg(required)]
    pub name: String,
    /// The VMID. With it, name and VMID must both fit a VM that is there. Without it a free one is allocated.
    pub vmid: Option<u32>,
    /// What else is wanted of it.
    #[arg(flatten)]
    pub settings: Settings,
}

/// Whether further VMs are begun after one has failed.
#[derive(Choice, Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnVmError {
    /// They are.
    Continue,
    /// They are not.
    Stop,
}

impl From<OnVmError> for OnError {
    fn from(on_error: OnVmError) -> Self {
        match on_error {
            OnVmError::Continue => Self::Continue,
            OnVmError::Stop => Self::Stop,
        }
    }
}

/// What is done about values that wait for a boot.
#[derive(Choice, Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnPending {
    /// A warning.
    Warn,
    /// A reboot.
    Reboot,
}

/// The options with the defaults merged under each entry, and whether a plan
/// of them was blocked already.
#[derive(Debug)]
pub struct CloneArgs(Options, AtomicBool);

impl Args for CloneArgs {
    fn spec() -> Spec {
        Options::spec()
    }

    fn from_values(values: &Map<String, Value>) -> Result<Self, ArgsError> {
        let mut values = values.clone();
        let defaults = values
            .get("defaults")
            .and_then(Value::as_object)
            .cloned()
            .unwrap_or_default();
        if let Some(Value::Array(vms)) = values.get_mut("vms") {
            for vm in vms.iter_mut().filter_map(Value::as_object_mut) {
                *vm = over(vm, &defaults);
            }
        }
        Options::from_values(&values).map(|options| Self(options, AtomicBool::new(false)))
    }
}

/// The module.
pub struct ProxmoxCloneVms;

crate::module!(ProxmoxCloneVms, "proxmox_clone_vms");

impl Job for ProxmoxCloneVms {
    type Args = CloneArgs;
    type Notes = Vec<Note>;

    fn connection(args: &CloneArgs) -> &Connection {
        &args.0.connection
    }

    fn plan(task: &Task<'_, CloneArgs>, cluster: &Cluster) -> Result<Planned<Vec<Note>>, Failure> {
        let CloneArgs(options, has_waited) = task.args;
        hold_parallel(options.parallel)?;
        cluster.ask_side_by_side(options.parallel.into());
        if has_waited.load(Ordering::Relaxed) {
            // What is being made now was begun by others since: nobody waits for them.
            return plan_unless(options, cluster, |_, _, _, _| {
                Ok(BeingMade::Others(Vec::new()))
            });
        }
        let planned = plan(options, cluster)?;
        let blocked = matches!(planned, Planned::Blocked { .. });
        has_waited.store(blocked, Ordering::Relaxed);
        Ok(planned)
    }

    fn report(
        _task: &Task<'_, CloneArgs>,
        notes: Vec<Note>,
        plan: &Plan,
        applied: Option<&Applied>,
        cluster: &Cluster,
    ) -> Report {
        report(&notes, plan, applied, cluster)
    }

    fn patience(task: &Task<'_, CloneArgs>) -> Duration {
        Duration::from_secs(task.args.0.timeout)
    }
}

fn plan(options: &Options, cluster: &Cluster) -> Result<Planned<Vec<Note>>, Failure> {
    plan_unless(options, cluster, somebody_clones)
}

/// The plan, unless VMs are being made that may be wanted ones.
fn plan_unless(
    options: &Options,
    cluster: &Cluster,
    being_made: impl Fn(&Cluster, &Picture, &[&Item], &[Source]) -> Result<BeingMade, Failure>,
) -> Result<Planned<Vec<Note>>, Failure> {
    let items = items(&options.vms)?;
    let names: Vec<&str> = items.iter().map(|item| item.name.as_str()).collect();
    let picture = Picture::read(cluster, &names)
        .map_err(|error| fault::unable("read the cluster's guests", &error))?;
    let mut problems = Problems::default();
    let found: Vec<Option<(Address, Live)>> = items
        .iter()
        .map(|item| problems.keep(item, item.find(&picture)).flatten())
        .collect();
    problems.none()?;

    let missing: Vec<&Item> = items
        .iter()
        .zip(&found)
        .filter_map(|(item, there)| there.is_none().then_some(item))
        .collect();
    let sources: Vec<Option<Source>> = missing
        .iter()
        .map(|item| problems.keep(item, Source::find(&picture, &item.settings)))
        .collect();
    for item in &missing {
        problems.keep(item, item.doubt(&picture).map_or(Ok(()), Err));
    }
    problems.none()?;
    let sources: Vec<Source> = sources.into_iter().flatten().collect();
    let warnings = match being_made(cluster, &picture, &missing, &sources)? {
        BeingMade::Others(warnings) => warnings,
        BeingMade::PerhapsOurs { until, why } => return Ok(Planned::Blocked { until, why }),
    };
    let mut sources = sources.into_iter();
    let there: Vec<There> = found
        .into_iter()
        .filter_map(|found| match found {
            Some((address, live)) => Some(There::Yes(address, live)),
            None => sources.next().map(There::No),
        })
        .collect();

    let reading = Reading::of(cluster, &picture, &items, &there, &mut problems)?;
    problems.none()?;
    let mut draft = Draft::new(options, cluster, &picture, &items);
    draft.plan.warnings = warnings;
    let notes: Vec<Note> = items
        .iter()
        .zip(&there)
        .filter_map(|(item, there)| problems.keep(item, draft.vm(item, there, &reading)))
        .collect();
    problems.none()?;
    wait::may_ask_agents(cluster, &draft.agents)?;
    Ok(Planned::Ready(draft.plan, notes))
}

#[cfg(test)]
mod tests;
