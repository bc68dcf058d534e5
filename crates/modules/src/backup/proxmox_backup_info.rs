//! `proxmox_backup_info`: which guests are backed up by which job, by `/cluster/backup`.

use std::collections::BTreeSet;

use ansible::{Args, Failure};
use pve::Cluster;
use pve::cluster::backup::{Guests, Job};
use pve::cluster::resources::Resources;
use pve::guests::{GuestRef, NotOne};
use pve::wire::{Row, parse_switch, row};
use serde_json::{Value, json};

use super::KINDS;
use crate::connection::{Connection, DropIn};
use crate::fault;
use crate::job::Report;
use crate::reader::{self, Reader};

/// The options of `proxmox_backup_info`.
#[derive(Args, Debug)]
#[args(mutually_exclusive(["backup_jobs", "vm_id", "vm_name"]))]
pub struct BackupInfoArgs {
    /// Where the API is.
    #[arg(flatten)]
    pub connection: DropIn,
    /// Only the backups of the guest with this VMID.
    pub vm_id: Option<String>,
    /// Only the backups of the guests with this name.
    pub vm_name: Option<String>,
    /// Whether the jobs themselves are told, with all that the server has of them, and not which guests they take.
    #[arg(default = false)]
    pub backup_jobs: bool,
}

/// The module.
pub struct ProxmoxBackupInfo;

crate::module!(ProxmoxBackupInfo, "proxmox_backup_info");

impl Reader for ProxmoxBackupInfo {
    type Args = BackupInfoArgs;

    fn connection(args: &BackupInfoArgs) -> &Connection {
        &args.connection.connection
    }

    fn read(args: &BackupInfoArgs, cluster: &Cluster) -> Result<Report, Failure> {
        let jobs = cluster
            .backup_jobs()
            .map_err(|error| fault::unable("read the backup jobs", &error))?;
        if args.backup_jobs {
            let rows: Vec<Row> = jobs.into_iter().map(|job| job.row).collect();
            return Ok(reader::told("backup_info", rows));
        }
        if is_in_no_list(args, &jobs) {
            return Ok(reader::told("backup_info", json!([])));
        }
        let resources = cluster
            .resources()
            .map_err(|error| fault::unable("look for guests", &error))?;
        let (meant, mut warnings) = meant(args, &resources, cluster)?;
        let mut rows = Vec::new();
        for job in &jobs {
            let vmids = match taken(job, &resources, cluster) {
                Ok(vmids) => vmids,
                Err(warning) => {
                    warnings.push(warning);
                    continue;
                }
            };
            let meant = vmids
                .iter()
                .filter(|vmid| meant.as_ref().is_none_or(|meant| meant.contains(*vmid)));
            rows.extend(meant.map(|vmid| shown(job, vmid, args, &resources)));
        }
        Ok(Report {
            warnings,
            ..reader::told("backup_info", rows)
        })
    }
}

/// Whether the jobs alone tell that they have nothing to say.
fn is_in_no_list(args: &BackupInfoArgs, jobs: &[Job]) -> bool {
    let vmid = args.vm_id.as_deref().map(str::trim);
    let may_take = |job: &Job| match (&job.guests, vmid) {
        (Guests::Listed(vmids), Some(vmid)) => vmids.iter().any(|listed| listed == vmid),
        _ => true,
    };
    !jobs.iter().any(may_take)
}

/// The VMIDs that the task names, all where it names none; and a warning where there is no such guest.
fn meant(
    args: &BackupInfoArgs,
    resources: &Resources,
    cluster: &Cluster,
) -> Result<(Option<BTreeSet<String>>, Vec<String>), Failure> {
    if let Some(vmid) = &args.vm_id {
        return Ok((Some([vmid.trim().to_owned()].into()), Vec::new()));
    }
    let Some(name) = &args.vm_name else {
        return Ok((None, Vec::new()));
    };
    let named: BTreeSet<String> = resources
        .named(name)
        .map(|guest| guest.address.vmid.to_string())
        .collect();
    if !named.is_empty() {
        return Ok((Some(named), Vec::new()));
    }
    // It may be younger than the last statistics round.
    let reference = GuestRef::Name(name.clone());
    match cluster.locate(resources, &[reference], KINDS).pop() {
        Some(Ok(address)) => Ok((Some([address.vmid.to_string()].into()), Vec::new())),
        Some(Err(none @ NotOne::None { .. })) => Ok((Some(named), vec![none.to_string()])),
        Some(Err(error)) => Err(fault::not_one(&error)),
        None => Ok((Some(named), Vec::new())),
    }
}

/// The VMIDs of the guests that a job takes, or a sentence that says why they cannot be told.
fn taken(job: &Job, resources: &Resources, cluster: &Cluster) -> Result<Vec<String>, String> {
    let on_its_node = |vmid: u32| {
        let guest = resources.guest(vmid);
        match (&job.node, guest) {
            (Some(node), Some(guest)) => guest.address.node == *node,
            _ => true,
        }
    };
    match &job.guests {
        Guests::Listed(vmids) => Ok(vmids.clone()),
        Guests::All { exclude } => Ok(resources
            .guests
            .iter()
            .map(|guest| guest.address.vmid)
            .filter(|vmid| on_its_node(*vmid))
            .map(|vmid| vmid.to_string())
            .filter(|vmid| !exclude.contains(vmid))
            .collect()),
        Guests::Pool(poolid) => {
            let id = &job.id;
            let of_job =
                |why: String| format!("which guests backup job `{id}` takes is not known: {why}");
            let pool = cluster
                .pool(poolid)
                .map_err(|error| of_job(error.to_string()))?;
            let pool = pool.ok_or_else(|| of_job(format!("there is no pool `{poolid}`")))?;
            let guests = pool.members.guests.into_iter();
            Ok(guests
                .filter(|vmid| on_its_node(*vmid))
                .map(|vmid| vmid.to_string())
                .collect())
        }
    }
}

/// What a job says of one guest. What it does not say is null.
fn shown(job: &Job, vmid: &str, args: &BackupInfoArgs, resources: &Resources) -> Value {
    let listed = vmid.parse().ok().and_then(|vmid| resources.guest(vmid));
    let name = listed.and_then(|guest| guest.name.as_ref());
    let enabled = row::text(&job.row, "enabled").and_then(|text| parse_switch(&text));
    json!({
        "bktype": job.row.get("type"),
        "enabled": u8::from(enabled.unwrap_or(true)),
        "id": job.id,
        "mode": job.row.get("mode"),
        "next-run": next_run(job),
        "schedule": job.row.get("schedule"),
        "storage": job.row.get("storage"),
        "vm_name": name.or(args.vm_name.as_ref()),
        "vmid": vmid,
    })
}

/// When the job comes next, as the clock of the machine shows it that the module runs on; in UTC where it has no
/// time zone.
fn next_run(job: &Job) -> Option<String> {
    let seconds: i64 = row::text(&job.row, "next-run")?.parse().ok()?;
    let zone = match std::env::var("TZ") {
        Ok(zone) if !zone.is_empty() => tz::TimeZone::from_posix_tz(&zone),
        _ => tz::TimeZone::local(),
    };
    let zone = zone.unwrap_or_else(|_| tz::TimeZone::utc());
    let time = tz::DateTime::from_timespec(seconds, 0, zone.as_ref()).ok()?;
    Some(format!(
        "{:04}-{:02}-{:02} {:02}:{:02}:{:02}",
        time.year(),
        time.month(),
        time.month_day(),
        time.hour(),
        time.minute(),
        time.second()
    ))
}

#[cfg(test)]
mod tests;
