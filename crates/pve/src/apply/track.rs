//! One track: its steps, one after the other, against everything that happens.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::claims::Held;
use super::wait::{self, Looked, Patience};
use super::{Run, StepEnd, TrackEnd, Trouble, What, vmids};
use crate::call::{Bindings, Call};
use crate::client::Client;
use crate::error::{Error, Request};
use crate::plan::{Bind, Claim, Ending, Follow, Lost, Settles, Step, Track, VMID};
use crate::task;
use crate::texts::Matched;
use crate::upid::Upid;

/// The pauses before a locked thing is tried again: doubled each time, and
/// spread by half so that several clients do not meet again.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// A server that cannot be reached is tried for this long, and at least this
/// often: one that hangs takes longer than that to be known as lost.
const UNREACHED_FOR: Duration = Duration::from_secs(15);
const UNREACHED_TRIES: u32 = 3;

/// What `finally` may take when its track has run out of time.
const FINALLY_LIMIT: Duration = Duration::from_secs(60);

/// Runs a track; `slot` is its place among those that run side by side.
pub(super) fn run<'a>(run: &'a Run<'a>, track: &'a Track, slot: Held<'a>) -> TrackEnd {
    let mut state = State {
        run,
        track,
        slot: Some(slot),
        bindings: track.bindings.clone(),
        ends: Vec::new(),
        answer_lost: false,
    };
    let what = format!("{} `{}`", track.thing, track.id);
    let began = Instant::now();
    let mut patience = Patience::new(&what, track.limit, run.control.interrupted);
    let mut trouble = state
        .allocate(&patience)
        .map_err(|error| state.trouble("allocate a VMID for", error))
        .err();
    if trouble.is_none() {
        trouble = state.steps(&track.steps, &mut patience).err();
    }
    if let Some(trouble) = &trouble {
        run.failed.store(true, std::sync::atomic::Ordering::Relaxed);
        run.tell(
            state.label(),
            What::Failed {
                why: trouble.error.to_string(),
            },
        );
    }
    state.finally();
    TrackEnd {
        began: true,
        steps: state.ends,
        bindings: state.bindings,
        trouble: trouble.map(|trouble| *trouble),
        took: began.elapsed(),
    }
}

/// Sends a write once and waits for its task, if it has one.
pub(super) fn carry(
    client: &Client,
    call: &Call,
    patience: &Patience<'_>,
) -> Result<(Value, Vec<String>), Error> {
    let answer = client.transport().send(call, patience.left())?;
    let warnings = match upid(&answer) {
        Some(upid) => task::wait(client, &upid, patience)?,
        None => Vec::new(),
    };
    Ok((answer, warnings))
}

fn upid(answer: &Value) -> Option<Upid> {
    answer.as_str()?.parse().ok()
}

struct State<'a> {
    run: &'a Run<'a>,
    track: &'a Track,
    slot: Option<Held<'a>>,
    bindings: Bindings,
    ends: Vec<StepEnd>,
    /// Whether the step was sent before, and nothing was seen of it.
    answer_lost: bool,
}

impl<'a> State<'a> {
    fn label(&self) -> String {
        match self.bindings.get(VMID) {
            Some(vmid) if *vmid != self.track.id => format!("{} ({vmid})", self.track.id),
            _ => self.track.id.clone(),
        }
    }

    fn trouble(&self, verb: &'static str, error: Error) -> Box<Trouble> {
        Box::new(Trouble {
            verb,
            thing: self.track.thing,
            id: self.track.id.clone(),
            error,
        })
    }

    fn allocate(&mut self, patience: &Patience<'_>) -> Result<(), Error> {
        if let Some(allocation) = &self.track.allocates {
            let vmid = self
                .run
                .vmids
                .next(self.run.client, allocation, patience.left())?;
            self.bindings.insert(VMID, vmid.to_string());
        }
        Ok(())
    }

    fn steps(
        &mut self,
        steps: &'a [Step],
        patience: &mut Patience<'_>,
    ) -> Result<(), Box<Trouble>> {
        for step in steps {
            match self.step(step, patience) {
                Ok(()) => {}
                Err(error) => match follow(step, &error, patience) {
                    Some(Follow::Accept) => {}
                    Some(Follow::Steps(steps)) => self.steps(steps, patience)?,
                    None => return Err(self.trouble(step.verb, error)),
                },
            }
        }
        Ok(())
    }

