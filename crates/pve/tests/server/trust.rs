//! Which certificates are trusted.

use pve::connection::{Host, Trust};
use pve::error::Untrusted;
use pve::transport::{Https, Transport};
use pve::{Error, Unreached};
use serde_json::{Value, json};

use crate::support::authority::{Made, TempFile};
use crate::support::{Authority, Leaf, Reply, Server, version};

/// What a GET comes to with this certificate, trust and host name.
fn get_as(name: &str, made: &Made, trust: Trust) -> Result<Value, Error> {
    let server = Server::with(&made.config, |_| Reply::data(&json!(1)));
    let mut connection = server.connection_with(trust);
    connection.hosts = vec![Host {
        name: name.to_owned(),
        port: server.address.port(),
    }];
    Https::with_environment(connection, Vec::new()).send(&version(), None)
}

fn get(made: &Made, trust: Trust) -> Result<Value, Error> {
    get_as("localhost", made, trust)
}

fn untrusted(outcome: Result<Value, Error>) -> Untrusted {
    match outcome {
        Err(Error::NotSent {
            why: Unreached::Untrusted(untrusted),
            ..
        }) => *untrusted,
        other => panic!("{other:?}"),
    }
}

/// Why the certificate is not trusted.
fn why(outcome: Result<Value, Error>) -> String {
    untrusted(outcome).why
}

fn nothing() -> Trust {
    Trust {
        validate: true,
        ca_path: None,
        fingerprint: None,
    }
}

#[test]
fn an_untrusted_certificate_tells_what_to_do() {
    let made = Authority::new().make(&Leaf::default());
    let server = Server::with(&made.config, |_| Reply::data(&json!(1)));
    let other = Authority::new();
    let https = server.https(&other);
    let error = https.send(&version(), None).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "GET /version: the certificate of {} is not trusted: no authority that is trusted \
             here has signed it (subject CN=pve1, SHA-256 fingerprint {}). Compare the \
             fingerprint with what `pvenode cert info` shows on the node first; then trust it \
             with api_fingerprint, or give the authority's certificate \
             (/etc/pve/pve-root-ca.pem on a node) with ca_path",
            server.host(),
            made.fingerprint
        )
    );
    assert!(matches!(error, Error::NotSent { .. }));
    assert_eq!(server.requests(), []);
}

#[test]
fn a_certificate_in_the_place_of_a_pinned_one_is_nothing_to_trust_by_habit() {
    let made = Authority::new().make(&Leaf {
        names: vec!["pve1.example.org"],
        ..Leaf::default()
    });
    let trust = Trust {
        fingerprint: Some(Authority::new().make(&Leaf::default()).fingerprint),
        ..nothing()
    };
    assert_eq!(
        untrusted(get(&made, trust)).cure(),
        "It was renewed, or somebody answers in its place: compare with `pvenode cert info` \
         on the node before changing api_fingerprint"
    );
}

#[test]
fn no_authority_is_asked_for_where_only_the_name_does_not_fit() {
    let authority = Authority::new();
    let made = authority.make(&Leaf {
        names: vec!["pve1", "pve1.example.org"],
        ..Leaf::default()
    });
    assert_eq!(
        untrusted(get(&made, authority.trust())).cure(),
        "Name the host in api_host as the certificate does (pve1, pve1.example.org), \
         or pin api_fingerprint"
    );
}

#[test]
fn an_authority_of_the_same_name_is_another_one() {
    let made = Authority::named("PVE").make(&Leaf::default());
    assert_eq!(
        why(get(&made, Authority::named("PVE").trust())),
        "the authority that has signed it has the name of one that is trusted here, \
         but another key"
    );
}

