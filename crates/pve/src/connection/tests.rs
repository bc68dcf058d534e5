use std::time::Duration;

use secret::Secret;

use super::{Connection, Credentials, Fingerprint, Host, Options, OptionsError, Target};

fn token(user: &str, token_id: &str) -> Credentials {
    Credentials::Token {
        user: user.to_owned(),
        token_id: token_id.to_owned(),
        secret: Secret::new("s3cret"),
    }
}

fn with_token(
    api_user: Option<&str>,
    api_token_id: Option<&str>,
) -> Result<Credentials, OptionsError> {
    Connection::from_options(Options {
        api_host: Some("pve1"),
        api_user,
        api_token_id,
        api_token_secret: Some(&Secret::new("s3cret")),
        ..Options::default()
    })
    .map(|connection| connection.credentials)
}

#[test]
fn hosts_are_read_in_every_form_people_write() {
    let host = |name: &str, port| Host {
        name: name.to_owned(),
        port,
    };
    let cases = [
        ("pve1", vec![host("pve1", 8006)]),
        ("PVE1.example.org:443", vec![host("pve1.example.org", 443)]),
        ("192.0.2.7:8007", vec![host("192.0.2.7", 8007)]),
        ("2001:db8::1", vec![host("2001:db8::1", 8006)]),
        ("[2001:db8::1]", vec![host("2001:db8::1", 8006)]),
        ("[2001:db8::1]:443", vec![host("2001:db8::1", 443)]),
        (
            "pve1, pve2:8007,,[::1]",
            vec![host("pve1", 8006), host("pve2", 8007), host("::1", 8006)],
        ),
    ];
    for (text, hosts) in cases {
        assert_eq!(Host::parse_list(text, 8006), Ok(hosts), "{text}");
    }
}

#[test]
fn a_host_that_is_none_is_refused_by_its_text() {
    let cases = [
        (
            "https://pve1:8006",
            "api_host `https://pve1:8006` is not a host: give the host alone, not a URL",
        ),
        (
            "pve1:http",
            "api_host `pve1:http` is not a host: the port is not a number from 1 to 65535",
        ),
        (
            "pve1:0",
            "api_host `pve1:0` is not a host: the port is not a number from 1 to 65535",
        ),
        ("[::1", "api_host `[::1` is not a host: `]` is missing"),
        (
            "[pve1]",
            "api_host `[pve1]` is not a host: what stands in brackets is not an IPv6 address",
        ),
        (
            "root@pve1",
            "api_host `root@pve1` is not a host: this is neither a host name nor an address",
        ),
        (
            "pve 1",
            "api_host `pve 1` is not a host: this is neither a host name nor an address",
        ),
        (
            " , ",
            "no Proxmox VE host was given: set api_host or the environment variable PROXMOX_HOST",
        ),
    ];
    for (text, message) in cases {
        let error = Host::parse_list(text, 8006).unwrap_err();
        assert_eq!(error.to_string(), message);
    }
}

#[test]
fn a_token_may_be_named_in_three_ways() {
    for (user, token_id) in [
        (Some("ansible@pam"), Some("mms")),
        (Some("ansible@pam!mms"), None),
        (Some("ansible@pam!mms"), Some("")),
        (Some("ansible@pam!mms"), Some("mms")),
        (Some("ansible@pam!mms"), Some("ansible@pam!mms")),
        (Some("ansible@pam"), Some("ansible@pam!mms")),
        (Some("root@pam"), Some("ansible@pam!mms")),
        (None, Some("ansible@pam!mms")),
        (Some("ansible@pam"), Some("!mms")),
    ] {
        assert_eq!(
            with_token(user, token_id),
            Ok(token("ansible@pam", "mms")),
            "{user:?} {token_id:?}"
        );
    }
    assert_eq!(with_token(None, Some("t1")), Ok(token("root@pam", "t1")));
}

#[test]
fn names_that_contradict_each_other_are_refused() {
    let cases = [
        (
            Some("ansible@pam!mms"),
            Some("other"),
            "api_user `ansible@pam!mms` and api_token_id `other` name different tokens",
        ),
        (
            Some("a@pve"),
            Some("b@pve!t1"),
            "api_user `a@pve` and api_token_id `b@pve!t1` name different users",
        ),
        (
            Some("ansible"),
            Some("mms"),
            "api_user `ansible` has no realm: write `ansible@pam` or `ansible@pve`",
        ),
        (
            Some("a@pve"),
            None,
            "api_token_secret was given without the name of the token: set api_token_id, \
             or write api_user as `user@realm!tokenid`",
        ),
    ];
    for (user, token_id, message) in cases {
        let error = with_token(user, token_id).unwrap_err();
        assert_eq!(error.to_string(), message);
    }
}

