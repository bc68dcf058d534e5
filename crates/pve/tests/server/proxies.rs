//! A proxy in between.

use pve::transport::{Https, Transport};
use pve::{Error, Unreached};
use serde_json::json;

use crate::support::proxy::Proxy;
use crate::support::{Reply, Server, closed_port, version};

fn environment(variables: &[(&str, String)]) -> Vec<(String, String)> {
    variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.clone()))
        .collect()
}

#[test]
fn a_proxy_is_asked_to_connect_and_looks_the_name_up_itself() {
    let (server, authority) = Server::start(|_| Reply::data(&json!(1)));
    let proxy = Proxy::start(Some(server.address));
    let url = format!("http://user:pass@{}", proxy.address);
    let https = Https::with_environment(
        server.connection(&authority),
        environment(&[("https_proxy", url)]),
    );
    assert_eq!(https.send(&version(), None).unwrap(), json!(1));
    let heads = proxy.heads();
    let host = server.host();
    assert!(
        heads[0].starts_with(&format!("CONNECT {host} HTTP/1.1\r\n")),
        "{}",
        heads[0]
    );
    assert!(
        heads[0]
            .to_lowercase()
            .contains("proxy-authorization: basic dxnlcjpwyxnz\r\n"),
        "{}",
        heads[0]
    );
    assert_eq!(server.requests()[0].header("proxy-authorization"), None);
}

#[test]
fn no_proxy_goes_past_it() {
    let (server, authority) = Server::start(|_| Reply::data(&json!(1)));
    let proxy = Proxy::start(None);
    let https = Https::with_environment(
        server.connection(&authority),
        environment(&[
            ("HTTPS_PROXY", proxy.address.to_string()),
            ("NO_PROXY", "example.org,localhost".to_owned()),
        ]),
    );
    assert_eq!(https.send(&version(), None).unwrap(), json!(1));
    assert_eq!(proxy.heads(), Vec::<String>::new());
}

#[test]
fn a_proxy_that_refuses_has_sent_nothing() {
    let (server, authority) = Server::start(|_| Reply::data(&json!(1)));
    let proxy = Proxy::start(None);
    let https = Https::with_environment(
        server.connection(&authority),
        environment(&[("all_proxy", format!("http://u:s3cret@{}", proxy.address))]),
    );
    let error = https.send(&version(), None).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "GET /version: no connection to {} (through the proxy {}): \
             tunnel error: proxy authorization required",
            server.host(),
            proxy.address
        )
    );
    assert!(matches!(error, Error::NotSent { .. }));
}

#[test]
fn a_proxy_that_is_closed_has_sent_nothing() {
    let (server, authority) = Server::start(|_| Reply::data(&json!(1)));
    let proxy = format!("127.0.0.1:{}", closed_port());
    let https = Https::with_environment(
        server.connection(&authority),
        environment(&[("https_proxy", proxy.clone())]),
    );
    let error = https.send(&version(), None).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "GET /version: no connection to {} (through the proxy {proxy}): Connection refused",
            server.host()
        )
    );
}

#[test]
fn a_proxy_of_another_kind_is_named_without_its_password() {
    let (server, authority) = Server::start(|_| Reply::data(&json!(1)));
    let https = Https::with_environment(
        server.connection(&authority),
        environment(&[("https_proxy", "socks5://u:s3cret@proxy:1080".to_owned())]),
    );
    let error = https.send(&version(), None).unwrap_err();
    let Error::NotSent {
        why: Unreached::Options(text),
        ..
    } = error
    else {
        panic!("{error:?}");
    };
    assert_eq!(
        text,
        "the proxy in https_proxy or all_proxy is of the kind `socks5`: \
         only http proxies are supported (no_proxy excepts a host)"
    );
}
