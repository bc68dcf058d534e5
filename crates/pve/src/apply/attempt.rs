//! One try of a step: what is sent, what its answer leads to, and whether the
//! step may be tried again.

use std::time::{Duration, Instant};

use secret::Secret;
use serde_json::Value;

use super::track::{State, upid};
use super::wait::{self, Looked, Patience};
use super::{StepEnd, What, vmids};
use crate::call::Call;
use crate::error::{Error, Request};
use crate::plan::{Bind, Keep, LIMIT, Lost, Put, Settles, Step, VMID};
use crate::task;
use crate::texts::Matched;
use crate::upid::Upid;

/// A server that cannot be reached is tried for this long, and at least this
/// often: one that hangs takes longer than that to be known as lost.
const UNREACHED_FOR: Duration = Duration::from_secs(15);
const UNREACHED_TRIES: u32 = 3;

impl<'a> State<'a> {
    /// Sends the call and waits until the step has settled.
    pub(super) fn attempt(&mut self, step: &'a Step, patience: &Patience<'_>) -> Result<(), Error> {
        patience.check()?;
        let Some(call) = &step.call else {
            return self.settle(step, patience);
        };
        let mut call = call.bind(&self.bindings);
        if let Some(upload) = call.upload.as_mut().filter(|_| !self.track.whole) {
            upload.stop = self.run.control.interrupted.into();
        }
        let place = step.keeps.as_ref().and_then(|keep| keep.place.as_ref());
        let put = place.map(|open| open()).transpose().map_err(Error::Never)?;
        let within = match &call.upload {
            // How long a file takes is a matter of its size, and none of the step's own limit.
            Some(_) => Some(self.track.limit.unwrap_or(LIMIT)),
            None => patience.left(),
        };
        let began = Instant::now();
        let sent = self.run.client.transport().send(&call, within);
        let patience = &match &call.upload {
            Some(_) => patience.extended(began.elapsed()),
            None => patience.within(None),
        };
        let answer = match sent {
            Err(error) if self.is_perhaps_done(&error, patience) => {
                self.answer_lost = Some(step);
                let found = self.look_up(&step.lost, patience);
                let Looked::Holds(found) = found.map_err(|over| over.after(&error))? else {
                    return Err(error);
                };
                self.answer_lost = None;
                if step.keeps.is_some() {
                    // It took effect, but the secret went by unheard: it is made anew.
                    self.take_back(step, patience)?;
                    return Err(Error::Unknown {
                        request: Request::from(&call),
                        cause: "the answer with the secret was lost".to_owned(),
                    });
                }
                // A task that was found is as good as the answer that named it.
                match found.map(Value::String) {
                    Some(answer) if upid(&answer).is_some() => answer,
                    _ => {
                        // It took effect, but its answer is gone: what it would have bound stays open.
                        self.end(step, None);
                        return self.settle(step, patience);
                    }
                }
            }
            answer => answer?,
        };
        if let Some(keep) = &step.keeps {
            self.keep(step, keep, put, &call, &answer, patience)?;
        }
        if let Err(error) = self.bind_answer(step, &call, &answer) {
            // The write took effect, whatever its answer lacks.
            self.end(step, upid(&answer));
            return Err(error);
        }
        match (&step.settles, upid(&answer)) {
            (Settles::TaskEnds | Settles::Holds(_), Some(upid)) => {
                self.tell(What::TaskBegan { upid: upid.clone() });
                // What a whole track must not leave undone is begun with its last request.
                let is_last = self
                    .track
                    .steps
                    .last()
                    .is_some_and(|last| std::ptr::eq(last, step));
                let patience = &if is_last {
                    patience.ended_by(self.run.control.interrupted)
                } else {
                    patience.within(None)
                };
                if let Err(error) = self.wait_for(&upid, patience) {
                    // A task that has not failed takes effect without us.
                    if !matches!(error, Error::TaskFailed(_)) {
                        self.end(step, Some(upid));
                    }
                    return Err(error);
                }
                self.end(step, Some(upid));
            }
            (_, upid) => self.end(step, upid),
        }
        self.settle(step, patience)
    }

