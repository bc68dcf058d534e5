//! The way of every module: read, plan, apply, report.
//!
//! Check mode is one `if` here, diff is two fields of the plan: no module can
//! get them wrong.

use std::collections::BTreeSet;
use std::time::Duration;

use ansible::{Args, Context, Diff, Failure, Outcome, Spec};
use pve::apply::{self, Applied, Control, Event, Trouble, What};
use pve::{Cluster, Error, Plan, Planned, Upid};
use secret::Secret;
use serde_json::{Map, Value, json};

use crate::connection::Connection;
use crate::fault;

/// With this many `-v` the result lists the plan's calls.
const SHOW_CALLS: u8 = 3;

/// How long a blocked plan waits where nothing else is said: an operation that locks a guest is soon over.
pub const BLOCKED_FOR: Duration = Duration::from_secs(60);

/// What a module is beside its options.
pub trait Job {
    /// Its options.
    type Args: Args;
    /// What its report needs beside plan and end.
    type Notes;

    /// The connection options among its options.
    fn connection(args: &Self::Args) -> &Connection;

    /// What is to be done. Reads only.
    fn plan(
        task: &Task<'_, Self::Args>,
        cluster: &Cluster,
    ) -> Result<Planned<Self::Notes>, Failure>;

    /// What the result says. Without `Applied` nothing was written, be it that
    /// there was nothing to write or that the task runs in check mode.
    fn report(
        task: &Task<'_, Self::Args>,
        notes: Self::Notes,
        plan: &Plan,
        applied: Option<&Applied>,
        cluster: &Cluster,
    ) -> Report;

    /// How long a blocked plan may wait.
    fn patience(_task: &Task<'_, Self::Args>) -> Duration {
        BLOCKED_FOR
    }
}

/// The options of a task, with what the task says beside them.
pub struct Task<'a, A> {
    /// The options.
    pub args: &'a A,
    /// Check mode, diff mode, which options were stated.
    pub context: &'a Context,
}

/// What a module says of its work.
#[derive(Debug, Default)]
pub struct Report {
    /// A sentence for the person who watches.
    pub msg: Option<String>,
    /// What a failure is told with beside its cause: what is missing now, and has to be mended.
    pub missing: Option<String>,
    /// Results, at the top level.
    pub returns: Map<String, Value>,
    /// Warnings, beside those of plan and tasks.
    pub warnings: Vec<String>,
    /// Whether anything changed, where the plan's writes do not tell: a directory that is read in may
    /// bring nothing new.
    pub changed: Option<bool>,
    /// Secrets that this run has made and that the result is to show, by JSON pointer.
    pub reveals: Vec<(String, Secret)>,
}

/// The spec of a job's options. Every module has a check mode, as check mode is
/// no more than a plan that is not applied.
pub fn spec<J: Job>() -> Spec {
    Spec {
        supports_check_mode: true,
        ..J::Args::spec()
    }
}

/// Runs a job for a task.
pub fn run<J: Job>(context: &Context, values: &Map<String, Value>) -> Result<Outcome, Failure> {
    let args = J::Args::from_values(values)?;
    let connection = J::connection(&args);
    let cluster = connection.cluster(context)?;
    let task = Task {
        args: &args,
        context,
    };
    let answer = carry_out::<J>(&task, &cluster).map(|mut outcome| {
        outcome.warnings.extend(connection.warning(context));
        outcome
    });
    // The process ends with its answer. To close connections one by one before
    // that, and to join the threads behind them, is a tenth of a small task.
    std::mem::forget(cluster);
    answer
}

