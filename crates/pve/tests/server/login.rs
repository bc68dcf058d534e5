//! Passwords, tickets and second factors.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use pve::transport::{Https, Transport};
use pve::{Error, Unreached};
use serde_json::json;

use crate::support::{
    Authority, Received, Reply, Server, closed_port, password, start_vm, version,
};

fn ticket(number: usize) -> Reply {
    Reply::data(&json!({
        "ticket": format!("PVE:ansible@pam:{number}"),
        "CSRFPreventionToken": format!("csrf-{number}"),
        "username": "ansible@pam",
    }))
}

fn https(server: &Server, authority: &Authority, otp: Option<&str>) -> Https {
    let mut connection = server.connection(authority);
    connection.credentials = password(otp);
    Https::with_environment(connection, Vec::new())
}

fn is_login(request: &Received) -> bool {
    request.line() == "POST /access/ticket"
}

const LOGIN: &str = "POST /access/ticket";
const GET: &str = "GET /version";
const START: &str = "POST /nodes/pve1/qemu/100/status/start";

#[test]
fn a_login_gives_a_ticket_and_writes_a_csrf_token() {
    let (server, authority) = Server::start(|request| {
        if is_login(request) {
            ticket(1)
        } else {
            Reply::data(&json!("done"))
        }
    });
    let https = https(&server, &authority, None);
    https.send(&version(), None).unwrap();
    https.send(&start_vm(), None).unwrap();
    let requests = server.requests();
    assert_eq!(server.lines(), [LOGIN, GET, START]);
    assert_eq!(requests[0].body, "username=ansible%40pam&password=hunter2");
    let cookie = Some("PVEAuthCookie=PVE:ansible@pam:1");
    assert_eq!(requests[1].header("cookie"), cookie);
    assert_eq!(requests[1].header("csrfpreventiontoken"), None);
    assert_eq!(requests[2].header("cookie"), cookie);
    assert_eq!(requests[2].header("csrfpreventiontoken"), Some("csrf-1"));
    assert_eq!(https.user(), "ansible@pam");
}

#[test]
fn no_secret_is_shown_when_debugging() {
    let (server, authority) = Server::start(|_| ticket(1));
    let mut connection = server.connection(&authority);
    connection.credentials = password(Some("123456"));
    let proxy = ("http_proxy".to_owned(), "http://u:pr0xy@p".to_owned());
    let https = Https::with_environment(connection, vec![proxy]);
    https.send(&version(), None).unwrap();
    let shown = format!("{https:?}");
    for secret in ["hunter2", "123456", "pr0xy", "PVE:ansible", "csrf-1"] {
        assert!(!shown.contains(secret), "{secret}");
    }
}

#[test]
fn many_threads_log_in_once() {
    let (server, authority) = Server::start(|request| {
        if is_login(request) {
            ticket(1).late(Duration::from_millis(50))
        } else {
            Reply::data(&json!(1))
        }
    });
    let https = https(&server, &authority, None);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| https.send(&version(), None).unwrap());
        }
    });
    let logins = server.requests().iter().filter(|r| is_login(r)).count();
    assert_eq!(logins, 1);
}

#[test]
fn a_wrong_password_is_refused_once_for_all_threads() {
    let (server, authority) = Server::start(|_| {
        Reply::body(
            "401 authentication failure",
            r#"{"data":null,"message":"authentication failure\n"}"#,
        )
        .late(Duration::from_millis(50))
    });
    let https = https(&server, &authority, None);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                assert_eq!(
                    https.send(&version(), None).unwrap_err().to_string(),
                    "POST /access/ticket answered 401: authentication failure"
                );
            });
        }
    });
    assert_eq!(server.lines(), [LOGIN]);
}

#[test]
fn a_token_that_is_refused_is_not_sent_again() {
    let (server, authority) = Server::start(|_| Reply::body("401 Authentication failed!", ""));
    let error = server.https(&authority).send(&version(), None).unwrap_err();
    assert_eq!(
        error.to_string(),
        "GET /version answered 401: Authentication failed!"
    );
    assert_eq!(error.status(), Some(401));
    assert_eq!(server.lines(), [GET]);
}

#[test]
fn a_ticket_that_expires_within_the_run_is_replaced_once() {
    let logins = AtomicUsize::new(0);
    let (server, authority) = Server::start(move |request| {
        if is_login(request) {
            ticket(logins.fetch_add(1, Ordering::SeqCst) + 1)
        } else if request.header("cookie") == Some("PVEAuthCookie=PVE:ansible@pam:1") {
            Reply::body("401 permission denied - invalid PVE ticket", "")
        } else {
            Reply::data(&json!("done"))
        }
    });
    let https = https(&server, &authority, None);
    assert_eq!(https.send(&start_vm(), None).unwrap(), json!("done"));
    assert_eq!(https.send(&start_vm(), None).unwrap(), json!("done"));
    assert_eq!(server.lines(), [LOGIN, START, LOGIN, START, START]);
}

