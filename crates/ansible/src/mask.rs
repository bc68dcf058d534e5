//! The last filter: no secret leaves the process.
//!
//! A secret is looked for as it is, percent-encoded, in base64 (also within a
//! longer text that was encoded) and as JSON and messages quote it. A text that
//! is a secret becomes [`WHOLE`], a secret within a text becomes [`PART`], as
//! ansible-core has it.
//!
//! Short values are handled with care, since a password `1` or `on` must not
//! turn the answer into something else: truth values and `null` are never
//! masked; a number is masked where it equals a secret, and where it contains
//! one of at least [`SOLID`] letters; keys are masked for secrets of that
//! length only, and the keys of the answer itself and of the arguments (option
//! names) never. Texts are masked for secrets of any length.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value};

use crate::check::quoted_forms;

/// What stands where a whole text was a secret.
pub const WHOLE: &str = "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER";

/// What stands where a secret was part of a text.
pub const PART: &str = "********";

/// From how many letters on a secret is unlikely to be met by chance.
pub const SOLID: usize = 4;

/// What percent-encoding leaves alone, by RFC 3986.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The secrets of a run, in all the forms in which they could appear.
#[derive(Clone, Default)]
pub struct Mask {
    secrets: BTreeSet<String>,
    /// All forms, the longest first, so that a secret within another one does
    /// not leave the other's rest behind.
    forms: Vec<String>,
}

impl std::fmt::Debug for Mask {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Mask({} secrets)", self.secrets.len())
    }
}

impl Mask {
    /// Adds a secret; an empty text is none.
    pub fn add(&mut self, secret: &str) {
        if secret.is_empty() || !self.secrets.insert(secret.to_owned()) {
            return;
        }
        for form in forms(secret) {
            if !self.forms.contains(&form) {
                self.forms.push(form);
            }
        }
        self.forms.sort_by_key(|form| std::cmp::Reverse(form.len()));
    }

    /// The text without secrets.
    pub fn text(&self, text: &str) -> String {
        self.masked(text).unwrap_or_else(|| text.to_owned())
    }

    /// The text without secrets, if there is one in it. Most texts are left as
    /// they are, and an answer may hold many.
    fn masked(&self, text: &str) -> Option<String> {
        if self.secrets.contains(text) {
            return Some(WHOLE.to_owned());
        }
        replaced(text, self.forms.iter())
    }

    /// The answer without secrets; its own keys stay.
    pub fn answer(&self, answer: &mut Map<String, Value>) {
        if self.secrets.is_empty() {
            return;
        }
        for (key, value) in answer.iter_mut() {
            match value {
                Value::Object(invocation) if key == "invocation" => {
                    for value in invocation.values_mut() {
                        match value {
                            Value::Object(arguments) => arguments
                                .values_mut()
                                .for_each(|argument| self.value(argument)),
                            other => self.value(other),
                        }
                    }
                }
                other => self.value(other),
            }
        }
    }

    fn value(&self, value: &mut Value) {
        match value {
            Value::Null | Value::Bool(_) => {}
            Value::String(text) => {
                if let Some(masked) = self.masked(text) {
                    *text = masked;
                }
            }
            Value::Number(number) => {
                let text = number.to_string();
                let secret = |secret: &String| {
                    *secret == text || (secret.len() >= SOLID && text.contains(secret.as_str()))
                };
                if self.secrets.iter().any(secret) {
                    *value = WHOLE.into();
                }
            }
            Value::Array(elements) => elements.iter_mut().for_each(|element| self.value(element)),
            Value::Object(map) => {
                map.values_mut().for_each(|value| self.value(value));
                if map.keys().any(|key| self.key(key).is_some()) {
                    *map = std::mem::take(map)
                        .into_iter()
                        .map(|(key, value)| (self.key(&key).unwrap_or(key), value))
                        .collect();
                }
            }
        }
    }

    /// The key without secrets, if there is one in it.
    fn key(&self, key: &str) -> Option<String> {
        replaced(key, self.forms.iter().filter(|form| form.len() >= SOLID))
    }
}

/// The text with [`PART`] in place of each form, if there is one in it.
fn replaced<'a>(text: &str, forms: impl Iterator<Item = &'a String>) -> Option<String> {
    let mut masked: Option<String> = None;
    for form in forms {
        let text = masked.as_deref().unwrap_or(text);
        if text.contains(form.as_str()) {
            masked = Some(text.replace(form.as_str(), PART));
        }
    }
    masked
}

/// The forms in which a secret could appear in a text.
fn forms(secret: &str) -> Vec<String> {
    let mut forms = vec![secret.to_owned()];
    if secret.len() < SOLID {
        return forms;
    }
    // What encoders agree on is what they write; they differ in what they
    // leave alone, in the case of digits, and in how they write a space.
    for set in [NON_ALPHANUMERIC, UNRESERVED] {
        let encoded = utf8_percent_encode(secret, set).to_string();
        forms.push(lower_case_escapes(&encoded));
        forms.push(encoded.replace("%20", "+"));
        forms.push(encoded);
    }
    let json = Value::from(secret).to_string();
    forms.push(json[1..json.len() - 1].to_owned());
    forms.extend(quoted_forms(secret));
    for engine in [BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD] {
        forms.push(engine.encode(secret));
        // Within a longer text the secret begins at one of three offsets; the
        // letters that it shares with its neighbours are left out.
        if secret.len() >= 2 * SOLID {
            for (offset, shared) in [(0, 0), (1, 2), (2, 3)] {
                let padded = [&b"\0\0"[..offset], secret.as_bytes()].concat();
                let whole = padded.len() / 3 * 4;
                let encoded = engine.encode(&padded);
                forms.push(encoded[shared..whole].to_owned());
            }
        }
    }
    forms.sort();
    forms.dedup();
    forms
}

fn lower_case_escapes(encoded: &str) -> String {
    let mut parts = encoded.split('%');
    let mut lower = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (digits, rest) = part.split_at(2);
        lower.push('%');
        lower.push_str(&digits.to_lowercase());
        lower.push_str(rest);
    }
    lower
}

#[cfg(test)]
mod tests;
