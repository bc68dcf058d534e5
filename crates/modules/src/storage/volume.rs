//! A file on a storage: a container template, an ISO image, an image to be
//! imported. How it gets there, how it goes, and how a lost answer is looked up.

use std::path::Path as FilePath;
use std::time::Duration;

use ansible::Choice;
use pve::call::{Stop, Upload};
use pve::nodes::storage::{File, content};
use pve::plan::{Ask, Lost, Probe, Verdict};
use pve::{Call, Step, Upid, path};
use serde_json::{Value, json};

/// How long nothing may be seen of a write whose answer was lost, before it
/// counts as not begun.
const QUIET: Duration = Duration::from_secs(10);

/// What kind of file it is.
#[derive(Choice, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// A template of containers.
    Vztmpl,
    /// An image of a CD or DVD.
    Iso,
    /// An image of a disk, or an appliance, that virtual machines are made of.
    Import,
}

impl Content {
    /// How the names of such files may end.
    ///
    /// Source: `PVE::Storage`, `ISO_EXT_RE_0`, `VZTMPL_EXT_RE_1` and `UPLOAD_IMPORT_EXT_RE_1`.
    fn endings(self) -> &'static [&'static str] {
        match self {
            Self::Vztmpl => &[".tar.gz", ".tar.xz", ".tar.zst", ".tar.bz2", ".tar"],
            Self::Iso => &[".iso", ".img"],
            Self::Import => &[".ova", ".qcow2", ".raw", ".vmdk"],
        }
    }

    /// Why the server takes no file of this name, if that is so. It would say
    /// it only after the whole of the file was sent.
    pub fn refuses(self, name: &str) -> Option<String> {
        // The case of an image's ending counts, that of the others does not.
        let folded = match self {
            Self::Import => name.to_owned(),
            _ => name.to_ascii_lowercase(),
        };
        let fits = |ending: &&str| folded.len() > ending.len() && folded.ends_with(*ending);
        (!self.endings().iter().any(fits)).then(|| {
            format!(
                "`{name}` cannot be the name of a file of type {}: it must end in {}",
                self.name(),
                self.endings().join(", ")
            )
        })
    }
}

/// A hash function.
#[derive(Choice, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// MD5.
    Md5,
    /// SHA-1.
    Sha1,
    /// SHA-224.
    Sha224,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl Algorithm {
    const ALL: [Self; 6] = [
        Self::Md5,
        Self::Sha1,
        Self::Sha224,
        Self::Sha256,
        Self::Sha384,
        Self::Sha512,
    ];

    /// How many hexadecimal digits its values have.
    fn digits(self) -> usize {
        match self {
            Self::Md5 => 32,
            Self::Sha1 => 40,
            Self::Sha224 => 56,
            Self::Sha256 => 64,
            Self::Sha384 => 96,
            Self::Sha512 => 128,
        }
    }
}

/// What a file must hash to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checksum {
    /// The hash function.
    pub algorithm: Algorithm,
    /// In hexadecimal digits.
    pub value: String,
}

impl Checksum {
    /// A checksum that can be one.
    pub fn new(algorithm: Algorithm, value: &str) -> Result<Self, String> {
        let (value, digits) = (value.trim(), algorithm.digits());
        if value.len() != digits || !value.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(format!(
                "`{value}` is no {}, which has {digits} hexadecimal digits",
                algorithm.name()
            ));
        }
        Ok(Self {
            algorithm,
            value: value.to_owned(),
        })
    }

    /// From `sha256:658b28e2…`.
    pub fn from_text(text: &str) -> Result<Self, String> {
        let (name, value) = text.split_once(':').unwrap_or_default();
        let known = Algorithm::ALL
            .into_iter()
            .find(|algorithm| algorithm.name().eq_ignore_ascii_case(name.trim()));
        let known = known.ok_or_else(|| {
            let names: Vec<&str> = Algorithm::ALL.iter().map(Choice::name).collect();
            format!(
                "`{text}` does not begin with the name of a hash function and a colon: {}",
                names.join(", ")
            )
        })?;
        Self::new(known, value)
    }
}

/// A file on a storage, there or to be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Volume {
    /// The node by which it is reached.
    pub node: String,
    /// The storage.
    pub storage: String,
    /// What kind of file it is.
    pub content: Content,
    /// The file's name, as the server has it.
    pub name: String,
}

