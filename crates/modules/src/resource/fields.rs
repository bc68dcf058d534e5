//! The fields of a small object: how they are compared, written and shown.

use std::collections::{BTreeMap, BTreeSet};

use pve::Param;
use pve::wire::lists::joined;
use serde_json::{Value, json};

/// The fields of an object by the API's names. As a wish it holds those that
/// are stated, and no others are touched.
pub type Fields = BTreeMap<&'static str, Field>;

/// The value of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Field {
    /// A text; empty where the server has none.
    Text(String),
    /// A number.
    Number(i64),
    /// On or off.
    Switch(bool),
    /// Names whose order means nothing.
    Set(BTreeSet<String>),
}

impl Field {
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Text(text) => text.is_empty(),
            Self::Set(names) => names.is_empty(),
            Self::Number(_) | Self::Switch(_) => false,
        }
    }

    pub(super) fn param(&self) -> Param {
        match self {
            Self::Text(text) => text.into(),
            Self::Number(number) => (*number).into(),
            Self::Switch(on) => (*on).into(),
            Self::Set(names) => joined(names).into(),
        }
    }

    /// As a person reads it.
    pub fn shown(&self) -> Value {
        match self {
            Self::Text(text) => json!(text),
            Self::Number(number) => json!(number),
            Self::Switch(on) => json!(on),
            Self::Set(names) => json!(names),
        }
    }
}

impl From<&str> for Field {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Field {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<bool> for Field {
    fn from(on: bool) -> Self {
        Self::Switch(on)
    }
}

impl From<i64> for Field {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<BTreeSet<String>> for Field {
    fn from(names: BTreeSet<String>) -> Self {
        Self::Set(names)
    }
}

impl From<&BTreeSet<String>> for Field {
    fn from(names: &BTreeSet<String>) -> Self {
        Self::Set(names.clone())
    }
}

/// The stated ones among these fields.
pub fn stated<const N: usize>(fields: [(&'static str, Option<Field>); N]) -> Fields {
    fields
        .into_iter()
        .filter_map(|(name, field)| Some((name, field?)))
        .collect()
}
