//! [`FromValue`] for the types that fields have, and what derived code calls.

use std::collections::BTreeMap;
use std::path::PathBuf;

use secret::Secret;
use serde_json::{Map, Value};

use super::{Args, ArgsError, Choice, FromValue};
use crate::spec::{Kind, Opt, Text};

/// The option of a field: its name, its description and what its type says.
pub fn option<T: FromValue>(name: &'static str, description: &[&'static str]) -> Opt {
    let mut option = Opt {
        name: name.into(),
        description: description.iter().copied().map(Text::from).collect(),
        ..Opt::default()
    };
    T::describe(&mut option);
    option
}

/// The value of a field.
pub fn read<T: FromValue>(values: &Map<String, Value>, name: &str) -> Result<T, ArgsError> {
    let value = match values.get(name) {
        None | Some(Value::Null) => T::absent().ok_or_else(|| ArgsError::new("given", "nothing")),
        Some(value) => T::from_value(value),
    };
    value.map_err(|error| error.at(name))
}

/// The value of a field whose options stand among those of the struct.
pub fn flattened<T: Args>(values: &Map<String, Value>) -> Result<T, ArgsError> {
    T::from_values(values)
}

/// The option whose type is a struct: a dict with sub-options.
pub fn describe_struct<T: Args>(option: &mut Opt) {
    option.kind = Kind::Dict;
    option.options = Some(Box::new(T::spec()));
}

/// A struct of sub-options out of a dict.
pub fn read_struct<T: Args>(value: &Value) -> Result<T, ArgsError> {
    let map = value.as_object();
    T::from_values(map.ok_or_else(|| ArgsError::new("a dictionary", kind_of(value)))?)
}

/// The option whose type is an enum: a text with choices.
pub fn describe_choice<T: Choice>(option: &mut Opt) {
    option.kind = Kind::Str;
    let names = T::CHOICES.iter().map(|(name, _)| Value::from(*name));
    option.choices = Some(names.collect());
}

/// The error for a text that is none of the choices.
pub fn no_choice<T: Choice>(value: &Value) -> ArgsError {
    let names: Vec<&str> = T::CHOICES.iter().map(|(name, _)| *name).collect();
    let got = value.as_str().unwrap_or_else(|| kind_of(value));
    ArgsError::new(format!("one of: {}", names.join(", ")), got)
}

/// What a value is, for a message that must not tell the value.
fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a dictionary",
    }
}

impl FromValue for String {
    fn describe(option: &mut Opt) {
        option.kind = Kind::Str;
    }

    fn from_value(value: &Value) -> Result<Self, ArgsError> {
        let text = value.as_str().map(ToOwned::to_owned);
        text.ok_or_else(|| ArgsError::new("a text", kind_of(value)))
    }
}

impl FromValue for Secret {
    fn describe(option: &mut Opt) {
        option.kind = Kind::Str;
        option.no_log = Some(true);
    }

    fn from_value(value: &Value) -> Result<Self, ArgsError> {
        String::from_value(value).map(Secret::new)
    }
}

impl FromValue for PathBuf {
    fn describe(option: &mut Opt) {
        option.kind = Kind::Path;
    }

    fn from_value(value: &Value) -> Result<Self, ArgsError> {
        String::from_value(value).map(PathBuf::from)
    }
}

impl FromValue for bool {
    fn describe(option: &mut Opt) {
        option.kind = Kind::Bool;
    }

    fn from_value(value: &Value) -> Result<Self, ArgsError> {
        let truth = value.as_bool();
        truth.ok_or_else(|| ArgsError::new("true or false", kind_of(value)))
    }
}

impl FromValue for f64 {
    fn describe(option: &mut Opt) {
        option.kind = Kind::Float;
    }

    fn from_value(value: &Value) -> Result<Self, ArgsError> {
        let number = value.as_f64();
        number.ok_or_else(|| ArgsError::new("a number", kind_of(value)))
    }
}

macro_rules! whole_numbers {
    ($($number:ty),*) => {$(
        impl FromValue for $number {
            fn describe(option: &mut Opt) {
                option.kind = Kind::Int;
            }

            fn from_value(value: &Value) -> Result<Self, ArgsError> {
                // Ansible's check leaves a truth value in an int option as it
                // is, and Python counts True as 1.
                let number = match value {
                    Value::Bool(truth) => Some(i128::from(*truth)),
                    value => value
                        .as_i64()
                        .map(i128::from)
                        .or_else(|| value.as_u64().map(i128::from)),
                };
                let number = number
                    .ok_or_else(|| ArgsError::new("a whole number", kind_of(value)))?;
                Self::try_from(number).map_err(|_| {
                    let range = format!("between {} and {}", Self::MIN, Self::MAX);
                    ArgsError::new(range, number.to_string())
                })
            }
        }
    )*};
}

whole_numbers!(i64, u64, i32, u32, u16, u8);

impl FromValue for Value {
    fn describe(option: &mut Opt) {
        option.kind = Kind::Raw;
    }

    fn from_value(value: &Value) -> Result<Self, ArgsError> {
        Ok(value.clone())
    }

    fn absent() -> Option<Self> {
        Some(Self::Null)
    }
}

impl<T: FromValue> FromValue for BTreeMap<String, T> {
    /// A dictionary whose keys are the user's own; an argument spec has no
    /// words for the type of its values, only for their secrecy.
    fn describe(option: &mut Opt) {
        let mut value = Opt::default();
        T::describe(&mut value);
        option.kind = Kind::Dict;
        option.no_log = value.no_log;
    }

    fn from_value(value: &Value) -> Result<Self, ArgsError> {
        let map = value.as_object();
        let map = map.ok_or_else(|| ArgsError::new("a dictionary", kind_of(value)))?;
        map.keys()
            .map(|key| Ok((key.clone(), read(map, key)?)))
            .collect()
    }

    fn absent() -> Option<Self> {
        Some(Self::new())
    }
}

impl<T: FromValue> FromValue for Vec<T> {
    /// The element's type, and what it says of choices, sub-options and
    /// secrecy, which an argument spec keeps at the list.
    fn describe(option: &mut Opt) {
        T::describe(option);
        option.elements = Some(option.kind);
        option.kind = Kind::List;
    }

    fn from_value(value: &Value) -> Result<Self, ArgsError> {
        let list = value.as_array();
        let list = list.ok_or_else(|| ArgsError::new("a list", kind_of(value)))?;
        list.iter()
            .enumerate()
            .map(|(index, entry)| {
                let entry = match (entry, T::absent()) {
                    (Value::Null, Some(absent)) => Ok(absent),
                    _ => T::from_value(entry),
                };
                entry.map_err(|error| error.at(&format!("[{index}]")))
            })
            .collect()
    }

    fn absent() -> Option<Self> {
        Some(Self::new())
    }
}

impl<T: FromValue> FromValue for Option<T> {
    fn describe(option: &mut Opt) {
        T::describe(option);
    }

    fn from_value(value: &Value) -> Result<Self, ArgsError> {
        T::from_value(value).map(Some)
    }

    fn absent() -> Option<Self> {
        Some(None)
    }
}
