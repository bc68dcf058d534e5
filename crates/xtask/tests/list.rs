//! The list of modules and the files that they are written in.

#![expect(
    clippy::unwrap_used,
    reason = "a test may stop at what it does not expect"
)]

use std::fs;
use std::path::Path;

use modules::MODULES;

/// The names of the `.yml` files below a folder, each with a `.rs` beside it.
fn documented(folder: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            names.extend(documented(&path));
        } else if path.extension().is_some_and(|extension| extension == "yml") {
            assert!(path.with_extension("rs").is_file(), "{}", path.display());
            names.push(path.file_stem().unwrap().to_str().unwrap().to_owned());
        }
    }
    names.sort();
    names
}

#[test]
fn every_module_that_is_written_is_in_the_list_once() {
    let mut listed: Vec<&str> = MODULES.iter().map(|module| module.name).collect();
    listed.sort_unstable();
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../modules/src");
    assert_eq!(listed, documented(&sources));
}

#[test]
fn every_module_declares_its_options_soundly_and_describes_them() {
    for module in MODULES {
        let spec = (module.spec)();
        assert_eq!(spec.problems(), Vec::<String>::new(), "{}", module.name);
        for option in &spec.options {
            assert!(
                !option.description.is_empty(),
                "{}: {}",
                module.name,
                option.name
            );
        }
    }
}
