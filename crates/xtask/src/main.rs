//! What is made from the modules' declarations: `xtask gen [--check]`, `xtask new-module` and `xtask overlay`.

mod documentation;
mod generate;
mod lacking;
mod new_module;
mod original;
mod overlay;
mod stub;
mod yaml;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const USAGE: &str = "usage: cargo run -p xtask -- gen [--check] | new-module FAMILY NAME | overlay FOLDER [ORIGINAL|none]";

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
        ["overlay", folder, original @ ..] => {
            let folder = Path::new(folder);
            let original = match original {
                [] => original::installed(folder),
                ["none"] => None,
                [path] => Some(path.into()),
                _ => return Err(USAGE.into()),
            };
            overlay::write(&root, modules::MODULES, folder, original.as_deref())
        }
        _ => Err(USAGE.into()),
    }
}
