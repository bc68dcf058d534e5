//! Questions that are asked until their answer is the wanted one.

use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use crate::call::{Call, Param};
use crate::error::Error;

/// A question that is asked until its answer is the wanted one.
#[derive(Clone)]
pub struct Probe {
    /// What is asked each time, in this order.
    pub asks: Vec<Ask>,
    judge: Arc<Judge>,
}

type Judge = dyn Fn(&[Result<Value, Error>]) -> Verdict + Send + Sync;

/// One question of a [`Probe`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// A GET; its answer is the `data`.
    Get(Call),
    /// Whether a TCP connection can be made; the answer is a boolean.
    Port {
        /// The address, possibly bound by an earlier step.
        address: Param,
        /// The port.
        port: u16,
    },
}

/// What a [`Probe`] makes of the answers.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// It holds; a value may be bound.
    Holds(Option<String>),
    /// Not yet, because …
    NotYet(String),
    /// Nothing of it is there (see [`Lost::Look`](super::Lost::Look)); elsewhere the same as not yet.
    Absent,
    /// It never will.
    Never(Error),
}

impl Probe {
    /// A probe that asks these questions and judges the answers, one for each.
    pub fn new(
        asks: Vec<Ask>,
        judge: impl Fn(&[Result<Value, Error>]) -> Verdict + Send + Sync + 'static,
    ) -> Self {
        Self {
            asks,
            judge: Arc::new(judge),
        }
    }

    /// A probe of one GET.
    pub fn get(
        call: Call,
        judge: impl Fn(&Result<Value, Error>) -> Verdict + Send + Sync + 'static,
    ) -> Self {
        Self::new(vec![Ask::Get(call)], move |answers| judge(&answers[0]))
    }

    /// A probe of a TCP port.
    pub fn port(address: impl Into<Param>, port: u16) -> Self {
        let ask = Ask::Port {
            address: address.into(),
            port,
        };
        Self::new(vec![ask], move |answers| match &answers[0] {
            Ok(Value::Bool(true)) => Verdict::Holds(None),
            _ => Verdict::NotYet(format!("port {port} is closed")),
        })
    }

    /// What the answers mean.
    pub fn judge(&self, answers: &[Result<Value, Error>]) -> Verdict {
        (self.judge)(answers)
    }
}

impl fmt::Debug for Probe {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_tuple("Probe")
            .field(&self.asks)
            .finish_non_exhaustive()
    }
}
