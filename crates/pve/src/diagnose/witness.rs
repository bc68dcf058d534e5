//! A look at a server's certificate, trusted or not.

use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};

use crate::transport::certificate::Certificate;
use crate::transport::tls::Verifier;

/// Lets every certificate pass and notes what is to be said of it.
#[derive(Debug)]
pub(super) struct Witness {
    verifier: Arc<Verifier>,
    seen: Mutex<Option<Seen>>,
}

#[derive(Debug)]
pub(super) struct Seen {
    pub(super) certificate: Option<Certificate>,
    /// Why it is not trusted, whether or not that is asked for.
    pub(super) distrust: Option<String>,
}

impl Witness {
    pub(super) fn new(verifier: Arc<Verifier>) -> Self {
        Self {
            verifier,
            seen: Mutex::new(None),
        }
    }

    /// The TLS configuration that asks this witness.
    pub(super) fn config(self: &Arc<Self>) -> Result<ClientConfig, rustls::Error> {
        self.verifier
            .config_asking(Arc::clone(self) as Arc<dyn ServerCertVerifier>)
    }

    /// What was seen, once.
    pub(super) fn seen(&self) -> Option<Seen> {
        self.seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }
}

impl ServerCertVerifier for Witness {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(Seen {
            certificate: Certificate::read(leaf).ok(),
            distrust: self.verifier.judge(leaf, others, name, now).err(),
        });
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier
            .verify_tls12_signature(message, leaf, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier
            .verify_tls13_signature(message, leaf, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}
