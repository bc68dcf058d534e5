//! The one place that writes.
//!
//! [`apply`] carries a [`Plan`] out: it fans tracks out, keeps claims, waits for
//! tasks, repeats what a lock refused, looks up what a lost answer left open,
//! and says what became of each track. A new fault of the real world is taught
//! to it once.

mod attempt;
mod carried;
mod claims;
mod event;
mod mend;
mod track;
mod vmids;
pub(crate) mod wait;

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

pub use carried::uncarried;
pub use event::{Event, What};
use secret::Secret;

use crate::call::Bindings;
use crate::client::Client;
use crate::error::Error;
use crate::plan::{Claim, OnError, PARALLEL, Plan, Probe, Step, Track, VMID};
use crate::upid::Upid;
use claims::Claims;
use vmids::Vmids;
use wait::Patience;

/// How many tracks are under way at most, those that only wait included: each
/// has a thread.
const AT_ONCE: usize = 256;

/// Who may end a run before its time, and who wants to hear of it.
pub struct Control<'a> {
    /// Set when the run shall end: no further track begins, and what is running
    /// is named and left running.
    pub interrupted: &'a Arc<AtomicBool>,
    /// Told of each step.
    pub watch: &'a (dyn Fn(&Event) + Sync),
}

/// What became of a plan.
#[derive(Debug, Default)]
pub struct Applied {
    /// What became of each track, in the plan's order.
    pub tracks: Vec<TrackEnd>,
    /// Warnings of tasks that ended well otherwise.
    pub warnings: Vec<String>,
}

/// What became of a track.
#[derive(Debug, Default)]
pub struct TrackEnd {
    /// Whether it began at all.
    pub began: bool,
    /// The steps that have ended well, in order.
    pub steps: Vec<StepEnd>,
    /// What was known or bound at its end.
    pub bindings: Bindings,
    /// Secrets that its steps [keep](crate::plan::Step::keeps).
    pub secrets: BTreeMap<&'static str, Secret>,
    /// Why it did not end well.
    pub trouble: Option<Trouble>,
    /// Whether what it made was taken back, as the plan is [all or none](Plan::atomic).
    pub undone: bool,
    /// How long it took.
    pub took: Duration,
}

/// A step that has ended well, or whose effect goes on (see [`TrackEnd::trouble`]).
#[derive(Debug)]
pub struct StepEnd {
    /// The step's verb.
    pub verb: &'static str,
    /// Whether it wrote.
    pub wrote: bool,
    /// Its task.
    pub upid: Option<Upid>,
    /// What takes it back.
    undo: Option<Step>,
}

/// Why a track did not end well: `unable to clone VM `web-3`: …`.
#[derive(Clone, Debug)]
pub struct Trouble {
    /// The verb of the step that failed.
    pub verb: &'static str,
    /// What kind of thing.
    pub thing: &'static str,
    /// Which one.
    pub id: String,
    /// The cause.
    pub error: Error,
}

impl fmt::Display for Trouble {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "unable to {} {} `{}`: {}",
            self.verb, self.thing, self.id, self.error
        )
    }
}

impl std::error::Error for Trouble {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

impl TrackEnd {
    /// Whether a write took effect.
    pub fn changed(&self) -> bool {
        self.steps.iter().any(|step| step.wrote)
    }

    /// Whether a step with this verb wrote.
    pub fn wrote(&self, verb: &str) -> bool {
        self.steps
            .iter()
            .any(|step| step.wrote && step.verb == verb)
    }

    /// Whether it began and ended well.
    pub fn succeeded(&self) -> bool {
        self.began && self.trouble.is_none()
    }
}

impl Applied {
    /// Whether any write took effect.
    pub fn changed(&self) -> bool {
        self.tracks.iter().any(TrackEnd::changed)
    }

    /// Whether everything began and ended well.
    pub fn succeeded(&self) -> bool {
        self.tracks.iter().all(TrackEnd::succeeded)
    }

    /// Tasks that are left running.
    pub fn running(&self) -> impl Iterator<Item = &Upid> {
        self.tracks
            .iter()
            .filter_map(|track| track.trouble.as_ref()?.error.running_task())
    }
}

/// Carries a plan out. It always ends with an answer for every track.
pub fn apply(client: &Client, plan: &Plan, control: &Control<'_>) -> Applied {
    let run = Run::new(client, plan, control);
    let mut ends: Vec<TrackEnd> = plan.tracks.iter().map(|_| TrackEnd::default()).collect();
    let stages: BTreeSet<u32> = plan.tracks.iter().map(|track| track.stage).collect();
    for stage in &stages {
        run.stage(*stage, &mut ends);
    }
    if plan.atomic && !ends.iter().all(TrackEnd::succeeded) {
        for stage in stages.iter().rev() {
            run.undo(*stage, &mut ends);
        }
    }
    Applied {
        tracks: ends,
        warnings: run
            .warnings
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner),
    }
}

