//! Requests as values: verb, path, parameters.
//!
//! A [`Call`] may name values that are not known yet, such as the VMID that
//! `apply` will allocate. Such a [`Segment::Bound`] or [`Param::Bound`] is
//! filled in by [`Call::bind`] right before the request is sent.

mod upload;

use std::borrow::Cow;
use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use secret::Secret;

pub use upload::{Stop, Upload};

/// What a path segment or a parameter value keeps unencoded. `=`, `;` and `&`
/// must be encoded: the server splits on them even inside a value
/// (measured on 8.4.21 and 9.2.11).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// As [`ENCODED`], with the characters of a UPID or a user's id left readable.
const ENCODED_SEGMENT: &AsciiSet = &ENCODED.remove(b':').remove(b'@').remove(b'!');

/// The HTTP verb of a [`Call`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verb {
    /// Reads; may be repeated at will.
    Get,
    /// Creates or starts something.
    Post,
    /// Changes something.
    Put,
    /// Removes something.
    Delete,
}

impl Verb {
    /// The verb as HTTP writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// One segment of a [`Path`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Segment {
    /// A known text, not yet percent-encoded.
    Text(Cow<'static, str>),
    /// A value that an earlier step or an allocation will bind.
    Bound(&'static str),
}

impl From<&str> for Segment {
    fn from(text: &str) -> Self {
        Self::Text(Cow::Owned(text.to_owned()))
    }
}

impl From<&String> for Segment {
    fn from(text: &String) -> Self {
        Self::Text(Cow::Owned(text.clone()))
    }
}

impl From<String> for Segment {
    fn from(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }
}

impl From<u32> for Segment {
    fn from(number: u32) -> Self {
        Self::Text(Cow::Owned(number.to_string()))
    }
}

/// A path below `/api2/json`, built by [`path!`](crate::path).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Path(Vec<Segment>);

impl Path {
    /// A path of these segments.
    pub fn new(segments: Vec<Segment>) -> Self {
        Self(segments)
    }

    /// This path, one segment longer.
    #[must_use]
    pub fn join(&self, segment: impl Into<Segment>) -> Self {
        let mut segments = self.0.clone();
        segments.push(segment.into());
        Self(segments)
    }

    /// Its segments, from the left.
    pub fn segments(&self) -> &[Segment] {
        &self.0
    }

    /// `/nodes/pve1/qemu/100` without any encoding, as the node's own commands take it.
    pub(crate) fn plain(&self) -> String {
        let segments = self.0.iter().map(|segment| match segment {
            Segment::Text(text) => format!("/{text}"),
            Segment::Bound(name) => format!("/{{{name}}}"),
        });
        segments.collect()
    }

    /// The node below whose URL it is.
    pub(crate) fn node(&self) -> Option<&str> {
        match self.0.as_slice() {
            [Segment::Text(nodes), Segment::Text(node), ..] if nodes == "nodes" => Some(node),
            _ => None,
        }
    }
}

/// `/nodes/pve1/qemu/100`, percent-encoded; a value that is not bound yet
/// stands in braces.
impl fmt::Display for Path {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for segment in &self.0 {
            match segment {
                Segment::Text(text) => {
                    write!(formatter, "/{}", utf8_percent_encode(text, ENCODED_SEGMENT))?;
                }
                Segment::Bound(name) => write!(formatter, "/{{{name}}}")?,
            }
        }
        Ok(())
    }
}

/// A [`Path`] from its segments: `path!("nodes", &node, "qemu", vmid, "config")`.
#[macro_export]
macro_rules! path {
    ($($segment:expr),+ $(,)?) => {
        $crate::Path::new(vec![$($crate::Segment::from($segment)),+])
    };
}

/// The value of a parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Param {
    /// A text as the API takes it.
    Text(String),
    /// A text that is shown nowhere.
    Secret(Secret),
    /// A value that an earlier step or an allocation will bind.
    Bound(&'static str),
}

impl Param {
    /// The value as it goes over the wire, a secret's too.
    pub(crate) fn expose(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::Secret(secret) => secret.expose(),
            Self::Bound(name) => name,
        }
    }
}

impl From<&str> for Param {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Param {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&String> for Param {
    fn from(text: &String) -> Self {
        Self::Text(text.clone())
    }
}

impl From<Secret> for Param {
    fn from(secret: Secret) -> Self {
        Self::Secret(secret)
    }
}

/// Perl's booleans: 1 and 0.
impl From<bool> for Param {
    fn from(flag: bool) -> Self {
        Self::Text(if flag { "1" } else { "0" }.to_owned())
    }
}

impl From<u64> for Param {
    fn from(number: u64) -> Self {
        Self::Text(number.to_string())
    }
}

impl From<u32> for Param {
    fn from(number: u32) -> Self {
        Self::Text(number.to_string())
    }
}

impl From<i64> for Param {
    fn from(number: i64) -> Self {
        Self::Text(number.to_string())
    }
}

/// The values that steps and allocations have bound so far.
pub type Bindings = std::collections::BTreeMap<&'static str, String>;

/// A request: verb, path and parameters.
///
/// Parameters travel in the query of a GET or DELETE (the server answers 501
/// to a DELETE with a body) and in a form otherwise; a key may repeat. With a
/// file the form is multipart, the file its last part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The verb.
    pub verb: Verb,
    /// The path below `/api2/json`.
    pub path: Path,
    /// Parameters in the order they are sent in.
    pub params: Vec<(String, Param)>,
    /// The file of a POST that uploads one.
    pub upload: Option<Upload>,
}

impl Call {
    /// A call without parameters.
    pub fn new(verb: Verb, path: Path) -> Self {
        Self {
            verb,
            path,
            params: Vec::new(),
            upload: None,
        }
    }

