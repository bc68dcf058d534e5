//! One track: its steps, one after the other, against everything that happens.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use secret::Secret;
use serde_json::Value;

use super::attempt::{Again, Unreached};
use super::claims::Held;
use super::wait::Patience;
use super::{Run, StepEnd, TrackEnd, Trouble, What};
use crate::call::Bindings;
use crate::error::Error;
use crate::plan::{Claim, Ending, Follow, LIMIT, Step, Track, VMID};
use crate::task;
use crate::upid::Upid;

/// The pauses before a locked thing is tried again: doubled each time, and
/// spread by half so that several clients do not meet again.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Runs a track; `slot` is its place among those that run side by side, and
/// `bindings` has its VMID already, if one could be had when its turn came.
pub(super) fn run<'a>(
    run: &'a Run<'a>,
    track: &'a Track,
    slot: Held<'a>,
    bindings: Bindings,
) -> TrackEnd {
    let mut state = State::new(run, track, Some(slot), bindings);
    let began = Instant::now();
    let never = AtomicBool::new(false);
    let interrupted = if track.whole {
        &never
    } else {
        run.control.interrupted
    };
    let limit = Some(track.limit.unwrap_or(LIMIT));
    let mut patience = Patience::new("it", limit, interrupted);
    let mut trouble = state
        .first_vmid(&patience)
        .map_err(|error| state.trouble("allocate a VMID for", error))
        .and_then(|()| state.steps(&track.steps, &mut patience))
        .err();
    if let Some(trouble) = &mut trouble {
        run.failed.store(true, Ordering::Relaxed);
        let rests = run.plan.atomic || !track.rescue.is_empty();
        let awaited = trouble.error.running_task().filter(|_| rests).cloned();
        if rests {
            trouble.error.leaves_running(None);
        }
        state.tell(What::Failed {
            why: trouble.error.to_string(),
            awaited: awaited.clone(),
        });
        if rests {
            state.come_to_rest(awaited, &mut trouble.error);
        }
        state.in_any_case(&track.rescue);
    }
    state.in_any_case(&track.finally);
    TrackEnd {
        began: true,
        steps: state.ends,
        bindings: state.bindings,
        secrets: state.secrets,
        trouble: trouble.map(|trouble| *trouble),
        took: began.elapsed(),
        undone: false,
    }
}

/// The task that an answer names.
pub(super) fn upid(answer: &Value) -> Option<Upid> {
    answer.as_str()?.parse().ok()
}

/// A track while it runs.
pub(super) struct State<'a> {
    pub(super) run: &'a Run<'a>,
    pub(super) track: &'a Track,
    slot: Option<Held<'a>>,
    pub(super) bindings: Bindings,
    pub(super) secrets: BTreeMap<&'static str, Secret>,
    pub(super) ends: Vec<StepEnd>,
    /// The step that was sent before, and of which nothing was seen.
    pub(super) answer_lost: Option<&'a Step>,
    /// Whether it only puts back and takes back: a guest that is locked is waited for then.
    pub(super) mends: bool,
}

impl<'a> State<'a> {
    pub(super) fn new(
        run: &'a Run<'a>,
        track: &'a Track,
        slot: Option<Held<'a>>,
        bindings: Bindings,
    ) -> Self {
        Self {
            run,
            track,
            slot,
            bindings,
            secrets: BTreeMap::new(),
            ends: Vec::new(),
            answer_lost: None,
            mends: false,
        }
    }

    fn label(&self) -> String {
        match self.bindings.get(VMID) {
            Some(vmid) if *vmid != self.track.id => format!("{} ({vmid})", self.track.id),
            _ => self.track.id.clone(),
        }
    }

    pub(super) fn tell(&self, what: What) {
        self.run.tell(self.label(), what);
    }

    pub(super) fn trouble(&self, verb: &'static str, error: Error) -> Box<Trouble> {
        Box::new(Trouble {
            verb,
            thing: self.track.thing,
            id: self.track.id.clone(),
            error,
        })
    }

    fn first_vmid(&mut self, patience: &Patience<'_>) -> Result<(), Error> {
        if self.bindings.contains_key(VMID) {
            return Ok(());
        }
        self.allocate(patience)
    }

