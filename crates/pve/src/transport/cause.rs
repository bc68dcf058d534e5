//! What a failed exchange means: was anything sent, and what is the cause in a
//! person's words.

use std::error::Error as StdError;
use std::io;

use crate::error::{Unreached, Untrusted};

/// Why no connection came to be.
pub(super) fn unreached(error: &reqwest::Error, address: &str) -> Unreached {
    if let Some(error) = find::<rustls::Error>(error) {
        return match untrusted(error) {
            Some(untrusted) => Unreached::Untrusted(Box::new(untrusted.clone())),
            None => Unreached::Tls {
                address: address.to_owned(),
                cause: tls(error),
            },
        };
    }
    let io = find::<io::Error>(error);
    if let Some(io) = io
        && io.kind() == io::ErrorKind::UnexpectedEof
    {
        return Unreached::Tls {
            address: address.to_owned(),
            cause: of_io(io),
        };
    }
    let cause = match io {
        _ if error.is_timeout() => "no answer in time".to_owned(),
        Some(io) => plain(&io.to_string()),
        None => deepest(error),
    };
    Unreached::Connect {
        address: address.to_owned(),
        cause,
    }
}

/// What a handshake's error means, where it failed with an [`io::Error`].
pub(crate) fn handshake(error: &io::Error, address: &str) -> Unreached {
    let inner = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner {
        Some(inner) => match untrusted(inner) {
            Some(untrusted) => Unreached::Untrusted(Box::new(untrusted.clone())),
            None => Unreached::Tls {
                address: address.to_owned(),
                cause: tls(inner),
            },
        },
        None if error.kind() == io::ErrorKind::UnexpectedEof => Unreached::Tls {
            address: address.to_owned(),
            cause: of_io(error),
        },
        None => Unreached::Connect {
            address: address.to_owned(),
            cause: of_io(error),
        },
    }
}

/// What happened to a connection after the request was, or may have been, sent.
pub(super) fn lost(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    match find::<io::Error>(error) {
        Some(io) => of_io(io),
        None => deepest(error),
    }
}

fn tls(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidMessage(_) => {
            format!("{error} (is this port one that speaks TLS?)")
        }
        _ => error.to_string(),
    }
}

fn untrusted(error: &rustls::Error) -> Option<&Untrusted> {
    match error {
        rustls::Error::InvalidCertificate(rustls::CertificateError::Other(other)) => {
            other.0.downcast_ref::<Untrusted>()
        }
        _ => None,
    }
}

/// The first error of this type in the chain. An [`io::Error`] leaves out the
/// error that it wraps when it is asked for its source.
fn find<'a, T: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    let mut found = None;
    while let Some(error) = next {
        if let Some(wanted) = error.downcast_ref::<T>() {
            found = Some(wanted);
        }
        next = inner(error);
    }
    found
}

fn deepest(error: &reqwest::Error) -> String {
    let mut deepest: &(dyn StdError + 'static) = error;
    while let Some(next) = inner(deepest) {
        deepest = next;
    }
    plain(&deepest.to_string())
}

fn inner<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a (dyn StdError + 'static)> {
    match error
        .downcast_ref::<io::Error>()
        .and_then(io::Error::get_ref)
    {
        Some(wrapped) => Some(wrapped),
        None => error.source(),
    }
}

/// The system's text for an error of a socket.
pub(crate) fn of_io(error: &io::Error) -> String {
    match error.kind() {
        // What a socket with a time limit of its own ends with.
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => "no answer in time".to_owned(),
        // For a close without TLS's own goodbye rustls has a text for programmers.
        io::ErrorKind::UnexpectedEof => "the server closed the connection".to_owned(),
        _ => plain(&error.to_string()),
    }
}

/// A system's text without the number that only repeats it.
pub(crate) fn plain(text: &str) -> String {
    let text = text
        .strip_prefix("failed to lookup address information: ")
        .unwrap_or(text);
    match text.split_once(" (os error ") {
        Some((text, _)) => text.to_owned(),
        None => text.to_owned(),
    }
}