#[test]
fn a_password_wins_over_a_token() {
    let connection = Connection::from_options(Options {
        api_host: Some("pve1"),
        api_user: Some("ansible@pam!mms"),
        api_password: Some(&Secret::new("hunter2")),
        api_otp: Some(&Secret::new("")),
        api_token_secret: Some(&Secret::new("s3cret")),
        ..Options::default()
    })
    .unwrap();
    assert_eq!(
        connection.credentials,
        Credentials::Password {
            user: "ansible@pam".to_owned(),
            password: Secret::new("hunter2"),
            otp: None,
        }
    );
    assert_eq!(connection.credentials.name(), "ansible@pam");
}

#[test]
fn missing_credentials_are_named() {
    let error = |options: Options<'_>| {
        Connection::from_options(Options {
            api_host: Some("pve1"),
            ..options
        })
        .unwrap_err()
        .to_string()
    };
    assert_eq!(
        error(Options::default()),
        "no credentials were given: set api_password, or api_token_id and api_token_secret"
    );
    assert_eq!(
        error(Options {
            api_password: Some(&Secret::new("")),
            ..Options::default()
        }),
        "no credentials were given: set api_password, or api_token_id and api_token_secret"
    );
    assert_eq!(
        error(Options {
            api_token_id: Some("t1"),
            ..Options::default()
        }),
        "the token `root@pam!t1` was given without its secret: set api_token_secret"
    );
}

#[test]
fn defaults_are_safe() {
    let connection = Connection::from_options(Options {
        api_host: Some("pve1"),
        api_password: Some(&Secret::new("hunter2")),
        ca_path: Some(""),
        api_fingerprint: Some(""),
        ..Options::default()
    })
    .unwrap();
    assert!(connection.trust.validate);
    assert_eq!(connection.trust.ca_path, None);
    assert_eq!(connection.trust.fingerprint, None);
    assert_eq!(connection.read_timeout, Duration::from_secs(35));
}

#[test]
fn a_timeout_must_be_positive() {
    let error = Connection::from_options(Options {
        api_host: Some("pve1"),
        api_timeout: Some(0),
        ..Options::default()
    })
    .unwrap_err();
    assert_eq!(error, OptionsError::Timeout(0));
}

#[test]
fn fingerprints_are_read_with_and_without_colons() {
    let shown = "AB:CD:".to_owned() + &["EF"; 30].join(":");
    for text in [
        shown.clone(),
        shown.to_lowercase(),
        shown.replace(':', ""),
        format!(" {shown}\n"),
    ] {
        assert_eq!(text.parse::<Fingerprint>().unwrap().to_string(), shown);
    }
    for text in ["AB:CD", &shown[3..], &shown.replace("EF", "EG")] {
        assert_eq!(
            text.parse::<Fingerprint>().unwrap_err(),
            OptionsError::Fingerprint(text.to_owned())
        );
    }
}

#[test]
fn without_a_host_it_is_this_node_as_root() {
    let root = Options {
        api_host: Some(" "),
        api_user: Some("root@pam"),
        api_password: Some(&Secret::new("")),
        api_timeout: Some(7),
        ..Options::default()
    };
    let local = Target::Local {
        read_timeout: Duration::from_secs(7),
    };
    assert_eq!(Target::from_options(root), Ok(local));
}

#[test]
fn credentials_without_a_host_are_not_passed_over() {
    let secret = Secret::new("s3cret");
    for (option, options) in [
        (
            "api_password",
            Options {
                api_password: Some(&secret),
                ..Options::default()
            },
        ),
        (
            "api_token_secret",
            Options {
                api_token_secret: Some(&secret),
                ..Options::default()
            },
        ),
        (
            "api_user",
            Options {
                api_user: Some("ansible@pve"),
                ..Options::default()
            },
        ),
    ] {
        let error = Target::from_options(options).unwrap_err();
        assert_eq!(error, OptionsError::NotUsed(option));
    }
}
