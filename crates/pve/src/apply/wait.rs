//! Waiting with a deadline, stopped by an interruption.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::call::{Bindings, Param};
use crate::client::Client;
use crate::error::Error;
use crate::plan::{Ask, Probe, Verdict};
use crate::task;

/// A signal is noticed within this time.
const SLICE: Duration = Duration::from_millis(20);

/// How long something may take, and who may end it before.
pub(crate) struct Patience<'a> {
    until: Option<Instant>,
    limit: Duration,
    what: &'a str,
    interrupted: &'a AtomicBool,
}

impl<'a> Patience<'a> {
    /// `what` is named when time is over: "the clone of VM `web-3`".
    pub(crate) fn new(what: &'a str, limit: Option<Duration>, interrupted: &'a AtomicBool) -> Self {
        Self {
            until: limit.and_then(|limit| Instant::now().checked_add(limit)),
            limit: limit.unwrap_or(Duration::MAX),
            what,
            interrupted,
        }
    }

    /// The same, ending earlier if `limit` is over earlier.
    pub(crate) fn within(&self, limit: Option<Duration>) -> Patience<'a> {
        match limit.and_then(|limit| Some((limit, Instant::now().checked_add(limit)?))) {
            Some((limit, until)) if self.until.is_none_or(|own| until < own) => Self {
                until: Some(until),
                limit,
                ..*self
            },
            _ => Self { ..*self },
        }
    }

    /// The same, ending so much later.
    pub(crate) fn extend(&mut self, by: Duration) {
        self.until = self.until.and_then(|until| until.checked_add(by));
    }

    /// As [`Patience::extend`].
    pub(crate) fn extended(&self, by: Duration) -> Patience<'a> {
        let mut longer = Self { ..*self };
        longer.extend(by);
        longer
    }

    /// The same, ended by this flag.
    pub(crate) fn ended_by(&self, interrupted: &'a AtomicBool) -> Patience<'a> {
        Self {
            interrupted,
            ..*self
        }
    }

    /// The time that is left; none where there is no end.
    pub(crate) fn left(&self) -> Option<Duration> {
        self.until
            .map(|until| until.saturating_duration_since(Instant::now()))
    }

    /// Whether the run is to end, however much time is left.
    pub(crate) fn check_interrupted(&self) -> Result<(), Error> {
        if self.interrupted.load(Ordering::Relaxed) {
            return Err(Error::Interrupted { upid: None });
        }
        Ok(())
    }

    /// Whether there is a reason to stop, and which.
    pub(crate) fn check(&self) -> Result<(), Error> {
        self.check_interrupted()?;
        match self.left() {
            Some(Duration::ZERO) => Err(self.over()),
            _ => Ok(()),
        }
    }

    fn over(&self) -> Error {
        Error::Deadline {
            what: self.what.to_owned(),
            limit: self.limit,
            last: None,
            upid: None,
        }
    }

    /// Sleeps; ends with an error when time is over or the run is interrupted.
    pub(crate) fn sleep(&self, pause: Duration) -> Result<(), Error> {
        let wake = Instant::now() + pause;
        loop {
            self.check()?;
            let rest = wake.saturating_duration_since(Instant::now());
            if rest.is_zero() {
                return Ok(());
            }
            std::thread::sleep(rest.min(SLICE));
        }
    }
}

/// What a lasting [`Verdict::Absent`] leads to.
pub(crate) enum Looked {
    /// It holds.
    Holds(Option<String>),
    /// Nothing of it was there for the whole quiet time.
    Absent,
}

/// Asks until the probe holds. With `quiet`, an absence that lasts so long is
/// an answer too.
pub(crate) fn probe(
    client: &Client,
    probe: &Probe,
    bindings: &Bindings,
    quiet: Option<Duration>,
    patience: &Patience<'_>,
) -> Result<Looked, Error> {
    let began = Instant::now();
    let mut absent_since: Option<Instant> = None;
    loop {
        let answers: Vec<Result<Value, Error>> = probe
            .asks
            .iter()
            .map(|ask| answer(client, ask, bindings, patience))
            .collect();
        let why = match probe.judge(&answers) {
            Verdict::Holds(value) => return Ok(Looked::Holds(value)),
            Verdict::Never(error) => return Err(error),
            Verdict::NotYet(why) => {
                absent_since = None;
                Some(why)
            }
            Verdict::Absent => {
                let since = *absent_since.get_or_insert_with(Instant::now);
                if quiet.is_some_and(|quiet| since.elapsed() >= quiet) {
                    return Ok(Looked::Absent);
                }
                None
            }
        };
        patience
            .sleep(task::interval(began.elapsed()))
            .map_err(|error| match why {
                Some(why) => error.after(why),
                None => error,
            })?;
    }
}

fn answer(
    client: &Client,
    ask: &Ask,
    bindings: &Bindings,
    patience: &Patience<'_>,
) -> Result<Value, Error> {
    match ask {
        Ask::Get(call) => client.read(&call.bind(bindings), patience.left()),
        Ask::Port { address, port } => {
            let address = match address {
                Param::Bound(name) => bindings.get(name).map_or(*name, String::as_str),
                Param::Text(text) => text,
                Param::Secret(secret) => secret.expose(),
            };
            Ok(Value::Bool(client.transport().port_is_open(address, *port)))
        }
    }
}
