//! The diagnosis: which stage fails, and what is said of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use pve::Error;
use pve::connection::Host;
use pve::diagnose::{By, Check, Report};
use pve::transport::{Https, Way};
use serde_json::json;

use crate::support::proxy::Proxy;
use crate::support::{Authority, Leaf, Received, Reply, Server, closed_port, password};

/// A server that is well.
fn well(request: &Received) -> Reply {
    match request.line().as_str() {
        "GET /access/domains" => Reply::data(&json!([{ "realm": "pam", "type": "pam" }])),
        "GET /version" => Reply::data(&json!({
            "version": "9.2.11", "release": "9.2", "repoid": "abc"
        })),
        "GET /access/users/ansible@pam/token/mms" => Reply::data(&json!({ "privsep": 1 })),
        other => Reply::body(&format!("501 Method '{other}' not implemented"), ""),
    }
}

fn run(https: Https) -> Report {
    diagnose(https, Duration::ZERO, &AtomicBool::new(false))
}

fn diagnose(https: Https, wait: Duration, interrupted: &AtomicBool) -> Report {
    pve::diagnose::diagnose(&Way::Https(Arc::new(https)), wait, interrupted)
}

fn names(report: &Report) -> Vec<(&str, Option<bool>)> {
    report
        .checks
        .iter()
        .map(|check| (check.name, check.ok))
        .collect()
}

/// The stage that failed.
fn failed(report: &Report) -> &Check {
    assert!(!report.passed());
    assert!(report.error.is_some());
    report.failed().unwrap()
}

#[test]
fn a_way_that_is_clear_is_reported_stage_by_stage() {
    let authority = Authority::new();
    let made = authority.make(&Leaf::default());
    let server = Server::with(&made.config, well);
    let report = run(server.https(&authority));
    assert!(report.passed());
    assert_eq!(
        names(&report),
        ["lookup", "tcp", "tls", "http", "login", "version", "clock"]
            .map(|name| (name, Some(true)))
    );
    assert_eq!(report.host, Some(server.host()));
    let shown = report.certificate.unwrap();
    assert_eq!(shown.distrust, None);
    assert_eq!(shown.certificate.fingerprint, made.fingerprint);
    assert_eq!(shown.certificate.subject, "CN=pve1");
    assert_eq!(shown.certificate.expires, "2100-01-01T00:00:00Z");
    assert_eq!(
        report.checks[2].detail,
        format!(
            "certificate CN=pve1, valid until 2100-01-01T00:00:00Z, SHA-256 fingerprint {}, \
             trusted",
            made.fingerprint
        )
    );
    let identity = report.identity.unwrap();
    assert_eq!(identity.user, "ansible@pam!mms");
    assert_eq!(identity.by, By::Token);
    assert_eq!(identity.privilege_separation, Some(true));
    let version = report.version.unwrap();
    assert_eq!(
        (version.version.as_str(), version.release.as_str()),
        ("9.2.11", "9.2")
    );
    assert!(report.clock_skew.unwrap().abs() < 5.0);
    assert!(report.latency_ms.is_some());
    assert!(report.error.is_none());
}

#[test]
fn a_name_without_an_address_stops_at_the_lookup() {
    let (server, authority) = Server::start(well);
    let mut connection = server.connection(&authority);
    connection.hosts[0].name = "nosuch.invalid".to_owned();
    let report = run(Https::with_environment(connection, Vec::new()));
    assert_eq!(names(&report), [("lookup", Some(false))]);
    assert!(
        failed(&report)
            .detail
            .starts_with("host name `nosuch.invalid` does not resolve: ")
    );
}

#[test]
fn a_closed_port_stops_at_tcp() {
    let (server, authority) = Server::start(well);
    let mut connection = server.connection(&authority);
    connection.hosts = vec![Host {
        name: "127.0.0.1".to_owned(),
        port: closed_port(),
    }];
    let host = connection.hosts[0].clone();
    let report = run(Https::with_environment(connection, Vec::new()));
    assert_eq!(
        names(&report),
        [("lookup", Some(true)), ("tcp", Some(false))]
    );
    assert_eq!(
        failed(&report).detail,
        format!("no connection to {host}: Connection refused")
    );
    assert_eq!(
        failed(&report).hint.as_deref(),
        Some("nothing listens there: check api_port, and `systemctl status pveproxy` on the node")
    );
    assert!(matches!(report.error, Some(Error::NotSent { .. })));
}