/// A name as the server keeps it: without folders, and with `_` for what is
/// neither a letter, a digit, nor one of `_.-`.
///
/// Source: `PVE::Storage::normalize_content_filename`.
pub fn kept_name(name: &str) -> String {
    let name = name.rsplit(['/', '\\']).next().unwrap_or_default();
    name.chars()
        .map(|letter| match letter {
            '_' | '.' | '-' => letter,
            letter if letter.is_ascii_alphanumeric() => letter,
            _ => '_',
        })
        .collect()
}

/// The last part of a URL's path.
pub fn file_of(url: &str) -> Option<String> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let path = rest.split(['?', '#']).next()?;
    let (_, name) = path.rsplit_once('/')?;
    (!name.is_empty()).then(|| name.to_owned())
}

impl Volume {
    /// `local:iso/debian.iso`.
    pub fn id(&self) -> String {
        format!("{}:{}/{}", self.storage, self.content.name(), self.name)
    }

    /// The question whose answer lists it.
    pub fn listing(&self) -> Call {
        content(&self.node, &self.storage, self.content.name())
    }

    /// The volume as the diff shows it.
    pub fn shown(&self, size: Option<u64>) -> Value {
        let mut shown = json!({ "volid": self.id() });
        if let Some(size) = size {
            shown["size"] = json!(size);
        }
        shown
    }

    /// Sends a file of this machine. One that is there is overwritten.
    pub fn upload(
        &self,
        source: &FilePath,
        size: u64,
        checksum: Option<&Checksum>,
        there: Option<&File>,
        user: &str,
    ) -> Step {
        // The server takes the fields of an upload in this order only.
        let call = self.call("upload").with("content", self.content.name());
        let call = checked(call, checksum).with_upload(Upload {
            field: "filename",
            name: self.name.clone(),
            source: source.to_owned(),
            stop: Stop::default(),
        });
        let written = there.and_then(|file| file.ctime);
        let is_ours = move |file: &File| {
            file.size == Some(size) && (written.is_none() || file.ctime != written)
        };
        Step::task("upload", "uploaded", call).lost(self.look(is_ours, "imgcopy", user))
    }

    /// Has the node download it. The server refuses to overwrite one that is there.
    pub fn download(&self, url: &str, checksum: Option<&Checksum>, user: &str) -> Step {
        let call = self
            .call("download-url")
            .with("content", self.content.name())
            .with("filename", &self.name)
            .with("url", url);
        Step::task("download", "downloaded", checked(call, checksum)).lost(self.look(
            |_| true,
            "download",
            user,
        ))
    }

    /// Has the node download it from the index of appliances, which knows its checksum.
    pub fn appliance(&self, user: &str) -> Step {
        let call = Call::post(path!("nodes", &self.node, "aplinfo"))
            .with("storage", &self.storage)
            .with("template", &self.name);
        Step::task("download", "downloaded", call).lost(self.look(|_| true, "download", user))
    }

    /// Removes it.
    pub fn remove(&self) -> Step {
        let id = self.id();
        let gone = Probe::get(self.listing(), move |answer| match answer {
            Ok(listed) if File::among(listed, &id).is_some() => Verdict::Absent,
            Ok(_) => Verdict::Holds(None),
            Err(error) => Verdict::NotYet(error.to_string()),
        });
        let content = self.storage().join("content");
        Step::task("remove", "removed", Call::delete(content.join(self.id()))).lost(Lost::Look {
            probe: gone,
            quiet: QUIET,
        })
    }

    fn storage(&self) -> pve::Path {
        path!("nodes", &self.node, "storage", &self.storage)
    }

    fn call(&self, what: &str) -> Call {
        Call::post(self.storage().join(what))
    }

    /// Whether the file came to be although the answer was lost: it is there, or
    /// a task of ours still works on it. A file that is downloaded gets its name
    /// at the end; one that is uploaded grows under it.
    fn look(
        &self,
        is_ours: impl Fn(&File) -> bool + Send + Sync + 'static,
        kind: &'static str,
        user: &str,
    ) -> Lost {
        let (id, user) = (self.id(), user.to_owned());
        // An upload runs on the node that was asked, whichever that is.
        let tasks = Call::get(path!("cluster", "tasks"));
        let asks = vec![Ask::Get(self.listing()), Ask::Get(tasks)];
        let probe = Probe::new(asks, move |answers| match answers {
            [Ok(listed), Ok(_)] if File::among(listed, &id).is_some_and(|file| is_ours(&file)) => {
                Verdict::Holds(None)
            }
            [Ok(_), Ok(tasks)] if is_at_work(tasks, kind, &user) => {
                Verdict::NotYet("a task of this user still works on such a file".to_owned())
            }
            [Err(error), _] | [_, Err(error)] => Verdict::NotYet(error.to_string()),
            _ => Verdict::Absent,
        });
        Lost::Look {
            probe,
            quiet: QUIET,
        }
    }
}

