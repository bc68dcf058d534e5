//! What a person needs to know of a certificate.

use std::time::SystemTime;

use ring::digest::{SHA256, digest};
use rustls::pki_types::CertificateDer;
use x509_cert::der::Decode;

use crate::connection::Fingerprint;

/// A server's certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// SHA-256 of the whole certificate.
    pub fingerprint: Fingerprint,
    /// The subject, such as `CN=pve1.example.org,OU=PVE Cluster Node`.
    pub subject: String,
    /// Who signed it, in the same form.
    pub issuer: String,
    /// From when on it is valid.
    pub not_before: SystemTime,
    /// Until when it is valid.
    pub not_after: SystemTime,
    /// The same, as RFC 3339 writes it.
    pub expires: String,
}

impl Certificate {
    /// Reads a certificate; an error is the parser's text.
    pub(crate) fn read(der: &CertificateDer<'_>) -> Result<Self, String> {
        let certificate =
            x509_cert::Certificate::from_der(der).map_err(|error| error.to_string())?;
        let certificate = certificate.tbs_certificate();
        let validity = certificate.validity();
        Ok(Self {
            fingerprint: fingerprint(der),
            subject: certificate.subject().to_string(),
            issuer: certificate.issuer().to_string(),
            not_before: validity.not_before.to_system_time(),
            not_after: validity.not_after.to_system_time(),
            expires: validity.not_after.to_date_time().to_string(),
        })
    }
}

/// SHA-256 of a certificate, readable or not.
pub(crate) fn fingerprint(der: &CertificateDer<'_>) -> Fingerprint {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest(&SHA256, der).as_ref());
    Fingerprint(bytes)
}
