//! The rules between options. Each returns its message when it is broken;
//! apart from mutual exclusion, only the first broken group is told.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::python::{display, equal};
use crate::spec::{Spec, Text};

type Values = Map<String, Value>;

/// How many of these names are there; a value of `null` is there too.
fn count(names: &[Text], values: &Values) -> usize {
    let names: BTreeSet<&str> = names.iter().map(AsRef::as_ref).collect();
    names
        .into_iter()
        .filter(|name| values.contains_key(*name))
        .count()
}

pub(super) fn mutually_exclusive(spec: &Spec, values: &Values) -> Option<String> {
    let broken: Vec<String> = spec
        .mutually_exclusive
        .iter()
        .filter(|group| count(group, values) > 1)
        .map(|group| group.join("|"))
        .collect();
    (!broken.is_empty())
        .then(|| format!("parameters are mutually exclusive: {}", broken.join(", ")))
}

pub(super) fn required(spec: &Spec, values: &Values) -> Option<String> {
    let mut missing: Vec<&str> = spec
        .options
        .iter()
        .filter(|option| option.required && !values.contains_key(option.name.as_ref()))
        .map(|option| option.name.as_ref())
        .collect();
    missing.sort_unstable();
    (!missing.is_empty()).then(|| format!("missing required arguments: {}", missing.join(", ")))
}

pub(super) fn required_together(spec: &Spec, values: &Values) -> Option<String> {
    let broken = spec.required_together.iter().find(|group| {
        let there = |name: &Text| values.contains_key(name.as_ref());
        group.iter().any(there) && !group.iter().all(there)
    })?;
    Some(format!(
        "parameters are required together: {}",
        broken.join(", ")
    ))
}

pub(super) fn required_one_of(spec: &Spec, values: &Values) -> Option<String> {
    let mut groups = spec.required_one_of.iter();
    let broken = groups.find(|group| count(group, values) == 0)?;
    Some(format!(
        "one of the following is required: {}",
        broken.join(", ")
    ))
}

pub(super) fn required_if(spec: &Spec, values: &Values) -> Option<String> {
    for rule in &spec.required_if {
        let applies = values
            .get(rule.key.as_ref())
            .is_some_and(|value| equal(value, &rule.value));
        if !applies {
            continue;
        }
        let missing: Vec<&str> = rule
            .requirements
            .iter()
            .map(AsRef::as_ref)
            .filter(|name| !values.contains_key(*name))
            .collect();
        let enough_missing = if rule.any {
            missing.len() == rule.requirements.len()
        } else {
            true
        };
        if !missing.is_empty() && enough_missing {
            return Some(format!(
                "{} is {} but {} of the following are missing: {}",
                rule.key,
                display(&rule.value),
                if rule.any { "any" } else { "all" },
                missing.join(", ")
            ));
        }
    }
    None
}

pub(super) fn required_by(spec: &Spec, values: &Values) -> Option<String> {
    let absent = |name: &Text| values.get(name.as_ref()).is_none_or(Value::is_null);
    for (key, required) in &spec.required_by {
        if absent(key) {
            continue;
        }
        let missing: Vec<&str> = required
            .iter()
            .filter(|name| absent(name))
            .map(AsRef::as_ref)
            .collect();
        if !missing.is_empty() {
            return Some(format!(
                "missing parameter(s) required by '{key}': {}",
                missing.join(", ")
            ));
        }
    }
    None
}
