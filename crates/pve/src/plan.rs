//! Plans: what is to be done, as data.
//!
//! A [`Plan`] is made by a pure function of options and readings and carried
//! out by [`apply`](crate::apply::apply). It holds [`Track`]s, one for each thing that
//! changes; a track holds [`Step`]s, which run one after the other.

mod keep;
mod probe;

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

pub use keep::{Keep, Place, Put};
pub use probe::{Ask, Probe, Verdict};

use crate::call::{Bindings, Call};
use crate::error::Error;
use crate::texts::Matched;

/// How many tracks run side by side where nobody says otherwise. More than
/// this only queue on a node, whose API has three workers.
pub const PARALLEL: usize = 4;

/// How long a track may take that states no limit: long enough for a lock to
/// pass, short enough for a person to wait.
pub const LIMIT: Duration = Duration::from_secs(300);

/// The name that an allocated VMID is bound to.
pub const VMID: &str = "vmid";

/// What is to be done, and what changes by it.
#[derive(Debug, Default)]
pub struct Plan {
    /// One for each thing that changes.
    pub tracks: Vec<Track>,
    /// How many tracks run side by side; 0 means [`PARALLEL`].
    pub parallel: usize,
    /// What there is, as a person reads it: the left side of the diff.
    pub before: Value,
    /// What there will be: the right side of the diff.
    pub after: Value,
    /// What the user should know in any case.
    pub warnings: Vec<String>,
    /// What is told before the first write: what a run that is killed would leave nobody to tell.
    pub notices: Vec<String>,
    /// All or none: when one track fails or the run is interrupted, nothing more begins and what was made is taken
    /// back, by the [`undo`](Step::undo) of each step.
    pub atomic: bool,
    /// Whether further tracks begin after one has failed.
    pub on_error: OnError,
}

impl Plan {
    /// Whether the plan writes anything.
    pub fn changes(&self) -> bool {
        self.tracks.iter().any(Track::changes)
    }

    /// Whether an abrupt end would leave less than there was, or a part of what is all or none.
    pub fn must_end(&self) -> bool {
        self.atomic || self.tracks.iter().any(Track::must_end)
    }

    /// Every call of the plan as a person reads it, secrets masked.
    pub fn calls(&self) -> Vec<String> {
        self.tracks
            .iter()
            .flat_map(|track| track.steps.iter().chain(&track.finally))
            .filter_map(|step| step.call.as_ref())
            .map(Call::to_string)
            .collect()
    }
}

/// What happens to the other tracks when one has failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnError {
    /// They run.
    #[default]
    Continue,
    /// No further one begins.
    Stop,
}

/// The steps that change one thing.
#[derive(Debug, Default)]
pub struct Track {
    /// What kind of thing: `VM`, `role`.
    pub thing: &'static str,
    /// Which one: a name or a VMID.
    pub id: String,
    /// The tracks of a stage run side by side, stages one after the other.
    pub stage: u32,
    /// What is done, in this order.
    pub steps: Vec<Step>,
    /// What is done at the end in any case: after a failure, a deadline and an interruption too.
    pub finally: Vec<Step>,
    /// What is done before that where the steps did not all end well, an interruption included: what they took away is
    /// put back. Nobody can interrupt it, and it begins when no task of the steps runs any more.
    pub rescue: Vec<Step>,
    /// Values that are known already, for [`Segment::Bound`](crate::Segment::Bound) and for messages.
    pub bindings: Bindings,
    /// Asks for a VMID, bound to [`VMID`].
    pub allocates: Option<Allocation>,
    /// How long the whole track may take; [`LIMIT`] where nothing is stated.
    pub limit: Option<Duration>,
    /// Whether an interruption finds no place in it once it has begun: for steps that would leave
    /// less than there was before. The task of its last request may be left to the server.
    pub whole: bool,
}

