//! What can go wrong, told by what the caller may still do.

mod untrusted;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::call::{Call, Verb};
use crate::texts::{self, Matched};
use crate::upid::Upid;

pub use untrusted::Untrusted;

/// A request or a task that did not end well.
///
/// The variants say what is still allowed, so that the retry policy follows
/// from variant and verb, never from the place of the call.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The request has certainly not been processed: repeating it is safe, on
    /// another host too.
    #[error("{method} {path}: {why}", method = .request.verb, path = .request.path)]
    NotSent {
        /// The request.
        request: Request,
        /// How far the connection came.
        why: Unreached,
    },

    /// The server said no. Repeating it helps only where the text says that
    /// the cause passes (see [`Refusal::matched`]).
    #[error("{0}")]
    Refused(Box<Refusal>),

    /// The request was sent and its answer lost: a read may repeat, a write
    /// must first look whether it took effect.
    #[error("{method} {path}: the answer was lost: {cause}", method = .request.verb, path = .request.path)]
    Unknown {
        /// The request.
        request: Request,
        /// What happened to the connection.
        cause: String,
    },

    /// A task ended with an error.
    #[error("{0}")]
    TaskFailed(Box<TaskFailure>),

    /// Time ran out. A task that is named goes on running.
    #[error(
        "{what} took longer than {} s{}{}",
        .limit.as_secs_f64(), at_last(.last.as_deref()), left_running(.upid.as_deref())
    )]
    Deadline {
        /// What was being waited for.
        what: String,
        /// The time that was given.
        limit: Duration,
        /// What last stood against it.
        last: Option<String>,
        /// The task that is left running.
        upid: Option<Box<Upid>>,
    },

    /// The run was interrupted. A task that is named goes on running.
    #[error("interrupted{}", left_running(.upid.as_deref()))]
    Interrupted {
        /// The task that is left running.
        upid: Option<Box<Upid>>,
    },

    /// The server answered something that this API does not answer.
    #[error("{method} {path}: unexpected answer: {what}", method = .request.verb, path = .request.path)]
    Unexpected {
        /// The request.
        request: Request,
        /// What is wrong with the answer.
        what: String,
    },

    /// A condition that was waited for cannot come true any more.
    #[error("{0}")]
    Never(String),
}

fn at_last(last: Option<&str>) -> String {
    last.map_or_else(String::new, |last| format!("; at last: {last}"))
}

fn left_running(upid: Option<&Upid>) -> String {
    upid.map_or_else(String::new, |upid| format!("; task {upid} is left running"))
}

/// The request that an error belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The verb.
    pub verb: Verb,
    /// The path below `/api2/json`, without the query.
    pub path: String,
}

impl From<&Call> for Request {
    fn from(call: &Call) -> Self {
        Self {
            verb: call.verb,
            path: call.path.to_string(),
        }
    }
}

/// How far a request came that was not sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unreached {
    /// The host name has no address.
    #[error("host name `{host}` does not resolve: {cause}")]
    Lookup {
        /// The name.
        host: String,
        /// The resolver's text.
        cause: String,
    },
    /// No connection to the port.
    #[error("no connection to {address}: {cause}")]
    Connect {
        /// `host:port`.
        address: String,
        /// The system's text.
        cause: String,
    },
    /// The certificate is not trusted.
    #[error("{0}")]
    Untrusted(Box<Untrusted>),
    /// The TLS handshake failed for another reason.
    #[error("TLS handshake with {address} failed: {cause}")]
    Tls {
        /// `host:port`.
        address: String,
        /// The TLS library's text.
        cause: String,
    },
    /// The login that has to come first had no answer.
    #[error("the answer to the login was lost: {0}")]
    Login(String),
    /// None of several hosts was reached.
    #[error("no host was reached: {}", joined(.0))]
    NoHost(Vec<Unreached>),
    /// The options do not make a connection: a certificate file that cannot be read, …
    #[error("{0}")]
    Options(String),
}

