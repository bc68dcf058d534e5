//! Which server certificates are trusted, and why another is not.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, OtherError, RootCertStore,
    SignatureScheme,
};

use super::certificate::{Certificate, fingerprint};
use super::proxy::Environment;
use crate::connection::Trust;
use crate::error::Untrusted;

/// The certificates that are trusted beside a fingerprint.
#[derive(Debug)]
struct Store {
    certificates: Vec<CertificateDer<'static>>,
    roots: RootCertStore,
}

/// Judges the certificates of one server.
#[derive(Debug)]
pub(crate) struct Verifier {
    address: String,
    trust: Trust,
    /// Read when the first certificate needs it: the system's store costs more
    /// than the request, and a fingerprint does without.
    store: OnceLock<Store>,
    provider: Arc<CryptoProvider>,
    reached: AtomicBool,
}

impl Verifier {
    /// A verifier for the server at this address. A bundle that is named and
    /// cannot be read is an error at once.
    pub(crate) fn new(
        address: String,
        trust: Trust,
        environment: &Environment,
    ) -> Result<Arc<Self>, String> {
        let store = OnceLock::new();
        if let Some((option, path)) = bundle(&trust, environment) {
            let certificates = read_certificates(&path)
                .map_err(|error| format!("{option} `{}`: {error}", path.display()))?;
            store.get_or_init(|| Store::new(certificates));
        }
        Ok(Arc::new(Self {
            address,
            trust,
            store,
            provider: Arc::new(ring::default_provider()),
            reached: AtomicBool::new(false),
        }))
    }

    /// The TLS configuration that asks this verifier.
    pub(crate) fn config(self: &Arc<Self>) -> Result<ClientConfig, rustls::Error> {
        Ok(
            ClientConfig::builder_with_provider(Arc::clone(&self.provider))
                .with_safe_default_protocol_versions()?
                .dangerous()
                .with_custom_certificate_verifier(Arc::clone(self) as Arc<dyn ServerCertVerifier>)
                .with_no_client_auth(),
        )
    }

    /// Whether a handshake ever came so far that a request may have followed.
    pub(crate) fn was_reached(&self) -> bool {
        self.reached.load(Ordering::Acquire)
    }

    /// Whether the certificate is trusted, or else why not; `validate_certs`
    /// does not count here.
    pub(crate) fn judge(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<(), String> {
        let other_pin = match self.trust.fingerprint {
            Some(pin) if pin == fingerprint(leaf) => return Ok(()),
            pin => pin.map(|_| "it has another fingerprint than api_fingerprint says, and "),
        };
        let store = self.store.get_or_init(|| Store::new(system_certificates()));
        store
            .judge(&self.provider, leaf, others, name, now)
            .map_err(|why| format!("{}{why}", other_pin.unwrap_or_default()))
    }
}

impl Store {
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

    fn judge(
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

fn in_time(leaf: &CertificateDer<'_>, now: UnixTime) -> Result<(), String> {
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
fn explain(error: &rustls::Error, leaf: &CertificateDer<'_>, name: &ServerName<'_>) -> String {
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

/// The bundle that replaces the system's, and who names it: `ca_path`, or else
/// the environment in the order of Python requests.
fn bundle(trust: &Trust, environment: &Environment) -> Option<(&'static str, PathBuf)> {
    if !trust.validate {
        return None;
    }
    if let Some(path) = &trust.ca_path {
        return Some(("ca_path", path.clone()));
    }
    ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"]
        .into_iter()
        .find_map(|name| {
            environment
                .iter()
                .find(|(variable, value)| variable == name && !value.is_empty())
                .map(|(_, path)| (name, PathBuf::from(path)))
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

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if !self.trust.validate && self.trust.fingerprint.is_none() {
            return Ok(ServerCertVerified::assertion());
        }
        self.judge(leaf, others, name, now)
            .map(|()| ServerCertVerified::assertion())
            .map_err(|why| {
                let subject = Certificate::read(leaf).map_or_else(
                    |_| "unreadable".to_owned(),
                    |certificate| certificate.subject,
                );
                let untrusted = Untrusted {
                    address: self.address.clone(),
                    fingerprint: fingerprint(leaf).to_string(),
                    subject,
                    why,
                };
                rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(
                    untrusted,
                ))))
            })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.reached.store(true, Ordering::Release);
        verify_tls12_signature(
            message,
            leaf,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.reached.store(true, Ordering::Release);
        verify_tls13_signature(
            message,
            leaf,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
