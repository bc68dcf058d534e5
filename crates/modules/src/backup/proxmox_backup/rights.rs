//! What the server would refuse, some of it only in the middle of the backup: said before anything is asked, with the
//! words that playbooks know from community.proxmox.

use ansible::Failure;
use pve::Cluster;
use pve::access::permissions::Held;
use pve::cluster::resources::Resources;
use pve::storage::acl_path;
use pve::wire::{lists, row};

use super::BackupArgs;
use super::target::{Wanted, listed};
use crate::fault;

const BACKUP: &str = "VM.Backup";

/// Makes sure of the storage and of the privileges; a warning of guests that are left out.
pub(super) fn hold(
    args: &BackupArgs,
    resources: &Resources,
    wanted: &Wanted,
    cluster: &Cluster,
) -> Result<Option<String>, Failure> {
    let rights = cluster
        .held()
        .map_err(|error| fault::unable("read the caller's own permissions", &error))?;
    hold_storage(args, resources, &rights, cluster)?;
    let tuned = args.bandwidth.is_some() || args.performance_tweaks.is_some();
    if tuned && !rights.on("/").contains("Sys.Modify") {
        return Err(lacking(
            "permission",
            "Performance_tweaks and bandwidth require 'Sys.Modify' permission for '/'",
        ));
    }
    match wanted {
        Wanted::All => left_out(args, resources, &rights),
        Wanted::These(vmids) => {
            let vmids = not_backed_up(vmids.iter().copied(), &rights);
            if vmids.is_empty() {
                return Ok(None);
            }
            let vmids = listed(&vmids).replace(',', ", ");
            let lacks = format!("You dont have the VM.Backup permission for VMID {vmids}");
            Err(lacking("permissions", &lacks))
        }
    }
}

fn hold_storage(
    args: &BackupArgs,
    resources: &Resources,
    rights: &Held,
    cluster: &Cluster,
) -> Result<(), Failure> {
    let storage = &args.storage;
    let path = acl_path(storage);
    if !rights.on(&path).contains("Datastore.AllocateSpace") {
        let lacks = format!("Datastore.AllocateSpace is missing on {path}");
        return Err(lacking("permission", &lacks));
    }
    // Without Datastore.Audit the list of all does not have it, and the list of storages has.
    let known = resources
        .storages
        .iter()
        .find(|known| known.storage == *storage);
    let content = if let Some(known) = known {
        known.content.clone()
    } else {
        let rows = cluster
            .storages(None)
            .map_err(|error| fault::unable("read the storages", &error))?;
        let row = rows
            .iter()
            .find(|row| row.get("storage").is_some_and(|name| name == storage));
        let Some(row) = row else {
            return Err(Failure::new(format!(
                "Storage {storage} does not exist in the cluster"
            )));
        };
        let content = row::text(row, "content").unwrap_or_default();
        lists::split(&content).map(str::to_owned).collect()
    };
    // What is not told is the server's to know.
    if !content.is_empty() && !content.contains("backup") {
        return Err(Failure::new(format!(
            "Storage {storage} takes no backups, only {}",
            Vec::from_iter(content).join(", ")
        )));
    }
    if args.retention.is_some() && !rights.on(&path).contains("Datastore.Allocate") {
        let lacks =
            format!("Custom retention was requested, but Datastore.Allocate is missing on {path}");
        return Err(lacking("permissions", &lacks));
    }
    Ok(())
}

/// The server leaves out without a word what the caller may not back up.
fn left_out(
    args: &BackupArgs,
    resources: &Resources,
    rights: &Held,
) -> Result<Option<String>, Failure> {
    let guests = resources.guests.iter();
    let here = guests.filter(|guest| {
        args.node
            .as_ref()
            .is_none_or(|node| guest.address.node == *node)
    });
    let vmids: Vec<u32> = here.map(|guest| guest.address.vmid).collect();
    let lacking_on = not_backed_up(vmids.iter().copied(), rights);
    if lacking_on.len() == vmids.len() && !rights.on("/vms").contains(BACKUP) {
        return Err(lacking(
            "permissions",
            "You dont have the VM.Backup permission",
        ));
    }
    Ok((!lacking_on.is_empty()).then(|| {
        format!(
            "not backed up, as VM.Backup is missing: {}",
            listed(&lacking_on)
        )
    }))
}

fn not_backed_up(vmids: impl Iterator<Item = u32>, rights: &Held) -> Vec<u32> {
    vmids
        .filter(|vmid| !rights.on(&format!("/vms/{vmid}")).contains(BACKUP))
        .collect()
}

fn lacking(noun: &str, what: &str) -> Failure {
    Failure::new(format!("Insufficient {noun}: {what}"))
}