#[test]
fn the_authority_may_be_given_by_file_or_directory() {
    let authority = Authority::new();
    let made = authority.make(&Leaf::default());
    assert_eq!(get(&made, authority.trust()).unwrap(), json!(1));

    let directory = TempFile::directory();
    for name in ["pve-root-ca.pem", "0a1b2c3d.0"] {
        std::fs::copy(&authority.ca_path.0, directory.0.join(name)).unwrap();
    }
    std::fs::write(directory.0.join("notes.txt"), "no certificate").unwrap();
    let trust = directory.trust();
    assert_eq!(get(&made, trust).unwrap(), json!(1));
}

#[test]
fn an_address_is_verified_as_such() {
    let authority = Authority::new();
    let made = authority.make(&Leaf::default());
    assert_eq!(
        get_as("127.0.0.1", &made, authority.trust()).unwrap(),
        json!(1)
    );
    let made = authority.make(&Leaf {
        names: vec!["localhost", "pve1.example.org"],
        ..Leaf::default()
    });
    assert_eq!(
        why(get_as("127.0.0.1", &made, authority.trust())),
        "it is not for the host `127.0.0.1` but for localhost, pve1.example.org"
    );
}

#[test]
fn a_certificate_for_another_host_is_not_trusted() {
    let authority = Authority::new();
    let made = authority.make(&Leaf {
        names: vec!["pve1.example.org"],
        ..Leaf::default()
    });
    assert_eq!(
        why(get(&made, authority.trust())),
        "it is not for the host `localhost` but for pve1.example.org"
    );
}

#[test]
fn an_expired_certificate_is_not_trusted() {
    let authority = Authority::new();
    let made = authority.make(&Leaf {
        expired: true,
        ..Leaf::default()
    });
    assert_eq!(
        why(get(&made, authority.trust())),
        "it expired at 2021-02-03T00:00:00Z"
    );
}

#[test]
fn a_servers_own_certificate_in_ca_path_is_trusted_whatever_it_is() {
    for is_ca in [false, true] {
        for self_signed in [false, true] {
            let made = Authority::new().make(&Leaf {
                is_ca,
                self_signed,
                ..Leaf::default()
            });
            assert_eq!(
                get(&made, made.pem.trust()).unwrap(),
                json!(1),
                "CA:{is_ca}, self-signed: {self_signed}"
            );
        }
    }
}

#[test]
fn a_servers_own_certificate_in_ca_path_must_still_fit_host_and_time() {
    let made = Authority::new().make(&Leaf {
        names: vec!["pve1.example.org"],
        is_ca: true,
        self_signed: true,
        ..Leaf::default()
    });
    assert_eq!(
        why(get(&made, made.pem.trust())),
        "it is not for the host `localhost` but for pve1.example.org"
    );
    let made = Authority::new().make(&Leaf {
        expired: true,
        is_ca: true,
        self_signed: true,
        ..Leaf::default()
    });
    assert_eq!(
        why(get(&made, made.pem.trust())),
        "it expired at 2021-02-03T00:00:00Z"
    );
}

#[test]
fn an_authoritys_own_certificate_is_not_a_servers() {
    let authority = Authority::new();
    let made = authority.make(&Leaf {
        is_ca: true,
        ..Leaf::default()
    });
    assert_eq!(
        why(get(&made, authority.trust())),
        "it is an authority's own certificate, and not among those that are trusted here"
    );
}

#[test]
fn a_fingerprint_is_enough_whoever_signed_for_whatever_host() {
    let made = Authority::new().make(&Leaf {
        names: vec!["pve1.example.org"],
        expired: true,
        is_ca: true,
        self_signed: true,
    });
    let trust = Trust {
        fingerprint: Some(made.fingerprint),
        ..nothing()
    };
    assert_eq!(get(&made, trust).unwrap(), json!(1));
}

#[test]
fn a_fingerprint_does_without_a_ca_path_that_cannot_be_read() {
    let made = Authority::new().make(&Leaf::default());
    let trust = Trust {
        ca_path: Some("/nonexistent.pem".into()),
        fingerprint: Some(made.fingerprint),
        validate: true,
    };
    assert_eq!(get(&made, trust.clone()).unwrap(), json!(1));
    let other = Authority::new().make(&Leaf::default());
    assert_eq!(
        why(get(&other, trust)),
        "it has another fingerprint than api_fingerprint says, and ca_path \
         `/nonexistent.pem`: No such file or directory"
    );
}

