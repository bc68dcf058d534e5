//! How Python names, compares and writes the values of JSON, since messages
//! and conversions to text show it.

use std::fmt::Write as _;

use serde_json::Value;

/// The name of the value's type.
pub(super) fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "NoneType",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float",
        Value::Number(_) => "int",
        Value::String(_) => "str",
        Value::Array(_) => "list",
        Value::Object(_) => "dict",
    }
}

/// The type as Python writes it itself: `<class 'str'>`.
pub(super) fn class_name(value: &Value) -> String {
    format!("<class '{}'>", type_name(value))
}

/// `str(value)`.
pub(super) fn display(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => repr(other),
    }
}

/// `repr(value)`.
pub(super) fn repr(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Number(number) => match number.as_f64() {
            Some(float) if number.is_f64() => float_repr(float),
            _ => number.to_string(),
        },
        Value::String(text) => text_repr(text),
        Value::Array(elements) => {
            let elements: Vec<String> = elements.iter().map(repr).collect();
            format!("[{}]", elements.join(", "))
        }
        Value::Object(map) => {
            let entries: Vec<String> = map
                .iter()
                .map(|(key, value)| format!("{}: {}", text_repr(key), repr(value)))
                .collect();
            format!("{{{}}}", entries.join(", "))
        }
    }
}

/// The shortest digits that mean the number, with an exponent where Python
/// writes one.
fn float_repr(float: f64) -> String {
    let scientific = format!("{float:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..16).contains(&exponent) {
        let fixed = float.to_string();
        let end = if fixed.contains('.') { "" } else { ".0" };
        return format!("{fixed}{end}");
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.unsigned_abs())
}

fn text_repr(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') {
        '"'
    } else {
        '\''
    };
    let mut written = String::with_capacity(text.len() + 2);
    written.push(quote);
    for letter in text.chars() {
        match letter {
            '\n' => written.push_str("\\n"),
            '\r' => written.push_str("\\r"),
            '\t' => written.push_str("\\t"),
            '\\' => written.push_str("\\\\"),
            _ if letter == quote => {
                written.push('\\');
                written.push(letter);
            }
            _ if is_printable(letter) => written.push(letter),
            _ => {
                let code = u32::from(letter);
                // Writing to a String does not fail.
                let _ = match code {
                    0..=0xff => write!(written, "\\x{code:02x}"),
                    0x100..=0xffff => write!(written, "\\u{code:04x}"),
                    _ => write!(written, "\\U{code:08x}"),
                };
            }
        }
    }
    written.push(quote);
    written
}

/// Rust escapes the same letters as Python in its own debug form, once a
/// letter stands before them (a combining mark alone is escaped).
fn is_printable(letter: char) -> bool {
    if letter.is_ascii() {
        return (' '..='~').contains(&letter);
    }
    !format!("{:?}", format!("a{letter}")).contains('\\')
}

/// `left == right`: numbers are compared by value, and truth values are
/// numbers.
pub(super) fn equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(a, b)| equal(a, b))
        }
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left
                    .iter()
                    .all(|(key, a)| right.get(key).is_some_and(|b| equal(a, b)))
        }
        _ if left == right => true,
        _ => match (number(left), number(right)) {
            #[expect(clippy::float_cmp, reason = "Python compares exactly too")]
            (Some(a), Some(b)) => {
                (left.is_f64() || right.is_f64() || left.is_boolean() || right.is_boolean())
                    && a == b
            }
            _ => false,
        },
    }
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Bool(truth) => Some(f64::from(u8::from(*truth))),
        other => other.as_f64(),
    }
}

/// `json.dumps(value)`: a space after commas and colons, ASCII only.
pub(super) fn json_text(value: &Value) -> String {
    match value {
        Value::String(text) => json_string(text),
        Value::Number(number) if number.is_f64() => repr(value),
        Value::Array(elements) => {
            let elements: Vec<String> = elements.iter().map(json_text).collect();
            format!("[{}]", elements.join(", "))
        }
        Value::Object(map) => {
            let entries: Vec<String> = map
                .iter()
                .map(|(key, value)| format!("{}: {}", json_string(key), json_text(value)))
                .collect();
            format!("{{{}}}", entries.join(", "))
        }
        other => other.to_string(),
    }
}

fn json_string(text: &str) -> String {
    let mut written = String::with_capacity(text.len() + 2);
    for letter in Value::from(text).to_string().chars() {
        if letter.is_ascii() && letter != '\u{7f}' {
            written.push(letter);
        } else {
            for unit in letter.encode_utf16(&mut [0; 2]) {
                let _ = write!(written, "\\u{unit:04x}");
            }
        }
    }
    written
}

/// `text.strip()`: Python counts four control characters as white space.
pub(super) fn strip(text: &str) -> &str {
    text.trim_matches(|letter: char| {
        letter.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&letter)
    })
}
