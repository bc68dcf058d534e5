//! What guests are at this moment, as their nodes tell it.

use std::collections::BTreeMap;

use pve::Cluster;
use pve::nodes::guest::{GuestKind, plain_list_call};
use pve::wire::{Row, row};
use serde_json::Value;

use super::Guest;
use crate::fault;

/// What a guest's own status tells beyond its node's list, and the list only when every VM's process is asked: the
/// result has the same keys however the guest was read.
const OWN_KEYS: [&str; 13] = [
    "agent",
    "balloon",
    "ballooninfo",
    "blockstat",
    "clipboard",
    "freemem",
    "ha",
    "nics",
    "proxmox-support",
    "qmpstatus",
    "running-machine",
    "running-qemu",
    "spice",
];

/// The guests that bear a name at this moment. The cluster's own list of names may be 10 s old, and has none for a
/// guest that was just made: where nobody bears the name that was listed with it, all are asked.
pub(super) fn named(
    name: &str,
    guests: Vec<Guest>,
    cluster: &Cluster,
    warnings: &mut Vec<String>,
) -> Vec<Guest> {
    let bears = |guest: &Guest| guest.name().as_deref() == Some(name);
    let (mut known, mut others): (Vec<Guest>, Vec<Guest>) = guests.into_iter().partition(bears);
    bring_up_to_date(&mut known, cluster, warnings);
    known.retain(bears);
    if known.is_empty() {
        bring_up_to_date(&mut others, cluster, warnings);
        let unknown = format!("nobody knows whether a guest there has the name `{name}`");
        warnings.extend(away(&others, &unknown));
        others.retain(bears);
        return others;
    }
    known
}

/// Reads what the guests are at this moment, side by side: one request for each node and kind, and for a guest that
/// is the only one there its own.
pub(super) fn bring_up_to_date(
    guests: &mut [Guest],
    cluster: &Cluster,
    warnings: &mut Vec<String>,
) {
    let mut places: BTreeMap<(String, GuestKind), Vec<&mut Guest>> = BTreeMap::new();
    for guest in guests.iter_mut().filter(|guest| guest.reads) {
        let place = (guest.address.node.clone(), guest.address.kind);
        places.entry(place).or_default().push(guest);
    }
    let places: Vec<_> = places.into_iter().collect();
    let answers = cluster.take_each(&places, |((node, kind), guests)| match guests.as_slice() {
        [guest] => guest.address.current(),
        _ => plain_list_call(node, *kind),
    });
    for (((node, kind), mut guests), answer) in places.into_iter().zip(answers) {
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                let of = match guests.as_slice() {
                    [guest] => format!("{} `{}`", kind.noun(), guest.title()),
                    _ => format!("the {}s of node `{node}`", kind.noun()),
                };
                warnings.push(fault::unable(&format!("read the status of {of}"), &error).msg);
                // Who does not tell what runs will not tell more.
                for guest in guests {
                    guest.reads = false;
                }
                continue;
            }
        };
        match (guests.as_mut_slice(), answer) {
            ([guest], Value::Object(status)) => {
                let own = |key: &str| OWN_KEYS.contains(&key);
                let status = status.into_iter().filter(|(key, _)| !own(key));
                guest.row.extend(status);
            }
            (guests, Value::Array(rows)) => {
                let mut rows: BTreeMap<String, Row> = rows
                    .into_iter()
                    .filter_map(|row| match row {
                        Value::Object(row) => Some((row::text(&row, "vmid")?, row)),
                        _ => None,
                    })
                    .collect();
                for guest in guests {
                    let row = rows.remove(&guest.address.vmid.to_string());
                    guest.row.extend(row.into_iter().flatten());
                }
            }
            _ => {}
        }
    }
}

/// One warning for each node that is offline, and what that means for its guests.
pub(super) fn away(guests: &[Guest], meaning: &str) -> Vec<String> {
    let mut away: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for guest in guests.iter().filter(|guest| !guest.online) {
        away.entry(&guest.address.node)
            .or_default()
            .push(guest.title());
    }
    away.into_iter()
        .map(|(node, guests)| format!("node `{node}` is offline: {meaning}: {}", guests.join(", ")))
        .collect()
}
