//! One place that asks, and asks again where that is safe.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::call::Call;
use crate::error::{Error, Request};
use crate::transport::Transport;

/// A read whose answer was lost is repeated this often …
const READ_AGAIN: usize = 2;
/// … as long as the first try began less than this ago: a server that hangs is
/// not asked for another full timeout.
const READ_AGAIN_WITHIN: Duration = Duration::from_secs(10);

/// A [`Transport`] with the policy for reads.
pub struct Client {
    transport: Arc<dyn Transport>,
}

impl Client {
    /// A client on this transport.
    pub fn new(transport: impl Transport + 'static) -> Self {
        Self::shared(Arc::new(transport))
    }

    /// A client on a transport that is in use already: it goes on with its
    /// connections and its login.
    pub fn shared(transport: Arc<dyn Transport>) -> Self {
        Self { transport }
    }

    /// The transport itself, for requests that are sent once.
    pub(crate) fn transport(&self) -> &dyn Transport {
        self.transport.as_ref()
    }

    /// Whom the server takes us for: `user@realm` or `user@realm!token`.
    pub fn user(&self) -> &str {
        self.transport.user()
    }

    /// Reads. A lost answer is asked for again; `within` bounds the wait.
    pub fn read(&self, call: &Call, within: Option<Duration>) -> Result<Value, Error> {
        let began = Instant::now();
        let mut again = READ_AGAIN;
        loop {
            match self.transport.send(call, within) {
                Err(Error::Unknown { .. }) if again > 0 && began.elapsed() < READ_AGAIN_WITHIN => {
                    again -= 1;
                }
                answer => return answer,
            }
        }
    }
}

/// An answer's `data` as a type.
pub(crate) fn decode<T: DeserializeOwned>(call: &Call, data: &Value) -> Result<T, Error> {
    T::deserialize(data).map_err(|error| Error::Unexpected {
        request: Request::from(call),
        what: error.to_string(),
    })
}
