//! The name of a task.

use std::fmt;
use std::str::FromStr;

/// A task's name: `UPID:node:pid:pstart:starttime:type:id:user[!token]:`.
///
/// Parsed strictly after `PVE::UPID`: the node in it is where the task's status
/// and log are asked for, whichever node answered the request.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Upid {
    text: String,
    node: String,
    kind: String,
    id: String,
    user: String,
}

/// A text that is not a UPID.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a UPID")]
pub struct NotAUpid(String);

impl Upid {
    /// The whole name.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The node that the task runs on.
    pub fn node(&self) -> &str {
        &self.node
    }

    /// The kind of task, such as `qmclone`.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// What the task works on: a VMID (of the source, for a clone), or nothing.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Whose task it is: `user@realm` or `user@realm!token`.
    pub fn user(&self) -> &str {
        &self.user
    }
}

impl FromStr for Upid {
    type Err = NotAUpid;

    fn from_str(text: &str) -> Result<Self, NotAUpid> {
        let parsed = || {
            let mut parts = text.strip_prefix("UPID:")?.strip_suffix(':')?.split(':');
            let node = parts.next().filter(|node| is_node(node))?;
            for length in [8..=8, 8..=9, 8..=8] {
                parts.next().filter(|part| {
                    length.contains(&part.len())
                        && part.bytes().all(|byte| byte.is_ascii_hexdigit())
                })?;
            }
            let plain = |part: &&str| !part.contains([' ', '/', '\t', '\n']);
            let kind = parts.next().filter(plain).filter(|kind| !kind.is_empty())?;
            let id = parts.next().filter(plain)?;
            let user = parts.next().filter(plain).filter(|user| !user.is_empty())?;
            parts.next().is_none().then(|| Self {
                text: text.to_owned(),
                node: node.to_owned(),
                kind: kind.to_owned(),
                id: id.to_owned(),
                user: user.to_owned(),
            })
        };
        parsed().ok_or_else(|| NotAUpid(text.to_owned()))
    }
}

fn is_node(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with('-')
        && !text.ends_with('-')
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

impl fmt::Display for Upid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::Upid;

    #[test]
    fn a_clone_names_its_source() {
        let upid: Upid = "UPID:pve1:0001ABCD:00FF00AA1:68A1B2C3:qmclone:9000:ansible@pam!mms:"
            .parse()
            .unwrap();
        assert_eq!(
            (upid.node(), upid.kind(), upid.id(), upid.user()),
            ("pve1", "qmclone", "9000", "ansible@pam!mms")
        );
    }

    #[test]
    fn what_is_not_a_upid_is_refused() {
        for text in [
            "",
            "UPID:pve1:0001ABCD:00FF00AA:68A1B2C3:qmclone:9000:root@pam",
            "UPID:pve1:1:00FF00AA:68A1B2C3:qmclone:9000:root@pam:",
            "UPID:-pve1:0001ABCD:00FF00AA:68A1B2C3:qmclone:9000:root@pam:",
            "UPID:pve1:0001ABCD:00FF00AA:68A1B2C3::9000:root@pam:",
            "UPID:pve1:0001ABCD:00FF00AA:68A1B2C3:qmclone:9/0:root@pam:",
            "UPID:pve1:0001ABCD:00FF00AA:68A1B2C3:qmclone:9000:root@pam:x:",
        ] {
            assert!(text.parse::<Upid>().is_err(), "{text}");
        }
    }
}
