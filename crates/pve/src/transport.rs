//! How a [`Call`] reaches a server.

mod answer;
mod auth;
mod body;
pub(crate) mod cause;
pub(crate) mod certificate;
pub(crate) mod dial;
mod distrust;
pub(crate) mod https;
pub(crate) mod proxy;
mod store;
pub(crate) mod tls;

use std::time::Duration;

use serde_json::Value;

use crate::call::Call;
use crate::connection::Credentials;
use crate::error::Error;

pub use certificate::Certificate;
pub use https::Https;

/// A way to the API. HTTPS is one; pvesh on a node can be another.
pub trait Transport: Send + Sync {
    /// Sends one request and returns the answer's `data`.
    ///
    /// It is sent once: what may be repeated is decided above, from the error's
    /// variant. `within` bounds the wait for the answer beyond the
    /// transport's own limits; the answer may come later all the same.
    fn send(&self, call: &Call, within: Option<Duration>) -> Result<Value, Error>;

    /// Who the server takes us for: `user@realm` or `user@realm!token`.
    fn user(&self) -> &str;

    /// Whether the server takes these credentials, which need not be our own. A
    /// user's second factor is not asked for: it is the password that counts.
    fn accepts(&self, credentials: &Credentials) -> Result<bool, Error>;

    /// Whether a TCP connection to a guest's port can be made, for plans that
    /// wait for it.
    fn port_is_open(&self, address: &str, port: u16) -> bool;
}
