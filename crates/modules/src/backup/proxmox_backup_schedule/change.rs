//! What makes a job take a guest, or take it no more.

use ansible::Failure;
use pve::cluster::backup::{Guests, Job};
use pve::wire::lists::joined;
use pve::{Call, Cluster};
use serde_json::{Value, json};

use crate::fault;
use crate::guests::single::Named;

/// Another choice of guests for a job that goes on choosing them in its own way: by a list, or all but some.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Change {
    key: &'static str,
    vmids: Vec<String>,
}

impl Change {
    /// What makes the job take the guest; nothing where it does so already.
    pub(super) fn add(
        job: &Job,
        vmid: u32,
        named: &Named,
        cluster: &Cluster,
    ) -> Result<Option<Self>, Failure> {
        let text = vmid.to_string();
        let unable = |why: String| {
            Failure::new(format!(
                "unable to add VM {vmid} to backup job `{}`: {why}",
                job.id
            ))
        };
        let change = match &job.guests {
            Guests::Listed(vmids) if vmids.contains(&text) => return Ok(None),
            Guests::Listed(vmids) => Some(Self {
                key: "vmid",
                vmids: vmids.iter().cloned().chain([text]).collect(),
            }),
            Guests::All { exclude } => exclude
                .contains(&text)
                .then(|| Self::without("exclude", exclude, &text)),
            Guests::Pool(poolid) if is_member(vmid, poolid, cluster)? => None,
            Guests::Pool(poolid) => {
                return Err(unable(format!(
                    "the job takes the guests of pool `{poolid}`, and this is none of them; proxmox_pool_member puts it there"
                )));
            }
        };
        if change.is_some() || job.node.is_some() {
            // A VMID that no guest has would make the job fail each time.
            let guest = named.place(cluster)?.there(named, cluster)?;
            if let Some(node) = job
                .node
                .as_ref()
                .filter(|node| **node != guest.address.node)
            {
                return Err(unable(format!(
                    "the job takes guests of node `{node}` only, and this one is on `{}`",
                    guest.address.node
                )));
            }
        }
        Ok(change)
    }

    /// What makes the job take the guest no more; nothing where it does not take it.
    pub(super) fn remove(job: &Job, vmid: u32, cluster: &Cluster) -> Result<Option<Self>, Failure> {
        let text = vmid.to_string();
        let unable = |why: String| {
            Failure::new(format!(
                "unable to remove VM {vmid} from backup job `{}`: {why}",
                job.id
            ))
        };
        match &job.guests {
            Guests::Listed(vmids) if !vmids.contains(&text) => Ok(None),
            Guests::Listed(vmids) => {
                let change = Self::without("vmid", vmids, &text);
                if change.vmids.is_empty() {
                    return Err(unable(
                        "it is the only guest of the job, and there can be no job without guests; disable or remove the job"
                            .to_owned(),
                    ));
                }
                Ok(Some(change))
            }
            Guests::All { exclude } if exclude.contains(&text) => Ok(None),
            Guests::All { exclude } => Ok(Some(Self {
                key: "exclude",
                vmids: exclude.iter().cloned().chain([text]).collect(),
            })),
            Guests::Pool(poolid) if is_member(vmid, poolid, cluster)? => Err(unable(format!(
                "the job takes the guests of pool `{poolid}`, and this is one of them; proxmox_pool_member takes it out"
            ))),
            Guests::Pool(_) => Ok(None),
        }
    }

    fn without(key: &'static str, vmids: &[String], gone: &str) -> Self {
        Self {
            key,
            vmids: vmids.iter().filter(|vmid| *vmid != gone).cloned().collect(),
        }
    }

    /// The request with the change in it.
    pub(super) fn onto(&self, call: Call) -> Call {
        if self.vmids.is_empty() {
            call.with("delete", self.key)
        } else {
            call.with(self.key, joined(&self.vmids))
        }
    }

    /// The right side of the diff.
    pub(super) fn shown(&self) -> Value {
        match self.key {
            "exclude" => json!({"all": true, "exclude": self.vmids}),
            key => json!({key: self.vmids}),
        }
    }
}

/// How a job chooses its guests, for the diff.
pub(super) fn shown(job: &Job) -> Value {
    match &job.guests {
        Guests::Listed(vmids) => json!({"vmid": vmids}),
        Guests::All { exclude } => json!({"all": true, "exclude": exclude}),
        Guests::Pool(poolid) => json!({"pool": poolid}),
    }
}

fn is_member(vmid: u32, poolid: &str, cluster: &Cluster) -> Result<bool, Failure> {
    let pool = cluster
        .pool(poolid)
        .map_err(|error| fault::unable(&format!("read pool `{poolid}`"), &error))?;
    Ok(pool.is_some_and(|pool| pool.members.guests.contains(&vmid)))
}
