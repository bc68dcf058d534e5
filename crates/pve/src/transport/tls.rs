//! Which server certificates are trusted.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, OtherError, SignatureScheme};

use super::certificate::{Certificate, fingerprint};
use super::proxy::Environment;
use super::store::{Bundle, Store};
use crate::connection::Trust;
use crate::error::Untrusted;

/// Judges the certificates of one server.
#[derive(Debug)]
pub(crate) struct Verifier {
    address: String,
    trust: Trust,
    /// Read when the first certificate needs it: the system's store costs more
    /// than the request, and a fingerprint does without.
    store: OnceLock<Result<Store, String>>,
    bundle: Option<Bundle>,
    provider: Arc<CryptoProvider>,
    reached: AtomicBool,
}

impl Verifier {
    /// A verifier for the server at this address. A bundle that is named and
    /// cannot be read is an error at once, unless a fingerprint may do without.
    pub(crate) fn new(
        address: String,
        trust: Trust,
        environment: &Environment,
    ) -> Result<Arc<Self>, String> {
        let bundle = Bundle::named(&trust, environment);
        let store = OnceLock::new();
        if bundle.is_some() && trust.fingerprint.is_none() {
            store
                .get_or_init(|| Store::read(bundle.as_ref()))
                .as_ref()
                .map_err(String::clone)?;
        }
        Ok(Arc::new(Self {
            address,
            trust,
            store,
            bundle,
            provider: Arc::new(ring::default_provider()),
            reached: AtomicBool::new(false),
        }))
    }

    /// The TLS configuration that asks this verifier.
    pub(crate) fn config(self: &Arc<Self>) -> Result<ClientConfig, rustls::Error> {
        self.config_asking(Arc::clone(self) as Arc<dyn ServerCertVerifier>)
    }

    /// The same configuration, asking another.
    pub(crate) fn config_asking(
        &self,
        verifier: Arc<dyn ServerCertVerifier>,
    ) -> Result<ClientConfig, rustls::Error> {
        Ok(
            ClientConfig::builder_with_provider(Arc::clone(&self.provider))
                .with_safe_default_protocol_versions()?
                .dangerous()
                .with_custom_certificate_verifier(verifier)
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
        self.store
            .get_or_init(|| Store::read(self.bundle.as_ref()))
            .as_ref()
            .map_err(String::clone)
            .and_then(|store| store.judge(&self.provider, leaf, others, name, now))
            .map_err(|why| format!("{}{why}", other_pin.unwrap_or_default()))
    }
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
