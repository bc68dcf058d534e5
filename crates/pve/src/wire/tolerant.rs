//! Reading answers: functions for `#[serde(deserialize_with = "…")]`.
//!
//! Perl does not tell numbers from texts, and Proxmox VE leaves out, nulls or
//! empties what is not there. Use the `optional_` forms together with
//! `#[serde(default)]`.

use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::{canonical_number, lists, parse_switch, text_of};

/// A switch from `0`, `1`, `""`, `"0"`, `"1"`, `true`, `"yes"`, …; null is off.
pub fn switch<'de, D: Deserializer<'de>>(from: D) -> Result<bool, D::Error> {
    Ok(optional_switch(from)?.unwrap_or_default())
}

/// As [`switch`], but null is nothing.
pub fn optional_switch<'de, D: Deserializer<'de>>(from: D) -> Result<Option<bool>, D::Error> {
    let Some(text) = optional_text(from)? else {
        return Ok(None);
    };
    parse_switch(&text)
        .map(Some)
        .ok_or_else(|| D::Error::custom(format_args!("`{text}` is neither on nor off")))
}

/// An integer of any width from a number or a text, `64.0` included.
pub fn integer<'de, D, T>(from: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: TryFrom<i128>,
{
    optional_integer(from)?.ok_or_else(|| D::Error::custom("an integer is missing"))
}

/// As [`integer`], but null and the empty text are nothing.
pub fn optional_integer<'de, D, T>(from: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: TryFrom<i128>,
{
    let Some(text) = optional_text(from)?.filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    canonical_number(&text)
        .and_then(|number| number.parse::<i128>().ok())
        .and_then(|number| T::try_from(number).ok())
        .map(Some)
        .ok_or_else(|| D::Error::custom(format_args!("`{text}` is not an integer in range")))
}

/// A number from a number or a text.
pub fn number<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    optional_number(from)?.ok_or_else(|| D::Error::custom("a number is missing"))
}

/// As [`number`], but null and the empty text are nothing.
pub fn optional_number<'de, D: Deserializer<'de>>(from: D) -> Result<Option<f64>, D::Error> {
    let Some(text) = optional_text(from)?.filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    text.trim()
        .parse::<f64>()
        .ok()
        .filter(|number| number.is_finite())
        .map(Some)
        .ok_or_else(|| D::Error::custom(format_args!("`{text}` is not a number")))
}

/// A text from a text or a number (a VMID, a name that consists of digits).
pub fn text<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    optional_text(from)?.ok_or_else(|| D::Error::custom("a text is missing"))
}

/// As [`text`], but null is nothing.
pub fn optional_text<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    match Value::deserialize(from)? {
        Value::Null => Ok(None),
        value => text_of(&value)
            .map(Some)
            .ok_or_else(|| D::Error::custom("expected a single value, found a list or an object")),
    }
}

/// A list of texts from an array, or from a text split at commas, semicolons
/// and blanks; null is the empty list.
pub fn list<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    match Value::deserialize(from)? {
        Value::Null => Ok(Vec::new()),
        Value::Array(items) => items
            .iter()
            .map(|item| {
                text_of(item).ok_or_else(|| D::Error::custom("a list's item is no single value"))
            })
            .collect(),
        value => text_of(&value)
            .map(|text| lists::split(&text).map(str::to_owned).collect())
            .ok_or_else(|| D::Error::custom("expected a list, found an object")),
    }
}

/// Anything that has a default, from itself or from null: `"groups":null`.
pub fn nullable<'de, D, T>(from: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned + Default,
{
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::{Value, json};

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default)]
    struct Answer {
        #[serde(deserialize_with = "super::switch")]
        template: bool,
        #[serde(deserialize_with = "super::optional_switch")]
        onboot: Option<bool>,
        #[serde(deserialize_with = "super::integer")]
        vmid: u32,
        #[serde(deserialize_with = "super::optional_integer")]
        memory: Option<u64>,
        #[serde(deserialize_with = "super::number")]
        load: f64,
        #[serde(deserialize_with = "super::optional_number")]
        cpulimit: Option<f64>,
        #[serde(deserialize_with = "super::text")]
        name: String,
        #[serde(deserialize_with = "super::optional_text")]
        lock: Option<String>,
        #[serde(deserialize_with = "super::list")]
        privs: Vec<String>,
        #[serde(deserialize_with = "super::nullable")]
        tokens: Vec<u32>,
    }

    fn read(answer: Value) -> Result<Answer, String> {
        serde_json::from_value(answer).map_err(|error| error.to_string())
    }

    #[test]
    fn texts_and_numbers_read_the_same() {
        let as_numbers = read(json!({
            "template": 1, "onboot": 0, "vmid": 100, "memory": 64, "load": 0.5, "cpulimit": 2,
            "name": 7, "lock": "clone", "privs": ["VM.Audit", "VM.Clone"], "tokens": [1],
        }));
        let as_texts = read(json!({
            "template": "yes", "onboot": "", "vmid": "100", "memory": "64", "load": "0.5",
            "cpulimit": "2", "name": "7", "lock": "clone", "privs": "VM.Audit, VM.Clone",
            "tokens": [1],
        }));
        assert_eq!(as_numbers, as_texts);
        assert_eq!(as_numbers.map(|answer| answer.vmid), Ok(100));
    }

    #[test]
    fn null_is_nothing() {
        let answer = read(json!({
            "template": null, "onboot": null, "memory": null, "cpulimit": "", "lock": null,
            "privs": null, "tokens": null,
        }));
        assert_eq!(answer, Ok(Answer::default()));
    }

    #[test]
    fn an_integer_may_come_as_a_whole_float() {
        assert_eq!(
            read(json!({"memory": 2048.0})).map(|answer| answer.memory),
            Ok(Some(2048))
        );
        assert_eq!(
            read(json!({"memory": u64::MAX})).map(|answer| answer.memory),
            Ok(Some(u64::MAX))
        );
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        for (answer, named) in [
            (
                json!({"template": "maybe"}),
                "`maybe` is neither on nor off",
            ),
            (json!({"vmid": "abc"}), "`abc` is not an integer in range"),
            (json!({"vmid": -1}), "`-1` is not an integer in range"),
            (json!({"vmid": 1.5}), "`1.5` is not an integer in range"),
            (json!({"vmid": null}), "an integer is missing"),
            (json!({"load": "nan"}), "`nan` is not a number"),
            (json!({"name": {}}), "expected a single value"),
            (json!({"privs": {}}), "expected a list"),
        ] {
            let error = read(answer).unwrap_err();
            assert!(error.contains(named), "{error}");
        }
    }
}
