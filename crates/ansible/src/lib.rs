//! Ansible's module protocol: what a module's options are ([`spec`]), how the
//! arguments of a task are checked against them ([`mod@check`]), how they become a
//! struct ([`args`]), what a module answers ([`outcome`]) and how all of it
//! travels over standard input and output ([`protocol`]).
//!
//! This room knows no Proxmox.

// The derive macros name this crate `::ansible`, also in its own tests.
extern crate self as ansible;

pub mod args;
pub mod check;
mod context;
pub mod mask;
pub mod outcome;
pub mod protocol;
pub mod spec;

pub use ansible_derive::{Args, Choice};
pub use args::{Args, ArgsError, Choice, FromValue};
pub use check::{CheckError, Checked, check};
pub use context::Context;
pub use outcome::{Deprecation, Diff, Failure, Outcome};
pub use protocol::{Module, main, main_of};
pub use spec::{Kind, Opt, Spec};

/// What the derive macros' code needs from other crates.
#[doc(hidden)]
pub mod __private {
    pub use serde_json::{Map, Value, json};
}