/// Waits until a probe holds: what a blocked plan asks for.
pub fn hold(
    client: &Client,
    until: &Probe,
    why: &str,
    limit: Duration,
    interrupted: &AtomicBool,
) -> Result<(), Error> {
    let patience = Patience::new(why, Some(limit), interrupted);
    wait::probe(client, until, &Bindings::new(), None, &patience).map(|_| ())
}

/// What all tracks of one run share.
struct Run<'a> {
    client: &'a Client,
    plan: &'a Plan,
    control: &'a Control<'a>,
    claims: Claims,
    vmids: Vmids,
    failed: AtomicBool,
    counts: BTreeMap<&'static str, (AtomicUsize, usize)>,
    warnings: Mutex<Vec<String>>,
}

impl<'a> Run<'a> {
    fn new(client: &'a Client, plan: &'a Plan, control: &'a Control<'a>) -> Self {
        let mut counts: BTreeMap<&'static str, (AtomicUsize, usize)> = BTreeMap::new();
        for step in plan.tracks.iter().flat_map(|track| &track.steps) {
            counts.entry(step.done).or_default().1 += 1;
        }
        Self {
            client,
            plan,
            control,
            claims: Claims::default(),
            vmids: Vmids::default(),
            failed: AtomicBool::new(false),
            counts,
            warnings: Mutex::default(),
        }
    }

    /// The claim that every step with a call holds: `parallel`. A track that
    /// only waits for its guest to boot does not keep others from beginning.
    fn slot(&self) -> Claim {
        Claim {
            what: "parallel".to_owned(),
            limit: if self.plan.parallel == 0 {
                PARALLEL
            } else {
                self.plan.parallel
            },
        }
    }

    fn may_begin(&self) -> Result<(), ()> {
        let first_is_last = self.plan.atomic || self.plan.on_error == OnError::Stop;
        let stopped = self.control.interrupted.load(Ordering::Relaxed)
            || (first_is_last && self.failed.load(Ordering::Relaxed));
        if stopped { Err(()) } else { Ok(()) }
    }

    /// Runs the tracks of a stage side by side, a thread for each. A track
    /// begins when a slot is free; those that wait for their guests to boot
    /// have none, and still are not more than [`AT_ONCE`].
    fn stage(&self, stage: u32, ends: &mut [TrackEnd]) {
        let both = [self.slot(), threads()];
        std::thread::scope(|scope| {
            for (track, end) in self.plan.tracks.iter().zip(ends) {
                if track.stage != stage {
                    continue;
                }
                match self.claims.take(&both, || self.may_begin()) {
                    Ok(mut thread) => {
                        let slot = thread.split_off(&both[0].what);
                        let bindings = self.bindings(track);
                        scope.spawn(move || {
                            *end = track::run(self, track, slot, bindings);
                            drop(thread);
                        });
                    }
                    Err(()) => end.bindings = track.bindings.clone(),
                }
            }
        });
    }

    /// Takes back what the tracks of a stage made, side by side too.
    fn undo(&self, stage: u32, ends: &mut [TrackEnd]) {
        std::thread::scope(|scope| {
            for (track, end) in self.plan.tracks.iter().zip(ends).rev() {
                if track.stage != stage {
                    continue;
                }
                let Ok(thread) = self.claims.take(&[threads()], || Ok::<(), Infallible>(()));
                scope.spawn(move || {
                    mend::undo(self, track, end);
                    drop(thread);
                });
            }
        });
    }

    /// What is known of a track when its turn comes. VMIDs are given out here, so
    /// that they follow the order of the tracks; what goes wrong with it is dealt
    /// with in the track.
    fn bindings(&self, track: &Track) -> Bindings {
        let mut bindings = track.bindings.clone();
        if let Some(allocation) = &track.allocates
            && let Ok(vmid) = self.vmids.next(self.client, allocation, track.limit)
        {
            bindings.insert(VMID, vmid.to_string());
        }
        bindings
    }

    fn tell(&self, label: String, what: What) {
        (self.control.watch)(&Event { label, what });
    }

    fn warn(&self, warnings: impl IntoIterator<Item = String>) {
        self.warnings
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend(warnings);
    }
}

/// What every track that is under way holds.
fn threads() -> Claim {
    Claim {
        what: "threads".to_owned(),
        limit: AT_ONCE,
    }
}

#[cfg(test)]
mod tests;
