//! From a host's name to its first answer.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::ClientConnection;
use rustls::pki_types::ServerName;

use super::witness::Witness;
use super::{Check, DAEMONS, Fault, Report, Run, Shown, milliseconds};
use crate::call::Call;
use crate::connection::{CONNECT_TIMEOUT, Host};
use crate::error::{Error, Request, Unreached, Untrusted};
use crate::path;
use crate::transport::certificate::Certificate;
use crate::transport::dial::dial;
use crate::transport::https::look_up;
use crate::transport::tls::Verifier;
use crate::transport::{Https, cause, proxy};

/// A certificate that expires within so many days is worth a hint.
const EXPIRES_SOON: u64 = 14;

impl Run {
    /// Examines one host: lookup, TCP, TLS and HTTP. Where there are several,
    /// each stage tells of which one it speaks.
    pub(super) fn reach(&mut self, https: &Https, index: usize) -> Option<()> {
        let hosts = &https.connection().hosts;
        let first = self.report.checks.len();
        let reached = self.stages(https, index);
        if hosts.len() > 1 {
            let host = hosts[index].to_string();
            let unnamed = |check: &&mut Check| !check.detail.contains(&host);
            for check in self.report.checks[first..].iter_mut().filter(unnamed) {
                check.detail = format!("{host}: {}", check.detail);
            }
        }
        reached
    }

    fn stages(&mut self, https: &Https, index: usize) -> Option<()> {
        let host = &https.connection().hosts[index];
        let proxy = match proxy::of(host, https.environment()) {
            Ok(proxy) => proxy,
            Err(why) => return self.stage("proxy", |_| Err(unreached(why))),
        };
        let dialled = proxy
            .as_ref()
            .map_or_else(|| host.clone(), proxy::Http::host);
        let addresses = self.stage("lookup", |_| lookup(&dialled))?;
        let mut stream = self.stage("tcp", |_| tcp(&dialled, &addresses))?;
        if let Some(proxy) = &proxy {
            self.stage("proxy", |_| tunnel(&mut stream, host, proxy))?;
        }
        self.stage("tls", |report| tls(https, host, stream, report))?;
        let soon = self.report.certificate.as_ref().and_then(expires_soon);
        self.hint(soon);
        self.stage("http", |report| http(https, index, report))
    }
}

/// The fault that an unreached host is.
fn unreached(why: Unreached) -> Fault {
    let hint = match &why {
        Unreached::Untrusted(untrusted) => untrusted.cure(),
        other => advice(other).to_owned(),
    };
    Fault {
        detail: why.to_string(),
        hint: Some(hint),
        passes: why.passes() || matches!(why, Unreached::Tls { .. }),
        error: Box::new(Error::NotSent {
            request: Request::from(&open_call()),
            why,
        }),
    }
}

fn advice(why: &Unreached) -> &'static str {
    match why {
        Unreached::Lookup { .. } => {
            "check the spelling of api_host and this machine's name service, or give an address"
        }
        Unreached::Connect { cause, .. } if cause == "Connection refused" => {
            "nothing listens there: check api_port, and `systemctl status pveproxy` on the node"
        }
        Unreached::Connect { .. } => {
            "check that the node is up, and the firewalls between here and the node"
        }
        Unreached::Tls { .. } => "check api_port: the API of Proxmox VE speaks TLS on port 8006",
        other => ca_path_hint(other).unwrap_or("check the connection options"),
    }
}

/// What may be done about a `ca_path` that cannot be read, if that is the cause:
/// with `delegate_to` and remote hosts it is easily put on the wrong machine.
pub fn ca_path_hint(why: &Unreached) -> Option<&'static str> {
    match why {
        Unreached::Options(text) if text.starts_with("ca_path `") => {
            Some("put the certificate on the machine that runs the module, where ca_path is read")
        }
        Unreached::NoHost(whys) => whys.iter().find_map(ca_path_hint),
        _ => None,
    }
}

/// What everybody may read, so that no answer is delayed as a 401 is.
fn open_call() -> Call {
    Call::get(path!("access", "domains"))
}

fn lookup(host: &Host) -> Result<(Vec<SocketAddr>, String), Fault> {
    if let Some(address) = host.address() {
        let detail = format!("{address} is an address");
        return Ok((vec![SocketAddr::new(address, host.port)], detail));
    }
    let addresses = look_up(host).map_err(unreached)?;
    let texts: Vec<String> = addresses
        .iter()
        .map(|address| address.ip().to_string())
        .collect();
    Ok((addresses, format!("{} is {}", host.name, texts.join(", "))))
}

fn tcp(host: &Host, addresses: &[SocketAddr]) -> Result<(TcpStream, String), Fault> {
    let connected =
        dial(addresses, CONNECT_TIMEOUT).and_then(|stream| Ok((stream.peer_addr()?, stream)));
    match connected {
        Ok((address, stream)) => Ok((stream, format!("connected to {address}"))),
        Err(error) => Err(unreached(Unreached::Connect {
            address: host.to_string(),
            cause: cause::of_io(&error),
        })),
    }
}

/// Asks the proxy for a way to the host.
fn tunnel(stream: &mut TcpStream, host: &Host, proxy: &proxy::Http) -> Result<((), String), Fault> {
    let (Ok(answer) | Err(answer)) =
        connect(stream, host, proxy).map_err(|error| cause::of_io(&error));
    let status = answer.split(' ').nth(1).unwrap_or_default();
    if answer.starts_with("HTTP/") && status.starts_with('2') {
        return Ok(((), format!("{} leads to {host}", proxy.shown)));
    }
    Err(Fault {
        hint: Some("check https_proxy, or except the host with no_proxy".to_owned()),
        ..unreached(Unreached::Connect {
            address: format!("{host} (through the proxy {})", proxy.shown),
            cause: answer.trim().to_owned(),
        })
    })
}

