//! The SSH keys that cloud-init puts into a guest.

use std::borrow::Cow;
use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// What `encodeURIComponent` leaves alone, which is what the API asks for:
/// a blank is `%20` and a line break `%0A`.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'!')
    .remove(b'~')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')');

/// Public keys, one a line as in an `authorized_keys` file, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SshKeys(Vec<String>);

/// A line that is no public key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SshKeyError {
    /// Not of the form.
    #[error("`{}` is not an SSH public key: expected a line such as `ssh-ed25519 AAAA… comment`", shortened(.0))]
    NotAKey(String),
    /// The beginning of a private key; the text is not repeated.
    #[error("a private key stands where SSH public keys are expected")]
    PrivateKey,
}

impl SshKeys {
    /// The keys of a text of lines, or of several; comments and empty lines
    /// are left out. Percent-encoded text, as the API answers it, is taken too.
    pub fn collect<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> Result<Self, SshKeyError> {
        let mut keys = Vec::new();
        for text in texts {
            for line in lines(&decoded(text.as_ref())) {
                if line.contains("PRIVATE KEY-----") {
                    return Err(SshKeyError::PrivateKey);
                }
                if !is_public_key(line) {
                    return Err(SshKeyError::NotAKey(line.to_owned()));
                }
                if !keys.iter().any(|key| key == line) {
                    keys.push(line.to_owned());
                }
            }
        }
        Ok(Self(keys))
    }

    /// The keys.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The keys as text, one a line.
    pub fn to_text(&self) -> String {
        self.0.join("\n")
    }

    /// The keys as the parameter `sshkeys` takes them: percent-encoded. The
    /// form encodes that once more.
    pub fn encoded(&self) -> String {
        utf8_percent_encode(&self.to_text(), ENCODED).to_string()
    }
}

/// Whether two texts, encoded or not, hold the same keys.
pub(super) fn same(one: &str, other: &str) -> bool {
    let (one, other) = (decoded(one), decoded(other));
    lines(&one).collect::<BTreeSet<_>>() == lines(&other).collect::<BTreeSet<_>>()
}

/// The text behind a percent-encoded one. A key has a blank between its type
/// and itself, so that a text with blanks is not encoded, whatever `%` stands
/// in its comments.
fn decoded(text: &str) -> Cow<'_, str> {
    if text.trim().contains(char::is_whitespace) {
        return Cow::Borrowed(text);
    }
    percent_decode_str(text)
        .decode_utf8()
        .unwrap_or(Cow::Borrowed(text))
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.split(['\n', '\r'])
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// Whether the line has a key type followed by a key of that type, maybe
/// after options.
fn is_public_key(line: &str) -> bool {
    let words: Vec<_> = line.split_ascii_whitespace().collect();
    words.windows(2).any(|pair| {
        let is_type = ["ssh-", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-"]
            .iter()
            .any(|prefix| pair[0].starts_with(prefix));
        is_type && names_its_type(pair[1], pair[0])
    })
}

/// Whether a key begins with its type, as all of them do: length and name.
/// Only that part is decoded, so that the rest may be of any length.
fn names_its_type(key: &str, key_type: &str) -> bool {
    let Ok(length) = u32::try_from(key_type.len()) else {
        return false;
    };
    let mut head = length.to_be_bytes().to_vec();
    head.extend_from_slice(key_type.as_bytes());
    // The last characters of the head's encoding may hold bits of what follows.
    let whole = head.len() / 3 * 3;
    key.starts_with(&STANDARD_NO_PAD.encode(&head[..whole]))
        && key
            .trim_end_matches('=')
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+/".contains(&byte))
}

/// The first words of a line that may be long.
fn shortened(line: &str) -> String {
    match line.char_indices().nth(40) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{SshKeyError, SshKeys, same};
    use proptest::prelude::*;

    const ED25519: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPlhKS9ssIDmyI+vSPOVy2kqFVmVkvjJQ0XsGR9l7Pzk deploy+1@ops";
    const RSA: &str = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQDGPl/2k2Vt= me@host 100%";

    #[test]
    fn a_list_and_a_text_give_the_same_keys() {
        let list = SshKeys::collect([ED25519, RSA]).unwrap();
        let text =
            SshKeys::collect([format!("# mine\n\n{ED25519}\r\n  {RSA}\n{ED25519}\n")]).unwrap();
        assert_eq!(list, text);
        assert_eq!(text.to_text(), format!("{ED25519}\n{RSA}"));
    }

    #[test]
    fn keys_are_encoded_as_the_api_asks_for_it() {
        let keys = SshKeys::collect([ED25519, RSA]).unwrap();
        assert_eq!(
            keys.encoded(),
            "ssh-ed25519%20AAAAC3NzaC1lZDI1NTE5AAAAIPlhKS9ssIDmyI%2BvSPOVy2kqFVmVkvjJQ0XsGR9l7Pzk%20deploy%2B1%40ops\
             %0Assh-rsa%20AAAAB3NzaC1yc2EAAAADAQABAAAAgQDGPl%2F2k2Vt%3D%20me%40host%20100%25"
        );
        assert_eq!(SshKeys::collect([keys.encoded()]), Ok(keys));
    }

    #[test]
    fn what_the_server_has_is_compared_decoded() {
        let have = SshKeys::collect([ED25519, RSA]).unwrap().encoded();
        assert!(same(&have, &format!("{RSA}\n{ED25519}\n")));
        assert!(same(&format!("{have}%0A"), &have));
        assert!(!same(&have, RSA));
        assert!(!same("", RSA));
        // What looks encoded in the comment of a clear key is not.
        assert!(!same(
            &format!("{ED25519}%20two"),
            &format!("{ED25519} two")
        ));
    }

    #[test]
    fn options_and_hardware_keys_are_taken() {
        for line in [
            format!("from=\"192.0.2.0/24\",no-pty {ED25519}"),
            "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTY=".to_owned(),
            "sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29tAAAAIA=="
                .to_owned(),
        ] {
            assert!(SshKeys::collect([&line]).is_ok(), "{line}");
        }
    }

    #[test]
    fn a_line_that_is_no_key_is_named() {
        for line in [
            "~/.ssh/id_ed25519.pub",
            "ssh-ed25519",
            "ssh-ed25519 AAAAB3NzaC1yc2EAAAADAQABAAAAgQ== type of another key",
            "AAAAC3NzaC1lZDI1NTE5AAAAIPlhKS9ssIDmyI+vSPOVy2kqFVmVkvjJQ0XsGR9l7Pzk",
        ] {
            let fault = SshKeys::collect([ED25519, line]).unwrap_err();
            assert_eq!(fault, SshKeyError::NotAKey(line.to_owned()));
            assert!(fault.to_string().contains(&line[..10]), "{fault}");
        }
    }

    #[test]
    fn a_private_key_is_refused_and_not_repeated() {
        let key = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXk=\n-----END";
        assert_eq!(SshKeys::collect([key]), Err(SshKeyError::PrivateKey));
    }

    proptest! {
        #[test]
        fn any_comment_survives_being_encoded(comment in "[^\\s#%][^\n\r\u{85}\u{2028}]{0,20}") {
            let keys = SshKeys::collect([format!("{ED25519} {comment}")]).unwrap();
            prop_assert_eq!(SshKeys::collect([keys.encoded()]), Ok(keys));
        }

        #[test]
        fn no_text_makes_it_panic(text: String) {
            let _ = SshKeys::collect([&text]).map_err(|error| error.to_string());
            prop_assert!(same(&text, &text));
        }
    }
}
