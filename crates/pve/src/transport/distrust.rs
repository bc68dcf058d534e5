//! Why a certificate is not trusted, in a person's words.

use std::time::{Duration, SystemTime};

use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, OtherError};

use super::certificate::Certificate;

/// Whether a certificate is valid at this time.
pub(super) fn in_time(leaf: &CertificateDer<'_>, now: UnixTime) -> Result<(), String> {
    let certificate = Certificate::read(leaf)?;
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(now.as_secs());
    if now > certificate.not_after {
        Err(expired(leaf))
    } else if now < certificate.not_before {
        Err("it is not valid yet".to_owned())
    } else {
        Ok(())
    }
}

fn expired(leaf: &CertificateDer<'_>) -> String {
    Certificate::read(leaf).map_or_else(
        |_| "it has expired".to_owned(),
        |certificate| format!("it expired at {}", certificate.expires),
    )
}

/// The cause in words. An expired certificate of the authority reads the same
/// as the server's own, so the time is told only where it is the server's.
pub(super) fn explain(
    error: &rustls::Error,
    leaf: &CertificateDer<'_>,
    name: &ServerName<'_>,
) -> String {
    let rustls::Error::InvalidCertificate(cause) = error else {
        return error.to_string();
    };
    match cause {
        CertificateError::UnknownIssuer => {
            "no authority that is trusted here has signed it".to_owned()
        }
        CertificateError::BadSignature => {
            "the authority that has signed it has the name of one that is trusted here, \
             but another key"
                .to_owned()
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            match in_time(leaf, UnixTime::now()) {
                Err(why) => why,
                Ok(()) => "the certificate of its authority has expired".to_owned(),
            }
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "it is not valid yet".to_owned()
        }
        CertificateError::NotValidForName => {
            format!("it is not for the host `{}`", name.to_str())
        }
        CertificateError::NotValidForNameContext { presented, .. } => format!(
            "it is not for the host `{}` but for {}",
            name.to_str(),
            names(presented)
        ),
        CertificateError::Other(OtherError(other))
            if other.to_string().contains("CaUsedAsEndEntity") =>
        {
            "it is an authority's own certificate, and not among those that are trusted here"
                .to_owned()
        }
        other => other.to_string(),
    }
}

/// `DnsName("pve1")`, as webpki names it, is `pve1` to a person.
fn names(presented: &[String]) -> String {
    if presented.is_empty() {
        return "no host at all".to_owned();
    }
    let names: Vec<&str> = presented
        .iter()
        .map(|name| {
            name.split_once('(')
                .and_then(|(_, rest)| rest.strip_suffix(')'))
                .map_or(name.as_str(), |name| name.trim_matches('"'))
        })
        .collect();
    names.join(", ")
}
