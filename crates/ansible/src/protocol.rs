//! tmp
use crate::{Context, Failure, Outcome, Spec};
use serde_json::{Map, Value};
use std::process::ExitCode;

/// A module: its name, its documentation, its options and what it does.
#[derive(Clone, Copy, Debug)]
pub struct Module {
    /// The name, as tasks write it without a collection.
    pub name: &'static str,
    /// The text of its `.yml` file: description, notes, examples, returns.
    pub documentation: &'static str,
    /// The options.
    pub spec: fn() -> Spec,
    /// Does the work. The values have passed the check against the spec.
    pub run: fn(&Context, &Map<String, Value>) -> Result<Outcome, Failure>,
}

/// The executable that holds many modules.
pub fn main(version: &str, modules: &[Module]) -> ExitCode {
    let _ = (version, modules);
    ExitCode::FAILURE
}

/// The executable of one module.
pub fn main_of(version: &str, module: &Module) -> ExitCode {
    main(version, std::slice::from_ref(module))
}
