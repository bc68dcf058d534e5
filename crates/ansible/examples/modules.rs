//! An executable of a few small modules, for `tests/process.rs`.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use ansible::{Args, Context, Failure, Module, Outcome};
use secret::Secret;
use serde_json::{Map, Value, json};

#[derive(Args)]
struct EchoArgs {
    /// A text.
    text: Option<String>,
    /// A secret.
    password: Option<Secret>,
    /// Whatever.
    config: BTreeMap<String, Value>,
}

/// Answers with its arguments, the secret where it must not be.
fn echo(context: &Context, values: &Map<String, Value>) -> Result<Outcome, Failure> {
    let args = EchoArgs::from_values(values)?;
    let mut outcome = Outcome {
        changed: !context.check_mode,
        msg: args.text,
        ..Outcome::default()
    };
    if let Some(password) = args.password {
        context.progress(&format!("half-way\nthrough {}", password.expose()));
        outcome
            .warnings
            .push(format!("the password is {}", password.expose()));
    }
    outcome.returns.insert("config".into(), json!(args.config));
    outcome
        .returns
        .insert("given".into(), json!(context.given("text")));
    Ok(outcome)
}

fn panics(_: &Context, values: &Map<String, Value>) -> Result<Outcome, Failure> {
    let args = EchoArgs::from_values(values)?;
    let password = args.password.unwrap_or_default();
    let worker = std::thread::spawn(move || {
        assert!(password.is_empty(), "broken by {}", password.expose());
    });
    // The process ends before the worker can be joined.
    let _ = worker.join();
    Ok(Outcome::default())
}

/// Works until it is interrupted.
fn waits(context: &Context, _: &Map<String, Value>) -> Result<Outcome, Failure> {
    context.progress("working");
    while !context.is_interrupted() {
        std::thread::sleep(Duration::from_millis(5));
    }
    Err(Failure::new("interrupted while UPID:pve1:1 was running"))
}

/// Reads on, whatever happens.
fn deaf(context: &Context, _: &Map<String, Value>) -> Result<Outcome, Failure> {
    context.progress("working");
    loop {
        std::thread::park();
    }
}

/// Writes on, whatever happens.
fn stubborn(context: &Context, values: &Map<String, Value>) -> Result<Outcome, Failure> {
    context.begin_writing();
    context.has_begun("UPID:pve1:1");
    context.has_begun("UPID:pve1:2");
    context.has_ended("UPID:pve1:1");
    deaf(context, values)
}

/// Takes longer than anybody waits to put back what it took away.
fn mends(context: &Context, values: &Map<String, Value>) -> Result<Outcome, Failure> {
    context.must_end();
    stubborn(context, values)
}

const fn module(
    name: &'static str,
    run: fn(&Context, &Map<String, Value>) -> Result<Outcome, Failure>,
) -> Module {
    Module {
        name,
        documentation: "",
        spec: EchoArgs::spec,
        run,
    }
}

fn main() -> ExitCode {
    ansible::main(
        "1.2.3",
        &[
            module("echo", echo),
            module("panics", panics),
            module("waits", waits),
            module("deaf", deaf),
            module("stubborn", stubborn),
            module("mends", mends),
        ],
    )
}
