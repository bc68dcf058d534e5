//! One place that asks, and asks again where that is safe.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::call::Call;
use crate::connection::Credentials;
use crate::error::{Error, Request};
use crate::transport::Transport;

/// A read whose answer was lost is repeated this often …
const READ_AGAIN: usize = 2;
/// … as long as the first try began less than this ago. A connection that broke
/// is known at once; a server that hangs is not asked for another full timeout.
const READ_AGAIN_WITHIN: Duration = Duration::from_secs(1);

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

    /// Whether the server takes these credentials: whether a password or a
    /// token's secret that somebody was given is the right one. A wrong one
    /// takes the server three seconds.
    pub fn accepts(&self, credentials: &Credentials) -> Result<bool, Error> {
        self.transport.accepts(credentials)
    }

    /// Reads. A lost answer is asked for again; `within` bounds the wait. What
    /// writes is not sent: that is for [`apply`](crate::apply::apply) alone.
    pub fn read(&self, call: &Call, within: Option<Duration>) -> Result<Value, Error> {
        if call.writes() {
            return Err(Error::Never(format!("{call} is no question")));
        }
        let began = Instant::now();
        let mut again = READ_AGAIN;
        loop {
            let left = within.map(|within| within.saturating_sub(began.elapsed()));
            match self.transport.send(call, left) {
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use serde_json::Value;

    use super::Client;
    use crate::call::Call;
    use crate::cluster::Cluster;
    use crate::connection::Credentials;
    use crate::error::{Error, Request};
    use crate::path;
    use crate::transport::Transport;

    /// Loses every answer, and keeps how long each might have taken.
    #[derive(Default)]
    struct Losing {
        sent: AtomicUsize,
        within: Mutex<Vec<Duration>>,
    }

    impl Transport for Losing {
        fn send(&self, call: &Call, within: Option<Duration>) -> Result<Value, Error> {
            self.sent.fetch_add(1, Ordering::Relaxed);
            self.within.lock().unwrap().extend(within);
            Err(Error::Unknown {
                request: Request::from(call),
                cause: "connection reset".to_owned(),
            })
        }

        fn user(&self) -> &'static str {
            "root@pam"
        }

        fn accepts(&self, _credentials: &Credentials) -> Result<bool, Error> {
            Ok(false)
        }

        fn port_is_open(&self, _address: &str, _port: u16) -> bool {
            false
        }
    }

    #[test]
    fn what_writes_is_never_sent_as_a_question() {
        let losing = Arc::new(Losing::default());
        let cluster = Cluster::new(Client::shared(Arc::clone(&losing) as Arc<dyn Transport>));
        for call in [Call::post, Call::put, Call::delete] {
            let answer = cluster.get(&call(path!("access", "roles")));
            assert!(matches!(answer, Err(Error::Never(_))));
        }
        assert_eq!(losing.sent.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_read_that_is_repeated_has_only_the_time_that_is_left() {
        let losing = Arc::new(Losing::default());
        let client = Client::shared(Arc::clone(&losing) as Arc<dyn Transport>);
        let within = Duration::from_secs(20);
        let answer = client.read(&Call::get(path!("version")), Some(within));
        assert!(matches!(answer, Err(Error::Unknown { .. })));
        let given = losing.within.lock().unwrap();
        assert_eq!(given.len(), 3);
        assert!(given[0] <= within && given[1] < given[0] && given[2] < given[1]);
    }
}
