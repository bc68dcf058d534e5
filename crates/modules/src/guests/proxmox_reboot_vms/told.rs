//! What is told of guests that were rebooted.

use std::fmt::Write as _;

use pve::Cluster;
use pve::apply::Applied;
use pve::nodes::guest::{Address, Status};

use super::{Notes, RebootArgs};
use crate::guests::order;
use crate::guests::power::{self, Item};
use crate::guests::select::Guest;
use crate::job::Task;

/// Values that a boot did not take over either: the next run would reboot for them again.
pub(super) fn still_pending(
    items: &[Item],
    applied: Option<&Applied>,
    cluster: &Cluster,
) -> Vec<String> {
    let rebooted: Vec<&Guest> = items
        .iter()
        .filter(|item| {
            item.end(applied)
                .is_some_and(|end| end.changed() && end.trouble.is_none())
        })
        .map(|item| &item.guest)
        .collect();
    let addresses: Vec<Address> = rebooted.iter().map(|guest| guest.address.clone()).collect();
    // What cannot be read is no news.
    let configs = order::pending(cluster, &addresses).unwrap_or_default();
    rebooted
        .into_iter()
        .filter_map(|guest| {
            let left = configs.get(&guest.address)?.pending();
            (!left.is_empty()).then(|| {
                format!(
                    "{}: it was rebooted, and still waits to take over: {}",
                    guest.title(),
                    left.join(", ")
                )
            })
        })
        .collect()
}

/// `reboot`, `stop` or `none`: what took the guest down, or would.
pub(super) fn method(item: &Item, applied: Option<&Applied>) -> &'static str {
    if item.end(applied).is_some_and(|end| end.wrote("stop")) {
        "stop"
    } else if item.changed(applied) {
        "reboot"
    } else {
        "none"
    }
}

pub(super) fn msg(task: &Task<'_, RebootArgs>, notes: &Notes, applied: Option<&Applied>) -> String {
    let items = &notes.items;
    if items.is_empty() {
        return format!("nothing to reboot: {}", task.args.selection.description());
    }
    let done = if task.context.check_mode {
        "would be rebooted"
    } else {
        "rebooted"
    };
    let mut msg = power::count(items, applied, 0, done);
    let (stopped, settled): (Vec<&Item>, Vec<&Item>) = items
        .iter()
        .filter(|item| item.track.is_none())
        .partition(|item| item.guest.live.status == Status::Stopped);
    for (left, why) in [(stopped, "not running"), (settled, "with nothing pending")] {
        if !left.is_empty() {
            // Writing to a text cannot fail.
            let _ = write!(msg, ", {} {why}", left.len());
        }
    }
    msg
}
