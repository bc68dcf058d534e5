//! Connections that are lost: what was certainly not sent, and what may have
//! been carried out.

use std::time::Duration;

use pve::transport::{Https, Transport};
use pve::{Call, Error, Unreached, path};
use serde_json::json;

use crate::support::{Authority, Reply, Server, closed_port, start_vm, version};

fn cause(error: Error) -> String {
    match error {
        Error::Unknown { cause, .. } => cause,
        other => panic!("{other:?}"),
    }
}

/// Why a POST's answer is lost when the server does this.
fn lost(reply: Reply) -> String {
    let (server, authority) = Server::start(move |_| reply.clone());
    let error = server
        .https(&authority)
        .send(&start_vm(), None)
        .unwrap_err();
    assert_eq!(server.requests().len(), 1, "it is sent once");
    cause(error)
}

#[test]
fn a_reset_instead_of_an_answer_leaves_the_outcome_unknown() {
    assert_eq!(lost(Reply::raw("").reset()), "Connection reset by peer");
}

#[test]
fn a_close_instead_of_an_answer_leaves_the_outcome_unknown() {
    assert_eq!(
        lost(Reply::raw("").close()),
        "connection closed before message completed"
    );
}

#[test]
fn a_connection_that_ends_without_a_word_of_tls_is_said_to_be_closed() {
    let answer = Reply::data(&json!("UPID:pve1:"));
    for reply in [Reply::raw(""), answer.cut(2)] {
        assert_eq!(lost(reply.vanish()), "the server closed the connection");
    }
}

#[test]
fn a_reset_within_the_answer_leaves_the_outcome_unknown() {
    let answer = Reply::data(&json!("UPID:pve1:"));
    assert_eq!(
        lost(answer.clone().cut(40).reset()),
        "Connection reset by peer"
    );
    assert_eq!(lost(answer.cut(2).reset()), "Connection reset by peer");
}

#[test]
fn a_body_that_ends_too_early_leaves_the_outcome_unknown() {
    let answer = Reply::data(&json!(
        "UPID:pve1:0001ABCD:00FF00AA:68A1B2C3:qmstart:100:a@pam:"
    ));
    assert_eq!(
        lost(answer.cut(1).close()),
        "the server closed the connection"
    );
}

#[test]
fn an_answer_that_is_whole_counts_even_if_a_reset_follows() {
    let (server, authority) = Server::start(|_| Reply::data(&json!("done")).reset());
    let https = server.https(&authority);
    for _ in 0..3 {
        // The next request may meet the dead connection; it is never sent twice.
        let before = server.requests().len();
        match https.send(&start_vm(), None) {
            Ok(data) => assert_eq!(data, json!("done")),
            Err(error) => assert!(matches!(error, Error::Unknown { .. }), "{error:?}"),
        }
        assert!(server.requests().len() <= before + 1);
    }
}

#[test]
fn garbage_instead_of_an_answer_leaves_the_outcome_unknown() {
    assert_eq!(
        lost(Reply::raw("SSH-2.0-OpenSSH_9.2\r\n\r\n").close()),
        "invalid HTTP version parsed"
    );
}

/// Tells its version as it should, so that the connection stands, and answers anything else so.
fn else_so(reply: Reply) -> (Server, Authority) {
    Server::start(move |request| {
        if request.path.ends_with("/version") {
            Reply::data(&json!(1))
        } else {
            reply.clone()
        }
    })
}

fn next_vmid() -> Call {
    Call::get(path!("cluster", "nextid"))
}

#[test]
fn a_server_that_hangs_is_left_at_the_deadline() {
    let (server, authority) = else_so(Reply::hang());
    let https = server.https(&authority);
    https.send(&version(), None).unwrap();
    let within = Some(Duration::from_millis(300));
    let error = https.send(&next_vmid(), within).unwrap_err();
    assert_eq!(
        error.to_string(),
        "GET /cluster/nextid: the answer was lost: no answer in time"
    );
    assert!(matches!(error, Error::Unknown { .. }));
}

#[test]
fn a_body_that_hangs_is_left_at_the_deadline() {
    let (server, authority) = else_so(Reply::data(&json!("x")).cut(1).stall());
    let https = server.https(&authority);
    https.send(&version(), None).unwrap();
    let within = Some(Duration::from_millis(300));
    assert_eq!(
        cause(https.send(&next_vmid(), within).unwrap_err()),
        "no answer in time"
    );
}

