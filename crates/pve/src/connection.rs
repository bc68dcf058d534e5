//! Where the API is, who asks, and what is trusted: the connection options as
//! people write them, made into values that leave nothing open.

mod host;

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use secret::Secret;

pub use host::Host;

/// How long one host may take to accept a connection.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Writes are given at least this long: the server's own proxy waits 30 s for
/// the daemon that does the work, and says so with a 596.
pub(crate) const WRITE_TIMEOUT: Duration = Duration::from_secs(35);

const DEFAULT_PORT: u16 = 8006;
const DEFAULT_USER: &str = "root@pam";

/// The connection options as a module receives them. An empty text counts as
/// not given: a variable of a playbook that is not set is often empty.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options<'a> {
    /// `host`, `host:port`, `[v6]:port`, a bare IPv6 address, or several of
    /// them with commas in between.
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

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credentials {
    /// A user with a password, who is given a ticket.
    Password {
        /// `user@realm`.
        user: String,
        /// The password.
        password: Secret,
        /// The code of the second factor.
        otp: Option<Secret>,
    },
    /// An API token, which is sent with every request.
    Token {
        /// `user@realm`.
        user: String,
        /// The token's name, the part after `!`.
        token_id: String,
        /// The token's secret.
        secret: Secret,
    },
}

impl Credentials {
    /// Who the server takes us for: `user@realm` or `user@realm!token`.
    pub fn name(&self) -> String {
        match self {
            Self::Password { user, .. } => user.clone(),
            Self::Token { user, token_id, .. } => format!("{user}!{token_id}"),
        }
    }
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
        let seconds = options.api_timeout.unwrap_or(35);
        let read_timeout = u64::try_from(seconds)
            .ok()
            .filter(|seconds| *seconds > 0)
            .map(Duration::from_secs)
            .ok_or(OptionsError::Timeout(seconds))?;
        Ok(Self {
            hosts,
            credentials: credentials(options)?,
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

fn given(text: Option<&str>) -> Option<&str> {
    text.map(str::trim).filter(|text| !text.is_empty())
}

/// People's vaults hold the name of a token in three ways: split over the two
/// options, or whole in either. A naive client sends `user@realm!id!id`.
fn credentials(options: Options<'_>) -> Result<Credentials, OptionsError> {
    let secret = |secret: Option<&Secret>| secret.filter(|secret| !secret.is_empty()).cloned();
    let api_user = given(options.api_user).unwrap_or(DEFAULT_USER);
    let (user, user_token) = split_token(api_user);
    let checked = |user: &str| {
        if user.contains('@') {
            Ok(user.to_owned())
        } else {
            Err(OptionsError::NoRealm(user.to_owned()))
        }
    };

    if let Some(password) = secret(options.api_password) {
        return Ok(Credentials::Password {
            user: checked(user)?,
            password,
            otp: secret(options.api_otp),
        });
    }

    let api_token_id = given(options.api_token_id);
    let (token_user, token) = match api_token_id {
        Some(text) => match split_token(text) {
            (user, Some(token)) => (Some(user).filter(|user| !user.is_empty()), Some(token)),
            (token, None) => (None, Some(token)),
        },
        None => (None, None),
    };
    let different = |what| OptionsError::Different {
        api_user: api_user.to_owned(),
        api_token_id: api_token_id.unwrap_or_default().to_owned(),
        what,
    };
    if user_token.is_some() && token.is_some() && user_token != token {
        return Err(different("tokens"));
    }
    // The default user says nothing: whoever gives the whole token means its user.
    let user = match token_user {
        Some(token_user) if user != token_user && user != DEFAULT_USER => {
            return Err(different("users"));
        }
        Some(token_user) => token_user,
        None => user,
    };

    match (token.or(user_token), secret(options.api_token_secret)) {
        (Some(token_id), Some(secret)) => Ok(Credentials::Token {
            user: checked(user)?,
            token_id: token_id.to_owned(),
            secret,
        }),
        (Some(token_id), None) => Err(OptionsError::NoTokenSecret(format!("{user}!{token_id}"))),
        (None, Some(_)) => Err(OptionsError::NoTokenId),
        (None, None) => Err(OptionsError::NoCredentials),
    }
}

fn split_token(text: &str) -> (&str, Option<&str>) {
    text.split_once('!')
        .map_or((text, None), |(user, token)| (user, Some(token)))
}

#[cfg(test)]
mod tests;