impl Track {
    /// A track of steps that change one thing.
    pub fn new(thing: &'static str, id: impl Into<String>, steps: Vec<Step>) -> Self {
        Self {
            thing,
            id: id.into(),
            steps,
            ..Self::default()
        }
    }

    fn must_end(&self) -> bool {
        self.whole || !self.rescue.is_empty() || !self.finally.is_empty()
    }

    /// Whether the track writes anything.
    pub fn changes(&self) -> bool {
        self.steps.iter().any(|step| step.call.is_some())
    }
}

/// A VMID to be allocated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allocation {
    /// Where it may lie; otherwise where the datacenter's `next-id` says.
    pub range: Option<RangeInclusive<u32>>,
    /// VMIDs that are known to be taken.
    pub taken: Arc<BTreeSet<u32>>,
}

/// One request and what its end looks like; or, without a call, a wait.
#[derive(Debug)]
pub struct Step {
    /// What it does, for "unable to clone VM …".
    pub verb: &'static str,
    /// What it has done, for "web-3 (103): cloned in 4.1 s".
    pub done: &'static str,
    /// The request.
    pub call: Option<Call>,
    /// What must be free before it begins; held until it has settled.
    pub claims: Vec<Claim>,
    /// When it counts as done.
    pub settles: Settles,
    /// How long it may take, within the track's limit. A write that was begun in time is given the time that its answer
    /// takes, and the time in which a file is sent does not count.
    pub limit: Option<Duration>,
    /// What follows an ending that is not success.
    pub on: Vec<(Ending, Follow)>,
    /// Takes the step back; that there is nothing to take back is as good.
    pub undo: Option<Call>,
    /// Values for later steps and the report.
    pub binds: Vec<Bind>,
    /// A secret of the answer that is told only once.
    pub keeps: Option<Keep>,
    /// What to do when the answer was lost.
    pub lost: Lost,
    /// In [`Track::rescue`] and [`Track::finally`]: whether it is left out where a step before it has failed.
    pub if_well: bool,
}

impl Step {
    /// A request that is done when it is answered and may be repeated when the
    /// answer was lost.
    pub fn call(verb: &'static str, done: &'static str, call: Call) -> Self {
        Self {
            verb,
            done,
            call: Some(call),
            claims: Vec::new(),
            settles: Settles::AtOnce,
            limit: None,
            on: Vec::new(),
            undo: None,
            binds: Vec::new(),
            keeps: None,
            lost: Lost::Repeat,
            if_well: false,
        }
    }

    /// A request whose task is waited for.
    pub fn task(verb: &'static str, done: &'static str, call: Call) -> Self {
        Self {
            settles: Settles::TaskEnds,
            ..Self::call(verb, done, call)
        }
    }

    /// A wait.
    pub fn wait(verb: &'static str, done: &'static str, until: Probe) -> Self {
        Self {
            call: None,
            settles: Settles::Holds(until),
            lost: Lost::Repeat,
            if_well: false,
            verb,
            done,
            claims: Vec::new(),
            limit: None,
            on: Vec::new(),
            undo: None,
            binds: Vec::new(),
            keeps: None,
        }
    }

    /// A step that says why nothing can be done: its track fails, the others go on.
    pub fn cannot(verb: &'static str, why: impl Into<String>) -> Self {
        let why = why.into();
        let never = Probe::new(Vec::new(), move |_| {
            Verdict::Never(Error::Never(why.clone()))
        });
        Self::wait(verb, "", never)
    }

    /// This step, which begins only when the claim is free.
    #[must_use]
    pub fn claims(mut self, what: impl Into<String>, limit: usize) -> Self {
        self.claims.push(Claim {
            what: what.into(),
            limit,
        });
        self
    }

    /// This step with another answer to "when is it done".
    #[must_use]
    pub fn settles(mut self, settles: Settles) -> Self {
        self.settles = settles;
        self
    }

    /// This step, which may take so long.
    #[must_use]
    pub fn within(mut self, limit: Duration) -> Self {
        self.limit = Some(limit);
        self
    }

