//! What a task does to its guest, and what the result says of it.

use std::time::Duration;

use pve::nodes::guest::Address;
use pve::plan::VMID;
use pve::{Plan, Planned, Track};
use serde_json::{Map, Value, json};

use crate::guests::delta::Delta;
use crate::guests::power::NODE;
use crate::job::Report;
use crate::resource::or_empty;

/// What becomes of the guest, and what the result says of it.
#[derive(Debug, Default)]
pub struct Deed {
    /// The sentence of the result.
    pub msg: Option<String>,
    /// Further keys of the result.
    pub returns: Map<String, Value>,
    /// What is done.
    pub delta: Delta,
    /// What the user should know in any case.
    pub warnings: Vec<String>,
    /// What is told before the first write.
    pub notices: Vec<String>,
    /// How long it may take.
    pub limit: Option<Duration>,
}

impl Deed {
    /// A sentence, and nothing to do yet.
    pub fn says(msg: impl Into<String>) -> Self {
        Self {
            msg: Some(msg.into()),
            ..Self::default()
        }
    }

    /// This deed, with a key of the result.
    #[must_use]
    pub fn returns(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.returns.insert(key.to_owned(), value.into());
        self
    }

    /// This deed, with a warning.
    #[must_use]
    pub fn warns(mut self, warning: impl Into<String>) -> Self {
        self.warnings.push(warning.into());
        self
    }

    /// This deed, which does that too.
    #[must_use]
    pub fn does(mut self, delta: Delta) -> Self {
        self.delta.steps.extend(delta.steps);
        self.delta.before.extend(delta.before);
        self.delta.after.extend(delta.after);
        self
    }

    /// This deed, within this time.
    #[must_use]
    pub fn within(mut self, limit: Duration) -> Self {
        self.limit = Some(limit);
        self
    }

    /// The plan of one track, about the guest at this address. `id` is what
    /// failures call it.
    pub fn planned(self, address: &Address, id: impl Into<String>) -> Planned<Told> {
        let mut track = Track::new(address.kind.noun(), id, Vec::new());
        track.bindings.insert(VMID, address.vmid.to_string());
        track.bindings.insert(NODE, address.node.clone());
        self.planned_as(track)
    }

    /// The plan of this track, which gets the deed's steps and limit.
    pub fn planned_as(self, mut track: Track) -> Planned<Told> {
        track.steps = self.delta.steps;
        track.limit = self.limit;
        let plan = Plan {
            tracks: if track.steps.is_empty() {
                Vec::new()
            } else {
                vec![track]
            },
            before: or_empty(json!(self.delta.before)),
            after: or_empty(json!(self.delta.after)),
            warnings: self.warnings,
            notices: self.notices,
            ..Plan::default()
        };
        Planned::Ready(
            plan,
            Told {
                msg: self.msg,
                returns: self.returns,
            },
        )
    }
}

/// What is left of a [`Deed`] once its plan is made.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// The sentence of the result.
    pub msg: Option<String>,
    /// Further keys of the result.
    pub returns: Map<String, Value>,
}

impl From<Told> for Report {
    fn from(told: Told) -> Self {
        Self {
            msg: told.msg,
            returns: told.returns,
            ..Self::default()
        }
    }
}
