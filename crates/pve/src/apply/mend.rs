//! What is done about a track that did not end well: what it left running comes to its end, what it took away is put
//! back, and what it made is taken back where the plan is all or none. No interruption stops any of it.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::track::{State, follow};
use super::wait::{Looked, Patience};
use super::{Run, StepEnd, TrackEnd};
use crate::call::Bindings;
use crate::error::Error;
use crate::plan::{Ending, Follow, LIMIT, Step, Track};
use crate::texts::Matched;
use crate::upid::Upid;

/// What a step may take that puts back or takes back, and states no limit of its own.
const STEP_LIMIT: Duration = Duration::from_secs(60);

impl<'a> State<'a> {
    /// Waits until nothing of the track goes on, as nothing can be put back or taken back meanwhile: for as long as
    /// the track may take, and no shorter than a lock is waited for. A write whose answer was lost is looked for.
    /// `left` is the task that the track left running; `error` is told which one it is in the end.
    pub(super) fn come_to_rest(&mut self, mut left: Option<Upid>, error: &mut Error) {
        let never = AtomicBool::new(false);
        let limit = self.track.limit.unwrap_or(LIMIT).max(LIMIT);
        let patience = Patience::new("it", Some(limit), &never);
        if let Some(step) = self.answer_lost.take()
            && let Ok(Looked::Holds(found)) = self.look_up(&step.lost, &patience)
        {
            left = found.and_then(|found| found.parse().ok());
            self.end(step, left.clone());
        }
        let Some(upid) = left else { return };
        let waited = self.wait_for(&upid, &patience);
        if matches!(waited, Err(Error::TaskFailed(_))) {
            self.ends.retain(|end| end.upid.as_ref() != Some(&upid));
        }
        error.leaves_running(waited.err().and_then(|error| error.running_task().cloned()));
    }

    /// Runs steps that must be run however the track ended. Their errors are warnings, and keep off only what is to
    /// follow success. Returns whether there was none.
    pub(super) fn in_any_case(&mut self, steps: &'a [Step]) -> bool {
        self.mends = true;
        let never = AtomicBool::new(false);
        let mut well = true;
        for step in steps {
            if step.if_well && !well {
                continue;
            }
            let limit = step.limit.unwrap_or(STEP_LIMIT);
            let mut patience = Patience::new(step.verb, Some(limit), &never);
            if let Err(error) = self.step(step, &mut patience)
                && !matches!(follow(step, &error, &patience), Some(Follow::Accept))
            {
                well = false;
                self.run.warn([self.trouble(step.verb, error).to_string()]);
            }
        }
        well
    }
}

impl StepEnd {
    /// A step that has written; what takes it back holds what the step held.
    pub(super) fn new(step: &Step, bindings: &Bindings, upid: Option<Upid>) -> Self {
        let undo = step.undo.as_ref().map(|call| Step {
            claims: step.claims.clone(),
            ..Step::task("take back", "taken back", call.bind(bindings))
                .on(Ending::Text(Matched::NotFound), Follow::Accept)
        });
        Self {
            verb: step.verb,
            wrote: true,
            upid,
            undo,
        }
    }
}

/// Takes back what a track made, the last first.
pub(super) fn undo(run: &Run<'_>, track: &Track, end: &mut TrackEnd) {
    let undo = |step: &mut StepEnd| step.undo.take();
    let steps: Vec<Step> = end.steps.iter_mut().rev().filter_map(undo).collect();
    let mut state = State::new(run, track, None, end.bindings.clone());
    if !steps.is_empty() && state.in_any_case(&steps) {
        end.steps.iter_mut().for_each(|step| step.wrote = false);
        end.undone = true;
    }
}
