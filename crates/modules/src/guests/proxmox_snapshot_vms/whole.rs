//! What is all or none is not begun where it cannot be all; and no guest is brought back to what only some of them
//! have.

use ansible::Failure;
use pve::Cluster;
use pve::access::permissions::Held;

use super::course::Deed;
use super::{SnapshotArgs, State, wish};
use crate::fault;
use crate::guests::power::Fate;
use crate::guests::select::{Chosen, Guest};

/// Fails where nothing can be done about a guest, for whatever reason; the deeds are those of each guest.
pub(super) fn hold<'a>(
    args: &SnapshotArgs,
    chosen: &Chosen,
    fates: &[Fate],
    deeds: impl Iterator<Item = &'a [Deed]> + Clone,
    cluster: &Cluster,
) -> Result<(), Failure> {
    let held = if deeds.clone().any(|deeds| !deeds.is_empty()) {
        cluster
            .held()
            .map_err(|error| fault::unable("read the caller's privileges", &error))?
    } else {
        Held::default()
    };
    let mut stuck: Vec<String> = chosen
        .silent
        .iter()
        .map(|guest| {
            format!(
                "the guest `{}` is on the node {}, which is offline",
                guest.vmid, guest.node
            )
        })
        .collect();
    for ((guest, fate), deeds) in chosen.guests.iter().zip(fates).zip(deeds) {
        let why = match fate {
            Fate::Cannot(why) => Some(why.clone()),
            _ if deeds.is_empty() => None,
            _ => lacking(args, guest, &held),
        };
        let noun = guest.address.kind.noun();
        stuck.extend(why.map(|why| format!("{noun} `{}`: {why}", guest.title())));
    }
    if stuck.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!(
        "unable to {} all guests, and nothing was done: {}",
        wish(args).verb,
        stuck.join("; ")
    )))
}

/// The privilege that the caller lacks for a guest, if one. Whether a start takes VM.PowerMgmt besides is left to the
/// server: for a VM it does since May 2026 only, and for a container it did not then.
fn lacking(args: &SnapshotArgs, guest: &Guest, held: &Held) -> Option<String> {
    let path = format!("/vms/{}", guest.address.vmid);
    let held = held.on(&path);
    let may = held.contains("VM.Snapshot")
        || args.state == State::Rollback && held.contains("VM.Snapshot.Rollback");
    (!may).then(|| format!("the caller lacks VM.Snapshot on {path}"))
}
