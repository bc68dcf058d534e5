//! The API over HTTPS.

use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use reqwest::blocking::Client;
use reqwest::header::{ACCEPT, HeaderMap};
use reqwest::{Method, Proxy, StatusCode, Url, redirect, retry};
use rustls::ClientConfig;
use serde_json::Value;

use super::answer::Answer;
use super::auth::{self, Auth, RENEW_AFTER};
use super::body::{self, Severed};
use super::proxy::{self, Environment};
use super::tls::Verifier;
use super::{Transport, cause, dial};
use crate::call::{Call, Verb};
use crate::connection::{CONNECT_TIMEOUT, Connection, Credentials, Host, WRITE_TIMEOUT};
use crate::error::{Error, Request, Unreached};

/// The server closes a connection that was idle for 5 s, without a word.
const IDLE_TIMEOUT: Duration = Duration::from_secs(4);

/// HTTPS to one of the hosts of a [`Connection`], shared by all threads.
///
/// Nothing is opened or read before the first request. A request is sent once:
/// the next host is tried only where the first has certainly not got it, and a
/// request that was refused for its ticket (so not carried out) is sent again
/// after one new login.
#[derive(Debug)]
pub struct Https {
    connection: Connection,
    environment: Environment,
    user: String,
    auth: Auth,
    endpoints: Vec<Endpoint>,
    /// The host that worked last; all requests stay with it.
    current: AtomicUsize,
}

#[derive(Debug)]
struct Endpoint {
    host: Host,
    wire: Mutex<Option<Wire>>,
    /// Clients that wait for a request. Each has one connection: in a pool
    /// that they share, a request that opens a connection takes one that comes
    /// free meanwhile, and more are opened than are ever used at once.
    idle: Mutex<Vec<Client>>,
}

/// The open side of an endpoint.
#[derive(Clone, Debug)]
struct Wire {
    config: ClientConfig,
    verifier: Arc<Verifier>,
    /// Who is dialled, as an error names it.
    address: String,
    proxy: Option<Proxy>,
    addresses: Vec<SocketAddr>,
}

impl Https {
    /// A transport over this connection, with the proxies and certificates that
    /// the environment names.
    pub fn new(connection: Connection) -> Self {
        Self::in_environment(connection, Environment::of_this_process())
    }

    /// As [`Https::new`], in an environment of these variables.
    pub fn with_environment(connection: Connection, variables: Vec<(String, String)>) -> Self {
        Self::in_environment(connection, Environment::from(variables))
    }

    fn in_environment(connection: Connection, environment: Environment) -> Self {
        Self {
            user: connection.credentials.name(),
            auth: Auth::new(connection.credentials.clone(), RENEW_AFTER),
            endpoints: connection
                .hosts
                .iter()
                .map(|host| Endpoint {
                    host: host.clone(),
                    wire: Mutex::new(None),
                    idle: Mutex::new(Vec::new()),
                })
                .collect(),
            current: AtomicUsize::new(0),
            connection,
            environment,
        }
    }

    /// The same, renewing a ticket that is older than this instead of 90 minutes.
    #[must_use]
    pub fn renewing_after(mut self, time: Duration) -> Self {
        self.auth = Auth::new(self.connection.credentials.clone(), time);
        self
    }

