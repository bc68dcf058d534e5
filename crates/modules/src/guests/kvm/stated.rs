//! Keys of the API's configuration, gathered from options.

use std::collections::BTreeMap;

use pve::wire::{Kind, PropertyString, switch, text_of};
use secret::Secret;
use serde_json::Value;

use crate::guests::config::{Unwantable, Want, Wanted};
use crate::guests::values::{net, unwantable};

/// An option that maps numbered keys to values: `{net0: …, net1: …}`.
pub type Numbered = BTreeMap<String, Value>;

/// What is stated so far.
#[derive(Debug, Default)]
pub struct Stated(Wanted);

impl Stated {
    /// What is wanted, in the API's form.
    pub fn wanted(self) -> Wanted {
        self.0
    }

    /// A text as it is.
    pub fn text(&mut self, key: &str, text: Option<&String>) {
        self.put(key, text.cloned());
    }

    /// A switch, `1` or `0`.
    pub fn switch(&mut self, key: &str, on: Option<bool>) {
        self.put(key, on.map(|on| switch(on).to_owned()));
    }

    /// A number.
    pub fn number(&mut self, key: &str, number: Option<u64>) {
        self.put(key, number.map(|number| number.to_string()));
    }

    /// A password.
    pub fn password(&mut self, key: &str, password: Option<&Secret>) {
        if let Some(password) = password {
            self.0
                .insert(key.to_owned(), Want::Password(password.clone()));
        }
    }

    /// A value that had to be made out of what was stated.
    pub fn put(&mut self, key: &str, value: Option<String>) {
        if let Some(value) = value {
            self.0.insert(key.to_owned(), Want::Text(value));
        }
    }

    /// The numbered keys of an option with a property string each, or a dictionary of its keys. One that is null is
    /// not stated.
    pub fn numbered(&mut self, option: &str, keys: Option<&Numbered>) -> Result<(), Unwantable> {
        for (key, value) in keys.into_iter().flatten() {
            hold_key(option, key)?;
            if !value.is_null() {
                self.put(key, Some(property(key, value)?));
            }
        }
        Ok(())
    }
}

/// An option takes its own keys alone: what is a disk is compared as a disk wherever it stands.
fn hold_key(option: &str, key: &str) -> Result<(), Unwantable> {
    let number = key.strip_prefix(option).unwrap_or_default();
    match number.parse::<u16>() {
        Ok(parsed) if parsed.to_string() == number => Ok(()),
        _ => Err(unwantable(
            option,
            format!("`{key}` is none of its keys, which are {option}0, {option}1 and so on"),
        )),
    }
}

fn property(key: &str, value: &Value) -> Result<String, Unwantable> {
    if let Some(text) = text_of(value) {
        return Ok(text);
    }
    let (Some(kind), Value::Object(parts)) = (Kind::of(key), value) else {
        return Err(unwantable(key, "must be a text such as the API takes"));
    };
    if kind == Kind::NET {
        return net(key, value);
    }
    let stated: Vec<(&String, String)> = parts
        .iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(name, value)| Some((name, text_of(value)?)))
        .collect::<Option<_>>()
        .ok_or_else(|| {
            unwantable(
                key,
                "holds a value that is neither text, number nor boolean",
            )
        })?;
    PropertyString::from_pairs(kind, stated)
        .map(|property| property.to_string())
        .map_err(|error| unwantable(key, error))
}
