//! Free VMIDs, handed out once each.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::call::Call;
use crate::client::{Client, decode};
use crate::error::{Error, Request};
use crate::path;
use crate::plan::Allocation;
use crate::texts::Matched;

/// The highest VMID that Proxmox VE takes.
const HIGHEST: u32 = 999_999_999;

/// `/cluster/nextid` reserves nothing: what was handed out here is remembered,
/// and what turns out to be taken is passed over.
#[derive(Default)]
pub(crate) struct Vmids(Mutex<Given>);

#[derive(Default)]
struct Given {
    vmids: BTreeSet<u32>,
    /// What `/cluster/nextid` answered: all below it are taken or out of range.
    lowest: Option<u32>,
}

impl Vmids {
    /// The next free VMID.
    pub(crate) fn next(
        &self,
        client: &Client,
        allocation: &Allocation,
        within: Option<Duration>,
    ) -> Result<u32, Error> {
        let mut given = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (first, last) = match (&allocation.range, given.lowest) {
            (Some(range), _) => (*range.start(), *range.end()),
            (None, Some(lowest)) => (lowest, HIGHEST),
            (None, None) => {
                let lowest = lowest_free(client, within)?;
                given.lowest = Some(lowest);
                (lowest, HIGHEST)
            }
        };
        let free = (first..=last)
            .find(|vmid| !given.vmids.contains(vmid) && !allocation.taken.contains(vmid))
            .ok_or_else(|| Error::Never(format!("no VMID is free in {first}-{last}")))?;
        given.vmids.insert(free);
        Ok(free)
    }
}

fn lowest_free(client: &Client, within: Option<Duration>) -> Result<u32, Error> {
    let call = Call::get(path!("cluster", "nextid"));
    let text: String = decode(&call, &client.read(&call, within)?)?;
    text.parse().map_err(|_| Error::Unexpected {
        request: Request::from(&call),
        what: format!("`{text}` is not a VMID"),
    })
}

/// Whether a guest has this VMID, be it one that the caller may not see.
pub(crate) fn is_taken(client: &Client, vmid: &str, within: Option<Duration>) -> bool {
    let call = Call::get(path!("cluster", "nextid")).with("vmid", vmid);
    client
        .read(&call, within)
        .is_err_and(|error| error.matched() == Some(Matched::VmidTaken))
}

/// Whether an error says that the VMID is taken. A 403 without path and
/// privilege is the answer both to a VMID of an invisible guest and to a
/// missing VM.Allocate (measured on 9.2.11): `nextid` tells them apart.
pub(crate) fn says_taken(
    client: &Client,
    error: &Error,
    vmid: &str,
    within: Option<Duration>,
) -> bool {
    match error {
        Error::Refused(refusal) if refusal.is_bare_403() => is_taken(client, vmid, within),
        _ => error.matched() == Some(Matched::VmidTaken),
    }
}
