//! What is done about one guest, and how the diff shows it.

use pve::Step;
use serde_json::{Map, Value};

/// Steps, with what changes by them.
#[derive(Debug, Default)]
pub struct Delta {
    /// What is done, in this order.
    pub steps: Vec<Step>,
    /// What changes, as it is.
    pub before: Map<String, Value>,
    /// The same, as it will be.
    pub after: Map<String, Value>,
}

impl Delta {
    /// Shows a value that changes.
    pub fn show(&mut self, key: &str, before: Value, after: Value) {
        self.before.insert(key.to_owned(), before);
        self.after.insert(key.to_owned(), after);
    }

    /// These steps too.
    pub fn then(&mut self, steps: impl IntoIterator<Item = Step>) {
        self.steps.extend(steps);
    }
}
