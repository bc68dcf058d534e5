//! What is made from the modules' declarations: `xtask gen [--check]` and `xtask new-module`.

mod documentation;
mod generate;
mod new_module;
mod stub;
mod yaml;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

const USAGE: &str = "usage: cargo run -p xtask -- gen [--check] | new-module FAMILY NAME";

#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a tool for people at a terminal"
)]
fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match run(&words) {
        Ok(said) => {
            print!("{said}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[&str]) -> Result<String, Box<dyn Error>> {
    // The repository: two folders above this crate.
    let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    match words {
        ["gen"] => generate::write(&root, modules::MODULES),
        ["gen", "--check"] => generate::check(&root, modules::MODULES),
        ["new-module", family, name] => new_module::create(&root, family, name),
        _ => Err(USAGE.into()),
    }
}