#[test]
fn a_chain_that_verifies_is_fine_beside_another_fingerprint() {
    let authority = Authority::new();
    let made = authority.make(&Leaf::default());
    let other = authority.make(&Leaf::default());
    let trust = Trust {
        fingerprint: Some(other.fingerprint),
        ..authority.trust()
    };
    assert_eq!(get(&made, trust).unwrap(), json!(1));
}

#[test]
fn a_wrong_fingerprint_is_said_and_holds_without_validate_certs() {
    let made = Authority::new().make(&Leaf::default());
    let other = Authority::new();
    for validate in [true, false] {
        let trust = Trust {
            validate,
            fingerprint: Some(other.make(&Leaf::default()).fingerprint),
            ca_path: Some(other.ca_path.0.clone()),
        };
        assert_eq!(
            why(get(&made, trust)),
            "it has another fingerprint than api_fingerprint says, and no authority that is \
             trusted here has signed it"
        );
    }
}

#[test]
fn without_validate_certs_anything_goes() {
    let made = Authority::new().make(&Leaf {
        names: vec!["pve1.example.org"],
        expired: true,
        is_ca: true,
        self_signed: true,
    });
    let trust = Trust {
        validate: false,
        ..nothing()
    };
    assert_eq!(get(&made, trust).unwrap(), json!(1));
}

#[test]
fn a_ca_path_that_cannot_be_read_is_said_before_anything_is_sent() {
    let made = Authority::new().make(&Leaf::default());
    let text = TempFile::holding("no certificate");
    let missing = text.0.with_extension("missing");
    for (path, cause) in [
        (&text.0, "there is no certificate in PEM form in it"),
        (&missing, "No such file or directory"),
    ] {
        let trust = Trust {
            ca_path: Some(path.clone()),
            ..nothing()
        };
        let error = get(&made, trust).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("GET /version: ca_path `{}`: {cause}", path.display())
        );
        assert!(matches!(error, Error::NotSent { .. }));
    }
}

#[test]
fn the_environment_names_a_bundle_as_for_python_requests() {
    let authority = Authority::new();
    let other = Authority::new();
    let made = authority.make(&Leaf::default());
    let ours = authority.ca_path.0.display().to_string();
    let others = other.ca_path.0.display().to_string();
    let get_in = |trust: Trust, environment: &[(&str, &str)]| {
        let server = Server::with(&made.config, |_| Reply::data(&json!(1)));
        let environment = environment
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        Https::with_environment(server.connection_with(trust), environment).send(&version(), None)
    };
    for environment in [
        vec![("REQUESTS_CA_BUNDLE", ours.as_str())],
        vec![("CURL_CA_BUNDLE", &ours)],
        vec![("SSL_CERT_FILE", &ours)],
        vec![
            ("SSL_CERT_FILE", &others),
            ("CURL_CA_BUNDLE", &others),
            ("REQUESTS_CA_BUNDLE", &ours),
        ],
        vec![("REQUESTS_CA_BUNDLE", ""), ("CURL_CA_BUNDLE", &ours)],
    ] {
        assert_eq!(
            get_in(nothing(), &environment).unwrap(),
            json!(1),
            "{environment:?}"
        );
    }
    // What the task says wins.
    let environment = [("REQUESTS_CA_BUNDLE", others.as_str())];
    assert_eq!(get_in(authority.trust(), &environment).unwrap(), json!(1));
    let environment = [("REQUESTS_CA_BUNDLE", "/nonexistent.pem")];
    assert_eq!(
        get_in(nothing(), &environment).unwrap_err().to_string(),
        "GET /version: REQUESTS_CA_BUNDLE `/nonexistent.pem`: No such file or directory"
    );
}
