//! A transport without a network, for tests over plans and their execution.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use secret::Secret;
use serde_json::Value;

use crate::call::{Call, Verb};
use crate::client::Client;
use crate::cluster::Cluster;
use crate::connection::Credentials;
use crate::error::{Error, Refusal, Request};
use crate::transport::Transport;

type Answers = VecDeque<Result<Value, Error>>;
type Answerer = Box<dyn FnMut(&Call) -> Option<Result<Value, Error>> + Send>;

/// Answers from a list, and keeps what it was asked.
///
/// A question is named as [`Call`]'s `Display` writes it. An answer that was
/// given [`once`](Canned::once) comes before one that stays. A question that
/// has no answer is refused as one about something that does not exist.
#[derive(Default)]
pub struct Canned {
    once: Mutex<Vec<(String, Answers)>>,
    always: Vec<(String, Value)>,
    answerer: Option<Mutex<Answerer>>,
    asked: std::sync::Arc<Mutex<Vec<String>>>,
    accepted: Vec<Secret>,
    user: Option<String>,
}

impl Canned {
    /// Answers nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Always answers this to `call`, such as `GET /nodes/pve1/qemu full=1`.
    #[must_use]
    pub fn always(mut self, call: &str, data: Value) -> Self {
        self.always.push((call.to_owned(), data));
        self
    }

    /// Answers this to `call`, one time.
    #[must_use]
    pub fn once(self, call: &str, answer: Result<Value, Error>) -> Self {
        {
            let mut once = self.once.lock().unwrap_or_else(PoisonError::into_inner);
            match once.iter_mut().find(|(known, _)| known == call) {
                Some((_, answers)) => answers.push_back(answer),
                None => once.push((call.to_owned(), VecDeque::from([answer]))),
            }
        }
        self
    }

    /// Takes us for this user, `user@realm` or `user@realm!token`, and not for `root@pam`.
    #[must_use]
    pub fn for_user(mut self, user: &str) -> Self {
        self.user = Some(user.to_owned());
        self
    }

    /// Takes this password, or this token's secret, whoever shows it.
    #[must_use]
    pub fn accepting(mut self, secret: &str) -> Self {
        self.accepted.push(Secret::new(secret));
        self
    }

    /// Asks this function first: a small server with a state.
    #[must_use]
    pub fn answering(
        mut self,
        answerer: impl FnMut(&Call) -> Option<Result<Value, Error>> + Send + 'static,
    ) -> Self {
        self.answerer = Some(Mutex::new(Box::new(answerer)));
        self
    }

    /// What was asked so far, shared with the transport.
    pub fn asked(&self) -> std::sync::Arc<Mutex<Vec<String>>> {
        std::sync::Arc::clone(&self.asked)
    }

    /// A cluster that answers so.
    pub fn cluster(self) -> Cluster {
        Cluster::new(Client::new(self))
    }
}

impl Transport for Canned {
    fn send(&self, call: &Call, _within: Option<Duration>) -> Result<Value, Error> {
        let name = call.to_string();
        self.asked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(name.clone());
        let mut once = self.once.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(answer) = once
            .iter_mut()
            .find(|(known, _)| *known == name)
            .and_then(|(_, answers)| answers.pop_front())
        {
            return answer;
        }
        drop(once);
        if let Some(answerer) = &self.answerer {
            let mut answerer = answerer.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(answer) = answerer(call) {
                return answer;
            }
        }
        match self.always.iter().find(|(known, _)| *known == name) {
            Some((_, data)) => Ok(data.clone()),
            None if call.verb == Verb::Get => Err(refused(
                call,
                500,
                &format!("Configuration file '{}' does not exist", call.path),
            )),
            None => Ok(Value::Null),
        }
    }

    fn user(&self) -> &str {
        self.user.as_deref().unwrap_or("root@pam")
    }

    fn accepts(&self, credentials: &Credentials) -> Result<bool, Error> {
        let secret = match credentials {
            Credentials::Password { password, .. } => password,
            Credentials::Token { secret, .. } => secret,
        };
        Ok(self.accepted.contains(secret))
    }

    fn port_is_open(&self, _address: &str, _port: u16) -> bool {
        true
    }
}

/// A refusal of `call`, as the server words it.
pub fn refused(call: &Call, status: u16, message: &str) -> Error {
    Error::Refused(Box::new(Refusal {
        request: Request::from(call),
        status,
        message: message.to_owned(),
        errors: std::collections::BTreeMap::new(),
    }))
}