#[test]
fn an_untrusted_certificate_stops_at_tls_and_is_shown() {
    let made = Authority::new().make(&Leaf::default());
    let server = Server::with(&made.config, well);
    let report = run(server.https(&Authority::new()));
    assert_eq!(
        names(&report),
        [
            ("lookup", Some(true)),
            ("tcp", Some(true)),
            ("tls", Some(false))
        ]
    );
    assert!(
        failed(&report)
            .detail
            .ends_with("not trusted: no authority that is trusted here has signed it")
    );
    let hint = failed(&report).hint.as_ref().unwrap();
    for word in ["pvenode cert info", "api_fingerprint", "ca_path"] {
        assert!(hint.contains(word), "{word}: {hint}");
    }
    let shown = report.certificate.unwrap();
    assert_eq!(shown.certificate.fingerprint, made.fingerprint);
    assert_eq!(shown.certificate.expires, "2100-01-01T00:00:00Z");
    assert_eq!(server.requests(), []);
}

#[test]
fn without_validate_certs_distrust_is_told_and_no_failure() {
    let authority = Authority::new();
    let server = Server::with(
        &authority.leaf(&Leaf {
            names: vec!["pve1.example.org"],
            ..Leaf::default()
        }),
        well,
    );
    let mut connection = server.connection(&authority);
    connection.trust.validate = false;
    let report = run(Https::with_environment(connection, Vec::new()));
    assert!(report.passed());
    assert!(report.certificate.unwrap().distrust.is_some());
    assert!(
        report.checks[2]
            .detail
            .ends_with("which validate_certs does not ask for")
    );
}

#[test]
fn what_is_not_this_api_stops_at_http() {
    let (server, authority) = Server::start(|_| Reply::body("200 OK", "<html>router</html>"));
    let report = run(server.https(&authority));
    assert_eq!(names(&report).last(), Some(&("http", Some(false))));
    assert_eq!(
        failed(&report).detail,
        "GET /access/domains: unexpected answer: 200 OK, a body that is not a JSON object"
    );
    assert_eq!(
        failed(&report).hint.as_deref(),
        Some("check api_host and api_port: what answers there is not the API of Proxmox VE")
    );
}

#[test]
fn a_wrong_token_stops_at_the_login() {
    let (server, authority) = Server::start(|request| {
        if request.header("authorization").is_some() {
            Reply::body("401 Authentication failed!", "")
        } else {
            well(request)
        }
    });
    let report = run(server.https(&authority));
    assert_eq!(names(&report).last(), Some(&("login", Some(false))));
    assert_eq!(
        failed(&report).detail,
        "GET /version answered 401: Authentication failed!"
    );
    assert!(
        failed(&report)
            .hint
            .as_ref()
            .unwrap()
            .contains("`pveum user token list ansible@pam` on a node must show `mms`")
    );
}

#[test]
fn a_wrong_password_stops_at_the_login() {
    let (server, authority) = Server::start(|request| {
        if request.line() == "POST /access/ticket" {
            Reply::body("401 authentication failure", "")
        } else {
            well(request)
        }
    });
    let mut connection = server.connection(&authority);
    connection.credentials = password(None);
    let report = run(Https::with_environment(connection, Vec::new()));
    assert_eq!(
        failed(&report).detail,
        "POST /access/ticket answered 401: authentication failure"
    );
    assert!(
        failed(&report)
            .hint
            .as_ref()
            .unwrap()
            .contains("`ansible@pam`")
    );
    assert!(!format!("{report:?}").contains("hunter2"));
}

#[test]
fn privilege_separation_stays_open_where_the_server_does_not_tell() {
    let (server, authority) = Server::start(|request| {
        if request.path.starts_with("/access/users") {
            Reply::body("403 Permission check failed", "")
        } else {
            well(request)
        }
    });
    let report = run(server.https(&authority));
    assert!(report.passed());
    assert_eq!(report.identity.unwrap().privilege_separation, None);
}

#[test]
fn clocks_that_disagree_are_told_and_no_failure() {
    let (server, authority) = Server::start(|request| well(request).behind(600));
    let report = run(server.https(&authority));
    assert!(report.passed());
    let clock = report.checks.last().unwrap();
    assert_eq!((clock.name, clock.ok), ("clock", None));
    assert!(clock.detail.ends_with(" s behind ours"), "{}", clock.detail);
    assert!(clock.hint.is_some());
    let skew = report.clock_skew.unwrap();
    assert!((-605.0..=-595.0).contains(&skew), "{skew}");
}

