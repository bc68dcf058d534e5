//! The file that a token's secret goes to.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pve::plan::{Place, Put};
use secret::Secret;
use tempfile::NamedTempFile;

/// A place for a secret: a file that nobody else can read. What was there
/// before stays until the whole of the new content is on the disk.
pub(super) fn place(file: &str) -> Arc<Place> {
    let file = PathBuf::from(file);
    Arc::new(move || open(&file))
}

fn open(file: &Path) -> Result<Put, String> {
    let cannot = |error: std::io::Error| format!("unable to write `{}`: {error}", file.display());
    let folder = match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    if file.is_dir() {
        return Err(format!(
            "unable to write `{}`: it is a folder",
            file.display()
        ));
    }
    // A temporary file has mode 0600 from its first moment, and goes away where nothing comes of it.
    let mut draft = NamedTempFile::new_in(folder).map_err(cannot)?;
    let file = file.to_owned();
    Ok(Box::new(move |secret: &Secret| {
        let cannot =
            |error: std::io::Error| format!("unable to write `{}`: {error}", file.display());
        writeln!(draft, "{}", secret.expose()).map_err(cannot)?;
        draft.as_file().sync_all().map_err(cannot)?;
        draft.persist(&file).map_err(|error| cannot(error.error))?;
        Ok(())
    }))
}

/// The secret that a file holds, if there is such a file.
pub(super) fn read(file: &str) -> Result<Option<Secret>, String> {
    match std::fs::read_to_string(file) {
        Ok(text) => Ok(Some(Secret::new(text.trim()))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("unable to read `{file}`: {error}")),
    }
}
