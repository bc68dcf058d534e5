//! What the report of a task about one guest needs to know.

use pve::apply::Applied;
use pve::{Call, Cluster, Path, Planned, Track};

use super::{Deed, Told};
use crate::guests::config::Config;

/// The notes of a task; `Made` is what its module knows of a guest that is made.
#[derive(Debug)]
pub struct Notes<Made> {
    /// Sentence and further keys.
    pub told: Told,
    /// A guest that is made: its VMID, say, is known only then.
    pub made: Option<Made>,
    /// Where a guest that may run was written to: what waits for its next boot is asked for.
    pub written: Option<Path>,
}

impl<Made> Notes<Made> {
    /// Notes of a sentence and further keys.
    pub fn of(told: Told) -> Self {
        Self {
            told,
            made: None,
            written: None,
        }
    }

    /// A plan that does nothing, about a guest that is not there.
    pub fn nothing(deed: Deed) -> Planned<Self> {
        deed.planned_as(Track::default()).map(Self::of)
    }

    /// What the writes have left waiting for the next boot, as a warning.
    pub fn waiting(&self, applied: Option<&Applied>, cluster: &Cluster) -> Option<String> {
        let guest = self.written.as_ref()?;
        if !applied.is_some_and(Applied::succeeded) {
            return None;
        }
        let pending = cluster.get(&Call::get(guest.join("pending"))).ok()?;
        let pending = Config::from_pending(&pending).pending().join(", ");
        (!pending.is_empty())
            .then(|| format!("{pending} will have an effect after the next start only"))
    }
}
