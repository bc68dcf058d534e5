//! Tasks: what a write leaves running on a node.

use std::time::{Duration, Instant};

use serde::Deserialize;

use crate::apply::wait::Patience;
use crate::call::Call;
use crate::client::{Client, decode};
use crate::error::{Error, TaskFailure};
use crate::path;
use crate::texts::{self, Matched};
use crate::upid::Upid;

/// The lines of a failed task's log that are shown.
const LAST_LINES: usize = 10;

/// A server that does not say a word about a task for so long is given up. The
/// task may go on all the same.
const SILENT_FOR: Duration = Duration::from_secs(300);

/// The status of a task.
#[derive(Debug, Deserialize)]
struct Status {
    status: String,
    exitstatus: Option<String>,
}

/// One line of a task's log.
#[derive(Debug, Deserialize)]
pub(crate) struct Line {
    pub(crate) t: String,
}

/// Waits for a task's end; returns the warnings of its log.
///
/// The status is asked for at once and then after 6 % of the time that has
/// passed, but not before 50 ms and at least every 2 s: short tasks are seen
/// early, long ones cost few requests. `silence` is told when the server does
/// not answer, once for each time that it falls silent.
pub(crate) fn wait(
    client: &Client,
    upid: &Upid,
    patience: &Patience<'_>,
    silence: &dyn Fn(&Error),
) -> Result<Vec<String>, Error> {
    let call = Call::get(path!(
        "nodes",
        upid.node(),
        "tasks",
        upid.as_str(),
        "status"
    ));
    // The answer that named the task may have come late, and a question would have no time left.
    if patience.left().is_some_and(|left| left.is_zero()) {
        patience.check().map_err(|error| name_task(error, upid))?;
    }
    let began = Instant::now();
    let mut asked_once_more = false;
    let mut silent: Option<(Instant, Error)> = None;
    loop {
        match client
            .read(&call, patience.left())
            .and_then(|data| decode::<Status>(&call, &data))
        {
            Ok(status) if status.status == "stopped" => {
                let exit_status = status.exitstatus.unwrap_or_default();
                if exit_status == "OK" {
                    return Ok(Vec::new());
                }
                if is_warnings(&exit_status) {
                    return Ok(warnings(client, upid, patience));
                }
                // The worker may just not have written its last line yet.
                let unexpected = texts::matched(&exit_status) == Some(Matched::UnexpectedStatus);
                if !unexpected || asked_once_more {
                    return Err(Error::TaskFailed(Box::new(TaskFailure {
                        upid: upid.clone(),
                        log: last_lines(client, upid, patience),
                        exit_status,
                    })));
                }
                asked_once_more = true;
            }
            Ok(_) => silent = None,
            // The task goes on whatever happens to the question.
            Err(error) if passes(&error) => {
                if silent.is_none() {
                    silence(&error);
                }
                let (since, last) = silent.get_or_insert((Instant::now(), error));
                if since.elapsed() > SILENT_FOR {
                    return Err(name_task(given_up(last), upid));
                }
            }
            Err(error) => return Err(error),
        }
        patience
            .sleep(interval(began.elapsed()))
            .map_err(|over| match &silent {
                Some((_, last)) => over.after(last),
                None => over,
            })
            .map_err(|error| name_task(error, upid))?;
    }
}

fn given_up(last: &Error) -> Error {
    Error::Deadline {
        what: "the silence of the server".to_owned(),
        limit: SILENT_FOR,
        last: Some(last.to_string()),
        upid: None,
    }
}

/// The pause before a question is asked again, `elapsed` after the first time.
pub(crate) fn interval(elapsed: Duration) -> Duration {
    (elapsed * 6 / 100).clamp(Duration::from_millis(50), Duration::from_secs(2))
}

/// Whether asking again may bring another answer: nothing came back, or a
/// proxying node did not reach the one that was asked.
pub(crate) fn passes(error: &Error) -> bool {
    match error {
        Error::Unknown { .. } => true,
        Error::NotSent { why, .. } => why.passes(),
        Error::Refused(refusal) => refusal.status == 595,
        _ => false,
    }
}

fn name_task(error: Error, upid: &Upid) -> Error {
    let upid = Some(Box::new(upid.clone()));
    match error {
        Error::Deadline {
            what, limit, last, ..
        } => Error::Deadline {
            what,
            limit,
            last,
            upid,
        },
        Error::Interrupted { .. } => Error::Interrupted { upid },
        other => other,
    }
}

pub(crate) fn is_warnings(exit_status: &str) -> bool {
    exit_status
        .strip_prefix("WARNINGS: ")
        .is_some_and(|count| !count.is_empty() && count.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The question for the whole log of a task.
pub(crate) fn log_of(upid: &Upid) -> Call {
    // Without a limit the server gives the first 50 lines; 0 means all.
    Call::get(path!("nodes", upid.node(), "tasks", upid.as_str(), "log")).with("limit", 0u32)
}

fn log(client: &Client, upid: &Upid, patience: &Patience<'_>) -> Vec<String> {
    let call = log_of(upid);
    // The log only adds to what is known already: without it, the status says enough.
    client
        .read(&call, patience.left())
        .and_then(|data| decode::<Vec<Line>>(&call, &data))
        .map(|lines| lines.into_iter().map(|line| line.t).collect())
        .unwrap_or_default()
}

fn last_lines(client: &Client, upid: &Upid, patience: &Patience<'_>) -> Vec<String> {
    let mut lines = log(client, upid, patience);
    lines.drain(..lines.len().saturating_sub(LAST_LINES));
    lines
}

fn warnings(client: &Client, upid: &Upid, patience: &Patience<'_>) -> Vec<String> {
    let warnings: Vec<String> = log(client, upid, patience)
        .into_iter()
        .filter(|line| line.starts_with("WARN"))
        .collect();
    if warnings.is_empty() {
        vec![format!("task {upid} ended with warnings")]
    } else {
        warnings
    }
}

#[cfg(test)]
mod tests {
    use super::{interval, is_warnings};
    use std::time::Duration;

    #[test]
    fn questions_become_rarer() {
        for (elapsed, pause) in [(0, 50), (500, 50), (2_000, 120), (100_000, 2_000)] {
            assert_eq!(
                interval(Duration::from_millis(elapsed)),
                Duration::from_millis(pause)
            );
        }
    }

    #[test]
    fn only_counted_warnings_are_success() {
        assert!(is_warnings("WARNINGS: 2"));
        assert!(!is_warnings("WARNINGS: "));
        assert!(!is_warnings("WARNINGS: disk full"));
    }
}
