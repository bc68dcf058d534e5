//! The executable that answers to every module's name.

fn main() -> std::process::ExitCode {
    ansible::main(env!("CARGO_PKG_VERSION"), modules::MODULES)
}