fn checked(call: Call, checksum: Option<&Checksum>) -> Call {
    match checksum {
        Some(Checksum { algorithm, value }) => call
            .with("checksum-algorithm", algorithm.name())
            .with("checksum", value),
        None => call,
    }
}

fn is_at_work(tasks: &Value, kind: &str, user: &str) -> bool {
    let running = |task: &&Value| task.get("endtime").is_none_or(Value::is_null);
    tasks
        .as_array()
        .into_iter()
        .flatten()
        .filter(running)
        .filter_map(|task| task["upid"].as_str()?.parse::<Upid>().ok())
        .any(|upid| upid.kind() == kind && upid.user() == user)
}

#[cfg(test)]
mod tests {
    use super::{Content, Volume, kept_name};
    use pve::nodes::storage::File;
    use pve::plan::{Lost, Verdict};
    use serde_json::{Value, json};

    #[test]
    fn a_name_is_kept_as_the_server_does() {
        for (name, kept) in [
            ("debian-12_a.iso", "debian-12_a.iso"),
            ("my image (1).iso", "my_image__1_.iso"),
            ("a+b=c.qcow2", "a_b_c.qcow2"),
            ("../folder\\ü.iso", "_.iso"),
        ] {
            assert_eq!(kept_name(name), kept);
        }
    }

    #[test]
    fn a_name_must_end_as_its_content_wants() {
        use Content::{Import, Iso, Vztmpl};
        for (content, name, fits) in [
            (Iso, "a.ISO", true),
            (Iso, "a.img", true),
            (Iso, "a.qcow2", false),
            (Iso, ".iso", false),
            (Vztmpl, "a.tar.zst", true),
            (Vztmpl, "a.zip", false),
            (Import, "a.qcow2", true),
            (Import, "a.QCOW2", false),
            (Import, "noble-server-cloudimg-amd64.img", false),
        ] {
            assert_eq!(content.refuses(name).is_none(), fits, "{name}");
        }
        assert_eq!(
            Import.refuses("a.img").as_deref(),
            Some(
                "`a.img` cannot be the name of a file of type import: it must end in .ova, .qcow2, .raw, .vmdk"
            )
        );
    }

    const MINE: &str = "UPID:pve2:0001ABCD:00FF00AA:68A1B2C3:imgcopy::a@pve!t1:";

    #[test]
    fn a_lost_answer_is_looked_up_in_the_listing_and_in_the_tasks() {
        let volume = Volume {
            node: "pve1".to_owned(),
            storage: "local".to_owned(),
            content: Content::Iso,
            name: "a.iso".to_owned(),
        };
        let old = File {
            volid: volume.id(),
            size: Some(4),
            ctime: Some(7),
        };
        let row = |size: u64, ctime: u64| json!([{"volid": "local:iso/a.iso", "size": size, "ctime": ctime}]);
        let ended = json!([{"upid": MINE, "endtime": 1}]);
        let running = json!([{"upid": MINE}]);
        let of_another = json!([{"upid": MINE.replace("a@pve!t1", "b@pve")}]);
        let holds = |there: Option<&File>, listed: Value, tasks: &Value| {
            let step = volume.upload("a.iso".as_ref(), 4, None, there, "a@pve!t1");
            let Lost::Look { probe, .. } = step.lost else {
                panic!("{:?}", step.lost);
            };
            match probe.judge(&[Ok(listed), Ok(tasks.clone())]) {
                Verdict::Holds(_) => "done",
                Verdict::Absent => "nothing",
                _ => "wait",
            }
        };
        assert_eq!(holds(None, row(4, 9), &ended), "done");
        assert_eq!(holds(None, json!([]), &ended), "nothing");
        assert_eq!(holds(None, json!([]), &of_another), "nothing");
        assert_eq!(holds(None, row(3, 9), &running), "wait");
        // The one that was there before is no proof.
        assert_eq!(holds(Some(&old), row(4, 7), &ended), "nothing");
        assert_eq!(holds(Some(&old), row(4, 9), &ended), "done");
    }
}