#[test]
fn the_answer_to_a_write_is_worth_more_than_the_time_that_was_left() {
    let (server, authority) = Server::start(|request| {
        if request.method == "POST" {
            std::thread::sleep(Duration::from_millis(600));
        }
        Reply::data(&json!("done"))
    });
    let https = server.https(&authority);
    https.send(&version(), None).unwrap();
    let within = Some(Duration::from_millis(200));
    assert_eq!(https.send(&start_vm(), within).unwrap(), json!("done"));
}

#[test]
fn a_read_is_given_the_read_timeout() {
    let (server, authority) = Server::start(|_| Reply::hang());
    let mut connection = server.connection(&authority);
    connection.read_timeout = Duration::from_secs(2);
    let https = Https::with_environment(connection, Vec::new());
    assert_eq!(
        cause(https.send(&version(), None).unwrap_err()),
        "no answer in time"
    );
}

#[test]
fn no_time_left_is_no_time_to_send() {
    let (server, authority) = else_so(Reply::hang());
    let https = server.https(&authority);
    let error = https.send(&start_vm(), Some(Duration::ZERO)).unwrap_err();
    assert!(matches!(error, Error::NotSent { .. }), "{error:?}");
    assert_eq!(server.requests(), []);
}

#[test]
fn a_handshake_that_hangs_has_sent_nothing() {
    let (server, authority) = Server::start(|_| Reply::hang());
    let mute = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut connection = server.connection(&authority);
    connection.hosts[0].port = mute.local_addr().unwrap().port();
    let address = connection.hosts[0].to_string();
    let https = Https::with_environment(connection, Vec::new());
    let error = https
        .send(&version(), Some(Duration::from_millis(300)))
        .unwrap_err();
    let Error::NotSent { why, .. } = error else {
        panic!("{error:?}");
    };
    assert_eq!(
        why,
        Unreached::Connect {
            address,
            cause: "no answer in time".to_owned()
        }
    );
}

#[test]
fn a_closed_port_has_been_sent_nothing() {
    let (server, authority) = Server::start(|_| Reply::hang());
    let mut connection = server.connection(&authority);
    connection.hosts[0].name = "127.0.0.1".to_owned();
    connection.hosts[0].port = closed_port();
    let address = connection.hosts[0].to_string();
    let https = Https::with_environment(connection, Vec::new());
    let error = https.send(&start_vm(), None).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "POST /nodes/pve1/qemu/100/status/start: no connection to {address}: \
             Connection refused"
        )
    );
    assert!(matches!(error, Error::NotSent { .. }));
}

#[test]
fn a_name_without_an_address_has_been_sent_nothing() {
    let (server, authority) = Server::start(|_| Reply::hang());
    let mut connection = server.connection(&authority);
    connection.hosts[0].name = "nosuch.invalid".to_owned();
    let https = Https::with_environment(connection, Vec::new());
    let error = https.send(&start_vm(), None).unwrap_err();
    let Error::NotSent {
        why: Unreached::Lookup { host, .. },
        ..
    } = error
    else {
        panic!("{error:?}");
    };
    assert_eq!(host, "nosuch.invalid");
}

#[test]
fn a_port_that_speaks_no_tls_has_been_sent_nothing() {
    let (server, authority) = Server::start(|_| Reply::hang());
    let plain = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut connection = server.connection(&authority);
    connection.hosts[0].port = plain.local_addr().unwrap().port();
    let speaking = std::thread::spawn(move || {
        use std::io::{Read, Write};
        let (mut stream, _) = plain.accept().unwrap();
        stream
            .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            .unwrap();
        // Reads until the client gives up, so that no reset overtakes the text.
        drop(stream.read_to_end(&mut Vec::new()));
    });
    let https = Https::with_environment(connection, Vec::new());
    let error = https.send(&start_vm(), None).unwrap_err();
    let Error::NotSent {
        why: Unreached::Tls { cause, .. },
        ..
    } = error
    else {
        panic!("{error:?}");
    };
    assert!(
        cause.ends_with("(is this port one that speaks TLS?)"),
        "{cause}"
    );
    drop(https);
    speaking.join().unwrap();
}

#[test]
fn an_open_port_is_told_from_a_closed_one() {
    let (server, authority) = Server::start(|_| Reply::hang());
    let https = server.https(&authority);
    assert!(https.port_is_open("127.0.0.1", server.address.port()));
    assert!(!https.port_is_open("127.0.0.1", closed_port()));
    assert!(!https.port_is_open("nosuch.invalid", 22));
}
