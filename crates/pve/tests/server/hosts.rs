//! A list of hosts: the next one where the first was not reached.

use pve::connection::Host;
use pve::transport::{Https, Transport};
use pve::{Error, Unreached};
use serde_json::json;

use crate::support::{Authority, Leaf, Reply, Server, closed_port, start_vm, version};

fn closed() -> Host {
    Host {
        name: "127.0.0.1".to_owned(),
        port: closed_port(),
    }
}

#[test]
fn the_next_host_is_tried_and_kept() {
    let (server, authority) = Server::start(|_| Reply::data(&json!(1)));
    let mut connection = server.connection(&authority);
    connection.hosts.insert(0, closed());
    let https = Https::with_environment(connection, Vec::new());
    for _ in 0..3 {
        assert_eq!(https.send(&start_vm(), None).unwrap(), json!(1));
    }
    assert_eq!(server.requests().len(), 3);
    assert_eq!(server.connections(), 1);
}

#[test]
fn no_other_host_is_tried_when_the_answer_was_lost_or_refused() {
    for reply in [
        Reply::raw("").reset(),
        Reply::body("500 no", ""),
        Reply::body("596 x", ""),
    ] {
        let (first, authority) = Server::start(move |_| reply.clone());
        let second = Server::with(&authority.leaf(&Leaf::default()), |_| {
            Reply::data(&json!(1))
        });
        let mut connection = first.connection(&authority);
        connection.hosts.push(second.host());
        let https = Https::with_environment(connection, Vec::new());
        assert!(https.send(&version(), None).is_err());
        assert_eq!(first.requests().len(), 1);
        assert_eq!(second.requests().len(), 0);
    }
}

#[test]
fn a_host_that_is_not_trusted_is_passed_over() {
    let authority = Authority::new();
    let other = Authority::new();
    let first = Server::with(&other.leaf(&Leaf::default()), |_| Reply::data(&json!(1)));
    let second = Server::with(&authority.leaf(&Leaf::default()), |_| {
        Reply::data(&json!(2))
    });
    let mut connection = second.connection(&authority);
    connection.hosts.insert(0, first.host());
    let https = Https::with_environment(connection, Vec::new());
    assert_eq!(https.send(&version(), None).unwrap(), json!(2));
    assert_eq!(first.requests().len(), 0);
}

#[test]
fn when_no_host_is_reached_each_is_named() {
    let (server, authority) = Server::start(|_| Reply::hang());
    let mut connection = server.connection(&authority);
    connection.hosts = vec![closed(), closed()];
    let hosts = connection.hosts.clone();
    let https = Https::with_environment(connection, Vec::new());
    let error = https.send(&version(), None).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "GET /version: no host was reached: no connection to {}: Connection refused; \
             no connection to {}: Connection refused",
            hosts[0], hosts[1]
        )
    );
    let Error::NotSent {
        why: Unreached::NoHost(whys),
        ..
    } = error
    else {
        panic!("{error:?}");
    };
    assert_eq!(whys.len(), 2);
}
