//! A server certificate that is not trusted, and what to do about it.

use std::fmt;

/// How [`Untrusted::why`] begins where a fingerprint is pinned and differs.
const OTHER_FINGERPRINT: &str = "it has another fingerprint than api_fingerprint says";
/// How it begins where only the host's name does not fit.
const OTHER_HOST: &str = "it is not for the host ";

/// A server certificate that is not trusted, with what a person needs to
/// decide whether to trust it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Untrusted {
    /// `host:port`.
    pub address: String,
    /// SHA-256 of the certificate, as Proxmox VE prints it: `AB:CD:…`.
    pub fingerprint: String,
    /// The certificate's subject, such as `CN=pve1.example.org`.
    pub subject: String,
    /// Why it is not trusted.
    pub why: String,
}

impl Untrusted {
    /// What the person may do about it. A certificate in the place of one that
    /// was pinned is nothing to trust by habit, and no authority's certificate
    /// helps against a name that does not fit.
    pub fn cure(&self) -> String {
        if self.why.starts_with(OTHER_FINGERPRINT) {
            return "It was renewed, or somebody answers in its place: compare with \
                    `pvenode cert info` on the node before changing api_fingerprint"
                .to_owned();
        }
        if !self.why.starts_with(OTHER_HOST) {
            return "Compare the fingerprint with what `pvenode cert info` shows on the node first; \
                    then trust it with api_fingerprint, or give the authority's certificate \
                    (/etc/pve/pve-root-ca.pem on a node) with ca_path"
                .to_owned();
        }
        match self.why.split_once(" but for ") {
            Some((_, names)) if names != "no host at all" => format!(
                "Name the host in api_host as the certificate does ({names}), or pin api_fingerprint"
            ),
            _ => "Pin api_fingerprint, as the certificate names no host".to_owned(),
        }
    }
}

impl std::error::Error for Untrusted {}

impl fmt::Display for Untrusted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "the certificate of {} is not trusted: {} (subject {}, SHA-256 fingerprint {}). {}",
            self.address,
            self.why,
            self.subject,
            self.fingerprint,
            self.cure()
        )
    }
}
