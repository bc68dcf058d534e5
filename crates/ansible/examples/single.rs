//! An executable of one module, for `tests/process.rs`.

use std::process::ExitCode;

use ansible::{Module, Outcome, Spec};

fn main() -> ExitCode {
    let module = Module {
        name: "single",
        documentation: "",
        spec: Spec::default,
        run: |_, _| {
            Ok(Outcome {
                msg: Some("alone".to_owned()),
                ..Outcome::default()
            })
        },
    };
    ansible::main_of("1.2.3", &module)
}
