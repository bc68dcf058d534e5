//! What the options of `proxmox_template` ask for.

use std::fs::File;
use std::path::{Path, PathBuf};

use ansible::{Choice, Failure};

use super::TemplateArgs;
use crate::resource::State;
use crate::storage::volume::{Checksum, Content, file_of, kept_name};

/// What is wanted: a volume of this name, out of this source; without a source, none.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wish {
    /// The name as the task has it.
    pub(super) name: String,
    /// Where it comes from.
    pub(super) source: Option<Source>,
    /// What it must hash to.
    pub(super) checksum: Option<Checksum>,
}

/// Where a volume comes from.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// A file of this machine.
    File(PathBuf),
    /// A web server.
    Url(String),
    /// The index of appliances.
    Index,
}

impl Wish {
    /// What is wrong with the options alone is told before anything is asked.
    pub(super) fn of(args: &TemplateArgs) -> Result<Self, Failure> {
        let template = args.template.clone().filter(|name| !name.is_empty());
        let (name, source) = match (args.state, &args.src, &args.url) {
            (State::Absent, _, _) => (template, None),
            (State::Present, Some(src), _) => {
                let path = PathBuf::from(src);
                let name = path
                    .file_name()
                    .map(|name| name.to_string_lossy().into_owned());
                (name, Some(Source::File(path)))
            }
            (State::Present, None, Some(url)) => (
                template.or_else(|| file_of(url)),
                Some(Source::Url(url.clone())),
            ),
            (State::Present, None, None) if args.content_type == Content::Vztmpl => {
                (template, Some(Source::Index))
            }
            (State::Present, None, None) => {
                return Err(Failure::new(format!(
                    "state src or url: the index of appliances has container templates only, and nothing of type {}",
                    args.content_type.name()
                )));
            }
        };
        let name = name.ok_or_else(|| Failure::new(nameless(args)))?;
        if let Some(Source::Url(url)) = &source
            && !["http://", "https://"]
                .iter()
                .any(|scheme| url.starts_with(scheme))
        {
            return Err(Failure::new(format!(
                "the url `{url}` does not begin with http:// or https://"
            )));
        }
        Ok(Self {
            name,
            source,
            checksum: checksum(args)?,
        })
    }

    /// The name as the server keeps it. A folder is no part of the name of a
    /// new volume; with one, no volume that is there is meant.
    pub(super) fn kept_name(&self) -> String {
        match self.source {
            None if self.name.contains(['/', '\\']) => self.name.clone(),
            _ => kept_name(&self.name),
        }
    }
}

fn nameless(args: &TemplateArgs) -> String {
    match (&args.src, &args.url) {
        (Some(src), _) => format!("src: `{src}` is not the path of a file"),
        (None, Some(url)) => format!("the url `{url}` names no file: state template"),
        (None, None) => {
            "state template, the name of a container template in the index of appliances; or else src or url".to_owned()
        }
    }
}

fn checksum(args: &TemplateArgs) -> Result<Option<Checksum>, Failure> {
    let (Some(algorithm), Some(value)) = (args.checksum_algorithm, &args.checksum) else {
        return Ok(None);
    };
    Checksum::new(algorithm, value)
        .map(Some)
        .map_err(|why| Failure::new(format!("checksum: {why}")))
}

/// The size of a file of this machine that can be read.
pub(super) fn readable(path: &Path) -> Result<u64, String> {
    let unreadable = |error: std::io::Error| {
        let error = error.to_string();
        let (why, _) = error.split_once(" (os error").unwrap_or((&error, ""));
        format!("the file {} cannot be read: {why}", path.display())
    };
    let metadata = File::open(path)
        .and_then(|file| file.metadata())
        .map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(format!("{} is no file", path.display()));
    }
    Ok(metadata.len())
}

/// A warning about options that nothing comes of.
pub(super) fn idle(args: &TemplateArgs, wish: &Wish) -> Option<String> {
    match &wish.source {
        Some(Source::File(_)) if args.template.as_ref().is_some_and(|name| *name != wish.name) => {
            Some(format!(
                "template has no effect beside src: the volume has the name of the file, {}",
                wish.name
            ))
        }
        Some(Source::Index) if wish.checksum.is_some() => Some(
            "checksum has no effect without src or url: the index of appliances has its own, which the server checks"
                .to_owned(),
        ),
        _ => None,
    }
}