    /// Waits for the end of a task, whose warnings are the run's.
    pub(super) fn wait_for(&self, upid: &Upid, patience: &Patience<'_>) -> Result<(), Error> {
        let waited = task::wait(self.run.client, upid, patience, &|error| {
            self.tell(What::Silent {
                why: error.to_string(),
            });
        });
        if matches!(waited, Ok(_) | Err(Error::TaskFailed(_))) {
            self.tell(What::TaskEnded { upid: upid.clone() });
        }
        self.run.warn(
            waited?
                .into_iter()
                .map(|warning| format!("{}: {warning}", self.track.id)),
        );
        Ok(())
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

    /// Binds the secret of an answer and puts it where it belongs. What nobody
    /// could ever make use of is taken back.
    fn keep(
        &mut self,
        step: &Step,
        keep: &Keep,
        put: Option<Put>,
        call: &Call,
        answer: &Value,
        patience: &Patience<'_>,
    ) -> Result<(), Error> {
        let secret = answer.pointer(keep.pointer).and_then(Value::as_str);
        let kept = match (secret.map(Secret::new), put) {
            (None, _) => Err(Error::Unexpected {
                request: Request::from(call),
                what: format!("no `{}` in it", keep.pointer),
            }),
            (Some(secret), Some(put)) => put(&secret).map(|()| secret).map_err(Error::Never),
            (Some(secret), None) => Ok(secret),
        };
        match kept {
            Ok(secret) => {
                self.secrets.insert(keep.name, secret);
                Ok(())
            }
            Err(error) => {
                if step.undo.is_none() || self.take_back(step, patience).is_err() {
                    // The write took effect, whatever became of its secret.
                    self.end(step, None);
                }
                Err(error)
            }
        }
    }

    /// Sends the step's undo; that there is nothing to take back is as good.
    fn take_back(&self, step: &Step, patience: &Patience<'_>) -> Result<(), Error> {
        let Some(undo) = &step.undo else {
            return Ok(());
        };
        let undo = undo.bind(&self.bindings);
        match self.run.client.transport().send(&undo, patience.left()) {
            Err(error) if !error.is_not_found() => Err(error),
            _ => Ok(()),
        }
    }

    pub(super) fn end(&mut self, step: &Step, upid: Option<Upid>) {
        self.ends.push(StepEnd::new(step, &self.bindings, upid));
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
        self.answer_lost.is_some()
            && (error.matched() == Some(Matched::AlreadyExists)
                || self.is_vmid_taken(error, patience))
    }

    fn is_vmid_taken(&self, error: &Error, patience: &Patience<'_>) -> bool {
        self.bindings
            .get(VMID)
            .is_some_and(|vmid| vmids::says_taken(self.run.client, error, vmid, patience.left()))
    }

    /// Whether a write whose answer was lost took effect.
    pub(super) fn look_up(&self, lost: &Lost, patience: &Patience<'_>) -> Result<Looked, Error> {
        match lost {
            Lost::Repeat => Ok(Looked::Absent),
            Lost::Look { probe, quiet } => wait::probe(
                self.run.client,
                probe,
                &self.bindings,
                Some(*quiet),
                patience,
            ),
        }
    }

    /// Whether the step may be tried again: a matter of the error, never of the step.
    pub(super) fn again(
        &mut self,
        error: &Error,
        unreached: &mut Unreached,
        patience: &Patience<'_>,
    ) -> Result<Again, Error> {
        // A guest's lock may last for hours and fails a step at once; to put things back is worth the wait.
        let passes = match error.matched() {
            Some(Matched::LockTimeout) => true,
            Some(Matched::GuestLocked) => self.mends,
            _ => false,
        };
        if passes {
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
            && !self.mends
            && self.ends.is_empty()
            && self.is_vmid_taken(error, patience)
        {
            self.allocate(patience)?;
            self.answer_lost = None;
            return Ok(Again::Now);
        }
        Ok(Again::No)
    }
}

/// Whether a step is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Again {
    /// At once.
    Now,
    /// After a pause.
    Later,
    /// It is not.
    No,
}

/// A server that does not answer, counted from its first silence: what the
/// step did before that says nothing of it.
#[derive(Default)]
pub(super) struct Unreached {
    since: Option<Instant>,
    tries: u32,
}

impl Unreached {
    pub(super) fn again(&mut self) -> Again {
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

#[cfg(test)]
mod tests {
    use super::{Again, UNREACHED_FOR, UNREACHED_TRIES, Unreached};
    use std::time::Instant;

    #[test]
    fn a_silence_ends_the_tries_when_it_is_both_long_and_repeated() {
        let long_ago = Instant::now().checked_sub(UNREACHED_FOR);
        for (since, tries, again) in [
            (None, 0, true),
            (None, 10 * UNREACHED_TRIES, true),
            (long_ago, UNREACHED_TRIES - 1, true),
            (long_ago, UNREACHED_TRIES, false),
        ] {
            let answer = Unreached { since, tries }.again();
            assert_eq!(matches!(answer, Again::Later), again, "{since:?} {tries}");
        }
    }
}
