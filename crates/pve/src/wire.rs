//! How Perl and Proxmox VE write values.
//!
//! Everything that knows of `"0"`, `1`, `""` and `"1"`, of property strings,
//! sizes, tags and percent-encoded keys lives here; nothing else sees them.
//! Pure functions and types: nothing here asks a server.

pub mod boot;
pub mod config;
pub mod ipconfig;
pub mod kind;
pub mod lists;
pub mod password;
pub mod property;
pub mod row;
pub mod size;
pub mod sshkeys;
pub mod startup;
pub mod tags;
pub mod tolerant;

pub use boot::BootOrder;
pub use config::{agent_enabled, holds, same};
pub use ipconfig::IpConfig;
pub use kind::Kind;
pub use property::PropertyString;
pub use row::Row;
pub use size::{Growth, Size};
pub use sshkeys::SshKeys;
pub use startup::Startup;
pub use tags::Tags;

use serde_json::Value;

/// A switch as the API takes it: `1` or `0`.
pub fn switch(on: bool) -> &'static str {
    if on { "1" } else { "0" }
}

/// A switch as the API and Perl write it: `1`, `on`, `yes`, `true` and their
/// opposites in any case; the empty text is Perl's false. Anything else is none.
pub fn parse_switch(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "1" | "on" | "yes" | "true" => Some(true),
        "0" | "off" | "no" | "false" | "" => Some(false),
        _ => None,
    }
}

/// A value of an answer as the text that the API would take: numbers in
/// decimal, switches as `1` and `0`. Nothing for null, lists and objects.
///
/// A configuration answers `"memory":"64"` next to `"cores":1`; as texts the
/// two are alike.
pub fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(on) => Some(switch(*on).to_owned()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// A decimal number in one spelling: no leading zeros, no trailing zeros of
/// the fraction. Nothing for what is not one.
fn canonical_number(text: &str) -> Option<String> {
    let text = text.trim();
    let (sign, digits) = text
        .strip_prefix('-')
        .map_or(("", text), |digits| ("-", digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let decimal = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !decimal(whole) || !decimal(fraction) {
        return None;
    }
    let whole = match whole.trim_start_matches('0') {
        "" => "0",
        digits => digits,
    };
    let fraction = fraction.trim_end_matches('0');
    Some(match (whole, fraction) {
        ("0", "") => "0".to_owned(),
        (whole, "") => format!("{sign}{whole}"),
        (whole, fraction) => format!("{sign}{whole}.{fraction}"),
    })
}

#[cfg(test)]
mod tests {
    use super::{canonical_number, parse_switch, text_of};
    use serde_json::json;

    #[test]
    fn perls_switches_are_read() {
        for text in ["1", "on", "Yes", "TRUE", " 1 "] {
            assert_eq!(parse_switch(text), Some(true), "{text}");
        }
        for text in ["0", "off", "No", "false", ""] {
            assert_eq!(parse_switch(text), Some(false), "{text}");
        }
        assert_eq!(parse_switch("2"), None);
    }

    #[test]
    fn a_number_and_its_text_are_alike() {
        assert_eq!(text_of(&json!(64)), text_of(&json!("64")));
        assert_eq!(text_of(&json!(true)), text_of(&json!(1)));
        assert_eq!(text_of(&json!(null)), None);
        assert_eq!(text_of(&json!(["a"])), None);
    }

    #[test]
    fn numbers_have_one_spelling() {
        for (text, canonical) in [
            ("64", "64"),
            ("064", "64"),
            ("64.0", "64"),
            ("0.50", "0.5"),
            ("-0", "0"),
            ("-2.50", "-2.5"),
            ("100", "100"),
        ] {
            assert_eq!(canonical_number(text).as_deref(), Some(canonical), "{text}");
        }
        for text in ["", "-", ".5", "1e3", "0x10", "1.2.3", "four"] {
            assert_eq!(canonical_number(text), None, "{text}");
        }
    }
}