    /// What it connects to.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    pub(crate) fn environment(&self) -> &Environment {
        &self.environment
    }

    /// Sends a request without credentials to the host with this index.
    pub(crate) fn ask_openly(&self, index: usize, call: &Call) -> Result<Answer, Error> {
        self.exchange(index, call, HeaderMap::new(), Due::default())
    }

    /// Makes all requests start with the host with this index.
    pub(crate) fn stay_with(&self, index: usize) {
        self.current.store(index, Ordering::Relaxed);
    }

    fn send_to(&self, index: usize, call: &Call, until: Option<Instant>) -> Result<Value, Error> {
        // A login has no more time than what it is for, a write's included.
        let at_once = Due {
            sent: until,
            answered: until,
        };
        let login = |call: &Call| {
            self.exchange(index, call, HeaderMap::new(), at_once)?
                .into_data(Request::from(call))
        };
        let due = Due::of(call, until);
        let proof = self.auth.proof(call, None, &login)?;
        let mut answer = self.exchange(index, call, proof.headers, due)?;
        if answer.status == StatusCode::UNAUTHORIZED && proof.ticket.is_some() {
            let proof = self.auth.proof(call, proof.ticket.as_ref(), &login)?;
            answer = self.exchange(index, call, proof.headers, due)?;
        }
        answer.into_data(Request::from(call))
    }

    /// One request, one answer.
    fn exchange(
        &self,
        index: usize,
        call: &Call,
        headers: HeaderMap,
        due: Due,
    ) -> Result<Answer, Error> {
        let not_sent = |why| Error::NotSent {
            request: Request::from(call),
            why,
        };
        let endpoint = &self.endpoints[index];
        let wire = self.wire(endpoint).map_err(not_sent)?;
        let mut url = url(&endpoint.host, call).map_err(not_sent)?;

        let now = Instant::now();
        if due.sent.is_some_and(|sent| sent <= now) {
            return Err(not_sent(Unreached::Connect {
                address: wire.address,
                cause: "no time was left to send the request".to_owned(),
            }));
        }
        let left = due.answered.map(|by| by.saturating_duration_since(now));
        let limit = limit(call, self.connection.read_timeout, left);

        let (method, has_body) = match call.verb {
            Verb::Get => (Method::GET, false),
            Verb::Delete => (Method::DELETE, false),
            Verb::Post => (Method::POST, true),
            Verb::Put => (Method::PUT, true),
        };
        if !has_body && !call.params.is_empty() {
            url.set_query(Some(call.encoded().expose()));
        }
        let client = match lock(&endpoint.idle).pop() {
            Some(client) => client,
            None => self.client(&endpoint.host, &wire).map_err(not_sent)?,
        };
        let mut request = client
            .request(method, url)
            .headers(headers)
            .header(ACCEPT, "application/json")
            .timeout(limit);
        let mut cut = body::Cut::default();
        if has_body {
            (request, cut) = body::attach(request, call).map_err(not_sent)?;
        }
        let answer = request.send().map(Answer::from);
        lock(&endpoint.idle).push(client);
        if let (Err(_), Some(why)) = (&answer, cut.get()) {
            // What came of the file is less than was announced: the server makes nothing of it.
            return Err(match why {
                Severed::Stopped => Error::Interrupted { upid: None },
                Severed::File(why) => not_sent(Unreached::Options(why.clone())),
            });
        }
        match answer {
            Ok(answer) => Ok(answer),
            // A time that ran out before any handshake was made has sent
            // nothing either.
            Err(error) if error.is_connect() || !wire.verifier.was_reached() => {
                Err(not_sent(cause::unreached(&error, &wire.address)))
            }
            Err(error) => Err(Error::Unknown {
                request: Request::from(call),
                cause: cause::lost(&error),
            }),
        }
    }

    fn wire(&self, endpoint: &Endpoint) -> Result<Wire, Unreached> {
        let mut wire = lock(&endpoint.wire);
        if let Some(wire) = &*wire {
            return Ok(wire.clone());
        }
        let opened = self.open(&endpoint.host)?;
        *wire = Some(opened.clone());
        Ok(opened)
    }

    fn open(&self, host: &Host) -> Result<Wire, Unreached> {
        let verifier = Verifier::new(
            host.to_string(),
            self.connection.trust.clone(),
            &self.environment,
        )
        .map_err(Unreached::Options)?;
        let config = verifier
            .config()
            .map_err(|error| Unreached::Options(error.to_string()))?;
        let mut wire = Wire {
            config,
            verifier,
            address: host.to_string(),
            proxy: None,
            addresses: Vec::new(),
        };
        if let Some(proxy) = proxy::of(host, &self.environment)? {
            wire.address = format!("{host} (through the proxy {})", proxy.shown);
            let proxy =
                Proxy::all(proxy.url).map_err(|error| Unreached::Options(error.to_string()))?;
            wire.proxy = Some(proxy);
        } else if host.address().is_none() {
            wire.addresses = look_up(host)?;
        }
        Ok(wire)
    }

    fn client(&self, host: &Host, wire: &Wire) -> Result<Client, Unreached> {
        let read_timeout = self.connection.read_timeout;
        let mut builder = Client::builder()
            .tls_backend_preconfigured(wire.config.clone())
            .user_agent(concat!("ferrox/", env!("CARGO_PKG_VERSION")))
            .http1_only()
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .referer(false)
            .no_proxy()
            .pool_idle_timeout(IDLE_TIMEOUT)
            .timeout(None)
            // A little less than a short request's own time, so that a host
            // which does not answer is known as not reached.
            .connect_timeout(CONNECT_TIMEOUT.min(read_timeout.mul_f64(0.9)));
        if let Some(proxy) = &wire.proxy {
            builder = builder.proxy(proxy.clone());
        }
        if !wire.addresses.is_empty() {
            builder = builder.resolve_to_addrs(&host.name, &wire.addresses);
        }
        builder
            .build()
            .map_err(|error| Unreached::Options(error.to_string()))
    }
}

