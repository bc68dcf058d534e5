//! The certificates that a server's certificate is held against.

use std::path::{Path, PathBuf};

use rustls::RootCertStore;
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;

use super::distrust::{explain, in_time};
use super::proxy::Environment;
use crate::connection::Trust;

/// The certificates that are trusted beside a fingerprint.
#[derive(Debug)]
pub(super) struct Store {
    certificates: Vec<CertificateDer<'static>>,
    roots: RootCertStore,
}

/// A file or directory of certificates that replaces the system's.
#[derive(Debug)]
pub(super) struct Bundle {
    /// Who names it: `ca_path` or a variable of the environment.
    option: &'static str,
    path: PathBuf,
}

impl Bundle {
    /// `ca_path`, or else what the environment names in the order of Python
    /// requests.
    pub(super) fn named(trust: &Trust, environment: &Environment) -> Option<Self> {
        let bundle = |option, path| Self { option, path };
        if !trust.validate {
            return None;
        }
        if let Some(path) = &trust.ca_path {
            return Some(bundle("ca_path", path.clone()));
        }
        ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"]
            .into_iter()
            .find_map(|name| Some(bundle(name, PathBuf::from(environment.get(name)?))))
    }
}

impl Store {
    /// What the bundle holds, or else what this machine trusts.
    pub(super) fn read(bundle: Option<&Bundle>) -> Result<Self, String> {
        let Some(Bundle { option, path }) = bundle else {
            return Ok(Self::new(system_certificates()));
        };
        read_certificates(path)
            .map(Self::new)
            .map_err(|error| format!("{option} `{}`: {error}", path.display()))
    }

    fn new(certificates: Vec<CertificateDer<'static>>) -> Self {
        let mut roots = RootCertStore::empty();
        // What is no authority is skipped: it may still be the server's own
        // certificate, which is compared as a whole.
        roots.add_parsable_certificates(certificates.iter().cloned());
        Self {
            certificates,
            roots,
        }
    }

    /// Whether the certificate is trusted, or else why not.
    pub(super) fn judge(
        &self,
        provider: &CryptoProvider,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<(), String> {
        if self.certificates.is_empty() {
            return Err("this machine has no certificates of authorities".to_owned());
        }
        let parsed =
            ParsedCertificate::try_from(leaf).map_err(|error| explain(&error, leaf, name))?;
        if self.certificates.contains(leaf) {
            // As with openssl, what stands in the store needs no signature of
            // another and may be an authority itself; webpki alone would not
            // take the self-signed certificates that people make.
            in_time(leaf, now)?;
        } else {
            verify_server_cert_signed_by_trust_anchor(
                &parsed,
                &self.roots,
                others,
                now,
                provider.signature_verification_algorithms.all,
            )
            .map_err(|error| explain(&error, leaf, name))?;
        }
        verify_server_name(&parsed, name).map_err(|error| explain(&error, leaf, name))
    }
}

/// The certificates of a PEM file, or of the PEM files of a directory.
fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let text = |error: &dyn std::error::Error| super::cause::plain(&error.to_string());
    if !path.is_dir() {
        let bytes = std::fs::read(path).map_err(|error| text(&error))?;
        let certificates: Vec<_> = CertificateDer::pem_slice_iter(&bytes)
            .collect::<Result<_, _>>()
            .map_err(|error| text(&error))?;
        return if certificates.is_empty() {
            Err("there is no certificate in PEM form in it".to_owned())
        } else {
            Ok(certificates)
        };
    }
    let mut files: Vec<PathBuf> = std::fs::read_dir(path)
        .map_err(|error| text(&error))?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|file| holds_a_certificate(file))
        .collect();
    files.sort();
    // openssl's hashed links name files that are there under their own name too.
    let mut certificates = Vec::new();
    for certificate in files
        .iter()
        .filter_map(|file| read_certificates(file).ok())
        .flatten()
    {
        if !certificates.contains(&certificate) {
            certificates.push(certificate);
        }
    }
    if certificates.is_empty() {
        return Err("there is no certificate in PEM form in this directory".to_owned());
    }
    Ok(certificates)
}

fn holds_a_certificate(file: &Path) -> bool {
    file.is_file()
        && file
            .extension()
            .and_then(|extension| extension.to_str())
            .is_some_and(|extension| {
                matches!(extension, "pem" | "crt" | "cer")
                    || extension.bytes().all(|byte| byte.is_ascii_digit())
            })
}

/// The system's store, or what `SSL_CERT_DIR` names.
fn system_certificates() -> Vec<CertificateDer<'static>> {
    let system = openssl_probe::probe();
    let file = system
        .cert_file
        .and_then(|file| read_certificates(&file).ok());
    file.unwrap_or_else(|| {
        system
            .cert_dir
            .iter()
            .filter_map(|directory| read_certificates(directory).ok())
            .flatten()
            .collect()
    })
}
