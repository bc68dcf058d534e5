//! Which module is meant, and where its arguments are.

use std::path::Path;

use serde_json::{Map, Value};

use super::Module;
use crate::outcome::Failure;

/// The key among the arguments that names the module.
pub(super) const MODULE_KEY: &str = "_ferrox_module";

/// What the command line asks for.
#[derive(Debug)]
pub(super) enum Request<'a> {
    /// A text for a person or a tool.
    Say(String),
    /// An answer without a run.
    Refuse(Failure),
    /// A run of a module; `None` where the arguments name it.
    Run(Option<&'a Module>, Source),
}

/// Where the arguments are.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Source {
    File(String),
    Input,
}

impl Source {
    pub(super) fn of(word: Option<&str>) -> Self {
        match word {
            None | Some("-") => Self::Input,
            Some(path) => Self::File(path.to_owned()),
        }
    }
}

/// Reads a command line, the program's own name included.
pub(super) fn dispatch<'a>(words: &[String], version: &str, modules: &'a [Module]) -> Request<'a> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    if let Some(module) = words
        .first()
        .and_then(|program| called_as(program, modules))
    {
        return Request::Run(Some(module), Source::of(words.get(1).copied()));
    }
    let usage = "usage: ferrox MODULE [FILE|-] | FILE | list | spec MODULE | --version";
    match words.get(1..).unwrap_or_default() {
        ["--version"] => Request::Say(format!("ferrox {version}")),
        ["--help" | "-h"] => Request::Say(usage.to_owned()),
        ["list"] => {
            let names: Vec<&str> = modules.iter().map(|module| module.name).collect();
            Request::Say(names.join("\n"))
        }
        ["spec", name] => match find(name, modules) {
            Ok(module) => Request::Say(format!("{:#}", (module.spec)().to_json())),
            Err(failure) => Request::Refuse(failure),
        },
        [word, rest @ ..] if rest.len() <= 1 => match find(word, modules) {
            Ok(module) => Request::Run(Some(module), Source::of(rest.first().copied())),
            Err(_) if rest.is_empty() && (*word == "-" || Path::new(word).exists()) => {
                Request::Run(None, Source::of(Some(word)))
            }
            Err(failure) => Request::Refuse(failure),
        },
        _ => Request::Refuse(Failure::new(usage)),
    }
}

/// The module that the arguments name.
pub(super) fn named<'a>(
    arguments: &Map<String, Value>,
    modules: &'a [Module],
) -> Result<&'a Module, Failure> {
    match arguments.get(MODULE_KEY).and_then(Value::as_str) {
        Some(name) => find(name, modules),
        None => Err(Failure::new(format!(
            "the arguments do not say which module is meant (`{MODULE_KEY}`)"
        ))),
    }
}

/// A module by its name, with or without a collection before it.
fn find<'a>(name: &str, modules: &'a [Module]) -> Result<&'a Module, Failure> {
    let leaf = name.rsplit('.').next().unwrap_or(name);
    let mut modules = modules.iter();
    modules
        .find(|module| module.name == leaf)
        .ok_or_else(|| Failure::new(format!("no module `{name}`; `ferrox list` names them all")))
}

/// The module whose name the program was called by. Ansible copies a module to
/// `AnsiballZ_<name>`, and a link may be named as a Python file is.
fn called_as<'a>(program: &str, modules: &'a [Module]) -> Option<&'a Module> {
    let name = Path::new(program).file_name()?.to_str()?;
    let name = name.strip_prefix("AnsiballZ_").unwrap_or(name);
    let name = name.strip_suffix(".py").unwrap_or(name);
    modules.iter().find(|module| module.name == name)
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};

    use super::{Request, Source, dispatch, named};
    use crate::protocol::Module;
    use crate::{Outcome, Spec};

    const MODULES: &[Module] = &[module("proxmox_pool"), module("pveum_role")];

    const fn module(name: &'static str) -> Module {
        Module {
            name,
            documentation: "",
            spec: Spec::default,
            run: |_, _| Ok(Outcome::default()),
        }
    }

    fn request(line: &str) -> String {
        let words: Vec<String> = line.split(' ').map(ToOwned::to_owned).collect();
        match dispatch(&words, "1.2.3", MODULES) {
            Request::Say(text) => text,
            Request::Refuse(failure) => format!("refused: {}", failure.msg),
            Request::Run(module, source) => {
                let source = match source {
                    Source::File(path) => path,
                    Source::Input => "input".to_owned(),
                };
                format!(
                    "{} from {source}",
                    module.map_or("named", |module| module.name)
                )
            }
        }
    }

    #[test]
    fn the_first_word_names_the_module() {
        assert_eq!(request("ferrox pveum_role /args"), "pveum_role from /args");
        assert_eq!(request("ferrox pveum_role -"), "pveum_role from input");
        assert_eq!(request("ferrox pveum_role"), "pveum_role from input");
        assert_eq!(
            request("ferrox ferrox.proxmox.pveum_role -"),
            "pveum_role from input"
        );
    }

    #[test]
    fn a_link_under_a_modules_name_is_that_module() {
        for program in [
            "/bin/proxmox_pool",
            "/t/AnsiballZ_proxmox_pool",
            "AnsiballZ_proxmox_pool.py",
        ] {
            assert_eq!(
                request(&format!("{program} /args")),
                "proxmox_pool from /args"
            );
        }
    }

    #[test]
    fn the_arguments_may_name_the_module() {
        assert_eq!(request("ferrox -"), "named from input");
        let arguments = json!({"_ferrox_module": "community.proxmox.proxmox_pool"});
        let arguments: Map<_, _> = serde_json::from_value(arguments).unwrap();
        assert_eq!(named(&arguments, MODULES).unwrap().name, "proxmox_pool");
        let failure = named(&Map::new(), MODULES).unwrap_err();
        assert!(failure.msg.contains("_ferrox_module"));
    }

    #[test]
    fn people_and_tools_get_text() {
        assert_eq!(request("ferrox list"), "proxmox_pool\npveum_role");
        assert_eq!(request("ferrox --version"), "ferrox 1.2.3");
        assert!(request("ferrox spec pveum_role").contains("supports_check_mode"));
    }

    #[test]
    fn what_is_unknown_is_refused() {
        assert_eq!(
            request("ferrox nonsense"),
            "refused: no module `nonsense`; `ferrox list` names them all"
        );
        assert_eq!(
            request("ferrox spec nonsense"),
            "refused: no module `nonsense`; `ferrox list` names them all"
        );
        assert!(request("ferrox").starts_with("refused: usage"));
        assert!(request("ferrox pveum_role a b").starts_with("refused: usage"));
    }
}
