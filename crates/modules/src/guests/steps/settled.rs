//! What a guest's configuration tells of a write whose answer was lost, once no task is at it any more.

use pve::nodes::reach;
use pve::plan::{Ask, Probe, Verdict};
use pve::{Call, Path, Segment};
use serde_json::Value;

use super::{running, tasks};
use crate::guests::config::is_vm;

/// Judges the configuration of a guest that is written. What a VM's task writes is there when the task has ended; a
/// container's is written before the answer.
pub(super) fn configured(
    guest: &Path,
    judge: impl Fn(&Value) -> Verdict + Send + Sync + 'static,
) -> Probe {
    let config = Call::get(guest.join("config"));
    if is_vm(guest) {
        return settled(guest, "qmconfig", config, judge);
    }
    Probe::get(config, move |answer| match answer {
        Ok(config) => judge(config),
        Err(error) => reach::not_yet(error),
    })
}

/// Judges what this call reads of a guest, once no task of this type is at the guest.
pub(super) fn settled(
    guest: &Path,
    task: &'static str,
    read: Call,
    judge: impl Fn(&Value) -> Verdict + Send + Sync + 'static,
) -> Probe {
    let vmid = text(guest, VMID).map(str::to_owned);
    let node = text(guest, NODE).unwrap_or_default();
    let asks = vec![Ask::Get(tasks(node, task)), Ask::Get(read)];
    Probe::new(asks, move |answers| {
        let [tasks, read] = answers else {
            return Verdict::Absent;
        };
        match (tasks, read) {
            (Ok(tasks), _) if is_at_work(tasks, task, vmid.as_deref()) => {
                Verdict::NotYet("its task still runs".to_owned())
            }
            (Ok(_), Ok(read)) => judge(read),
            (Err(error), _) | (_, Err(error)) => reach::not_yet(error),
        }
    })
}

/// Where a guest's path, `/nodes/pve1/qemu/101`, has the node and the VMID.
const NODE: usize = 1;
const VMID: usize = 3;

fn text(guest: &Path, place: usize) -> Option<&str> {
    match guest.segments().get(place)? {
        Segment::Text(text) => Some(text),
        Segment::Bound(_) => None,
    }
}

/// Whether such a task is at this guest; where its VMID is allocated only as the plan runs, at any. That of a disk
/// which goes to another VM names both: `101-scsi1>102-scsi1`.
fn is_at_work(rows: &Value, task: &str, vmid: Option<&str>) -> bool {
    running(rows, task)
        .iter()
        .any(|upid| vmid.is_none() || upid.id().split('-').next() == vmid)
}
