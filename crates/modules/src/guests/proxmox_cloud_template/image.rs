//! The image that a template is made of, and the mark that says so.

use super::ImageArgs;
use crate::storage::volume::{Checksum, Content, file_of, kept_name};
use ansible::Choice as _;

/// What stands at the beginning of the line in the description that says what a
/// template was made of.
const MARK: &str = "ferrox: image ";

/// How much of a checksum is enough for a person to tell images apart.
const SHORT: usize = 8;

/// An image, and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Image {
    /// Where it is downloaded from; an image that is on its storage already has none.
    pub(super) url: Option<String>,
    /// What it hashes to.
    pub(super) checksum: Checksum,
    /// Its storage.
    pub(super) storage: String,
    /// Its name there.
    pub(super) filename: String,
}

impl Image {
    /// As the options name it.
    pub(super) fn of(args: &ImageArgs) -> Result<Self, String> {
        let told = |why: String| format!("image: {why}");
        let mut checksum =
            Checksum::from_text(&args.checksum).map_err(|why| told(format!("checksum: {why}")))?;
        checksum.value.make_ascii_lowercase();
        let (url, storage, filename) = match (&args.url, &args.volume) {
            (Some(url), _) => {
                let filename = args.filename.clone();
                let filename = filename.or_else(|| default_name(url, &checksum));
                (Some(url.clone()), args.storage.clone(), filename)
            }
            (None, Some(volume)) => {
                let (storage, name) = volume.split_once(":import/").ok_or_else(|| {
                    told(format!("`{volume}` is not of the form storage:import/name"))
                })?;
                (None, storage.to_owned(), Some(name.to_owned()))
            }
            (None, None) => return Err(told("it has neither url nor volume".to_owned())),
        };
        if let Some(url) = url.as_ref().filter(|url| !is_web(url)) {
            let why = format!("the url `{url}` does not begin with http:// or https://");
            return Err(told(why));
        }
        let filename =
            filename.ok_or_else(|| told("state filename: the url names no file".to_owned()))?;
        let filename = kept_name(&filename);
        if filename
            .rsplit_once('.')
            .is_some_and(|(_, ending)| ending == "ova")
        {
            return Err(told(format!(
                "`{filename}` is an appliance, and no image of a disk"
            )));
        }
        match Content::Import.refuses(&filename) {
            Some(why) => Err(told(format!("{why}; state filename"))),
            None => Ok(Self {
                url,
                checksum,
                storage,
                filename,
            }),
        }
    }

    /// `local:import/debian-13.qcow2`.
    pub(super) fn volid(&self) -> String {
        format!("{}:import/{}", self.storage, self.filename)
    }

    /// What is on the line of the mark: `sha256=658b28e2…`.
    pub(super) fn identity(&self) -> String {
        format!("{}={}", self.checksum.algorithm.name(), self.checksum.value)
    }

    /// The description of a template that is made of it.
    pub(super) fn description(&self, text: Option<&str>) -> String {
        marked(text, &self.identity())
    }

    /// The SMBIOS UUID of a template that is made of it. A clone takes its
    /// template's description over, mark and all, and gets another UUID: that is
    /// how it is known not to be one of ours.
    pub(super) fn uuid(&self) -> String {
        uuid(&self.checksum.value).unwrap_or_default()
    }

    /// The name of a template beside one of an older image.
    pub(super) fn name_beside(&self, name: &str) -> String {
        format!("{name}-{}", &self.checksum.value[..SHORT])
    }
}

/// A description with a mark.
pub(super) fn marked(text: Option<&str>, identity: &str) -> String {
    match text.map(str::trim_end).filter(|text| !text.is_empty()) {
        Some(text) => format!("{text}\n\n{MARK}{identity}"),
        None => format!("{MARK}{identity}"),
    }
}

/// What a template was made of, by its description.
pub(super) fn mark_of(description: &str) -> Option<&str> {
    description
        .lines()
        .find_map(|line| line.trim().strip_prefix(MARK))
        .map(str::trim)
}

/// The SMBIOS UUID that goes with a mark.
pub(super) fn uuid_of(mark: &str) -> Option<String> {
    uuid(mark.split_once('=')?.1)
}

fn uuid(digits: &str) -> Option<String> {
    let part = |from: usize, to: usize| digits.get(from..to);
    Some(format!(
        "{}-{}-{}-{}-{}",
        part(0, 8)?,
        part(8, 12)?,
        part(12, 16)?,
        part(16, 20)?,
        part(20, 32)?
    ))
}

fn is_web(url: &str) -> bool {
    ["http://", "https://"]
        .iter()
        .any(|scheme| url.starts_with(scheme))
}

/// A name of its own for each image, as the server overwrites none: that of the
/// URL, with the beginning of the checksum.
fn default_name(url: &str, checksum: &Checksum) -> Option<String> {
    let name = file_of(url)?;
    let (stem, ending) = name.rsplit_once('.')?;
    // What is published as .img is a qcow2 image.
    let ending = if ending == "img" { "qcow2" } else { ending };
    Some(format!("{stem}-{}.{ending}", &checksum.value[..SHORT]))
}