    /// A GET.
    pub fn get(path: Path) -> Self {
        Self::new(Verb::Get, path)
    }

    /// A POST.
    pub fn post(path: Path) -> Self {
        Self::new(Verb::Post, path)
    }

    /// A PUT.
    pub fn put(path: Path) -> Self {
        Self::new(Verb::Put, path)
    }

    /// A DELETE.
    pub fn delete(path: Path) -> Self {
        Self::new(Verb::Delete, path)
    }

    /// This call with one more parameter.
    #[must_use]
    pub fn with(mut self, key: impl Into<String>, value: impl Into<Param>) -> Self {
        self.params.push((key.into(), value.into()));
        self
    }

    /// This call with one more parameter, where there is a value for it.
    #[must_use]
    pub fn with_some(self, key: impl Into<String>, value: Option<impl Into<Param>>) -> Self {
        match value {
            Some(value) => self.with(key, value),
            None => self,
        }
    }

    /// This call with a file. How long it may take is for the caller to say, as
    /// no limit of the transport fits every file.
    #[must_use]
    pub fn with_upload(mut self, upload: Upload) -> Self {
        self.upload = Some(upload);
        self
    }

    /// Whether the call changes something.
    pub fn writes(&self) -> bool {
        self.verb != Verb::Get
    }

    /// This call with every bound name replaced by its value. A name that has
    /// no value stays, and the server will refuse it by name.
    #[must_use]
    pub fn bind(&self, bindings: &Bindings) -> Self {
        let path = Path(
            self.path
                .0
                .iter()
                .map(|segment| match segment {
                    Segment::Bound(name) => bindings.get(name).map_or_else(
                        || segment.clone(),
                        |value| Segment::Text(Cow::Owned(value.clone())),
                    ),
                    Segment::Text(_) => segment.clone(),
                })
                .collect(),
        );
        let params = self
            .params
            .iter()
            .map(|(key, param)| {
                let param = match param {
                    Param::Bound(name) => bindings
                        .get(name)
                        .map_or_else(|| param.clone(), |value| Param::Text(value.clone())),
                    _ => param.clone(),
                };
                (key.clone(), param)
            })
            .collect();
        Self {
            verb: self.verb,
            path,
            params,
            upload: self.upload.clone(),
        }
    }

    /// The parameters in the form `a=1&b=2`, percent-encoded, secrets included:
    /// for the wire and nothing else.
    pub fn encoded(&self) -> secret::Secret {
        let mut form = String::new();
        for (key, param) in &self.params {
            if !form.is_empty() {
                form.push('&');
            }
            form.extend(utf8_percent_encode(key, ENCODED));
            form.push('=');
            form.extend(utf8_percent_encode(param.expose(), ENCODED));
        }
        Secret::new(form)
    }
}

/// The call as a person reads it, secrets masked:
/// `PUT /nodes/pve1/qemu/103/config cores=4 cipassword=********`.
impl fmt::Display for Call {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.verb, self.path)?;
        for (key, param) in &self.params {
            match param {
                Param::Text(text) => write!(formatter, " {key}={text}")?,
                Param::Secret(_) => write!(formatter, " {key}=********")?,
                Param::Bound(name) => write!(formatter, " {key}={{{name}}}")?,
            }
        }
        if let Some(upload) = &self.upload {
            write!(formatter, " {}=@{}", upload.field, upload.source.display())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Bindings, Call, Param, Segment};
    use secret::Secret;

    #[test]
    fn values_are_encoded_so_that_the_server_does_not_split_them() {
        let call = Call::put(path!("nodes", "pve1", "qemu", 103u32, "config"))
            .with("scsi0", "local:1,format=qcow2;x&y z");
        assert_eq!(
            call.encoded().expose(),
            "scsi0=local%3A1%2Cformat%3Dqcow2%3Bx%26y%20z"
        );
    }

    #[test]
    fn display_masks_secrets_and_names_what_is_not_bound() {
        let call = Call::post(path!("nodes", "pve1", "qemu", 9000u32, "clone"))
            .with("newid", Param::Bound("vmid"))
            .with("password", Secret::new("hunter2"));
        assert_eq!(
            call.to_string(),
            "POST /nodes/pve1/qemu/9000/clone newid={vmid} password=********"
        );
    }

    #[test]
    fn binding_fills_path_and_parameters() {
        let call = Call::put(path!("nodes", "pve1", "qemu", Segment::Bound("vmid")))
            .with("newid", Param::Bound("vmid"));
        let bound = call.bind(&Bindings::from([("vmid", "103".to_owned())]));
        assert_eq!(bound.to_string(), "PUT /nodes/pve1/qemu/103 newid=103");
    }

    #[test]
    fn a_upid_stays_readable_in_a_path() {
        let path = path!("nodes", "pve1", "tasks", "UPID:pve1:1:root@pam!t:", "a/b");
        assert_eq!(
            path.to_string(),
            "/nodes/pve1/tasks/UPID:pve1:1:root@pam!t:/a%2Fb"
        );
    }
}
