//! What the server answers, and what it means.

use std::collections::BTreeMap;

use pve::transport::Transport;
use pve::{Call, Error, path};
use secret::Secret;
use serde_json::{Value, json};

use crate::support::{Reply, Server, start_vm, version};

/// What one GET comes to when the server answers so.
fn get(reply: Reply) -> Result<Value, Error> {
    let (server, authority) = Server::start(move |_| reply.clone());
    server.https(&authority).send(&version(), None)
}

/// What one POST comes to when the server answers so.
fn post(reply: Reply) -> Result<Value, Error> {
    let (server, authority) = Server::start(move |_| reply.clone());
    server.https(&authority).send(&start_vm(), None)
}

#[test]
fn a_get_carries_the_token_and_its_parameters_in_the_query() {
    let (server, authority) = Server::start(|_| Reply::data(&json!({ "version": "9.2.11" })));
    let https = server.https(&authority);
    let call = Call::get(path!("nodes", "pve1", "tasks")).with("limit", 5u32);
    assert_eq!(
        https.send(&call, None).unwrap(),
        json!({ "version": "9.2.11" })
    );
    let request = &server.requests()[0];
    assert_eq!(request.line(), "GET /nodes/pve1/tasks");
    assert_eq!(request.query, "limit=5");
    assert_eq!(request.body, "");
    assert_eq!(request.header("content-length"), None);
    assert_eq!(
        request.header("authorization"),
        Some("PVEAPIToken=ansible@pam!mms=t0ken-s3cret")
    );
    assert_eq!(https.user(), "ansible@pam!mms");
}

#[test]
fn a_write_carries_a_form_and_a_delete_no_body() {
    let (server, authority) = Server::start(|_| Reply::data(&Value::Null));
    let https = server.https(&authority);
    let put = Call::put(path!("nodes", "pve1", "qemu", 103u32, "config"))
        .with("scsi0", "local:1,format=qcow2")
        .with("cipassword", Secret::new("pass word"));
    let delete = Call::delete(path!("nodes", "pve1", "qemu", 103u32)).with("purge", true);
    for call in [&put, &delete, &start_vm()] {
        assert_eq!(https.send(call, None).unwrap(), Value::Null);
    }
    let requests = server.requests();
    assert_eq!(
        requests[0].header("content-type"),
        Some("application/x-www-form-urlencoded")
    );
    assert_eq!(
        requests[0].body,
        "scsi0=local%3A1%2Cformat%3Dqcow2&cipassword=pass%20word"
    );
    assert_eq!(requests[1].line(), "DELETE /nodes/pve1/qemu/103");
    assert_eq!(requests[1].query, "purge=1");
    assert_eq!(requests[1].header("content-length"), None);
    assert_eq!(requests[2].header("content-length"), Some("0"));
}

#[test]
fn connections_are_kept_and_shared_by_threads() {
    let (server, authority) = Server::start(|_| Reply::data(&json!(1)));
    let https = server.https(&authority);
    for _ in 0..5 {
        assert_eq!(https.send(&version(), None).unwrap(), json!(1));
    }
    assert_eq!(server.connections(), 1);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| assert_eq!(https.send(&version(), None).unwrap(), json!(1)));
        }
    });
    assert_eq!(server.requests().len(), 13);
}

#[test]
fn a_connection_that_the_server_closes_is_replaced() {
    let (server, authority) = Server::start(|_| {
        Reply::raw("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 10\r\n\r\n{\"data\":1}")
            .close()
    });
    let https = server.https(&authority);
    for _ in 0..3 {
        assert_eq!(https.send(&start_vm(), None).unwrap(), json!(1));
    }
    assert_eq!(server.connections(), 3);
}

