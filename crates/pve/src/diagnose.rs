//! What stands between here and the API, stage by stage.
//!
//! Everything else gives up at the first error. A diagnosis goes on as far as
//! it can and reports each stage, with a hint at what to do.

mod local;
mod network;
mod session;
mod witness;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::connection::Host;
use crate::error::Error;
use crate::transport::{Certificate, Https, Way};

pub use network::ca_path_hint;

/// How often an API that is coming up is asked.
const PAUSE: Duration = Duration::from_secs(1);
/// An interruption is noticed within this time.
const SLICE: Duration = Duration::from_millis(50);

/// One stage and how it went.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    /// `lookup`, `proxy`, `tcp`, `tls`, `http`, `login`, `version` or `clock`; on
    /// the node itself `pvesh` and `version`.
    pub name: &'static str,
    /// Whether it went well. None is worth a look and no failure: a host that
    /// was passed over, clocks that disagree.
    pub ok: Option<bool>,
    /// What was found; where there are several hosts, also on which.
    pub detail: String,
    /// What may be done about it.
    pub hint: Option<String>,
    /// How long it took, in milliseconds.
    pub ms: f64,
}

/// The version of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// Such as `9.2.11`.
    pub version: String,
    /// Such as `9.2`.
    pub release: String,
    /// The commit it was built from.
    pub repoid: String,
}

/// The server's certificate, and whether it is trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The certificate.
    pub certificate: Certificate,
    /// Why it is not trusted, whether or not that is asked for; none if it is.
    pub distrust: Option<String>,
}

/// Who the server takes us for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// `user@realm` or `user@realm!token`.
    pub user: String,
    /// What makes it so.
    pub by: By,
    /// Whether the token has only privileges of its own; none where the server
    /// did not say.
    pub privilege_separation: Option<bool>,
}

/// What makes the server take us for whom it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// A token.
    Token,
    /// A ticket that a password was given for.
    Password,
    /// That `pvesh` runs as root on a node.
    Pvesh,
}

impl By {
    /// `token`, `password` or `pvesh`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Password => "password",
            Self::Pvesh => "pvesh",
        }
    }
}

/// What a diagnosis found, as far as it came.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The stages in their order; the last one may be the one that failed.
    pub checks: Vec<Check>,
    /// The host that answered.
    pub host: Option<Host>,
    /// The certificate that it showed.
    pub certificate: Option<Shown>,
    /// Who we are to it.
    pub identity: Option<Identity>,
    /// Its version.
    pub version: Option<Version>,
    /// How far its clock is ahead of ours, in seconds; the server tells whole
    /// seconds only.
    pub clock_skew: Option<f64>,
    /// How long one request takes on a connection that is open, in milliseconds.
    pub latency_ms: Option<f64>,
    /// What ended it.
    pub error: Option<Error>,
}

impl Report {
    /// Whether every stage was passed.
    pub fn passed(&self) -> bool {
        self.checks.iter().all(|check| check.ok != Some(false))
    }

    /// The stage that failed.
    pub fn failed(&self) -> Option<&Check> {
        self.checks.iter().find(|check| check.ok == Some(false))
    }
}

const DAEMONS: &str =
    "check pveproxy and pvedaemon on the node: `systemctl status pveproxy pvedaemon`";

/// How a stage ended that did not go well.
struct Fault {
    detail: String,
    hint: Option<String>,
    /// Whether it may pass while an API is coming up.
    passes: bool,
    error: Box<Error>,
}

impl Fault {
    fn new(error: Error, hint: &str, passes: bool) -> Self {
        Self {
            detail: error.to_string(),
            hint: Some(hint.to_owned()),
            passes,
            error: Box::new(error),
        }
    }
}

/// Examines the way to the API. While the cause is one that passes, such as a
/// closed port, all is examined again for as long as `wait`, until it works or
/// the run is interrupted.
pub fn diagnose(way: &Way, wait: Duration, interrupted: &AtomicBool) -> Report {
    let began = Instant::now();
    loop {
        let mut run = Run::default();
        match way {
            Way::Https(https) => run.by_network(https),
            Way::Pvesh(pvesh) => run.on_the_node(pvesh),
        }
        let Run { report, passes } = run;
        let left = wait.saturating_sub(began.elapsed());
        if report.passed() || !passes || left.is_zero() {
            return report;
        }
        let wake = Instant::now() + PAUSE.min(left);
        while Instant::now() < wake {
            if interrupted.load(Ordering::Relaxed) {
                return report;
            }
            thread::sleep(SLICE);
        }
    }
}

/// A report in the making.
#[derive(Default)]
struct Run {
    report: Report,
    /// Whether what failed may pass.
    passes: bool,
}

impl Run {
    fn by_network(&mut self, https: &Https) {
        let hosts = &https.connection().hosts;
        let reached = (0..hosts.len()).find(|index| {
            let reached = self.reach(https, *index).is_some();
            if reached {
                self.report.host = Some(hosts[*index].clone());
                https.stay_with(*index);
            }
            reached
        });
        if reached.is_some() {
            // A host that was passed over is no failure where the next one works.
            for check in &mut self.report.checks {
                check.ok = check.ok.filter(|ok| *ok);
            }
            self.passes = false;
            self.report.error = None;
            self.log_in(https);
        }
    }

    /// Runs a stage and notes how it went; its value, if it went well.
    fn stage<T>(
        &mut self,
        name: &'static str,
        stage: impl FnOnce(&mut Report) -> Result<(T, String), Fault>,
    ) -> Option<T> {
        let began = Instant::now();
        let outcome = stage(&mut self.report);
        let ms = milliseconds(began.elapsed());
        let (value, ok, detail, hint) = match outcome {
            Ok((value, detail)) => (Some(value), true, detail, None),
            Err(fault) => {
                self.passes |= fault.passes;
                self.report.error = Some(*fault.error);
                (None, false, fault.detail, fault.hint)
            }
        };
        self.report.checks.push(Check {
            name,
            ok: Some(ok),
            detail,
            hint,
            ms,
        });
        value
    }

    /// Gives the last stage a hint though it went well.
    fn hint(&mut self, hint: Option<String>) {
        if let Some(check) = self.report.checks.last_mut() {
            check.hint = hint;
        }
    }
}

/// In milliseconds, to the microsecond.
fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}
