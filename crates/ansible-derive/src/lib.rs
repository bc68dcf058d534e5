//! `#[derive(Args)]` and `#[derive(Choice)]`: an option is declared once.
//!
//! A struct's fields are options: the doc comment is the description, the
//! type is Ansible's type, `#[arg(…)]` says the rest, `#[args(…)]` on the
//! struct gives the rules between options. The code that is written here only
//! describes and reads; all checking is done by the `ansible` crate.
//!
//! ```text
//! #[derive(Args)]
//! #[args(required_if(key = "state", value = "present", all = ["privs"]))]
//! struct RoleArgs {
//!     #[arg(flatten)]
//!     connection: Connection,
//!     /// The role's name.
//!     #[arg(required, aliases = ["roleid"])]
//!     name: String,
//!     /// The privileges it gives.
//!     privs: Option<Vec<String>>,
//!     /// Whether the role is there.
//!     #[arg(default = "present")]
//!     state: State,
//! }
//!
//! #[derive(Choice)]
//! enum State { Present, Absent }
//! ```
//!
//! `#[arg(…)]` takes `required`, `default = value`, `aliases = ["…"]`,
//! `deprecated_alias(name = "…", version = "…", collection_name = "…")` (or
//! `date`), `choices = […]`, `env = ["…"]`, `no_log = bool`, `kind = "…"`,
//! `elements = "…"`, `rename = "…"`, `flatten`, `apply_defaults`,
//! `removed_in_version = "…"`, `removed_at_date = "…"` and
//! `removed_from_collection = "…"`.
//!
//! `flatten` merges another struct's options and rules. A field beside it that
//! has the name of one of those options takes its place: so a module gives a
//! shared option another default.
//!
//! `#[args(…)]` takes `mutually_exclusive([…], …)`, `required_together([…], …)`,
//! `required_one_of([…], …)`, `required_if(key = "…", value = …, all = […])`
//! (or `any`), `required_by(key = "…", requires = […])` and
//! `check_mode = false`.
//!
//! `#[choice(name = "…")]` renames a variant, whose name is otherwise written
//! in snake case.

mod args;
mod choice;
mod field;
mod parse;
mod rules;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

/// Implements `ansible::Args` and `ansible::FromValue` for a struct with named
/// fields; see the crate's documentation.
#[proc_macro_derive(Args, attributes(arg, args))]
pub fn derive_args(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    args::derive(&input)
        .unwrap_or_else(|error| error.to_compile_error())
        .into()
}

/// Implements `ansible::Choice` and `ansible::FromValue` for an enum without
/// data; see the crate's documentation.
#[proc_macro_derive(Choice, attributes(choice))]
pub fn derive_choice(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    choice::derive(&input)
        .unwrap_or_else(|error| error.to_compile_error())
        .into()
}

#[cfg(test)]
mod tests;
