//! `/access/users/{userid}/token`: API tokens.

use serde::Deserialize;

use crate::wire::tolerant;

/// An API token, as far as the server tells: its secret is never told again.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Token {
    /// A note.
    #[serde(deserialize_with = "tolerant::nullable")]
    pub comment: String,
    /// When it ends, in seconds since 1970; 0 for never.
    #[serde(deserialize_with = "tolerant::integer")]
    pub expire: i64,
    /// Whether it has only those rights of its user that it was given itself.
    #[serde(deserialize_with = "tolerant::switch")]
    pub privsep: bool,
}

/// What the server leaves out.
impl Default for Token {
    fn default() -> Self {
        Self {
            comment: String::new(),
            expire: 0,
            privsep: true,
        }
    }
}

/// A token's user and its own name, out of `user@realm!name`.
pub fn split(full: &str) -> Option<(&str, &str)> {
    full.split_once('!')
        .filter(|(user, name)| !user.is_empty() && !name.is_empty())
}
