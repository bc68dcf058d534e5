//! Where the API is, who asks, and what is trusted: the connection options as
//! people write them, made into values that leave nothing open.

mod credentials;
mod host;

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use secret::Secret;

pub use credentials::{Credentials, ROOT};
pub use host::Host;

/// How long one host may take to accept a connection.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Writes are given at least this long: the server's own proxy waits 30 s for
/// the daemon that does the work, and says so with a 596.
pub(crate) const WRITE_TIMEOUT: Duration = Duration::from_secs(35);

const DEFAULT_PORT: u16 = 8006;

/// The connection options as a module receives them. An empty text counts as
/// not given: a variable of a playbook that is not set is often empty.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options<'a> {
    /// `host`, `host:port`, `[v6]:port`, a bare IPv6 address, or several of
    /// them with commas in between. Without it, it is this node that is meant.
    pub api_host: Option<&'a str>,
    /// The port of hosts that name none; 8006 by default.
    pub api_port: Option<u16>,
    /// `user@realm`, or the full name of a token, `user@realm!token`;
    /// `root@pam` by default.
    pub api_user: Option<&'a str>,
    /// The user's password. It wins over a token.
    pub api_password: Option<&'a Secret>,
    /// The code of the second factor.
    pub api_otp: Option<&'a Secret>,
    /// A token's name, alone or as `user@realm!token`.
    pub api_token_id: Option<&'a str>,
    /// The token's secret.
    pub api_token_secret: Option<&'a Secret>,
    /// A file or directory of certificates in PEM form.
    pub ca_path: Option<&'a str>,
    /// Whether the server's certificate must be trusted; true by default.
    pub validate_certs: Option<bool>,
    /// SHA-256 of the server's certificate.
    pub api_fingerprint: Option<&'a str>,
    /// Seconds a read may take; 35 by default.
    pub api_timeout: Option<i64>,
}

/// Connection options that make no connection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OptionsError {
    /// No host.
    #[error("no Proxmox VE host was given: set api_host or the environment variable PROXMOX_HOST")]
    NoHost,
    /// Credentials without a host.
    #[error(
        "no Proxmox VE host was given: set api_host or the environment variable PROXMOX_HOST, or leave {0} \
         out to ask pvesh on this node, as root@pam"
    )]
    NotUsed(&'static str),
    /// A host that is none.
    #[error("api_host `{text}` is not a host: {why}")]
    Host {
        /// What was given.
        text: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A user without realm.
    #[error("api_user `{0}` has no realm: write `{0}@pam` or `{0}@pve`")]
    NoRealm(String),
    /// Neither a password nor a whole token.
    #[error("no credentials were given: set api_password, or api_token_id and api_token_secret")]
    NoCredentials,
    /// A token's secret without its name.
    #[error(
        "api_token_secret was given without the name of the token: set api_token_id, \
         or write api_user as `user@realm!tokenid`"
    )]
    NoTokenId,
    /// A token's name without its secret.
    #[error("the token `{0}` was given without its secret: set api_token_secret")]
    NoTokenSecret(String),
    /// Two options that name different users or tokens.
    #[error("api_user `{api_user}` and api_token_id `{api_token_id}` name different {what}")]
    Different {
        /// The user option.
        api_user: String,
        /// The token option.
        api_token_id: String,
        /// `users` or `tokens`.
        what: &'static str,
    },
    /// A fingerprint that is none.
    #[error(
        "api_fingerprint `{0}` is not a SHA-256 fingerprint: 64 hexadecimal digits, colons optional"
    )]
    Fingerprint(String),
    /// A time that is none.
    #[error("api_timeout must be at least 1 second, not {0}")]
    Timeout(i64),
}

/// SHA-256 of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint(pub(crate) [u8; 32]);

impl FromStr for Fingerprint {
    type Err = OptionsError;

