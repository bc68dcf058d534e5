//! The collection community.proxmox itself, from which the overlay takes what Ferrox lacks.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::generate::at;
use crate::lacking;
use crate::overlay::COLLECTION;

/// A collection from which the overlay takes what Ferrox lacks.
pub(crate) struct Original {
    /// Its folder.
    pub(crate) path: PathBuf,
    /// The names of its modules.
    pub(crate) modules: BTreeSet<String>,
    /// What else of it belongs to the overlay: where in a collection, and the real file.
    pub(crate) rest: BTreeMap<PathBuf, PathBuf>,
}

impl Original {
    /// Its modules share code. An overlay that was made without an original has none.
    fn is_at(path: &Path) -> bool {
        path.join("plugins/module_utils").is_dir()
    }

    pub(crate) fn open(path: &Path) -> Result<Self, Box<dyn Error>> {
        if !Self::is_at(path) {
            return Err(format!(
                "{} is not community.proxmox, a folder such as \
                 ~/.ansible/collections/{COLLECTION}: it has no plugins/module_utils",
                path.display()
            )
            .into());
        }
        let path = fs::canonicalize(path).map_err(|error| at(path, &error))?;
        let mut modules = BTreeSet::new();
        let mut rest = BTreeMap::new();
        for folder in ["plugins", "COPYING", "LICENSE", "LICENSES"] {
            for file in files_below(&path.join(folder))? {
                let place = file.strip_prefix(&path)?.to_owned();
                let name = file.file_stem().and_then(OsStr::to_str).unwrap_or_default();
                if name == lacking::NAME {
                    // An older overlay says so of what its own original lacked.
                } else if !place.starts_with("plugins/modules") {
                    rest.insert(place, real(&file)?);
                } else if !name.starts_with('_') {
                    modules.insert(name.to_owned());
                }
            }
        }
        Ok(Self {
            path,
            modules,
            rest,
        })
    }

    /// The real file of one of its modules.
    pub(crate) fn module(&self, name: &str) -> Result<PathBuf, String> {
        real(&self.path.join(format!("plugins/modules/{name}.py")))
    }
}

/// The first original in Ansible's collections path, the overlay that is to be
/// made left out. Another one that was made from an original holds what is needed, too.
pub(crate) fn installed(collections: &Path) -> Option<PathBuf> {
    let own = fs::canonicalize(collections.join(COLLECTION)).ok();
    let listed = Command::new("ansible-galaxy")
        .args(["collection", "list", "community.proxmox"])
        .output()
        .ok()?;
    let text = String::from_utf8(listed.stdout).ok()?;
    // A headline for each folder, in the order of the path; its collections below.
    text.lines()
        .filter_map(|line| line.strip_prefix("# "))
        .map(|folder| Path::new(folder).join("community/proxmox"))
        .find(|path| Original::is_at(path) && fs::canonicalize(path).ok() != own)
}

/// A file, or the files of a folder and of the folders in it; none where there is nothing.
fn files_below(path: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    if path.is_dir() && !path.ends_with("__pycache__") {
        for entry in fs::read_dir(path).map_err(|error| at(path, &error))? {
            files.extend(files_below(&entry?.path())?);
        }
    }
    Ok(files)
}

/// The file itself where the original is an overlay, whose files are links.
fn real(file: &Path) -> Result<PathBuf, String> {
    fs::canonicalize(file).map_err(|error| at(file, &error))
}
