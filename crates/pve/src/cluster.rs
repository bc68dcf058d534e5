//! The read side: what is there.

pub mod backup;
pub mod config;
pub mod nextid;
pub mod resources;
mod side_by_side;
pub mod status;

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::call::Call;
use crate::client::{Client, decode};
use crate::error::Error;
use crate::plan::PARALLEL;

type Answer = Arc<OnceLock<Result<Arc<Value>, Error>>>;

/// What is there, as GETs tell it.
///
/// Within one *reading* each question is asked at most once; a new plan, a
/// probe and the report begin a new reading. Independent questions are asked
/// side by side.
pub struct Cluster {
    client: Client,
    reading: Mutex<HashMap<String, Answer>>,
    side_by_side: AtomicUsize,
}

impl Cluster {
    /// What this client can see.
    pub fn new(client: Client) -> Self {
        Self {
            client,
            reading: Mutex::default(),
            side_by_side: AtomicUsize::new(PARALLEL),
        }
    }

    /// How many questions are asked side by side, and so how many connections
    /// are opened.
    pub fn ask_side_by_side(&self, parallel: usize) {
        self.side_by_side.store(parallel.max(1), Ordering::Relaxed);
    }

    /// The client that asks.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Forgets what was read: what is asked from now on is asked anew.
    pub fn read_anew(&self) {
        self.reading
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }

    /// The answer's `data`.
    pub fn get(&self, call: &Call) -> Result<Arc<Value>, Error> {
        let answer = Arc::clone(
            self.reading
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .entry(call.to_string())
                .or_default(),
        );
        answer
            .get_or_init(|| self.client.read(call, None).map(Arc::new))
            .clone()
    }

    /// The answer's `data` as a type.
    pub fn get_as<T: DeserializeOwned>(&self, call: &Call) -> Result<T, Error> {
        decode(call, &*self.get(call)?)
    }

    /// The answers to several questions, asked side by side; each has its own
    /// result, so that an offline node is not the end of everything.
    pub fn get_each(&self, calls: &[Call]) -> Vec<Result<Arc<Value>, Error>> {
        self.each(calls, side_by_side::agent_on, |call| self.get(call))
    }

    /// As [`Cluster::get_each`], for many answers that are asked for once: they
    /// are the caller's, and the reading does not hold them as well. A call is
    /// made out of its question when it is asked, as many would be large.
    pub fn take_each<Q: Sync>(
        &self,
        questions: &[Q],
        call: impl Fn(&Q) -> Call + Sync,
    ) -> Vec<Result<Value, Error>> {
        let agent_on = |question: &Q| side_by_side::agent_on(&call(question));
        self.each(questions, agent_on, |question| {
            self.client.read(&call(question), None)
        })
    }

    fn each<Q: Sync, T: Send>(
        &self,
        questions: &[Q],
        agent_on: impl Fn(&Q) -> Option<String>,
        ask: impl Fn(&Q) -> T + Sync,
    ) -> Vec<T> {
        let parallel = self.side_by_side.load(Ordering::Relaxed);
        side_by_side::ask(questions, parallel, agent_on, ask)
    }

    /// As [`Cluster::get_each`], as a type.
    pub fn get_each_as<T: DeserializeOwned>(&self, calls: &[Call]) -> Vec<Result<T, Error>> {
        self.get_each(calls)
            .into_iter()
            .zip(calls)
            .map(|(answer, call)| decode(call, &*answer?))
            .collect()
    }
}
