//! `/access`: users, tokens, roles.

pub mod pveum_role;
pub(crate) mod role;