/// By when a request is sent or not at all, and by when its answer is waited for.
#[derive(Clone, Copy, Default)]
struct Due {
    sent: Option<Instant>,
    answered: Option<Instant>,
}

impl Due {
    /// A write that was sent is worth the wait for its answer, which names the task that runs by now. The time of a
    /// file is another matter, as most of it passes before there is a task.
    fn of(call: &Call, until: Option<Instant>) -> Self {
        let is_bounded = !call.writes() || call.upload.is_some();
        Self {
            sent: until,
            answered: until.filter(|_| is_bounded),
        }
    }
}

/// How long a request may take, its body included.
fn limit(call: &Call, read_timeout: Duration, left: Option<Duration>) -> Duration {
    let own = if call.writes() {
        read_timeout.max(WRITE_TIMEOUT)
    } else {
        read_timeout
    };
    match left {
        // How long a file takes is for the caller to know.
        Some(left) if call.upload.is_some() => left,
        Some(left) => left.min(own),
        None => own,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Transport for Https {
    fn send(&self, call: &Call, within: Option<Duration>) -> Result<Value, Error> {
        let until = within.map(|within| Instant::now() + within);
        let count = self.endpoints.len();
        let first = self.current.load(Ordering::Relaxed);
        let mut whys = Vec::new();
        for step in 0..count {
            let index = (first + step) % count;
            match self.send_to(index, call, until) {
                Err(Error::NotSent { why, .. }) => whys.push(why),
                outcome => {
                    self.stay_with(index);
                    return outcome;
                }
            }
        }
        let why = match <[Unreached; 1]>::try_from(whys) {
            Ok([why]) => why,
            Err(whys) => Unreached::NoHost(whys),
        };
        Err(Error::NotSent {
            request: Request::from(call),
            why,
        })
    }

    fn user(&self) -> &str {
        &self.user
    }

    fn accepts(&self, credentials: &Credentials) -> Result<bool, Error> {
        let index = self.current.load(Ordering::Relaxed);
        auth::accepts(credentials, &|call, headers| {
            self.exchange(index, call, headers, Due::default())?
                .into_data(Request::from(call))
        })
    }

    fn port_is_open(&self, address: &str, port: u16) -> bool {
        dial::port_is_open(address, port)
    }
}

/// The addresses of a host, looked up in the thread that needs them: the HTTP
/// library would start another one for it, and lose the resolver's text.
pub(crate) fn look_up(host: &Host) -> Result<Vec<SocketAddr>, Unreached> {
    let failed = |cause: &str| Unreached::Lookup {
        host: host.name.clone(),
        cause: cause.to_owned(),
    };
    let addresses: Vec<SocketAddr> = (host.name.as_str(), host.port)
        .to_socket_addrs()
        .map_err(|error| failed(&cause::plain(&error.to_string())))?
        .collect();
    if addresses.is_empty() {
        return Err(failed("it has no address"));
    }
    Ok(addresses)
}

fn url(host: &Host, call: &Call) -> Result<Url, Unreached> {
    let path = format!("/api2/json{}", call.path);
    // A name such as `..` would lead to another path.
    Url::parse(&format!("https://{host}{path}"))
        .ok()
        .filter(|url| url.path() == path)
        .ok_or_else(|| Unreached::Options(format!("`{}` is not a path of the API", call.path)))
}

#[cfg(test)]
mod tests {
    use super::{Due, limit};
    use crate::call::{Call, Stop, Upload};
    use crate::path;
    use std::time::{Duration, Instant};

    #[test]
    fn each_kind_of_request_has_its_own_limit() {
        let seconds = Duration::from_secs;
        let read = Call::get(path!("version"));
        let write = Call::post(path!("pools"));
        let upload = write.clone().with_upload(Upload {
            field: "filename",
            name: "debian.iso".to_owned(),
            source: "debian.iso".into(),
            stop: Stop::default(),
        });
        for (call, read_timeout, left, expected) in [
            (&read, 5, None, 5),
            (&read, 5, Some(3), 3),
            (&write, 5, None, 35),
            (&write, 60, None, 60),
            (&write, 5, Some(3), 35),
            (&write, 60, Some(3), 60),
            (&write, 5, Some(900), 35),
            (&upload, 5, Some(900), 900),
        ] {
            let now = Instant::now();
            let due = Due::of(call, left.map(|left| now + seconds(left)));
            assert_eq!(due.sent, left.map(|left| now + seconds(left)));
            let left = due.answered.map(|by| by - now);
            let limit = limit(call, seconds(read_timeout), left);
            assert_eq!(limit, seconds(expected), "{call} {read_timeout} {left:?}");
        }
    }
}
