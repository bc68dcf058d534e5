//! The values of arguments: their types and choices.

use serde_json::Value;

use super::State;
use super::convert::{convert, truth};
use super::level::Values;
use super::python::{display, equal, type_name};
use crate::spec::{Kind, Opt, Spec};

impl State<'_> {
    /// Converts each value to its option's type; one that does not convert
    /// stays as it was given.
    pub(super) fn convert_types(&mut self, spec: &Spec, values: &mut Values, context: &[&str]) {
        for option in &spec.options {
            let Some(value) = values.get_mut(option.name.as_ref()) else {
                continue;
            };
            if value.is_null() && !option.required && option.default.is_none() {
                continue;
            }
            match convert(option.kind, value, self.env) {
                Ok(converted) => {
                    if let Some(converted) = converted {
                        *value = converted;
                    }
                    if let (Some(kind), Value::Array(elements)) = (option.elements, value) {
                        self.convert_elements(option, kind, elements, context);
                    }
                }
                Err(why) => {
                    let within = quoted_context(context, ".");
                    self.errors.push(format!(
                        "argument '{}' is of type {}{within} and we were unable to convert to {}: {why}",
                        option.name,
                        type_name(value),
                        option.kind.name()
                    ));
                }
            }
        }
    }

    /// Converts a list's elements; those that do not convert are left out.
    fn convert_elements(
        &mut self,
        option: &Opt,
        kind: Kind,
        elements: &mut Vec<Value>,
        context: &[&str],
    ) {
        elements.retain_mut(|element| match convert(kind, element, self.env) {
            Ok(converted) => {
                if let Some(converted) = converted {
                    *element = converted;
                }
                true
            }
            Err(why) => {
                let within = quoted_context(context, "");
                self.errors.push(format!(
                    "Elements value for option '{}'{within} is of type {} and we were unable \
                     to convert to {}: {why}",
                    option.name,
                    type_name(element),
                    kind.name()
                ));
                false
            }
        });
    }

    /// Holds each value against its option's choices.
    pub(super) fn hold_choices(&mut self, spec: &Spec, values: &mut Values, within: &str) {
        for option in &spec.options {
            let (Some(choices), Some(value)) =
                (&option.choices, values.get_mut(option.name.as_ref()))
            else {
                continue;
            };
            let is_choice = |value: &Value| choices.iter().any(|choice| equal(choice, value));
            let listed = || choices.iter().map(display).collect::<Vec<_>>().join(", ");
            if let Value::Array(elements) = value {
                let strangers: Vec<String> = elements
                    .iter()
                    .filter(|element| !is_choice(element))
                    .map(display)
                    .collect();
                if !strangers.is_empty() {
                    self.errors.push(format!(
                        "value of {} must be one or more of: {}. Got no match for: {}{within}",
                        option.name,
                        listed(),
                        strangers.join(", ")
                    ));
                }
            } else if !is_choice(value) {
                if let Some(choice) = truth_among(choices, value) {
                    *value = choice;
                } else {
                    self.errors.push(format!(
                        "value of {} must be one of: {}, got: {}{within}",
                        option.name,
                        listed(),
                        display(value)
                    ));
                }
            }
        }
    }
}

/// YAML turned a choice such as `no` into a truth value, and the type `str`
/// made it a text: the one choice that means it is taken.
fn truth_among(choices: &[Value], value: &Value) -> Option<Value> {
    let wanted = match value.as_str()? {
        "True" => true,
        "False" => false,
        _ => return None,
    };
    let mut meaning: Vec<&Value> = Vec::new();
    for choice in choices {
        // Only what is spelt exactly so: the choice `Yes` is a word of its own.
        let spelt = choice
            .as_str()
            .is_none_or(|text| text == text.trim().to_lowercase());
        let same = truth(choice) == Some(wanted);
        if spelt && same && !meaning.iter().any(|known| equal(known, choice)) {
            meaning.push(choice);
        }
    }
    match meaning.as_slice() {
        [only] => Some((*only).clone()),
        _ => None,
    }
}

/// ` found in 'vms -> net'`, as the messages about types have it; nothing at
/// the top level.
fn quoted_context(context: &[&str], end: &str) -> String {
    if context.is_empty() {
        String::new()
    } else {
        format!(" found in '{}'{end}", context.join(" -> "))
    }
}
