//! `/access`: who may do what.

pub mod acl;
pub mod domains;
pub mod groups;
pub mod permissions;
pub mod roles;
pub mod tokens;
pub mod users;
