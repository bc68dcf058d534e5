//! `proxmox_backup_schedule`: which guests the backup jobs take, by `/cluster/backup`.

mod change;

use ansible::{Args, Failure};
use pve::apply::Applied;
use pve::cluster::backup::{self, Job as BackupJob};
use pve::{Cluster, Plan, Planned, Step, Track};
use serde_json::{Map, Value, json};

use super::KINDS;
use crate::connection::{Connection, DropIn};
use crate::fault;
use crate::guests::single::Named;
use crate::job::{Job, Report, Task};
use crate::resource::{LIMIT, State};
use change::Change;

/// The server keeps all jobs in one file.
const JOBS_CFG: &str = "jobs.cfg";

/// The options of `proxmox_backup_schedule`.
#[derive(Args, Debug)]
#[args(mutually_exclusive(["vm_id", "vm_name"]))]
pub struct BackupScheduleArgs {
    /// Where the API is.
    #[arg(flatten)]
    pub connection: DropIn,
    /// The VMID of the guest.
    pub vm_id: Option<String>,
    /// The name of the guest.
    pub vm_name: Option<String>,
    /// The job that is meant. Without it O(state=present) means the first job, as the server has them in order, and
    /// O(state=absent) means all of them.
    pub backup_id: Option<String>,
    /// Whether the job takes the guest.
    #[arg(required)]
    pub state: State,
}

/// The module.
pub struct ProxmoxBackupSchedule;

crate::module!(ProxmoxBackupSchedule, "proxmox_backup_schedule");

impl Job for ProxmoxBackupSchedule {
    type Args = BackupScheduleArgs;
    type Notes = ();

    fn connection(args: &BackupScheduleArgs) -> &Connection {
        &args.connection.connection
    }

    fn plan(
        task: &Task<'_, BackupScheduleArgs>,
        cluster: &Cluster,
    ) -> Result<Planned<()>, Failure> {
        let args = task.args;
        let mut plan = Plan {
            before: json!({}),
            after: json!({}),
            ..Plan::default()
        };
        let Some((vmid, named)) = guest(args, cluster)? else {
            if args.state == State::Present {
                return Err(Failure::new(
                    "no guest is named: vm_id or vm_name is missing",
                ));
            }
            let nothing =
                "no guest is named, so that nothing is removed: vm_id or vm_name is missing";
            plan.warnings.push(nothing.to_owned());
            return Ok(Planned::Ready(plan, ()));
        };
        let (jobs, warning) = jobs(args, cluster)?;
        plan.warnings.extend(warning);
        for job in &jobs {
            let change = match args.state {
                State::Present => Change::add(job, vmid, &named, cluster)?,
                State::Absent => Change::remove(job, vmid, cluster)?,
            };
            plan.before[&job.id] = change::shown(job);
            plan.after[&job.id] = change
                .as_ref()
                .map_or_else(|| change::shown(job), Change::shown);
            if let Some(change) = change {
                let call = change.onto(backup::change(&job.id));
                let step = Step::call("change", "changed", call)
                    .claims(JOBS_CFG, 1)
                    .within(LIMIT);
                plan.tracks
                    .push(Track::new("backup job", &job.id, vec![step]));
            }
        }
        Ok(Planned::Ready(plan, ()))
    }

    fn report(
        _task: &Task<'_, BackupScheduleArgs>,
        (): (),
        plan: &Plan,
        _applied: Option<&Applied>,
        _cluster: &Cluster,
    ) -> Report {
        let told = if plan.changes() {
            "The backup schedule has been changed successfully."
        } else {
            "The backup schedule did not change anything."
        };
        Report {
            msg: Some(told.to_owned()),
            // Playbooks that were written for community.proxmox read this key.
            returns: Map::from_iter([("message".to_owned(), Value::from(told))]),
            ..Report::default()
        }
    }
}

/// The guest that the task names: its VMID, and how it is named. One that is named by its VMID need not be there.
fn guest(args: &BackupScheduleArgs, cluster: &Cluster) -> Result<Option<(u32, Named)>, Failure> {
    let vmid = args.vm_id.as_deref().map(str::trim).map(|text| {
        text.parse::<u32>()
            .map_err(|_| Failure::new(format!("vm_id: `{text}` is no VMID")))
    });
    let vmid = vmid.transpose()?;
    let Some(named) = Named::of(vmid, args.vm_name.as_deref(), KINDS) else {
        return Ok(None);
    };
    let vmid = match vmid {
        Some(vmid) => vmid,
        None => named.place(cluster)?.there(&named, cluster)?.address.vmid,
    };
    Ok(Some((vmid, named)))
}

/// The jobs that the task means, and a warning where it does not say which.
fn jobs(
    args: &BackupScheduleArgs,
    cluster: &Cluster,
) -> Result<(Vec<BackupJob>, Option<String>), Failure> {
    if let Some(id) = &args.backup_id {
        let unable = format!("read backup job `{id}`");
        let job = cluster
            .backup_job(id)
            .map_err(|error| fault::unable(&unable, &error))?
            .ok_or_else(|| Failure::new(format!("unable to {unable}: there is no such job")))?;
        return Ok((vec![job], None));
    }
    let mut jobs = cluster
        .backup_jobs()
        .map_err(|error| fault::unable("read the backup jobs", &error))?;
    if args.state == State::Absent {
        return Ok((jobs, None));
    }
    let warning = match jobs.as_slice() {
        [] => return Err(Failure::new("there is no backup job to add the guest to")),
        [_] => None,
        [first, ..] => Some(format!(
            "backup_id is missing: the first of {} backup jobs, `{}`, is meant",
            jobs.len(),
            first.id
        )),
    };
    jobs.truncate(1);
    Ok((jobs, warning))
}

#[cfg(test)]
mod tests;
