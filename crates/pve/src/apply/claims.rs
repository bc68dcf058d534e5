//! "Not too many at once", for everything that has a number.

use std::collections::HashMap;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::plan::Claim;

/// Who waits for a claim looks up this often, to notice an interruption.
const LOOK_UP: Duration = Duration::from_millis(50);

/// What is claimed by running steps.
#[derive(Default)]
pub(crate) struct Claims {
    taken: Mutex<HashMap<String, usize>>,
    freed: Condvar,
}

/// Claims that are held until this is dropped.
pub(crate) struct Held<'a> {
    claims: &'a Claims,
    what: Vec<String>,
}

impl Claims {
    /// Takes all claims at once, so that two steps never wait for each other;
    /// `stop` ends the wait.
    pub(crate) fn take<E>(
        &self,
        claims: &[Claim],
        stop: impl Fn() -> Result<(), E>,
    ) -> Result<Held<'_>, E> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            stop()?;
            if let Some(held) = self.take_free(&mut taken, claims) {
                return Ok(held);
            }
            (taken, _) = self
                .freed
                .wait_timeout(taken, LOOK_UP)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl<'a> Claims {
    /// Takes all claims if all are free.
    pub(crate) fn try_take(&'a self, claims: &[Claim]) -> Option<Held<'a>> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        self.take_free(&mut taken, claims)
    }

    fn take_free(
        &'a self,
        taken: &mut HashMap<String, usize>,
        claims: &[Claim],
    ) -> Option<Held<'a>> {
        // A limit of nothing would wait for ever.
        let is_free = |claim: &Claim| {
            taken
                .get(&claim.what)
                .is_none_or(|count| *count < claim.limit.max(1))
        };
        if !claims.iter().all(is_free) {
            return None;
        }
        for claim in claims {
            *taken.entry(claim.what.clone()).or_default() += 1;
        }
        Some(Held {
            claims: self,
            what: claims.iter().map(|claim| claim.what.clone()).collect(),
        })
    }
}

impl Held<'_> {
    /// Parts one claim from the others, to be held apart.
    pub(crate) fn split_off(&mut self, what: &str) -> Self {
        let (apart, kept) = self.what.drain(..).partition(|held| held == what);
        self.what = kept;
        Self {
            claims: self.claims,
            what: apart,
        }
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        let mut taken = self
            .claims
            .taken
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for what in &self.what {
            if let Some(count) = taken.get_mut(what) {
                *count = count.saturating_sub(1);
            }
        }
        self.claims.freed.notify_all();
    }
}
