//! Certificates for tests.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use pve::connection::{Fingerprint, Trust};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

static NEXT: AtomicUsize = AtomicUsize::new(0);

/// An authority with its certificate in a file; the file goes with it.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) ca_path: TempFile,
}

/// A server's certificate to be made.
pub(crate) struct Leaf {
    pub(crate) names: Vec<&'static str>,
    pub(crate) expired: bool,
    pub(crate) is_ca: bool,
    pub(crate) self_signed: bool,
}

impl Default for Leaf {
    fn default() -> Self {
        Self {
            names: vec!["localhost", "127.0.0.1"],
            expired: false,
            is_ca: false,
            self_signed: false,
        }
    }
}

impl Authority {
    pub(crate) fn new() -> Self {
        Self::named(&format!("cluster {}", NEXT.fetch_add(1, Ordering::SeqCst)))
    }

    /// An authority with this name, and a key of its own.
    pub(crate) fn named(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let certificate = params.self_signed(&key).unwrap();
        Self {
            ca_path: TempFile::holding(&certificate.pem()),
            issuer: Issuer::new(params, key),
        }
    }

    /// A server configuration with such a certificate.
    pub(crate) fn leaf(&self, leaf: &Leaf) -> Arc<ServerConfig> {
        self.make(leaf).config
    }

    /// Makes such a certificate.
    pub(crate) fn make(&self, leaf: &Leaf) -> Made {
        let key = KeyPair::generate().unwrap();
        let names: Vec<String> = leaf.names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.push(DnType::CommonName, "pve1");
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = if leaf.expired {
            date_time_ymd(2021, 2, 3)
        } else {
            date_time_ymd(2100, 1, 1)
        };
        if leaf.is_ca {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        }
        let certificate = if leaf.self_signed {
            params.self_signed(&key).unwrap()
        } else {
            params.signed_by(&key, &self.issuer).unwrap()
        };
        let digest = ring::digest::digest(&ring::digest::SHA256, certificate.der());
        // `[ab, cd, …]` less what is not a digit.
        let shown = format!("{:02x?}", digest.as_ref()).replace(['[', ']', ',', ' '], "");
        Made {
            config: server_config(certificate.der().clone(), &key),
            pem: TempFile::holding(&certificate.pem()),
            fingerprint: shown.parse().unwrap(),
        }
    }

    /// Trusts this authority and no other.
    pub(crate) fn trust(&self) -> Trust {
        self.ca_path.trust()
    }
}

/// A server's certificate.
pub(crate) struct Made {
    pub(crate) config: Arc<ServerConfig>,
    pub(crate) pem: TempFile,
    pub(crate) fingerprint: Fingerprint,
}

/// A file or directory that is removed when this goes.
pub(crate) struct TempFile(pub(crate) PathBuf);

impl TempFile {
    /// A file with this content.
    pub(crate) fn holding(content: &str) -> Self {
        let file = Self::unused();
        std::fs::write(&file.0, content).unwrap();
        file
    }

    /// An empty directory.
    pub(crate) fn directory() -> Self {
        let directory = Self::unused();
        std::fs::create_dir(&directory.0).unwrap();
        directory
    }

    /// Trusts what this holds and nothing else.
    pub(crate) fn trust(&self) -> Trust {
        Trust {
            validate: true,
            ca_path: Some(self.0.clone()),
            fingerprint: None,
        }
    }

    fn unused() -> Self {
        let number = NEXT.fetch_add(1, Ordering::SeqCst);
        let name = format!("ferrox-test-{}-{number}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.0).or_else(|_| std::fs::remove_dir_all(&self.0)));
    }
}

fn server_config(certificate: CertificateDer<'static>, key: &KeyPair) -> Arc<ServerConfig> {
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    Arc::new(
        ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap(),
    )
}
