//! `/access`: who may do what.

pub mod acl;
pub mod acl_path;
pub mod domains;
pub mod groups;
pub mod permissions;
pub mod rights;
pub mod roles;
pub mod tokens;
pub mod users;
