//! How a module is called and how it answers.
//!
//! Ansible calls a binary module with the path of a file of JSON; the action
//! plugin sends the same JSON to standard input. The answer is one JSON object
//! on standard output, always: on a panic, on arguments that are no JSON, on
//! none at all. Exit code 1 says that the object is a failure.

mod desk;
mod dispatch;
mod respond;
mod signals;

use std::io::{IsTerminal as _, Read as _};
use std::process::ExitCode;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::Context;
use crate::outcome::{Failure, Outcome};
use crate::spec::Spec;

use desk::Desk;
use dispatch::{Request, Source, dispatch};
use respond::{context, respond};

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

/// The executable that holds many modules. It is called as
/// `ferrox MODULE [FILE|-]`, under a module's name (a link, which Ansible
/// prefixes with `AnsiballZ_`) with a file, or as `ferrox FILE` where the
/// arguments name the module in `_ferrox_module`. `ferrox list`,
/// `ferrox spec MODULE` and `ferrox --version` are for people and tools.
pub fn main(version: &str, modules: &[Module]) -> ExitCode {
    let words = words();
    serve(dispatch(&words, version, modules), modules)
}

/// The executable of one module, called with a file, or with `-` or nothing
/// for standard input.
pub fn main_of(version: &str, module: &Module) -> ExitCode {
    let words = words();
    let request = match words.get(1).map(String::as_str) {
        Some("--version") => Request::Say(format!("{} {version}", module.name)),
        source => Request::Run(Some(module), Source::of(source)),
    };
    serve(request, std::slice::from_ref(module))
}

/// The words of the command line.
fn words() -> Vec<String> {
    std::env::args_os()
        .map(|word| word.to_string_lossy().into_owned())
        .collect()
}

fn serve(request: Request<'_>, modules: &[Module]) -> ExitCode {
    let desk = Arc::new(Desk::default());
    desk.answer_panics();
    match request {
        Request::Say(text) => desk.say(&text),
        Request::Refuse(failure) => desk.answer(failure.into_map(false), &[]),
        Request::Run(module, source) => match read(source).and_then(|arguments| {
            let module = module.map_or_else(|| dispatch::named(&arguments, modules), Ok)?;
            Ok((module, arguments))
        }) {
            Ok((module, arguments)) => run(&desk, module, arguments),
            Err(failure) => desk.answer(failure.into_map(false), &[]),
        },
    }
}

fn run(desk: &Arc<Desk>, module: &Module, mut arguments: Map<String, Value>) -> ExitCode {
    let env = |name: &str| std::env::var(name).ok();
    let context = context(module, &mut arguments, &env, Arc::clone(&desk.mask));
    let answer = respond(module, arguments, context, &env, &|context| {
        signals::watch(desk, context);
    });
    desk.answer(answer.map, &answer.reveals)
}

/// The arguments of a task.
fn read(source: Source) -> Result<Map<String, Value>, Failure> {
    let mut text = Vec::new();
    let (place, result) = match source {
        Source::File(path) => {
            let result = std::fs::read(&path).map(|read| text = read);
            (format!("`{path}`"), result)
        }
        Source::Input if std::io::stdin().is_terminal() => {
            return Err(Failure::new(
                "no arguments: they are read as JSON from a file or from standard input",
            ));
        }
        Source::Input => {
            let result = std::io::stdin().lock().read_to_end(&mut text);
            ("standard input".to_owned(), result.map(|_| ()))
        }
    };
    result
        .map_err(|error| Failure::new(format!("unable to read arguments from {place}: {error}")))?;
    match serde_json::from_slice(&text) {
        Ok(Value::Object(arguments)) => Ok(arguments),
        Ok(_) => Err(Failure::new(format!(
            "unable to read arguments from {place}: expected a JSON object"
        ))),
        Err(error) => Err(Failure::new(format!(
            "unable to read arguments from {place}: no JSON object: {error}"
        ))),
    }
}
