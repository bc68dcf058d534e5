//! `/access`: users, tokens, roles.

pub mod pveum_role;
