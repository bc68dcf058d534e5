//! What starting, shutting down, rebooting and removing have in common: an item
//! for each guest, its track, and its row of the result.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use ansible::Failure;
use pve::apply::{Applied, TrackEnd};
use pve::nodes::guest::{Address, Status};
use pve::plan::{OnError, VMID};
use pve::{Cluster, Error, Plan, Step, Track};
use serde_json::{Map, Value, json};

use super::held;
use super::select::{Chosen, Guest};
use super::wait::NoWay;

/// The name that a guest's node is bound to: the HA manager may start it on another one.
pub const NODE: &str = "node";

/// The status, in a result, of a guest that is not there.
pub const GONE: &str = "absent";

/// What is to become of a guest.
#[derive(Debug)]
pub enum Fate {
    /// It is there already.
    There,
    /// These steps, within this time.
    Steps(Vec<Step>, Option<Duration>),
    /// It cannot be done, because …
    Cannot(String),
}

/// What is to become of each guest; where some cannot be waited for as the task says, one failure
/// that names them all.
pub fn fates(
    guests: &[Guest],
    fate: impl Fn(&Guest) -> Result<Fate, NoWay>,
) -> Result<Vec<Fate>, Failure> {
    let mut stuck = Vec::new();
    let mut fates = Vec::new();
    for guest in guests {
        match fate(guest) {
            Ok(fate) => fates.push(fate),
            Err(why) => stuck.push(format!(
                "{} `{}`: {why}",
                guest.address.kind.noun(),
                guest.title()
            )),
        }
    }
    if stuck.is_empty() {
        return Ok(fates);
    }
    Err(Failure::new(format!(
        "unable to wait for {}",
        stuck.join("; ")
    )))
}

/// What the report needs to know of a guest.
#[derive(Debug)]
pub struct Item {
    /// The guest as it was.
    pub guest: Guest,
    /// Its track in the plan.
    pub track: Option<usize>,
    /// Whether its track writes.
    pub writes: bool,
    /// Why nothing can be done.
    pub cannot: Option<String>,
}

/// One wish of the task: the same for all guests.
#[derive(Clone, Copy, Debug)]
pub struct Wish {
    /// As in "unable to start VM `web-1`".
    pub verb: &'static str,
    /// What the guests shall be; nothing any more where there is none.
    pub status: Option<Status>,
    /// How many at once.
    pub parallel: u16,
    /// Whether further guests are begun after one has failed.
    pub on_error: OnError,
}

impl Wish {
    /// The plan, and an item for each guest; `stages` tells the stage of a guest
    /// whose turn is not the first.
    pub fn plan(
        &self,
        chosen: Chosen,
        fates: Vec<Fate>,
        stages: &BTreeMap<Address, u32>,
    ) -> (Plan, Vec<Item>) {
        let mut plan = Plan {
            parallel: usize::from(self.parallel),
            on_error: self.on_error,
            warnings: chosen.warnings,
            ..Plan::default()
        };
        let (mut before, mut after) = (Map::new(), Map::new());
        let mut items = Vec::new();
        for (guest, fate) in chosen.guests.into_iter().zip(fates) {
            let (steps, limit, cannot) = match fate {
                Fate::There => (Vec::new(), None, None),
                Fate::Steps(steps, limit) => (steps, limit, None),
                Fate::Cannot(why) => (vec![Step::cannot(self.verb, why.clone())], None, Some(why)),
            };
            before.insert(guest.title(), json!(guest.live.status.as_str()));
            let writes = steps.iter().any(|step| step.call.is_some());
            let status = if writes {
                self.status
            } else {
                Some(guest.live.status)
            };
            if let Some(status) = status {
                after.insert(guest.title(), json!(status.as_str()));
            }
            let mut item = Item {
                track: None,
                writes,
                cannot,
                guest,
            };
            if !steps.is_empty() {
                let mut track =
                    Track::new(item.guest.address.kind.noun(), item.guest.label(), steps);
                track
                    .bindings
                    .insert(VMID, item.guest.address.vmid.to_string());
                track.bindings.insert(NODE, item.guest.address.node.clone());
                track.stage = stages.get(&item.guest.address).copied().unwrap_or_default();
                track.limit = limit;
                item.track = Some(plan.tracks.len());
                plan.tracks.push(track);
            }
            items.push(item);
        }
        plan.before = Value::Object(before);
        plan.after = Value::Object(after);
        (plan, items)
    }