#[test]
fn a_second_401_is_the_answer() {
    let (server, authority) = Server::start(|request| {
        if is_login(request) {
            ticket(1)
        } else {
            Reply::body("401 permission denied - invalid PVE ticket", "")
        }
    });
    let error = https(&server, &authority, None)
        .send(&version(), None)
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "GET /version answered 401: permission denied - invalid PVE ticket"
    );
    assert_eq!(server.lines(), [LOGIN, GET, LOGIN, GET]);
}

#[test]
fn an_old_ticket_is_renewed_by_itself_without_the_second_factor() {
    let logins = AtomicUsize::new(0);
    let (server, authority) = Server::start(move |request| {
        if is_login(request) {
            ticket(logins.fetch_add(1, Ordering::SeqCst) + 1)
        } else {
            Reply::data(&json!(1))
        }
    });
    let https = https(&server, &authority, Some("123456")).renewing_after(Duration::ZERO);
    https.send(&version(), None).unwrap();
    https.send(&version(), None).unwrap();
    assert_eq!(server.lines(), [LOGIN, GET, LOGIN, GET]);
    let requests = server.requests();
    assert_eq!(
        requests[2].body,
        "username=ansible%40pam&password=PVE%3Aansible%40pam%3A1"
    );
    assert_eq!(
        requests[3].header("cookie"),
        Some("PVEAuthCookie=PVE:ansible@pam:2")
    );
}

#[test]
fn a_challenge_is_answered_with_the_code() {
    let (server, authority) = Server::start(|request| {
        if !is_login(request) {
            Reply::data(&json!(1))
        } else if request.body.contains("tfa-challenge") {
            ticket(1)
        } else {
            Reply::data(&json!({ "ticket": "PVE:!tfa!x:1", "NeedTFA": 1 }))
        }
    });
    https(&server, &authority, Some("123456"))
        .send(&version(), None)
        .unwrap();
    assert_eq!(server.lines(), [LOGIN, LOGIN, GET]);
    assert_eq!(
        server.requests()[1].body,
        "username=ansible%40pam&password=totp%3A123456&tfa-challenge=PVE%3A%21tfa%21x%3A1"
    );
}

#[test]
fn a_code_that_names_its_kind_is_sent_as_it_is() {
    let (server, authority) = Server::start(|request| {
        if request.body.contains("tfa-challenge") {
            ticket(1)
        } else if is_login(request) {
            Reply::data(&json!({ "ticket": "PVE:!tfa!x:1", "NeedTFA": 1 }))
        } else {
            Reply::data(&json!(1))
        }
    });
    https(&server, &authority, Some("recovery:ab-cd"))
        .send(&version(), None)
        .unwrap();
    assert!(
        server.requests()[1]
            .body
            .contains("password=recovery%3Aab-cd")
    );
}

#[test]
fn a_missing_code_is_asked_for() {
    let (server, authority) =
        Server::start(|_| Reply::data(&json!({ "ticket": "PVE:!tfa!x:1", "NeedTFA": 1 })));
    let error = https(&server, &authority, None)
        .send(&version(), None)
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "POST /access/ticket answered 401: ansible@pam needs a second factor: set api_otp"
    );
}

#[test]
fn an_old_server_is_given_the_code_beside_the_password() {
    let (server, authority) = Server::start(|request| {
        if !is_login(request) {
            Reply::data(&json!(1))
        } else if request.body.ends_with("&otp=123456") {
            ticket(1)
        } else {
            Reply::body("401 authentication failure", "")
        }
    });
    https(&server, &authority, Some("123456"))
        .send(&version(), None)
        .unwrap();
    assert_eq!(server.lines(), [LOGIN, LOGIN, GET]);
}

#[test]
fn a_login_whose_answer_is_lost_has_not_sent_the_write() {
    let (server, authority) = Server::start(|_| Reply::raw("").reset());
    let error = https(&server, &authority, None)
        .send(&start_vm(), None)
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "POST /nodes/pve1/qemu/100/status/start: the answer to the login was lost: \
         Connection reset by peer"
    );
    assert!(matches!(
        error,
        Error::NotSent {
            why: Unreached::Login(_),
            ..
        }
    ));
    assert_eq!(server.lines(), [LOGIN]);
}

#[test]
fn a_login_goes_to_the_next_host_too() {
    let (server, authority) = Server::start(|request| {
        if is_login(request) {
            ticket(1)
        } else {
            Reply::data(&json!(1))
        }
    });
    let mut connection = server.connection(&authority);
    connection.credentials = password(None);
    let mut closed = server.host();
    closed.port = closed_port();
    connection.hosts.insert(0, closed);
    let https = Https::with_environment(connection, Vec::new());
    assert_eq!(https.send(&version(), None).unwrap(), json!(1));
    assert_eq!(server.lines(), [LOGIN, GET]);
}
