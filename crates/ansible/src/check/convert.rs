//! Conversions of values to the types of options.

use serde_json::{Map, Number, Value};

use super::python::{class_name, display, json_text, repr, strip};
use super::{Env, expand, literal};
use crate::spec::Kind;

/// Converts a value; `None` where it is right as it is. The error is the part
/// of the message that says why.
pub(super) fn convert(kind: Kind, value: &Value, env: &Env<'_>) -> Result<Option<Value>, String> {
    match kind {
        Kind::Raw => Ok(None),
        Kind::Str => Ok(match value {
            Value::String(_) => None,
            other => Some(text_of(other).into()),
        }),
        Kind::Path => Ok(Some(expand::path(&text_of(value), env).into())),
        Kind::Bool => bool_of(value),
        Kind::Int => int_of(value),
        Kind::Float => float_of(value),
        Kind::List => list_of(value),
        Kind::Dict => match value {
            Value::Object(_) => Ok(None),
            Value::String(text) => dictionary(text).map(|map| Some(map.into())),
            other => Err(format!(
                "{} cannot be converted to a dict",
                class_name(other)
            )),
        },
        Kind::Json => match value {
            Value::String(text) => Ok(Some(strip(text).into())),
            Value::Array(_) | Value::Object(_) => Ok(Some(json_text(value).into())),
            other => Err(format!(
                "{} cannot be converted to a json string",
                class_name(other)
            )),
        },
    }
}

/// Text of anything; of nothing, no text.
fn text_of(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        other => display(other),
    }
}

/// The truth that a value means.
pub(super) fn truth(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(truth) => Some(*truth),
        Value::Number(number) => match number.as_f64()? {
            1.0 => Some(true),
            0.0 => Some(false),
            _ => None,
        },
        Value::String(text) => match strip(&text.to_lowercase()) {
            "y" | "yes" | "on" | "1" | "true" | "t" => Some(true),
            "n" | "no" | "off" | "0" | "false" | "f" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

fn bool_of(value: &Value) -> Result<Option<Value>, String> {
    if matches!(value, Value::Null | Value::Array(_) | Value::Object(_)) {
        return Err(format!(
            "{} cannot be converted to a bool",
            class_name(value)
        ));
    }
    match truth(value) {
        Some(truth) => Ok(Some(truth.into())),
        None => Err(format!(
            "The value '{}' is not a valid boolean. Valid booleans include: '0', '1', 'f', \
             'false', 'n', 'no', 'off', 'on', 't', 'true', 'y', 'yes', 0, 1",
            display(value)
        )),
    }
}

fn int_of(value: &Value) -> Result<Option<Value>, String> {
    let number = match value {
        // Python counts truth values among the whole numbers.
        Value::Bool(_) => return Ok(None),
        Value::Number(number) if !number.is_f64() => return Ok(None),
        Value::Number(number) => number
            .as_f64()
            .and_then(|number| whole_number(&format!("{number}"))),
        Value::String(text) => whole_number(&strip(text).replace('_', "")),
        _ => None,
    };
    match number {
        Some(number) => Ok(Some(Value::Number(number))),
        None => Err(format!("\"{}\" cannot be converted to an int", repr(value))),
    }
}

/// Reads a decimal number (`12`, `12.0`, `1.2e1`) that has no fraction.
fn whole_number(text: &str) -> Option<Number> {
    let (negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
        None => (unsigned, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mut digits = format!("{whole}{fraction}");
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let mut exponent = exponent.checked_sub(i64::try_from(fraction.len()).ok()?)?;
    while digits.len() > 1 && digits.ends_with('0') {
        digits.pop();
        exponent = exponent.checked_add(1)?;
    }
    let digits = digits.trim_start_matches('0');
    if digits.is_empty() {
        return Some(0.into());
    }
    // More than twenty digits are beyond 64 bits, however many zeros follow.
    let zeros = usize::try_from(exponent)
        .ok()
        .filter(|zeros| *zeros <= 20)?;
    let digits = format!("{digits}{}", "0".repeat(zeros));
    if negative {
        format!("-{digits}").parse::<i64>().ok().map(Number::from)
    } else {
        digits.parse::<u64>().ok().map(Number::from)
    }
}

fn float_of(value: &Value) -> Result<Option<Value>, String> {
    let number = match value {
        Value::Number(number) if number.is_f64() => return Ok(None),
        Value::Number(number) => number.as_f64(),
        Value::Bool(truth) => Some(f64::from(u8::from(*truth))),
        Value::String(text) => without_separators(strip(text)).and_then(|text| text.parse().ok()),
        _ => None,
    };
    let number = number.and_then(Number::from_f64);
    match number {
        Some(number) => Ok(Some(Value::Number(number))),
        None => Err(format!(
            "{} cannot be converted to a float",
            class_name(value)
        )),
    }
}

/// `1_000.5` without the underscores, which may stand between digits only.
fn without_separators(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let digit = |at: Option<usize>| {
        at.and_then(|at| bytes.get(at))
            .is_some_and(u8::is_ascii_digit)
    };
    let misplaced = bytes
        .iter()
        .enumerate()
        .any(|(at, byte)| *byte == b'_' && !(digit(at.checked_sub(1)) && digit(Some(at + 1))));
    (!misplaced).then(|| text.replace('_', ""))
}

fn list_of(value: &Value) -> Result<Option<Value>, String> {
    match value {
        Value::Array(_) => Ok(None),
        Value::String(text) => Ok(Some(text.split(',').collect())),
        Value::Number(_) | Value::Bool(_) => Ok(Some(Value::Array(vec![display(value).into()]))),
        other => Err(format!(
            "{} cannot be converted to a list",
            class_name(other)
        )),
    }
}

/// A dictionary out of text: JSON, a Python literal, or `a=1, b="2 3"`.
pub(super) fn dictionary(text: &str) -> Result<Map<String, Value>, String> {
    if text.starts_with('{') {
        return serde_json::from_str(text)
            .ok()
            .or_else(|| literal::dictionary(text))
            .ok_or_else(|| "unable to evaluate string as dictionary".to_owned());
    }
    if !text.contains('=') {
        return Err("dictionary requested, could not parse JSON or key=value".to_owned());
    }
    let fields = fields(strip(text));
    fields
        .iter()
        .map(|field| {
            let (key, value) = field.split_once('=')?;
            Some((key.to_owned(), value.into()))
        })
        .collect::<Option<_>>()
        .ok_or_else(|| {
            "unable to evaluate string in the \"key=value\" format as dictionary".to_owned()
        })
}

/// Splits at commas and spaces outside of quotes; a backslash keeps the next
/// letter as it is.
fn fields(text: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut quote = None;
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        let kept = match letter {
            '\\' => letters.next(),
            '\'' | '"' if quote.is_none() => {
                quote = Some(letter);
                None
            }
            _ if quote == Some(letter) => {
                quote = None;
                None
            }
            ',' | ' ' if quote.is_none() => {
                fields.push(String::new());
                None
            }
            _ => Some(letter),
        };
        if let (Some(kept), Some(field)) = (kept, fields.last_mut()) {
            field.push(kept);
        }
    }
    fields.retain(|field| !field.is_empty());
    fields
}