/// As [`run`], on a cluster that is there already.
pub fn carry_out<J: Job>(task: &Task<'_, J::Args>, cluster: &Cluster) -> Result<Outcome, Failure> {
    let (plan, notes) = match ready::<J>(task, cluster)? {
        Ok(ready) => ready,
        Err(blocked) => return Ok(blocked),
    };
    // In check mode too: it promises what can be carried out.
    if let Some(trouble) = apply::uncarried(cluster.client(), &plan) {
        return Err(fault::trouble(&trouble));
    }
    let applied = (!task.context.check_mode && !plan.tracks.is_empty()).then(|| {
        for notice in &plan.notices {
            task.context.progress(notice);
        }
        if plan.must_end() {
            task.context.must_end();
        }
        task.context.begin_writing();
        let applied = apply::apply(
            cluster.client(),
            &plan,
            &Control {
                interrupted: task.context.interrupted(),
                watch: &|event| {
                    match &event.what {
                        What::TaskBegan { upid } => task.context.has_begun(upid.as_str()),
                        What::TaskEnded { upid } => task.context.has_ended(upid.as_str()),
                        _ => {}
                    }
                    if tells_something(&plan, event) {
                        task.context.progress(&event.to_string());
                    }
                },
            },
        );
        cluster.read_anew();
        applied
    });
    let report = J::report(task, notes, &plan, applied.as_ref(), cluster);
    answer(task.context, plan, applied.as_ref(), report)
}

/// Whether an event is worth a line. A plan of one step tells which task it
/// waits for, as its end is told by the result; a longer one tells each end.
fn tells_something(plan: &Plan, event: &Event) -> bool {
    let steps: usize = plan.tracks.iter().map(|track| track.steps.len()).sum();
    match event.what {
        What::Again { .. } | What::Silent { .. } => true,
        What::TaskBegan { .. } => steps == 1,
        What::Ended { .. } | What::Failed { .. } => steps > 1,
        _ => false,
    }
}

/// Plans until the plan is ready; in check mode a blocked plan is the result.
fn ready<J: Job>(
    task: &Task<'_, J::Args>,
    cluster: &Cluster,
) -> Result<Result<(Plan, J::Notes), Outcome>, Failure> {
    loop {
        match J::plan(task, cluster)? {
            Planned::Ready(plan, notes) => return Ok(Ok((plan, notes))),
            Planned::Blocked { why, .. } if task.context.check_mode => {
                let mut outcome = Outcome::new(false, Map::new());
                outcome.msg = Some(format!("nothing can be planned yet: {why}"));
                outcome.warnings.push(why);
                return Ok(Err(outcome));
            }
            Planned::Blocked { until, why } => {
                task.context.progress(&format!("waiting: {why}"));
                apply::hold(
                    cluster.client(),
                    &until,
                    &format!("waiting ({why})"),
                    J::patience(task),
                    task.context.interrupted(),
                )
                .map_err(|error| fault::unable("make a plan", &error))?;
                cluster.read_anew();
            }
        }
    }
}

fn answer(
    context: &Context,
    plan: Plan,
    applied: Option<&Applied>,
    report: Report,
) -> Result<Outcome, Failure> {
    let changed = report.changed.unwrap_or_else(|| match applied {
        Some(applied) => applied.changed(),
        None => plan.changes(),
    });
    let mut outcome = Outcome::new(changed, report.returns);
    outcome.msg = report.msg;
    for (pointer, secret) in report.reveals {
        outcome.reveal(pointer, secret);
    }
    if context.verbosity >= SHOW_CALLS {
        outcome
            .returns
            .insert("plan".to_owned(), json!(plan.calls()));
    }
    let failure = applied.and_then(|applied| failure(&plan, applied));
    if plan.before != plan.after || !plan.before.is_null() {
        outcome.diff = Some(Diff {
            before: plan.before,
            after: plan.after,
            ..Diff::default()
        });
    }
    outcome.warnings = plan.warnings;
    outcome.warnings.extend(report.warnings);
    if let Some(applied) = applied {
        outcome.warnings.extend(applied.warnings.iter().cloned());
    }
    match failure {
        Some(failure) => Err(Failure {
            msg: match report.missing {
                Some(missing) => format!("{}; {missing}", failure.msg),
                None => failure.msg,
            },
            outcome: Box::new(outcome),
            ..failure
        }),
        None => Ok(outcome),
    }
}