/// The status line of the proxy's answer.
fn connect(stream: &mut TcpStream, host: &Host, proxy: &proxy::Http) -> io::Result<String> {
    stream.set_read_timeout(Some(CONNECT_TIMEOUT))?;
    let credentials = proxy.credentials().map_or_else(String::new, |credentials| {
        let encoded = STANDARD.encode(credentials.expose());
        format!("Proxy-Authorization: Basic {encoded}\r\n")
    });
    let head = format!("CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n{credentials}\r\n");
    stream.write_all(head.as_bytes())?;
    // The proxy says nothing more before TLS does, so nothing is lost in the buffer.
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let mut line = first.clone();
    while !line.trim().is_empty() {
        line.clear();
        reader.read_line(&mut line)?;
    }
    Ok(first)
}

fn tls(
    https: &Https,
    host: &Host,
    mut stream: TcpStream,
    report: &mut Report,
) -> Result<((), String), Fault> {
    let options = |text: String| unreached(Unreached::Options(text));
    let connection = https.connection();
    let trust = connection.trust.clone();
    let must_trust = trust.validate || trust.fingerprint.is_some();
    let verifier = Verifier::new(host.to_string(), trust, https.environment()).map_err(options)?;
    let witness = Arc::new(Witness::new(verifier));
    let config = witness
        .config()
        .map_err(|error| options(error.to_string()))?;
    let name = ServerName::try_from(host.name.clone())
        .map_err(|error| options(format!("`{}`: {error}", host.name)))?;
    let mut session = ClientConnection::new(Arc::new(config), name)
        .map_err(|error| options(error.to_string()))?;

    let shaken = stream
        .set_read_timeout(Some(CONNECT_TIMEOUT))
        .and_then(|()| {
            while session.is_handshaking() {
                session.complete_io(&mut stream)?;
            }
            Ok(())
        });
    let (certificate, distrust) = witness
        .seen()
        .map_or((None, None), |seen| (seen.certificate, seen.distrust));
    report.certificate = certificate.map(|certificate| Shown {
        certificate,
        distrust: distrust.clone(),
    });
    shaken.map_err(|error| unreached(cause::handshake(&error, &host.to_string())))?;

    let told = report.certificate.as_ref().map_or_else(
        || "a certificate that cannot be read".to_owned(),
        |shown| {
            let Certificate {
                subject,
                expires,
                fingerprint,
                ..
            } = &shown.certificate;
            format!(
                "certificate {subject}, valid until {expires}, SHA-256 fingerprint {fingerprint}"
            )
        },
    );
    match distrust {
        None => Ok(((), format!("{told}, trusted"))),
        Some(why) if !must_trust => Ok((
            (),
            format!("{told}, not trusted ({why}), which validate_certs does not ask for"),
        )),
        Some(why) => Err(Fault {
            detail: format!("{told}, not trusted: {why}"),
            ..unreached(Unreached::Untrusted(Box::new(untrusted(host, report, why))))
        }),
    }
}

fn untrusted(host: &Host, report: &Report, why: String) -> Untrusted {
    let certificate = report.certificate.as_ref().map(|shown| &shown.certificate);
    Untrusted {
        address: host.to_string(),
        fingerprint: certificate.map_or_else(String::new, |c| c.fingerprint.to_string()),
        subject: certificate.map_or_else(|| "unreadable".to_owned(), |c| c.subject.clone()),
        why,
    }
}

fn expires_soon(shown: &Shown) -> Option<String> {
    let left = shown
        .certificate
        .not_after
        .duration_since(SystemTime::now())
        .ok()?;
    let days = left.as_secs() / 86400;
    (days < EXPIRES_SOON).then(|| {
        format!("the certificate expires in {days} days: renew it, or `pvecm updatecerts --force`")
    })
}

/// Asks twice: the second time shows what a request takes on a connection that is open.
fn http(https: &Https, index: usize, report: &mut Report) -> Result<((), String), Fault> {
    let call = open_call();
    https.ask_openly(index, &call).map_err(error)?;
    let (began, clock) = (Instant::now(), SystemTime::now());
    let answer = https.ask_openly(index, &call).map_err(error)?;
    let took = began.elapsed();
    report.latency_ms = Some(milliseconds(took));
    report.clock_skew = answer.date.map(|date| skew(date, clock + took / 2));
    answer.into_data(Request::from(&call)).map_err(error)?;
    Ok(((), "the API of Proxmox VE answers".to_owned()))
}

/// The server cuts its time to the second, so that half of one is added.
fn skew(server: SystemTime, ours: SystemTime) -> f64 {
    let seconds = |time: SystemTime| {
        time.duration_since(SystemTime::UNIX_EPOCH)
            .map_or(0.0, |time| time.as_secs_f64())
    };
    ((seconds(server) + 0.5 - seconds(ours)) * 10.0).round() / 10.0
}

/// The fault that an error of the first requests is.
fn error(error: Error) -> Fault {
    match error {
        Error::NotSent { why, .. } => unreached(why),
        Error::Unexpected { .. } => Fault::new(
            error,
            "check api_host and api_port: what answers there is not the API of Proxmox VE",
            false,
        ),
        _ => Fault::new(error, DAEMONS, true),
    }
}