#[test]
fn a_host_that_is_passed_over_is_no_failure() {
    let (server, authority) = Server::start(well);
    let mut connection = server.connection(&authority);
    connection.hosts.insert(
        0,
        Host {
            name: "127.0.0.1".to_owned(),
            port: closed_port(),
        },
    );
    let report = run(Https::with_environment(connection, Vec::new()));
    assert!(report.passed());
    assert_eq!(report.checks[1].ok, None);
    assert_eq!(report.host, Some(server.host()));
    assert!(report.error.is_none());
}

#[test]
fn of_several_hosts_each_check_names_its_own() {
    let (server, authority) = Server::start(well);
    let mut connection = server.connection(&authority);
    connection.hosts = [closed_port(), closed_port()]
        .map(|port| Host {
            name: "127.0.0.1".to_owned(),
            port,
        })
        .to_vec();
    let hosts = connection.hosts.clone();
    let report = run(Https::with_environment(connection, Vec::new()));
    assert_eq!(
        names(&report),
        [
            ("lookup", Some(true)),
            ("tcp", Some(false)),
            ("lookup", Some(true)),
            ("tcp", Some(false))
        ]
    );
    for (check, host) in report.checks.iter().zip([0, 0, 1, 1]) {
        let host = hosts[host].to_string();
        assert_eq!(check.detail.matches(&host).count(), 1, "{}", check.detail);
    }
}

#[test]
fn a_ca_path_is_looked_for_where_the_module_runs() {
    let (server, authority) = Server::start(well);
    let mut connection = server.connection(&authority);
    connection.trust.ca_path = Some("/nonexistent.pem".into());
    let report = run(Https::with_environment(connection, Vec::new()));
    assert_eq!(
        failed(&report).hint.as_deref(),
        Some("put the certificate on the machine that runs the module, where ca_path is read")
    );
}

#[test]
fn an_api_that_is_coming_up_is_waited_for() {
    let asked = AtomicUsize::new(0);
    let (server, authority) = Server::start(move |request| {
        if asked.fetch_add(1, Ordering::SeqCst) == 0 {
            Reply::body("503 Service Unavailable", "")
        } else {
            well(request)
        }
    });
    let https = server.https(&authority);
    let report = diagnose(https, Duration::from_secs(60), &AtomicBool::new(false));
    assert!(report.passed());
    assert_eq!(server.lines()[0], "GET /access/domains");
}

#[test]
fn what_does_not_pass_is_not_waited_for() {
    let (server, authority) = Server::start(|request| {
        if request.header("authorization").is_some() {
            Reply::body("401 Authentication failed!", "")
        } else {
            well(request)
        }
    });
    let https = server.https(&authority);
    let report = diagnose(https, Duration::from_secs(3600), &AtomicBool::new(false));
    assert_eq!(failed(&report).name, "login");
    let logins = server
        .lines()
        .iter()
        .filter(|line| *line == "GET /version")
        .count();
    assert_eq!(logins, 1);
}

#[test]
fn an_interruption_ends_the_wait() {
    let (server, authority) = Server::start(|_| Reply::body("503 Service Unavailable", ""));
    let https = server.https(&authority);
    let report = diagnose(https, Duration::from_secs(3600), &AtomicBool::new(true));
    assert_eq!(failed(&report).name, "http");
}

#[test]
fn a_proxy_is_a_stage_of_its_own() {
    let (server, authority) = Server::start(well);
    let proxy = Proxy::start(Some(server.address));
    let url = format!("http://user:pa%20ss@{}", proxy.address);
    let https = Https::with_environment(
        server.connection(&authority),
        vec![("https_proxy".to_owned(), url)],
    );
    let report = run(https);
    assert!(report.passed(), "{:?}", report.checks);
    assert_eq!(
        names(&report)[..4],
        ["lookup", "tcp", "proxy", "tls"].map(|name| (name, Some(true)))
    );
    assert!(
        proxy.heads()[0].contains("Proxy-Authorization: Basic dXNlcjpwYSBzcw==\r\n"),
        "{}",
        proxy.heads()[0]
    );
}

#[test]
fn a_proxy_that_refuses_is_told() {
    let (server, authority) = Server::start(well);
    let proxy = Proxy::start(None);
    let https = Https::with_environment(
        server.connection(&authority),
        vec![("https_proxy".to_owned(), proxy.address.to_string())],
    );
    let report = run(https);
    assert_eq!(names(&report).last(), Some(&("proxy", Some(false))));
    assert_eq!(
        failed(&report).detail,
        format!(
            "no connection to {} (through the proxy {}): \
             HTTP/1.1 407 Proxy Authentication Required",
            server.host(),
            proxy.address
        )
    );
}
