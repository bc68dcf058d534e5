//! Settings that are deleted, and values waiting for the next boot that are dropped.

use ansible::Failure;
use pve::wire::lists;
use pve::{Call, Cluster, Planned, Step};
use serde_json::json;

use super::subject::{Notes, named, planned};
use super::updated::{guarded, hold_digest};
use crate::fault;
use crate::guests::config::Config;
use crate::guests::delta::Delta;
use crate::guests::held;
use crate::guests::proxmox_kvm::KvmArgs;
use crate::guests::rights::hold_root;
use crate::guests::single::Deed;
use crate::job::Task;

/// The plan of `delete`.
pub fn delete(
    task: &Task<'_, KvmArgs>,
    settings: &str,
    cluster: &Cluster,
) -> Result<Planned<Notes>, Failure> {
    let args = task.args;
    let named = named(args)?;
    let one = named.config(cluster)?.there(&named, cluster)?;
    let have = Config::from_config(&one.read);
    let there: Vec<&str> = lists::split(settings)
        .filter(|key| have.get(key).is_some())
        .collect();
    let vmid = one.address.vmid;
    let name = one.label();
    let deed = if there.is_empty() {
        Deed::says(format!(
            "VM {name} with vmid {vmid} has no such settings: {settings}"
        ))
    } else {
        if args.skiplock == Some(true) {
            hold_root(cluster.client().user(), &["skiplock"])?;
        }
        if let Some(why) = held::by_protection_of(&one.address, &have, there.iter().copied()) {
            return Err(Failure::new(format!(
                "unable to delete settings of VM `{name}`: {why}"
            )));
        }
        hold_digest(args, &one.read, &name)?;
        let mut delta = Delta::default();
        for key in &there {
            delta.show(key, json!(have.get(key)), json!(null));
        }
        let call = Call::put(one.address.path().join("config")).with("delete", there.join(","));
        let step = Step::call("delete settings of", "deleted settings", call);
        delta.then([guarded(args, step, &one.address, 0)]);
        Deed::says(format!(
            "Settings has deleted on VM {name} with vmid {vmid}"
        ))
        .does(delta)
    };
    let deed = deed.returns("vmid", vmid);
    Ok(planned(task, deed, &one.address, &name, lock(args, &have)))
}

/// The plan of `revert`.
pub fn revert(
    task: &Task<'_, KvmArgs>,
    settings: &str,
    cluster: &Cluster,
) -> Result<Planned<Notes>, Failure> {
    let args = task.args;
    let named = named(args)?;
    let one = named.pending(cluster)?.there(&named, cluster)?;
    let have = Config::from_pending(&one.read);
    let waiting: Vec<&str> = lists::split(settings)
        .filter(|key| have.pending().iter().any(|pending| pending == key))
        .collect();
    let vmid = one.address.vmid;
    let name = one.label();
    let deed = if waiting.is_empty() {
        Deed::says(format!(
            "VM {name} with vmid {vmid} has no pending values of {settings}"
        ))
    } else {
        if args.digest.is_some() {
            let config = cluster.get(&one.address.config()).map_err(|error| {
                fault::unable(&format!("revert settings of VM `{name}`"), &error)
            })?;
            hold_digest(args, &config, &name)?;
        }
        let mut delta = Delta::default();
        delta.show("pending", json!(have.pending()), {
            let rest: Vec<&String> = have
                .pending()
                .iter()
                .filter(|key| !waiting.contains(&key.as_str()))
                .collect();
            json!(rest)
        });
        let call = Call::put(one.address.path().join("config")).with("revert", waiting.join(","));
        let step = Step::call("revert settings of", "reverted settings", call);
        delta.then([guarded(args, step, &one.address, 0)]);
        Deed::says(format!(
            "Settings has reverted on VM {name} with vmid {vmid}"
        ))
        .does(delta)
    };
    let deed = deed.returns("vmid", vmid);
    Ok(planned(task, deed, &one.address, &name, lock(args, &have)))
}

/// The lock that has to be waited for.
pub fn lock<'a>(args: &KvmArgs, have: &'a Config) -> Option<&'a str> {
    have.get("lock").filter(|_| args.skiplock != Some(true))
}
