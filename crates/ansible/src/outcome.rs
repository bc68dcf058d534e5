//! What a module answers: [`Outcome`] when it did its work, [`Failure`] when
//! it could not.

use secret::Secret;
use serde::Serialize;
use serde_json::{Map, Value, json};

/// The result of a module.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Whether anything was changed, or would be in check mode.
    pub changed: bool,
    /// A sentence for the person who watches.
    pub msg: Option<String>,
    /// What was there before and what is there after; sent in diff mode only.
    pub diff: Option<Diff>,
    /// Warnings, each shown on a line of its own.
    pub warnings: Vec<String>,
    /// Deprecations, beside those of the options themselves.
    pub deprecations: Vec<Deprecation>,
    /// The module's own results, at the top level of the answer.
    pub returns: Map<String, Value>,
    /// Secrets that the answer is to show; see [`Outcome::reveal`].
    pub reveals: Vec<(String, Secret)>,
}

impl Outcome {
    /// A result with these values at the top level.
    pub fn new(changed: bool, returns: Map<String, Value>) -> Self {
        Self {
            changed,
            returns,
            ..Self::default()
        }
    }

    /// Puts a secret that this run has made into the answer, where the JSON
    /// pointer (`/token/value`) says. It is written there after masking, and
    /// masked everywhere else; there is no other way for a secret to get out.
    pub fn reveal(&mut self, pointer: impl Into<String>, secret: Secret) {
        self.reveals.push((pointer.into(), secret));
    }

    /// The answer as it is before masking. The results may be large: they are
    /// not copied.
    pub(crate) fn into_map(self, diff_mode: bool) -> Map<String, Value> {
        let mut map = self.returns;
        map.insert("changed".into(), json!(self.changed));
        if let Some(msg) = &self.msg {
            map.insert("msg".into(), json!(msg));
        }
        if let Some(diff) = self.diff.as_ref().filter(|_| diff_mode) {
            map.insert("diff".into(), json!(diff));
        }
        if !self.warnings.is_empty() {
            map.insert("warnings".into(), json!(self.warnings));
        }
        if !self.deprecations.is_empty() {
            map.insert("deprecations".into(), json!(self.deprecations));
        }
        map
    }
}

/// The state before and after, as texts or as dictionaries.
#[derive(Debug, Default, Clone, PartialEq, Serialize)]
pub struct Diff {
    /// What was there.
    pub before: Value,
    /// What is there now, or would be.
    pub after: Value,
    /// The heading of what was there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before_header: Option<String>,
    /// The heading of what is there now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after_header: Option<String>,
}

/// Something that is used and will go away.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize)]
pub struct Deprecation {
    /// What is deprecated.
    pub msg: String,
    /// The version in which it goes away.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The date at which it goes away, if there is no version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub date: Option<String>,
    /// The collection whose version is meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub collection_name: Option<String>,
}

/// A module that could not do its work.
#[derive(Debug, Default)]
pub struct Failure {
    /// What failed and why, in one sentence.
    pub msg: String,
    /// What is known about the failure; the answer's key `failure`.
    pub details: Map<String, Value>,
    /// What is answered all the same: what was changed before the failure,
    /// results per item, warnings.
    pub outcome: Box<Outcome>,
}

impl Failure {
    /// A failure before anything was done.
    pub fn new(msg: impl Into<String>) -> Self {
        Self {
            msg: msg.into(),
            ..Self::default()
        }
    }

    /// The answer as it is before masking.
    pub(crate) fn into_map(self, diff_mode: bool) -> Map<String, Value> {
        let mut map = self.outcome.into_map(diff_mode);
        map.insert("failed".into(), json!(true));
        map.insert("msg".into(), json!(self.msg));
        if !self.details.is_empty() {
            map.insert("failure".into(), Value::Object(self.details));
        }
        map
    }
}