#[test]
fn a_chunked_answer_is_read_whole() {
    let reply = Reply::raw(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
         5\r\n{\"dat\r\n7\r\na\":[1]}\r\n0\r\n\r\n",
    );
    assert_eq!(get(reply).unwrap(), json!([1]));
}

#[test]
fn the_three_texts_of_a_refusal_are_merged() {
    let error = get(Reply::body(
        "400 Parameter verification failed.",
        r#"{"data":null,"message":"Parameter verification failed.\n","errors":{"vmid":"VM 103 already exists","n":1}}"#,
    ))
    .unwrap_err();
    assert_eq!(
        error.to_string(),
        "GET /version answered 400: Parameter verification failed: n: 1; vmid: VM 103 already exists"
    );
    let Error::Refused(refusal) = error else {
        panic!("{error:?}");
    };
    assert_eq!(refusal.status, 400);
    assert_eq!(
        refusal.errors,
        BTreeMap::from([
            ("n".to_owned(), "1".to_owned()),
            ("vmid".to_owned(), "VM 103 already exists".to_owned())
        ])
    );
}

#[test]
fn the_reason_phrase_speaks_where_the_body_is_silent() {
    let cases = [
        (
            Reply::body("401 Authentication failed!", ""),
            "GET /version answered 401: Authentication failed!",
        ),
        (
            Reply::body(
                "500 Configuration file 'nodes/pve1/qemu-server/777.conf' does not exist",
                r#"{"data":null}"#,
            ),
            "GET /version answered 500: Configuration file 'nodes/pve1/qemu-server/777.conf' \
             does not exist",
        ),
        (
            Reply::body("501 Unexpected content for method 'DELETE'", "text"),
            "GET /version answered 501: Unexpected content for method 'DELETE'",
        ),
        (
            Reply::body("403 Forbidden", "<html>secret page</html>"),
            "GET /version answered 403: Forbidden",
        ),
        (
            Reply::body("500 cut", r#"{"data":null,"message":"lost"}"#)
                .cut(4)
                .close(),
            "GET /version answered 500: cut",
        ),
    ];
    for (reply, message) in cases {
        assert_eq!(get(reply).unwrap_err().to_string(), message);
    }
}

#[test]
fn a_node_that_was_not_reached_has_done_nothing() {
    let error = post(Reply::body("595 No route to host", "")).unwrap_err();
    assert_eq!(error.status(), Some(595));
    assert_eq!(
        error.to_string(),
        "POST /nodes/pve1/qemu/100/status/start answered 595: No route to host"
    );
}

#[test]
fn a_node_that_was_lost_midway_may_have_done_it() {
    for status in [
        "596 Connection timed out",
        "597 Broken pipe",
        "599 Too many redirections",
        "502 Bad Gateway",
        "504 Gateway Timeout",
    ] {
        let error = post(Reply::body(status, "<html></html>")).unwrap_err();
        let Error::Unknown { request, cause } = error else {
            panic!("{error:?}");
        };
        assert_eq!(request.path, "/nodes/pve1/qemu/100/status/start");
        assert_eq!(cause, status);
    }
}

#[test]
fn what_this_api_never_answers_is_unexpected() {
    let cases = [
        (
            Reply::body("200 OK", "<html>login page</html>"),
            "GET /version: unexpected answer: 200 OK, a body that is not a JSON object",
        ),
        (
            Reply::body("200 OK", ""),
            "GET /version: unexpected answer: 200 OK, an empty body",
        ),
        (
            Reply::body("200 OK", "{}"),
            "GET /version: unexpected answer: 200 OK, a body without `data`",
        ),
        (
            Reply::raw(
                "HTTP/1.1 301 Moved Permanently\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n",
            ),
            "GET /version: unexpected answer: 301 Moved Permanently, a redirect",
        ),
    ];
    for (reply, message) in cases {
        let error = get(reply).unwrap_err();
        assert!(matches!(error, Error::Unexpected { .. }), "{error:?}");
        assert_eq!(error.to_string(), message);
    }
}

#[test]
fn a_name_that_would_lead_to_another_path_is_not_sent() {
    let (server, authority) = Server::start(|_| Reply::data(&Value::Null));
    let call = Call::delete(path!("access", "roles", ".."));
    let error = server.https(&authority).send(&call, None).unwrap_err();
    assert_eq!(
        error.to_string(),
        "DELETE /access/roles/..: `/access/roles/..` is not a path of the API"
    );
    assert_eq!(server.requests(), []);
}
