//! Whether cloud-init's password is the wanted one.

use secret::Secret;
use sha_crypt::password_hash::Error;
use sha_crypt::{PasswordVerifier, ShaCrypt};

/// What comparing a password with a dump came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compared {
    /// It is the wanted one.
    Same,
    /// It is another one, or none.
    Differs,
    /// The dump holds nothing that can be compared: user data of the user's
    /// own, a hash of another kind.
    Unknown,
}

/// The rounds beyond which a hash is not computed: a hash that the user chose
/// may ask for a thousand million, hours of work.
const MOST_ROUNDS: u32 = 1_000_000;

/// Compares a wanted password with the user data of
/// `GET /nodes/{node}/qemu/{vmid}/cloudinit/dump?type=user`.
///
/// A PUT or POST of the configuration stores a clear password as SHA-256-crypt
/// (`$5$…`), the creation of a guest stores it as it is, and a password that
/// is a hash already is always stored as it is.
pub fn compare(wanted: &Secret, dump: &str) -> Compared {
    let Some(value) = dump.lines().find_map(|line| line.strip_prefix("password:")) else {
        return if dump.starts_with("#cloud-config") {
            Compared::Differs
        } else {
            Compared::Unknown
        };
    };
    let value = value.strip_prefix(' ').unwrap_or(value);
    let stored = unquoted(value.trim());
    let wanted = wanted.expose();
    // Proxmox VE writes the value without quotes, whatever it holds.
    if [value, value.trim(), &stored].contains(&wanted) {
        return Compared::Same;
    }
    if is_hash(wanted) || !is_hash(&stored) {
        return Compared::Differs;
    }
    if rounds(&stored).is_some_and(|rounds| rounds > MOST_ROUNDS) {
        return Compared::Unknown;
    }
    match ShaCrypt::default().verify_password(wanted.as_bytes(), stored.as_str()) {
        Ok(()) => Compared::Same,
        Err(Error::PasswordInvalid) => Compared::Differs,
        Err(_) => Compared::Unknown,
    }
}

/// Whether a text is a hash of crypt(3), `$id$salt$hash`.
fn is_hash(text: &str) -> bool {
    let mut parts = text.split('$');
    parts.next() == Some("")
        && parts.next().is_some_and(|id| {
            (1..=3).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric())
        })
        && parts.filter(|part| !part.is_empty()).count() >= 2
}

fn rounds(hash: &str) -> Option<u32> {
    let field = hash.split('$').nth(2)?;
    Some(field.strip_prefix("rounds=")?.parse().unwrap_or(u32::MAX))
}

/// A YAML scalar without its quotes.
fn unquoted(text: &str) -> String {
    let inside = |quote| text.strip_prefix(quote)?.strip_suffix(quote);
    if let Some(inside) = inside('\'') {
        inside.replace("''", "'")
    } else if let Some(inside) = inside('"') {
        inside.replace("\\\"", "\"").replace("\\\\", "\\")
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::{Compared, compare};
    use proptest::prelude::*;
    use secret::Secret;

    /// `Hello world!` through the C library's crypt(3), as the server does it.
    const SHA256: &str = "$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5";
    const SHA512: &str = "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1";
    const ROUNDS: &str =
        "$5$rounds=10000$saltstringsaltst$3xv.VbSHBb41AL9AvLeujZkZRBAwqFMz2.opqey6IcA";

    fn with(value: &str) -> String {
        format!(
            "#cloud-config\nhostname: web-1\nuser: admin\npassword: {value}\nchpasswd:\n  expire: False\n"
        )
    }

    fn compared(wanted: &str, dump: &str) -> Compared {
        compare(&Secret::new(wanted), dump)
    }

    #[test]
    fn a_clear_password_is_recognised_in_its_hash() {
        for value in [
            SHA256.to_owned(),
            SHA512.to_owned(),
            format!("\"{SHA256}\""),
            format!("'{SHA512}'  "),
        ] {
            assert_eq!(
                compared("Hello world!", &with(&value)),
                Compared::Same,
                "{value}"
            );
            assert_eq!(
                compared("Hello world", &with(&value)),
                Compared::Differs,
                "{value}"
            );
        }
        assert_eq!(compared("Hello world!", &with(ROUNDS)), Compared::Same);
    }

    #[test]
    fn a_clear_password_is_recognised_in_clear() {
        for clear in [
            "hunter2!",
            "with: colon # and hash",
            "\"quoted\"",
            "$5$ or 6$",
            "ends in blank ",
        ] {
            assert_eq!(compared(clear, &with(clear)), Compared::Same, "{clear}");
            assert_eq!(
                compared("other", &with(clear)),
                Compared::Differs,
                "{clear}"
            );
        }
        assert_eq!(compared("it's", &with("'it''s'")), Compared::Same);
    }

    #[test]
    fn a_wanted_hash_is_compared_as_text() {
        assert_eq!(compared(SHA256, &with(SHA256)), Compared::Same);
        assert_eq!(compared(SHA512, &with(SHA256)), Compared::Differs);
        assert_eq!(compared(SHA256, &with("clear")), Compared::Differs);
        assert_eq!(
            compared(SHA256, &with("$y$j9T$salt$hash")),
            Compared::Differs
        );
    }

    #[test]
    fn no_password_differs_from_a_wanted_one() {
        assert_eq!(
            compared("x", "#cloud-config\nchpasswd:\n  password: x\n"),
            Compared::Differs
        );
    }

    #[test]
    fn what_cannot_be_compared_is_unknown() {
        for dump in [
            String::new(),
            "Content-Type: multipart/mixed\n".to_owned(),
            with("$y$j9T$F5Jx5fExrKuPp53xLKQ..1$X3DX6M94c7o.9agCG9G317fhZg9SqC.5i5rd.RhAtQ7"),
            with("$1$salt$wa8aFuC3rkp5bjoBIGTc41"),
            with("$5$saltstring$short"),
            with("$5$rounds=999999999$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5"),
        ] {
            assert_eq!(compared("Hello world!", &dump), Compared::Unknown, "{dump}");
        }
    }

    proptest! {
        #[test]
        fn no_dump_makes_it_panic(wanted: String, value in "[$56y\"'a-z=]{0,12}", dump: String) {
            let _ = (compared(&wanted, &with(&value)), compared(&wanted, &dump));
        }
    }
}
