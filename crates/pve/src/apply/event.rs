//! What `apply` tells while it works.

use std::fmt;
use std::time::Duration;

use crate::upid::Upid;

/// Something happened to a track.
#[derive(Clone, Debug)]
pub struct Event {
    /// What it happened to: `web-3 (103)`.
    pub label: String,
    /// What happened.
    pub what: What,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum What {
    /// A step began.
    Began {
        /// The step's verb.
        verb: &'static str,
    },
    /// A task of the step runs; it goes on whatever becomes of this process.
    TaskBegan {
        /// The task.
        upid: Upid,
    },
    /// The task does not run any more.
    TaskEnded {
        /// The task.
        upid: Upid,
    },
    /// The server says nothing of the task for the time being.
    Silent {
        /// Why not.
        why: String,
    },
    /// A step ended well.
    Ended {
        /// What the step has done.
        done: &'static str,
        /// How long it took.
        took: Duration,
        /// How many steps of this kind have ended …
        count: usize,
        /// … of how many that the plan has.
        of: usize,
    },
    /// A step is tried again.
    Again {
        /// The step's verb.
        verb: &'static str,
        /// Why.
        why: String,
        /// After which pause.
        pause: Duration,
    },
    /// The track failed.
    Failed {
        /// Why.
        why: String,
        /// The task that it left running and that is waited for, as something is to be put back or taken back.
        awaited: Option<Upid>,
    },
}

/// `web-3 (103): cloned in 4.1 s [3/20]`.
impl fmt::Display for Event {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: ", self.label)?;
        match &self.what {
            What::Began { verb } => write!(formatter, "{verb} …"),
            What::TaskBegan { upid } => write!(formatter, "task {upid} runs"),
            What::TaskEnded { upid } => write!(formatter, "task {upid} has ended"),
            What::Silent { why } => write!(
                formatter,
                "its task is out of sight, and asked for again: {why}"
            ),
            What::Ended {
                done,
                took,
                count,
                of,
            } => write!(
                formatter,
                "{done} in {:.1} s [{count}/{of}]",
                took.as_secs_f64()
            ),
            What::Again { verb, why, pause } => write!(
                formatter,
                "{verb} again in {:.1} s: {why}",
                pause.as_secs_f64()
            ),
            What::Failed { why, awaited: None } => write!(formatter, "failed: {why}"),
            What::Failed {
                why,
                awaited: Some(upid),
            } => write!(formatter, "failed: {why}; task {upid} is waited for"),
        }
    }
}
