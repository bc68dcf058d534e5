//! A server of the API for tests: TLS on loopback, and as ill-mannered as a
//! test wants it.

pub(crate) mod authority;
pub(crate) mod proxy;
mod reply;

use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use pve::connection::{Connection, Credentials, Host, Trust};
use pve::transport::Https;
use pve::{Call, path};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use secret::Secret;

pub(crate) use authority::{Authority, Leaf};
use reply::After;
pub(crate) use reply::Reply;

/// A request as the server read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Received {
    pub(crate) method: String,
    /// The path below `/api2/json`.
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Received {
    /// The value of a header, whose name is in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(header, _)| header == name)
            .map(|(_, value)| value.as_str())
    }

    /// `POST /access/ticket`.
    pub(crate) fn line(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

struct Shared {
    requests: Mutex<Vec<Received>>,
    connections: AtomicUsize,
    closing: AtomicBool,
    closed: (Mutex<bool>, Condvar),
    answer: Box<dyn Fn(&Received) -> Reply + Send + Sync>,
    tls: Arc<ServerConfig>,
}

/// A running server; it stops when it is dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

impl Server {
    /// A server for `localhost`, whose certificate an authority of its own
    /// signed, and a client that trusts that authority.
    pub(crate) fn start(
        answer: impl Fn(&Received) -> Reply + Send + Sync + 'static,
    ) -> (Self, Authority) {
        let authority = Authority::new();
        let server = Self::with(&authority.leaf(&Leaf::default()), answer);
        (server, authority)
    }

    /// A server with this certificate.
    pub(crate) fn with(
        tls: &Arc<ServerConfig>,
        answer: impl Fn(&Received) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            requests: Mutex::default(),
            connections: AtomicUsize::new(0),
            closing: AtomicBool::new(false),
            closed: (Mutex::new(false), Condvar::new()),
            answer: Box::new(answer),
            tls: Arc::clone(tls),
        });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if accepting.closing.load(Ordering::SeqCst) {
                    break;
                }
                let shared = Arc::clone(&accepting);
                thread::spawn(move || shared.serve(stream));
            }
        });
        Self { address, shared }
    }

    /// What was asked, in the order of arrival.
    pub(crate) fn requests(&self) -> Vec<Received> {
        self.shared.requests.lock().unwrap().clone()
    }

    /// The lines of what was asked: `GET /version`.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.requests().iter().map(Received::line).collect()
    }

    /// How many connections came as far as TLS.
    pub(crate) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// The host as an option names it.
    pub(crate) fn host(&self) -> Host {
        Host {
            name: "localhost".to_owned(),
            port: self.address.port(),
        }
    }

    /// A connection to this server with a token, trusting this authority.
    pub(crate) fn connection(&self, authority: &Authority) -> Connection {
        self.connection_with(authority.trust())
    }

    /// A connection to this server with a token, trusting so.
    pub(crate) fn connection_with(&self, trust: Trust) -> Connection {
        Connection {
            hosts: vec![self.host()],
            credentials: token(),
            trust,
            read_timeout: Duration::from_secs(10),
        }
    }

    /// A transport over [`Server::connection`], with nothing of the environment.
    pub(crate) fn https(&self, authority: &Authority) -> Https {
        Https::with_environment(self.connection(authority), Vec::new())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.closing.store(true, Ordering::SeqCst);
        *self.shared.closed.0.lock().unwrap() = true;
        self.shared.closed.1.notify_all();
        // Wakes the thread that accepts, which then ends.
        drop(TcpStream::connect(self.address));
    }
}

impl Shared {
    fn serve(&self, mut tcp: TcpStream) {
        let mut session = ServerConnection::new(Arc::clone(&self.tls)).unwrap();
        if session.complete_io(&mut tcp).is_err() {
            return;
        }
        self.connections.fetch_add(1, Ordering::SeqCst);
        let mut stream = BufReader::new(StreamOwned::new(session, tcp));
        while let Some(received) = read(&mut stream) {
            self.requests.lock().unwrap().push(received.clone());
            let reply = (self.answer)(&received);
            // The delay is the fault that is played.
            thread::sleep(reply.delay);
            let tls = stream.get_mut();
            if tls
                .write_all(&reply.bytes)
                .and_then(|()| tls.flush())
                .is_err()
            {
                return;
            }
            match reply.after {
                After::Keep => {}
                After::Close => {
                    tls.conn.send_close_notify();
                    drop(tls.flush());
                    drop(tls.sock.shutdown(Shutdown::Write));
                    return;
                }
                After::Vanish => return,
                After::Reset => {
                    socket2::SockRef::from(&tls.sock)
                        .set_linger(Some(Duration::ZERO))
                        .unwrap();
                    return;
                }
                After::Hang => {
                    let (closed, changed) = &self.closed;
                    let closed = closed.lock().unwrap();
                    drop(changed.wait_while(closed, |closed| !*closed).unwrap());
                    return;
                }
            }
        }
    }
}

fn read(stream: &mut impl BufRead) -> Option<Received> {
    let mut line = String::new();
    stream.read_line(&mut line).ok()?;
    let mut parts = line.split_whitespace();
    let method = parts.next()?.to_owned();
    let target = parts.next()?.strip_prefix("/api2/json")?;
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).ok()?;
        let Some((name, value)) = line.split_once(':') else {
            break;
        };
        headers.push((name.to_lowercase(), value.trim().to_owned()));
    }
    let length = headers
        .iter()
        .find(|(name, _)| name == "content-length")
        .map_or(0, |(_, value)| value.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    Some(Received {
        method,
        path: path.to_owned(),
        query: query.to_owned(),
        headers,
        body: String::from_utf8(body).ok()?,
    })
}

/// The token that tests use.
pub(crate) fn token() -> Credentials {
    Credentials::Token {
        user: "ansible@pam".to_owned(),
        token_id: "mms".to_owned(),
        secret: Secret::new("t0ken-s3cret"),
    }
}

/// The password that tests use.
pub(crate) fn password(otp: Option<&str>) -> Credentials {
    Credentials::Password {
        user: "ansible@pam".to_owned(),
        password: Secret::new("hunter2"),
        otp: otp.map(Secret::new),
    }
}

/// A port on loopback that nothing listens on.
pub(crate) fn closed_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

/// A read.
pub(crate) fn version() -> Call {
    Call::get(path!("version"))
}

/// A write.
pub(crate) fn start_vm() -> Call {
    Call::post(path!("nodes", "pve1", "qemu", 100u32, "status", "start"))
}
