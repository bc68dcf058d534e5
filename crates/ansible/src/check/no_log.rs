//! Which of the values are secrets.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::convert::dictionary;
use super::python::{display, type_name};
use crate::spec::{Kind, Spec};

/// The texts of all values of options marked `no_log`, as ansible-core lists
/// them before it converts anything.
pub(super) fn listed(spec: &Spec, values: &Map<String, Value>) -> Result<BTreeSet<String>, String> {
    let mut found = BTreeSet::new();
    for option in &spec.options {
        let Some(value) = values.get(option.name.as_ref()) else {
            continue;
        };
        if option.is_secret() && !is_falsy(value) {
            texts(value, &mut found);
        }
        let Some(sub_spec) = option.sub_spec().filter(|_| !value.is_null()) else {
            continue;
        };
        let elements = match value {
            Value::Array(elements) => elements.as_slice(),
            single => std::slice::from_ref(single),
        };
        for element in elements {
            let sub_values = match element {
                Value::String(text) => dictionary(text)?,
                Value::Object(map) => {
                    found.extend(listed(sub_spec, map)?);
                    continue;
                }
                other => {
                    return Err(format!(
                        "Value '{}' in the sub parameter field '{}' must be a {}, not '{}'",
                        display(other),
                        option.name,
                        option.kind.name(),
                        type_name(other)
                    ));
                }
            };
            found.extend(listed(sub_spec, &sub_values)?);
        }
    }
    Ok(found)
}

/// All texts within a value; truth values and `null` are no secrets.
pub(super) fn texts(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Null | Value::Bool(_) => {}
        Value::String(text) => {
            if !text.is_empty() {
                found.insert(text.clone());
            }
        }
        Value::Number(_) => {
            found.insert(display(value));
        }
        Value::Array(elements) => elements.iter().for_each(|element| texts(element, found)),
        Value::Object(map) => map.values().for_each(|element| texts(element, found)),
    }
}

/// The same from values however far the check came with them: converted ones
/// (a path that was expanded is another text), and whatever stands where a
/// dictionary should, if secrets were to be in it.
pub(crate) fn secrets(spec: &Spec, values: &Map<String, Value>, found: &mut BTreeSet<String>) {
    for option in &spec.options {
        let names = std::iter::once(&option.name).chain(&option.aliases);
        for value in names.filter_map(|name| values.get(name.as_ref())) {
            if option.is_secret() {
                texts(value, found);
            }
            let Some(sub_spec) = option.options.as_deref() else {
                continue;
            };
            let elements = match (option.kind, value) {
                (Kind::Dict | Kind::List, Value::Array(elements)) => elements.as_slice(),
                (_, single) => std::slice::from_ref(single),
            };
            for element in elements {
                match element {
                    Value::Object(map) => secrets(sub_spec, map, found),
                    Value::String(text) if holds_secrets(sub_spec) => match dictionary(text) {
                        Ok(map) => secrets(sub_spec, &map, found),
                        Err(_) => texts(element, found),
                    },
                    _ => {}
                }
            }
        }
    }
}

fn holds_secrets(spec: &Spec) -> bool {
    spec.options
        .iter()
        .any(|option| option.is_secret() || option.options.as_deref().is_some_and(holds_secrets))
}

/// What Python takes for false.
fn is_falsy(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(truth) => !truth,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(elements) => elements.is_empty(),
        Value::Object(map) => map.is_empty(),
    }
}
