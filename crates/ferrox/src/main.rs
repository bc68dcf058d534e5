//! The executable that answers to every module's name.

use std::process::ExitCode;

fn main() -> ExitCode {
    ansible::main(env!("CARGO_PKG_VERSION"), modules::MODULES)
}
