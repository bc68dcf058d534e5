//! `xtask new-module FAMILY NAME`: the two files that a module is written in.

use std::error::Error;
use std::fs;
use std::path::Path;

/// Writes the skeletons and tells what is left to do by hand.
pub(crate) fn create(root: &Path, family: &str, name: &str) -> Result<String, Box<dyn Error>> {
    for word in [family, name] {
        let is_name =
            |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_';
        if word.is_empty() || !word.chars().all(is_name) {
            return Err(format!("`{word}` is no name: lower-case letters, digits and _").into());
        }
    }
    let folder = root.join("crates/modules/src").join(family);
    fs::create_dir_all(&folder)?;
    for (file, text) in [
        (format!("{name}.rs"), code(name)),
        (format!("{name}.yml"), documentation(name)),
    ] {
        let path = folder.join(&file);
        if path.exists() {
            return Err(format!("{family}/{file} is there already").into());
        }
        fs::write(path, text)?;
    }
    Ok(format!(
        "wrote crates/modules/src/{family}/{name}.rs and .yml. Now:\n\
         - declare it: `pub mod {name};` in {family}.rs, and a line in MODULES in crates/modules/src/lib.rs\n\
         - write Args, plan and report; describe the module, its examples and returns in the .yml\n\
         - `make gen` writes the rest, `make test` holds it together\n"
    ))
}

fn code(name: &str) -> String {
    let job: String = name.split('_').map(capitalised).collect();
    CODE.replace("NAME", name).replace("JOB", &job)
}

fn documentation(name: &str) -> String {
    DOCUMENTATION.replace("NAME", name)
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

const CODE: &str = r#"//! `NAME`: what it manages, by which paths of the API.

use ansible::{Args, Failure};
use pve::apply::Applied;
use pve::{Cluster, Plan, Planned};

use crate::connection::Connection;
use crate::job::{Job, Report, Task};

/// The options of `NAME`.
#[derive(Args, Debug)]
pub struct JOBArgs {
    /// Where the API is.
    #[arg(flatten)]
    pub connection: Connection,
    /// The name of the object.
    #[arg(required)]
    pub name: String,
}

/// The module.
pub struct JOB;

crate::module!(JOB, "NAME");

impl Job for JOB {
    type Args = JOBArgs;
    type Notes = ();

    fn connection(args: &JOBArgs) -> &Connection {
        &args.connection
    }

    fn plan(task: &Task<'_, JOBArgs>, _cluster: &Cluster) -> Result<Planned<()>, Failure> {
        Ok(Planned::Ready(plan(task.args), ()))
    }

    fn report(
        _task: &Task<'_, JOBArgs>,
        (): (),
        _plan: &Plan,
        _applied: Option<&Applied>,
        _cluster: &Cluster,
    ) -> Report {
        Report::default()
    }
}

fn plan(_args: &JOBArgs) -> Plan {
    Plan::default()
}
"#;

const DOCUMENTATION: &str = "short_description: What the module manages
description:
  - What the module does, in a sentence or two.
examples: |
  - name: What the task is for
    ferrox.proxmox.NAME:
      name: web
returns:
  name:
    description: The name of the object.
    type: str
    returned: success
    sample: web
";

#[cfg(test)]
mod tests {
    use std::{env, fs, process};

    use crate::documentation::Documentation;

    use super::{code, create, documentation};

    #[test]
    fn the_skeleton_names_the_module_and_its_documentation_is_whole() {
        assert!(code("pveum_role").contains("crate::module!(PveumRole, \"pveum_role\");"));
        assert!(Documentation::parse(&documentation("pveum_role")).is_ok());
    }

    #[test]
    fn what_is_there_is_not_overwritten() {
        let root = env::temp_dir().join(format!("xtask-new-{}", process::id()));
        create(&root, "access", "pveum_role").unwrap();
        let again = create(&root, "access", "pveum_role").unwrap_err();
        assert_eq!(again.to_string(), "access/pveum_role.rs is there already");
        fs::remove_dir_all(&root).unwrap();
        assert!(create(&root, "../access", "x").is_err());
    }
}
