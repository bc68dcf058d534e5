//! Tags of guests.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use super::lists;

/// A guest's tags, each once, in the order they were given.
///
/// Proxmox VE lower-cases tags unless the datacentre's `tag-style` says
/// otherwise, so that tags that differ in case only are one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tags(Vec<String>);

/// A text that cannot be a tag.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a tag: letters, digits and _ - + . are allowed, the first a letter, a digit or _"
)]
pub struct NotATag(String);

impl Tags {
    /// The tags of a text, or of several: split at `;`, `,` and blanks.
    pub fn collect<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> Result<Self, NotATag> {
        let mut tags = Vec::new();
        let mut seen = BTreeSet::new();
        for text in texts {
            for tag in lists::split(text.as_ref()) {
                if !is_tag(tag) {
                    return Err(NotATag(tag.to_owned()));
                }
                if seen.insert(tag.to_ascii_lowercase()) {
                    tags.push(tag.to_owned());
                }
            }
        }
        Ok(Self(tags))
    }

    /// The tags.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether the tag is one of these.
    pub fn contains(&self, tag: &str) -> bool {
        self.0.iter().any(|own| own.eq_ignore_ascii_case(tag))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// `PVE::JSONSchema`, format `pve-tag`.
fn is_tag(text: &str) -> bool {
    !text.starts_with(['-', '+', '.'])
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_-+.".contains(&byte))
}

/// The tags of a text in one case, for comparisons.
pub(super) fn folded(text: &str) -> BTreeSet<String> {
    lists::split(text).map(str::to_lowercase).collect()
}

impl FromStr for Tags {
    type Err = NotATag;

    fn from_str(text: &str) -> Result<Self, NotATag> {
        Self::collect([text])
    }
}

impl fmt::Display for Tags {
    /// As the API writes them: `a;b`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0.join(";"))
    }
}

#[cfg(test)]
mod tests {
    use super::Tags;
    use proptest::prelude::*;

    #[test]
    fn tags_are_split_and_said_once() {
        let tags: Tags = "Web;prod, web blue".parse().unwrap();
        assert_eq!(tags.to_string(), "Web;prod;blue");
        assert!(tags.contains("WEB"));
        assert!(!tags.contains("green"));
        assert!("".parse::<Tags>().unwrap().is_empty());
    }

    #[test]
    fn what_is_no_tag_is_named() {
        for (text, named) in [("ok;-x", "`-x`"), ("a/b", "`a/b`"), ("straße", "`straße`")] {
            let error = text.parse::<Tags>().unwrap_err().to_string();
            assert!(error.starts_with(named), "{error}");
        }
    }

    proptest! {
        #[test]
        fn tags_survive_being_written_and_read(text in "[a-z0-9_+.;, -]{0,40}") {
            if let Ok(tags) = text.parse::<Tags>() {
                prop_assert_eq!(tags.to_string().parse(), Ok(tags));
            }
        }
    }
}