    /// What is known of a guest at the end; `method` and addresses are the module's own.
    pub fn row(
        &self,
        item: &Item,
        applied: Option<&Applied>,
        cluster: &Cluster,
    ) -> Map<String, Value> {
        let end = item.end(applied);
        let error = match end {
            Some(end) => end
                .trouble
                .as_ref()
                .map(ToString::to_string)
                .or_else(|| (!end.began).then(|| self.why_not_begun(applied).to_owned())),
            None => item.cannot.clone(),
        };
        let guest = &item.guest;
        let status = if error.is_none() && item.writes {
            self.status.map_or(GONE, Status::as_str)
        } else {
            // What became of it is not for the plan to know.
            end.filter(|end| end.changed())
                .and_then(|_| cluster.live(&guest.address).ok())
                .map_or(guest.live.status, |live| live.status)
                .as_str()
        };
        let node = end
            .and_then(|end| end.bindings.get(NODE))
            .unwrap_or(&guest.address.node);
        let mut row = Map::new();
        for (key, value) in [
            ("vmid", json!(guest.address.vmid)),
            ("name", json!(guest.live.name)),
            ("node", json!(node)),
            ("kind", json!(guest.address.kind.as_str())),
            ("status_before", json!(guest.live.status.as_str())),
            ("status", json!(status)),
            ("changed", json!(item.changed(applied))),
            ("seconds", json!(end.map_or(0.0, seconds))),
            ("error", json!(error)),
        ] {
            row.insert(key.to_owned(), value);
        }
        row
    }

    fn why_not_begun(&self, applied: Option<&Applied>) -> &'static str {
        let failed = applied.is_some_and(|applied| {
            let mut troubles = applied.tracks.iter().filter_map(|end| end.trouble.as_ref());
            troubles.any(|trouble| !matches!(trouble.error, Error::Interrupted { .. }))
        });
        if self.on_error == OnError::Stop && failed {
            "not begun, as another guest failed"
        } else {
            "interrupted before its turn came"
        }
    }
}

impl Item {
    /// What became of its track.
    pub fn end<'a>(&self, applied: Option<&'a Applied>) -> Option<&'a TrackEnd> {
        applied?.tracks.get(self.track?)
    }

    /// Whether it was changed, or would be in check mode.
    pub fn changed(&self, applied: Option<&Applied>) -> bool {
        match applied {
            Some(_) => self.end(applied).is_some_and(TrackEnd::changed),
            None => self.writes,
        }
    }
}

/// Seconds to a tenth.
fn seconds(end: &TrackEnd) -> f64 {
    (end.took.as_secs_f64() * 10.0).round() / 10.0
}

/// A track's limit or a step's, from an option in seconds.
pub fn secs(seconds: u32) -> Duration {
    Duration::from_secs(u64::from(seconds))
}

/// Why a lock keeps a guest from being started or shut down, if one does.
pub fn held(guest: &Guest, passes: &[&str]) -> Option<String> {
    let lock = guest
        .live
        .lock
        .as_deref()
        .filter(|lock| !passes.contains(lock))?;
    Some(held::by_lock(&guest.address, lock))
}

/// `parallel` as the plan takes it.
pub fn hold_parallel(parallel: u16) -> Result<(), Failure> {
    if parallel == 0 {
        return Err(Failure::new("parallel must be at least 1, got: 0"));
    }
    Ok(())
}

/// What check mode can tell of guests that nothing can be done about.
pub fn foreseen<'a>(
    wish: &Wish,
    items: impl IntoIterator<Item = &'a Item>,
    applied: Option<&Applied>,
) -> Vec<String> {
    if applied.is_some() {
        return Vec::new();
    }
    items
        .into_iter()
        .filter_map(|item| {
            let why = item.cannot.as_ref()?;
            let noun = item.guest.address.kind.noun();
            Some(format!(
                "unable to {} {noun} `{}`: {why}",
                wish.verb,
                item.guest.label()
            ))
        })
        .collect()
}

/// `2 of 3 guests started, 1 ran already`.
pub fn summary(
    items: &[Item],
    applied: Option<&Applied>,
    done: &str,
    wish: &Wish,
    already: &str,
) -> String {
    let there = items
        .iter()
        .filter(|item| wish.status == Some(item.guest.live.status))
        .count();
    let mut msg = count(items, applied, 0, done);
    if there > 0 {
        // Writing to a text cannot fail.
        let _ = write!(msg, ", {there} {already} already");
    }
    msg
}

/// `2 of 3 guests removed`; `more` are guests without an item.
pub fn count(items: &[Item], applied: Option<&Applied>, more: usize, done: &str) -> String {
    let changed = items.iter().filter(|item| item.changed(applied)).count();
    format!("{changed} of {} {done}", plural(items.len() + more))
}

/// `1 guest`, `2 guests`.
pub fn plural(guests: usize) -> String {
    format!("{guests} guest{}", if guests == 1 { "" } else { "s" })
}
