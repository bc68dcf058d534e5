//! Which of the values are secrets.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::convert::dictionary;
use super::python::{display, type_name};
use crate::mask::SOLID;
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
/// dictionary should, if secrets were to be in it. Where the spec does not say
/// what may stand there, a name tells of a secret.
pub(crate) fn secrets(spec: &Spec, values: &Map<String, Value>, found: &mut BTreeSet<String>) {
    for option in &spec.options {
        let names = std::iter::once(&option.name).chain(&option.aliases);
        for value in names.filter_map(|name| values.get(name.as_ref())) {
            if option.is_secret() {
                texts(value, found);
            }
            let Some(sub_spec) = option.options.as_deref() else {
                match value {
                    Value::String(text) if option.kind == Kind::Dict => {
                        named(
                            &dictionary(text).map_or_else(|_| value.clone(), Value::Object),
                            found,
                        );
                    }
                    value => named(value, found),
                }
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
    // What the module does not know is refused, and shown all the same.
    let is_known = |name: &str| {
        let mut options = spec.options.iter();
        options
            .any(|option| option.name == name || option.aliases.iter().any(|alias| alias == name))
    };
    for (name, value) in values.iter().filter(|(name, _)| !is_known(name)) {
        entry(name, value, found);
    }
}

/// The secrets that are known by the names they stand under: in a dictionary
/// with any keys, in `key=value` within a text, and in a URL.
fn named(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => {
            found.extend(properties(text).chain(of_urls(text)).map(str::to_owned));
        }
        Value::Array(elements) => elements.iter().for_each(|element| named(element, found)),
        Value::Object(map) => map
            .iter()
            .for_each(|(name, value)| entry(name, value, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn entry(name: &str, value: &Value, found: &mut BTreeSet<String>) {
    if tells_of_secret(name) {
        texts(value, found);
    } else {
        named(value, found);
    }
}

fn tells_of_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["password", "passwd", "passphrase", "secret"]
        .iter()
        .any(|end| name.ends_with(end))
}

/// `password=…`. A short one may as well be a switch, `password=on`.
fn properties(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter: char| matches!(letter, ',' | ';') || letter.is_whitespace())
        .filter_map(|field| field.split_once('='))
        .filter(|(name, value)| tells_of_secret(name) && value.chars().count() >= SOLID)
        .map(|(_, value)| value.trim_matches(['"', '\'']))
}

/// `…://user:password@…`.
fn of_urls(text: &str) -> impl Iterator<Item = &str> {
    text.split("://").skip(1).filter_map(|rest| {
        let end = |letter: char| matches!(letter, '/' | '?' | '#') || letter.is_whitespace();
        let (user, _) = rest.split(end).next()?.rsplit_once('@')?;
        let (_, password) = user.split_once(':')?;
        (!password.is_empty()).then_some(password)
    })
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

#[cfg(test)]
mod tests {
    use super::{BTreeSet, named};
    use serde_json::json;

    #[test]
    fn where_anything_may_stand_a_name_tells_of_a_secret() {
        let cases = [
            (json!({"cipassword": "first", "cores": 2}), vec!["first"]),
            (
                json!([{"a": {"Client-Secret": ["b", "c"]}}]),
                vec!["b", "c"],
            ),
            (
                json!({"args": "-spice port=1,password=third -s"}),
                vec!["third"],
            ),
            (json!("password='quoted'"), vec!["quoted"]),
            (json!("https://me:fourth@host/x"), vec!["fourth"]),
            (json!({"vga": "std,password=on", "password": true}), vec![]),
            (json!("https://me@host:8006/a:b@c"), vec![]),
            (
                json!({"password_policy": "strict", "tags": ["secret"]}),
                vec![],
            ),
        ];
        for (value, secrets) in cases {
            let mut found = BTreeSet::new();
            named(&value, &mut found);
            assert_eq!(Vec::from_iter(&found), secrets, "{value}");
        }
    }
}
