//! Ansible's rules for arguments: [`check()`].
//!
//! The order of the steps, their conversions and the words of every message
//! are those of ansible-core 2.19, of which `tests/golden` holds the record.
//! Playbooks match these messages, and people search for them.
//!
//! Deliberately different, because JSON or this language says less than
//! Python, or because Python leaves it to chance:
//!
//! - Dictionaries are ordered by key where a message or a conversion writes one
//!   out, and a tuple within a text is a list.
//! - Whole numbers beyond 64 bits and infinite numbers do not convert.
//! - The list of valid booleans has one fixed order.
//! - Of unknown options in several places, the last by name tells what is
//!   known in its place.
//! - A dictionary given under an alias is converted under the option's name
//!   only.

mod convert;
mod expand;
mod level;
mod literal;
mod names;
mod no_log;
mod python;
mod rules;
mod values;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::outcome::Deprecation;
use crate::spec::Spec;

pub(crate) use no_log::secrets;

/// A text as messages quote it and as JSON text that is ASCII only has it,
/// each without the quotes.
pub(crate) fn quoted_forms(text: &str) -> [String; 2] {
    let value = Value::from(text);
    [python::repr(&value), python::json_text(&value)]
        .map(|quoted| quoted[1..quoted.len() - 1].to_owned())
}

/// Whether a value means true, as Ansible understands truth.
pub(crate) fn is_true(value: &Value) -> bool {
    convert::truth(value) == Some(true)
}

/// Looks up an environment variable.
pub type Env<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// Arguments that passed the check.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Checked {
    /// Every option of the spec with its value, converted; `null` where there
    /// is none. Aliases that were used stand beside their options.
    pub values: Map<String, Value>,
    /// The options that were stated, by the task or by an environment
    /// variable in its place, rather than filled by a default: `vms`,
    /// `vms[0].name`. One that was stated as `null` is not among them.
    pub given: BTreeSet<String>,
    /// Those among them that an environment variable stated.
    pub from_environment: BTreeSet<String>,
    /// The secrets among the arguments, to be masked in all output.
    pub no_log_values: BTreeSet<String>,
    /// What the person should know, such as an option given twice.
    pub warnings: Vec<String>,
    /// What was used and will go away.
    pub deprecations: Vec<Deprecation>,
}

/// Arguments that break the spec. It displays as the first message, which is
/// what a Python module fails with.
#[derive(Debug, thiserror::Error)]
#[error("{}", .messages.first().map_or("", String::as_str))]
pub struct CheckError {
    /// All that is wrong, in ansible-core's order. May hold secrets.
    pub messages: Vec<String>,
    /// The names that are no options, as `vms.nonsense`.
    pub unsupported: Vec<String>,
    /// The arguments as far as the check came; for the answer's `invocation`
    /// and for masking.
    pub checked: Box<Checked>,
}

impl CheckError {
    /// Whether unknown names are all that is wrong.
    pub(crate) fn is_only_unsupported(&self) -> bool {
        self.messages.len() == 1 && !self.unsupported.is_empty()
    }
}

/// Checks a task's arguments against a spec and converts them.
///
/// `module_name` is the name that the message about unknown options gives, as
/// the task wrote it. `env` looks up environment variables, for fallbacks and
/// for paths.
pub fn check(
    module_name: &str,
    spec: &Spec,
    raw: Map<String, Value>,
    env: &Env<'_>,
) -> Result<Checked, CheckError> {
    let mut state = State::new(env);
    let mut values = raw;
    state.level(spec, &mut values, &mut Vec::new(), "");
    let State {
        mut errors,
        unsupported,
        warnings,
        mut late_warnings,
        deprecations,
        ..
    } = state;

    if let Some((_, supported)) = unsupported.last_key_value() {
        let names: Vec<&str> = unsupported.keys().map(String::as_str).collect();
        errors.push(format!(
            "Unsupported parameters for ({module_name}) module: {}. \
             Supported parameters include: {supported}.",
            names.join(", ")
        ));
    }
    // ansible-core tells those of the sub-options first, and each once.
    let mut all_warnings = warnings;
    late_warnings.retain(|warning| !all_warnings.contains(warning));
    all_warnings.extend(late_warnings);

    let checked = Checked {
        values,
        given: state.given,
        from_environment: state.from_environment,
        no_log_values: state.no_log_values,
        warnings: all_warnings,
        deprecations: deprecations
            .into_iter()
            .chain(state.late_deprecations)
            .collect(),
    };
    if errors.is_empty() {
        Ok(checked)
    } else {
        Err(CheckError {
            messages: errors,
            unsupported: unsupported.into_keys().collect(),
            checked: Box::new(checked),
        })
    }
}

/// What the check collects on its way through the levels of the spec.
struct State<'a> {
    env: &'a Env<'a>,
    errors: Vec<String>,
    /// Each unknown name with the text of what is known beside it.
    unsupported: BTreeMap<String, String>,
    given: BTreeSet<String>,
    from_environment: BTreeSet<String>,
    no_log_values: BTreeSet<String>,
    /// Warnings of sub-options, and after them those of the top level.
    warnings: Vec<String>,
    late_warnings: Vec<String>,
    /// Deprecations of the top level, and after them those of sub-options'
    /// aliases.
    deprecations: Vec<Deprecation>,
    late_deprecations: Vec<Deprecation>,
}

impl<'a> State<'a> {
    fn new(env: &'a Env<'a>) -> Self {
        Self {
            env,
            errors: Vec::new(),
            unsupported: BTreeMap::new(),
            given: BTreeSet::new(),
            from_environment: BTreeSet::new(),
            no_log_values: BTreeSet::new(),
            warnings: Vec::new(),
            late_warnings: Vec::new(),
            deprecations: Vec::new(),
            late_deprecations: Vec::new(),
        }
    }
}
