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
mod pvesh;
mod store;
pub(crate) mod tls;

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::call::Call;
use crate::client::Client;
use crate::connection::Credentials;
use crate::error::Error;

pub use certificate::Certificate;
pub use https::Https;
pub use pvesh::Pvesh;

/// A way to the API: HTTPS, or `pvesh` on a node.
pub trait Transport: Send + Sync {
    /// Sends one request and returns the answer's `data`.
    ///
    /// It is sent once: what may be repeated is decided above, from the error's
    /// variant. `within` is the time that is left: a request that it does not
    /// suffice to begin is not sent, and beyond the transport's own limits it
    /// bounds the wait for an answer. The answer to a write that was sent may be
    /// waited for all the same, as it names what runs by then.
    fn send(&self, call: &Call, within: Option<Duration>) -> Result<Value, Error>;

    /// Whether this way can carry the call at all; why not, as an error of one
    /// that was not sent. What a plan needs is known by it before the first write.
    fn carries(&self, _call: &Call) -> Result<(), Error> {
        Ok(())
    }

    /// Who the server takes us for: `user@realm` or `user@realm!token`.
    fn user(&self) -> &str;

    /// Whether the server takes these credentials, which need not be our own. A
    /// user's second factor is not asked for: it is the password that counts.
    fn accepts(&self, credentials: &Credentials) -> Result<bool, Error>;

    /// Whether a TCP connection to a guest's port can be made, for plans that
    /// wait for it.
    fn port_is_open(&self, address: &str, port: u16) -> bool;
}

/// The two ways there are, for those to whom it matters which one is taken.
#[derive(Clone)]
pub enum Way {
    /// By the network, to a host that was named.
    Https(Arc<Https>),
    /// By `pvesh`, on the node itself.
    Pvesh(Arc<Pvesh>),
}

impl Way {
    /// A client that goes this way.
    pub fn client(&self) -> Client {
        match self {
            Self::Https(https) => Client::shared(Arc::<Https>::clone(https)),
            Self::Pvesh(pvesh) => Client::shared(Arc::<Pvesh>::clone(pvesh)),
        }
    }
}