fn joined(whys: &[Unreached]) -> String {
    let whys: Vec<String> = whys.iter().map(Unreached::to_string).collect();
    whys.join("; ")
}

impl Unreached {
    /// Whether trying again may end otherwise: a service that restarts closes
    /// its port for a moment, while a certificate stays what it is.
    pub fn passes(&self) -> bool {
        match self {
            Self::Connect { .. } | Self::Login(_) => true,
            Self::NoHost(whys) => whys.iter().any(Self::passes),
            _ => false,
        }
    }
}

/// The server's no, its three texts merged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The request.
    pub request: Request,
    /// The HTTP status. 595 means that the node was not reached at all.
    pub status: u16,
    /// The text: `message` of the body, or else the reason phrase.
    pub message: String,
    /// Texts by parameter.
    pub errors: BTreeMap<String, String>,
}

impl Refusal {
    /// What the text is known to mean.
    pub fn matched(&self) -> Option<Matched> {
        texts::matched(&self.message).or_else(|| {
            self.errors
                .values()
                .find_map(|message| texts::matched(message))
        })
    }

    /// Whether it is a 403 that says neither path nor privilege.
    pub fn is_bare_403(&self) -> bool {
        self.status == 403 && self.message.trim_end() == "Permission check failed"
    }

    /// The privileges and the ACL path that a 403 names: `(/vms/100, VM.Clone)`.
    pub fn missing_right(&self) -> Option<(String, Vec<String>)> {
        (self.status == 403)
            .then(|| texts::missing_right(&self.message))
            .flatten()
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} {} answered {}",
            self.request.verb, self.request.path, self.status
        )?;
        let message = self.message.trim_end_matches(['.', '\n']);
        if !message.is_empty() {
            write!(formatter, ": {message}")?;
        }
        for (index, (parameter, text)) in self.errors.iter().enumerate() {
            let separator = if index == 0 { ":" } else { ";" };
            write!(formatter, "{separator} {parameter}: {}", text.trim_end())?;
        }
        Ok(())
    }
}

/// A task that ended with an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskFailure {
    /// The task.
    pub upid: Upid,
    /// Its exit status, which is the error's text.
    pub exit_status: String,
    /// The last lines of its log.
    pub log: Vec<String>,
}

impl TaskFailure {
    /// What the exit status is known to mean.
    pub fn matched(&self) -> Option<Matched> {
        texts::matched(&self.exit_status)
    }
}

impl fmt::Display for TaskFailure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "task {} failed: {}",
            self.upid,
            self.exit_status.trim_end()
        )
    }
}

impl Error {
    /// The same; a deadline also tells what last stood against its end.
    pub(crate) fn after(self, stood_against: impl fmt::Display) -> Self {
        match self {
            Self::Deadline {
                what, limit, upid, ..
            } => Self::Deadline {
                what,
                limit,
                last: Some(stood_against.to_string()),
                upid,
            },
            other => other,
        }
    }

    /// What the text is known to mean: of a refusal, a failed task, or a probe
    /// that speaks for the server.
    pub fn matched(&self) -> Option<Matched> {
        match self {
            Self::Refused(refusal) => refusal.matched(),
            Self::TaskFailed(failure) => failure.matched(),
            Self::Never(text) => texts::matched(text),
            _ => None,
        }
    }

    /// The HTTP status, where the server gave one.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Refused(refusal) => Some(refusal.status),
            _ => None,
        }
    }

    /// Whether the thing that was asked for does not exist.
    pub fn is_not_found(&self) -> bool {
        self.matched() == Some(Matched::NotFound)
    }

    /// The same, with what goes on by now of what it left running.
    pub(crate) fn leaves_running(&mut self, left: Option<Upid>) {
        if let Self::Deadline { upid, .. } | Self::Interrupted { upid } = self {
            *upid = left.map(Box::new);
        }
    }

    /// The task that this error leaves running.
    pub fn running_task(&self) -> Option<&Upid> {
        match self {
            Self::Deadline { upid, .. } | Self::Interrupted { upid } => upid.as_deref(),
            _ => None,
        }
    }
}