    /// Runs what must be done however the track ended. An interruption does not
    /// stop it; its own errors are warnings.
    fn finally(&mut self) {
        let never = std::sync::atomic::AtomicBool::new(false);
        for step in &self.track.finally {
            let Some(call) = &step.call else { continue };
            let limit = step.limit.unwrap_or(FINALLY_LIMIT);
            let patience = Patience::new(step.verb, Some(limit), &never);
            let done = carry(self.run.client, &call.bind(&self.bindings), &patience);
            match done {
                Ok((_, warnings)) => {
                    self.run.warn(warnings);
                    self.ends.push(StepEnd {
                        verb: step.verb,
                        wrote: true,
                        upid: None,
                    });
                }
                Err(error) => self.run.warn([self.trouble(step.verb, error).to_string()]),
            }
        }
    }

    /// Runs one step until it has settled, or failed for good.
    fn step(&mut self, step: &'a Step, patience: &mut Patience<'_>) -> Result<(), Error> {
        self.take_slot(step, patience)?;
        let held = self.queue(&step.claims, patience)?;
        self.answer_lost = false;

        let own = patience.within(step.limit);
        let began = Instant::now();
        self.run.tell(self.label(), What::Began { verb: step.verb });
        let mut pause = FIRST_PAUSE;
        let mut unreached = Unreached::default();
        loop {
            match self.attempt(step, &own) {
                Ok(()) => break,
                Err(error) => match self.again(&error, &mut unreached, &own)? {
                    Again::Now => {}
                    Again::Later => {
                        let spread = pause.mul_f64(0.5 + fastrand::f64());
                        self.run.tell(
                            self.label(),
                            What::Again {
                                verb: step.verb,
                                why: error.to_string(),
                                pause: spread,
                            },
                        );
                        own.sleep(spread).map_err(|over| over.after(&error))?;
                        pause = (pause * 2).min(LONGEST_PAUSE);
                    }
                    Again::No => return Err(error),
                },
            }
        }
        drop(held);
        let (count, of) = self
            .run
            .counts
            .get(step.done)
            .map_or((1, 1), |(count, of)| {
                let count = count.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1;
                (count, (*of).max(count))
            });
        self.run.tell(
            self.label(),
            What::Ended {
                done: step.done,
                took: began.elapsed(),
                count,
                of,
            },
        );
        Ok(())
    }