    /// This step, with what follows one ending that is not success.
    #[must_use]
    pub fn on(mut self, ending: Ending, follow: Follow) -> Self {
        self.on.push((ending, follow));
        self
    }

    /// This step, with the call that takes it back.
    #[must_use]
    pub fn undo(mut self, call: Call) -> Self {
        self.undo = Some(call);
        self
    }

    /// This step, which binds a value.
    #[must_use]
    pub fn binds(mut self, bind: Bind) -> Self {
        self.binds.push(bind);
        self
    }

    /// This step, whose answer has a secret that is told only once. Where it
    /// cannot be put where it belongs, or the answer is lost, the step is taken
    /// back by its [`undo`](Self::undo).
    #[must_use]
    pub fn keeps(mut self, keep: Keep) -> Self {
        self.keeps = Some(keep);
        self
    }

    /// This step, left out of [`Track::rescue`] and [`Track::finally`] where a step before it has failed.
    #[must_use]
    pub fn if_well(mut self) -> Self {
        self.if_well = true;
        self
    }

    /// This step, with the look-up for a lost answer.
    #[must_use]
    pub fn lost(mut self, lost: Lost) -> Self {
        self.lost = lost;
        self
    }
}

/// "Not too many at once": at most `limit` steps that claim `what` run side by side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// `user.cfg`, `source:9000`, `storage:local-lvm`, …
    pub what: String,
    /// How many.
    pub limit: usize,
}

/// When a step counts as done.
#[derive(Clone, Debug)]
pub enum Settles {
    /// When the request is answered.
    AtOnce,
    /// When the task that the answer names has ended well.
    TaskEnds,
    /// When the probe holds (after the task, if the answer names one).
    Holds(Probe),
    /// When so much time has passed.
    After(Duration),
}

/// An ending that is not success, and that may be provided for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The step's own limit is over.
    TimedOut,
    /// The server's text, in the answer or in the task, means this.
    Text(Matched),
    /// The probe says that it will never hold.
    Never,
}

/// What follows such an ending.
#[derive(Debug)]
pub enum Follow {
    /// These steps take its place.
    Steps(Vec<Step>),
    /// The track goes on as if the step had not been needed.
    Accept,
}

/// Hands a value to later steps and the report.
#[derive(Clone, Debug)]
pub enum Bind {
    /// A value of the answer, by JSON pointer (`""` is the whole answer).
    Answer {
        /// The name it is bound to.
        name: &'static str,
        /// Where it stands.
        pointer: &'static str,
    },
    /// The value that the probe found.
    Probe {
        /// The name it is bound to.
        name: &'static str,
    },
}

/// What to do with a write whose answer was lost.
#[derive(Clone, Debug)]
pub enum Lost {
    /// Repeat it: twice is the same as once.
    Repeat,
    /// Look whether it took effect.
    Look {
        /// [`Verdict::Holds`]: it did; with the UPID of its task, that one is waited for and bound as if the
        /// answer had named it. [`Verdict::Absent`]: it did not.
        probe: Probe,
        /// How long [`Verdict::Absent`] must last to be believed: the server may
        /// still be working on the request.
        quiet: Duration,
    },
}

/// What planning leads to: a plan with what its report needs, or a condition
/// that must come true before there can be one.
#[derive(Debug)]
pub enum Planned<Notes> {
    /// The plan.
    Ready(Plan, Notes),
    /// Nothing can be planned yet.
    Blocked {
        /// What must hold.
        until: Probe,
        /// Why, for the user.
        why: String,
    },
}

impl<Notes> Planned<Notes> {
    /// The same plan, with other notes.
    pub fn map<Other>(self, notes: impl FnOnce(Notes) -> Other) -> Planned<Other> {
        match self {
            Self::Ready(plan, own) => Planned::Ready(plan, notes(own)),
            Self::Blocked { until, why } => Planned::Blocked { until, why },
        }
    }
}
