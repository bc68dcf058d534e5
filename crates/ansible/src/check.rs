//! tmp
use crate::outcome::Deprecation;
use crate::spec::Spec;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// Arguments that passed the check.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Checked {
    /// All options with their values.
    pub values: Map<String, Value>,
    /// a
    pub given: BTreeSet<String>,
    /// a
    pub no_log_values: BTreeSet<String>,
    /// a
    pub warnings: Vec<String>,
    /// a
    pub deprecations: Vec<Deprecation>,
}

/// Arguments that break the spec.
#[derive(Debug, thiserror::Error)]
#[error("{}", .messages.first().map_or("", String::as_str))]
pub struct CheckError {
    /// a
    pub messages: Vec<String>,
    /// a
    pub unsupported: Vec<String>,
    /// a
    pub checked: Box<Checked>,
}

/// Checks.
pub fn check(
    module_name: &str,
    spec: &Spec,
    raw: Map<String, Value>,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Checked, CheckError> {
    let _ = (module_name, spec, env);
    Ok(Checked {
        values: raw,
        ..Checked::default()
    })
}