    /// Binds the next free VMID, if the track asks for one.
    pub(super) fn allocate(&mut self, patience: &Patience<'_>) -> Result<(), Error> {
        let Some(allocation) = &self.track.allocates else {
            return Ok(());
        };
        let mut unreached = Unreached::default();
        loop {
            match self
                .run
                .vmids
                .next(self.run.client, allocation, patience.left())
            {
                Ok(vmid) => {
                    self.bindings.insert(VMID, vmid.to_string());
                    return Ok(());
                }
                Err(error) if task::passes(&error) && unreached.again() == Again::Later => {
                    patience.sleep(FIRST_PAUSE)?;
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn steps(
        &mut self,
        steps: &'a [Step],
        patience: &mut Patience<'_>,
    ) -> Result<(), Box<Trouble>> {
        for step in steps {
            let began = Instant::now();
            match self.step(step, patience) {
                Ok(()) => {}
                Err(error) => match follow(step, &error, patience) {
                    Some(Follow::Accept) => self.tell_end(step, began),
                    Some(Follow::Steps(steps)) => self.steps(steps, patience)?,
                    None => return Err(self.trouble(step.verb, error)),
                },
            }
        }
        Ok(())
    }

    /// Runs one step until it has settled, or failed for good.
    pub(super) fn step(
        &mut self,
        step: &'a Step,
        patience: &mut Patience<'_>,
    ) -> Result<(), Error> {
        let held = self.take_turn(step, patience)?;
        self.answer_lost = None;

        let own = patience.within(step.limit);
        let began = Instant::now();
        self.tell(What::Began { verb: step.verb });
        let mut pause = FIRST_PAUSE;
        let mut unreached = Unreached::default();
        let mut told = String::new();
        loop {
            match self.attempt(step, &own) {
                Ok(()) => break,
                Err(error) => match self.again(&error, &mut unreached, &own)? {
                    Again::Now => {}
                    Again::Later => {
                        let spread = pause.mul_f64(0.5 + fastrand::f64());
                        let why = error.to_string();
                        // The same reason is not told twice.
                        if why != told {
                            told.clone_from(&why);
                            self.tell(What::Again {
                                verb: step.verb,
                                why,
                                pause: spread,
                            });
                        }
                        own.sleep(spread).map_err(|over| over.after(&error))?;
                        pause = (pause * 2).min(LONGEST_PAUSE);
                    }
                    Again::No => return Err(error),
                },
            }
        }
        drop(held);
        self.tell_end(step, began);
        Ok(())
    }

    fn tell_end(&self, step: &Step, began: Instant) {
        let counts = self.run.counts.get(step.done);
        let (count, of) = counts.map_or((1, 1), |(count, of)| {
            let count = count.fetch_add(1, Ordering::Relaxed) + 1;
            (count, (*of).max(count))
        });
        self.tell(What::Ended {
            done: step.done,
            took: began.elapsed(),
            count,
            of,
        });
    }

    /// Waits until the step may begin. One that waits gives the track's slot
    /// back, and so does one whose claims are held by others: a queue before
    /// one storage does not keep the tracks from beginning that need another.
    fn take_turn(&mut self, step: &Step, patience: &mut Patience<'_>) -> Result<Held<'a>, Error> {
        if step.call.is_none() {
            self.slot = None;
            return self.queue(&step.claims, patience);
        }
        if self.slot.is_some()
            && let Some(held) = self.run.claims.try_take(&step.claims)
        {
            return Ok(held);
        }
        self.slot = None;
        let slot = self.run.slot();
        let mut all = step.claims.clone();
        all.push(slot.clone());
        let mut held = self.queue(&all, patience)?;
        self.slot = Some(held.split_off(&slot.what));
        Ok(held)
    }

    /// Waits for claims. Time in the queue is not the track's own: what others
    /// hold does not make it late.
    fn queue(&self, claims: &[Claim], patience: &mut Patience<'_>) -> Result<Held<'a>, Error> {
        let waited = Instant::now();
        let check = || patience.check_interrupted();
        let held = self.run.claims.take(claims, check)?;
        patience.extend(waited.elapsed());
        Ok(held)
    }
}

/// What the plan provides for this ending. The step's own limit may be over
/// while the track still has time; that is what [`Ending::TimedOut`] means.
pub(super) fn follow<'a>(
    step: &'a Step,
    error: &Error,
    patience: &Patience<'_>,
) -> Option<&'a Follow> {
    let timed_out = matches!(error, Error::Deadline { .. }) && patience.check().is_ok();
    step.on
        .iter()
        .find(|(ending, _)| match ending {
            Ending::TimedOut => timed_out,
            Ending::Text(text) => error.matched() == Some(*text),
            Ending::Never => matches!(error, Error::Never(_)),
        })
        .map(|(_, follow)| follow)
}
