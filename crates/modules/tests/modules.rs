//! What holds for every module.

use std::collections::BTreeSet;

use modules::MODULES;

#[test]
fn modules_stand_in_order_and_once() {
    let names: Vec<&str> = MODULES.iter().map(|module| module.name).collect();
    let sorted: Vec<&str> = names
        .iter()
        .copied()
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect();
    assert_eq!(names, sorted);
}

#[test]
fn every_spec_is_sound_and_every_module_has_a_check_mode() {
    for module in MODULES {
        let spec = (module.spec)();
        assert_eq!(spec.problems(), Vec::<String>::new(), "{}", module.name);
        assert!(spec.supports_check_mode, "{}", module.name);
    }
}

#[test]
fn every_option_is_described_and_secrets_are_known_as_such() {
    for module in MODULES {
        for option in (module.spec)().options {
            let name = format!("{}: {}", module.name, option.name);
            assert!(
                option.description.iter().any(|text| !text.is_empty()),
                "{name}"
            );
            let sounds_secret = ["password", "secret"]
                .iter()
                .any(|word| option.name.contains(word))
                || option.name.split('_').any(|word| word == "otp");
            // Where a secret is kept is no secret, nor is one of a few documented words.
            let is_open = option.name.ends_with("_file") || option.choices.is_some();
            assert!(!sounds_secret || option.no_log == Some(!is_open), "{name}");
        }
    }
}

/// The sections of a module's documentation, by their headings.
fn section<'a>(documentation: &'a str, heading: &str) -> &'a str {
    let after = documentation
        .split_once(&format!("\n{heading}:"))
        .map_or("", |(_, after)| after);
    let end = after
        .match_indices('\n')
        .find(|(at, _)| after[at + 1..].starts_with(|first: char| first.is_ascii_lowercase()))
        .map_or(after.len(), |(at, _)| at);
    &after[..end]
}

#[test]
fn every_documentation_has_an_example_and_describes_its_results() {
    for module in MODULES {
        let documentation = format!("\n{}", module.documentation);
        let examples = section(&documentation, "examples");
        let task = format!("ferrox.proxmox.{}:", module.name);
        assert!(examples.contains(&task), "{} has no example", module.name);
        let returns = section(&documentation, "returns");
        let lines = || returns.lines().map(str::trim_start);
        let described = lines()
            .filter(|line| line.starts_with("description:"))
            .count();
        // A result may itself be called `type`, and stand in a sample.
        let kinds = ["str", "int", "float", "bool", "list", "dict"];
        let typed = lines()
            .filter_map(|line| line.strip_prefix("type: "))
            .filter(|kind| kinds.contains(kind))
            .count();
        assert!(
            described > 0 && described == typed,
            "{}: {described} {typed}",
            module.name
        );
    }
}