    /// A step with a call needs the track's slot, one that waits gives it back.
    fn take_slot(&mut self, step: &Step, patience: &mut Patience<'_>) -> Result<(), Error> {
        if step.call.is_none() {
            self.slot = None;
        } else if self.slot.is_none() {
            self.slot = Some(self.queue(&[self.run.slot()], patience)?);
        }
        Ok(())
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

    /// Sends the call and waits until the step has settled.
    fn attempt(&mut self, step: &Step, patience: &Patience<'_>) -> Result<(), Error> {
        patience.check()?;
        let Some(call) = &step.call else {
            return self.settle(step, patience);
        };
        let call = call.bind(&self.bindings);
        let answer = match self.run.client.transport().send(&call, patience.left()) {
            Err(error) if self.is_perhaps_done(&error, patience) => {
                let found = self.look_up(&step.lost, patience);
                if !found.map_err(|over| over.after(&error))? {
                    self.answer_lost = true;
                    return Err(error);
                }
                // It took effect, but its answer is gone: what it would have bound stays open.
                self.end(step, None);
                return self.settle(step, patience);
            }
            answer => answer?,
        };
        if let Err(error) = self.bind_answer(step, &call, &answer) {
            // The write took effect, whatever its answer lacks.
            self.end(step, upid(&answer));
            return Err(error);
        }
        match (&step.settles, upid(&answer)) {
            (Settles::TaskEnds | Settles::Holds(_), Some(upid)) => {
                match task::wait(self.run.client, &upid, patience) {
                    Ok(warnings) => self.run.warn(
                        warnings
                            .into_iter()
                            .map(|warning| format!("{}: {warning}", self.track.id)),
                    ),
                    Err(error) => {
                        // A task that has not failed takes effect without us.
                        if !matches!(error, Error::TaskFailed(_)) {
                            self.end(step, Some(upid));
                        }
                        return Err(error);
                    }
                }
                self.end(step, Some(upid));
            }
            (_, upid) => self.end(step, upid),
        }
        self.settle(step, patience)
    }

    fn bind_answer(&mut self, step: &Step, call: &Call, answer: &Value) -> Result<(), Error> {
        for bind in &step.binds {
            if let Bind::Answer { name, pointer } = bind {
                let value = answer.pointer(pointer).ok_or_else(|| Error::Unexpected {
                    request: Request::from(call),
                    what: format!("no `{pointer}` in it"),
                })?;
                self.bindings.insert(name, plain(value));
            }
        }
        Ok(())
    }

    fn end(&mut self, step: &Step, upid: Option<Upid>) {
        self.ends.push(StepEnd {
            verb: step.verb,
            wrote: true,
            upid,
        });
    }

    /// What is left to wait for once the request is answered and its task over.
    fn settle(&mut self, step: &Step, patience: &Patience<'_>) -> Result<(), Error> {
        match &step.settles {
            Settles::AtOnce | Settles::TaskEnds => Ok(()),
            Settles::After(pause) => patience.sleep(*pause),
            Settles::Holds(probe) => {
                let looked = wait::probe(self.run.client, probe, &self.bindings, None, patience)?;
                if let Looked::Holds(Some(value)) = looked {
                    for bind in &step.binds {
                        if let Bind::Probe { name } = bind {
                            self.bindings.insert(name, value.clone());
                        }
                    }
                }
                Ok(())
            }
        }
    }

    /// Whether a write that has no good answer may have taken effect all the
    /// same: its answer was lost; or an earlier one's was, and what it makes is
    /// there by now, as the server may begin late with what it was sent.
    fn is_perhaps_done(&self, error: &Error, patience: &Patience<'_>) -> bool {
        if matches!(error, Error::Unknown { .. }) {
            return true;
        }
        self.answer_lost
            && (error.matched() == Some(Matched::AlreadyExists)
                || self.is_vmid_taken(error, patience))
    }

    fn is_vmid_taken(&self, error: &Error, patience: &Patience<'_>) -> bool {
        self.bindings
            .get(VMID)
            .is_some_and(|vmid| vmids::says_taken(self.run.client, error, vmid, patience.left()))
    }

    /// Whether a write whose answer was lost took effect.
    fn look_up(&self, lost: &Lost, patience: &Patience<'_>) -> Result<bool, Error> {
        match lost {
            Lost::Repeat => Ok(false),
            Lost::Look { probe, quiet } => {
                let looked = wait::probe(
                    self.run.client,
                    probe,
                    &self.bindings,
                    Some(*quiet),
                    patience,
                )?;
                Ok(matches!(looked, Looked::Holds(_)))
            }
        }
    }

    /// Whether the step may be tried again: a matter of the error, never of the step.
    fn again(
        &mut self,
        error: &Error,
        unreached: &mut Unreached,
        patience: &Patience<'_>,
    ) -> Result<Again, Error> {
        if error.matched() == Some(Matched::LockTimeout) {
            // It was reached.
            *unreached = Unreached::default();
            return Ok(Again::Later);
        }
        if matches!(error, Error::Unknown { .. }) || task::passes(error) {
            return Ok(unreached.again());
        }
        // Another client was faster. As long as nothing of the track has taken
        // effect, another VMID is as good.
        if self.track.allocates.is_some()
            && self.ends.is_empty()
            && self.is_vmid_taken(error, patience)
        {
            self.allocate(patience)?;
            self.answer_lost = false;
            return Ok(Again::Now);
        }
        Ok(Again::No)
    }
}

/// What the plan provides for this ending. The step's own limit may be over
/// while the track still has time; that is what [`Ending::TimedOut`] means.
fn follow<'a>(step: &'a Step, error: &Error, patience: &Patience<'_>) -> Option<&'a Follow> {
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

enum Again {
    Now,
    Later,
    No,
}

/// A server that does not answer, counted from its first silence: what the
/// step did before that says nothing of it.
#[derive(Default)]
struct Unreached {
    since: Option<Instant>,
    tries: u32,
}

impl Unreached {
    fn again(&mut self) -> Again {
        self.tries += 1;
        let since = *self.since.get_or_insert_with(Instant::now);
        if self.tries <= UNREACHED_TRIES || since.elapsed() < UNREACHED_FOR {
            Again::Later
        } else {
            Again::No
        }
    }
}

/// A JSON value as a parameter takes it: a text without quotes.
fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}