    /// Any case, with colons or without.
    fn from_str(text: &str) -> Result<Self, OptionsError> {
        let digits: Option<Vec<u8>> = text
            .trim()
            .chars()
            .filter(|character| *character != ':')
            .map(|character| {
                character
                    .to_digit(16)
                    .and_then(|digit| u8::try_from(digit).ok())
            })
            .collect();
        let bytes: Option<[u8; 32]> =
            digits
                .filter(|digits| digits.len() == 64)
                .and_then(|digits| {
                    let pairs: Vec<u8> = digits
                        .chunks(2)
                        .map(|pair| pair[0] << 4 | pair[1])
                        .collect();
                    pairs.try_into().ok()
                });
        bytes
            .map(Self)
            .ok_or_else(|| OptionsError::Fingerprint(text.to_owned()))
    }
}

/// `AB:CD:…`, as Proxmox VE prints it.
impl fmt::Display for Fingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { ":" };
            write!(formatter, "{separator}{byte:02X}")?;
        }
        Ok(())
    }
}

/// What makes a server's certificate trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trust {
    /// Whether it must be trusted at all. A fingerprint is held to even where
    /// this is false.
    pub validate: bool,
    /// A file or directory of certificates that replaces the system's.
    pub ca_path: Option<PathBuf>,
    /// The one certificate that is trusted whoever signed it.
    pub fingerprint: Option<Fingerprint>,
}

/// A connection, ready to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// The hosts in the order in which they are tried; at least one.
    pub hosts: Vec<Host>,
    /// Who asks.
    pub credentials: Credentials,
    /// Which certificates are trusted.
    pub trust: Trust,
    /// How long a read may take.
    pub read_timeout: Duration,
}

impl Connection {
    /// The connection that these options describe.
    pub fn from_options(options: Options<'_>) -> Result<Self, OptionsError> {
        let port = options.api_port.unwrap_or(DEFAULT_PORT);
        let hosts = Host::parse_list(options.api_host.unwrap_or_default(), port)?;
        let read_timeout = read_timeout(options)?;
        Ok(Self {
            hosts,
            credentials: Credentials::from_options(options)?,
            trust: Trust {
                validate: options.validate_certs.unwrap_or(true),
                ca_path: given(options.ca_path).map(PathBuf::from),
                fingerprint: given(options.api_fingerprint)
                    .map(Fingerprint::from_str)
                    .transpose()?,
            },
            read_timeout,
        })
    }
}

/// Where the requests of a task go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// To a host that was named.
    Remote(Connection),
    /// To `pvesh` on this node, as no host was named.
    Local {
        /// How long a read may take.
        read_timeout: Duration,
    },
}

impl Target {
    /// The target that these options describe. Without a host it is the node
    /// that the task runs on, where nobody but root@pam can be meant: credentials
    /// are refused there, as they say that a host was forgotten.
    pub fn from_options(options: Options<'_>) -> Result<Self, OptionsError> {
        if given(options.api_host).is_some() {
            return Connection::from_options(options).map(Self::Remote);
        }
        let secret = |secret: Option<&Secret>| secret.is_some_and(|secret| !secret.is_empty());
        let not_used = [
            ("api_password", secret(options.api_password)),
            ("api_token_secret", secret(options.api_token_secret)),
            ("api_token_id", given(options.api_token_id).is_some()),
            (
                "api_user",
                given(options.api_user).is_some_and(|user| user != ROOT),
            ),
        ];
        if let Some((option, _)) = not_used.into_iter().find(|(_, given)| *given) {
            return Err(OptionsError::NotUsed(option));
        }
        Ok(Self::Local {
            read_timeout: read_timeout(options)?,
        })
    }
}

fn read_timeout(options: Options<'_>) -> Result<Duration, OptionsError> {
    let seconds = options.api_timeout.unwrap_or(35);
    u64::try_from(seconds)
        .ok()
        .filter(|seconds| *seconds > 0)
        .map(Duration::from_secs)
        .ok_or(OptionsError::Timeout(seconds))
}

fn given(text: Option<&str>) -> Option<&str> {
    text.map(str::trim).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests;