/// Why the plan as a whole did not end well, if it did not: how many share
/// which fate, the first cause, and what goes on without us.
fn failure(plan: &Plan, applied: &Applied) -> Option<Failure> {
    let (mut failed, mut cut) = (Vec::<&Trouble>::new(), Vec::<&Trouble>::new());
    let mut fates = Fates::default();
    for end in &applied.tracks {
        match &end.trouble {
            Some(trouble) if matches!(trouble.error, Error::Interrupted { .. }) => {
                cut.push(trouble);
                // Nothing is left of it where all is taken back.
                if plan.atomic && !end.changed() {
                    fates.broken_off += 1;
                } else {
                    fates.unfinished += 1;
                }
            }
            Some(trouble) => failed.push(trouble),
            None if !end.began => fates.not_begun += 1,
            None => {}
        }
    }
    fates.failed = failed.len();
    let first = failed.first().or(cut.first());
    if first.is_none() && fates.not_begun == 0 {
        return None;
    }
    // Where nothing failed, only an interruption keeps tracks from beginning.
    let interrupted = failed.is_empty() || !cut.is_empty();
    let mut msg = fates.of(plan);
    if interrupted {
        msg = format!("interrupted: {msg}");
    }
    let cause = failed.first().map(|first| fault::trouble(first).msg);
    match cause {
        Some(cause) if plan.tracks.len() > 1 => msg = format!("{msg}: {cause}"),
        Some(cause) => msg = cause,
        None => {}
    }
    if plan.atomic && applied.changed() {
        msg.push_str("; not all that was made could be taken back");
    } else if applied.tracks.iter().any(|end| end.undone) {
        msg.push_str("; what was made was taken back");
    }
    let running: Vec<&str> = applied.running().map(Upid::as_str).collect();
    let unnamed: Vec<&str> = running
        .iter()
        .copied()
        .filter(|upid| !msg.contains(upid))
        .collect();
    if !unnamed.is_empty() {
        msg = format!("{msg}; left running: {}", unnamed.join(", "));
    }
    let mut failure = Failure::new(msg);
    failure.details =
        fault::details(first.map_or(&Error::Interrupted { upid: None }, |trouble| &trouble.error));
    if !running.is_empty() {
        failure.details.insert("running".to_owned(), json!(running));
    }
    Some(failure)
}

/// How many tracks of a plan that did not end well share which fate.
#[derive(Default)]
struct Fates {
    failed: usize,
    broken_off: usize,
    unfinished: usize,
    not_begun: usize,
}

impl Fates {
    /// `2 of 20 VMs failed, 1 left unfinished, 5 not begun`.
    fn of(&self, plan: &Plan) -> String {
        let things: BTreeSet<&str> = plan.tracks.iter().map(|track| track.thing).collect();
        let things: Vec<String> = things.iter().map(|thing| format!("{thing}s")).collect();
        let mut of_all = format!(" of {} {}", plan.tracks.len(), things.join(" and "));
        let mut told = Vec::new();
        for (count, fate) in [
            (self.failed, "failed"),
            (self.broken_off, "broken off"),
            (self.unfinished, "left unfinished"),
            (self.not_begun, "not begun"),
        ] {
            match plan.tracks.as_slice() {
                _ if count == 0 => {}
                [track] => told.push(format!("{} `{}` {fate}", track.thing, track.id)),
                _ => told.push(format!("{count}{} {fate}", std::mem::take(&mut of_all))),
            }
        }
        told.join(", ")
    }
}

/// Declares a job as a module: its name, its options, its documentation.
#[macro_export]
macro_rules! module {
    ($job:ty, $name:literal) => {
        /// The module's entry in the list of modules.
        pub const MODULE: ansible::Module = ansible::Module {
            name: $name,
            documentation: include_str!(concat!($name, ".yml")),
            spec: $crate::job::spec::<$job>,
            run: $crate::job::run::<$job>,
        };
    };
}

#[cfg(test)]
mod tests;
