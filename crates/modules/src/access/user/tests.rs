use super::{Caller, Password, UserOptions, change, compare};
use ansible::Args;
use pve::access::users::User;
use pve::canned::Canned;
use secret::Secret;
use serde_json::{Value, json};

const ROOT: Caller<'_> = Caller {
    name: "root@pam",
    password: None,
};

fn options(value: Value) -> UserOptions {
    let Value::Object(map) = value else {
        panic!("not an object")
    };
    UserOptions::parse(map).unwrap()
}

fn ada() -> User {
    let answer = json!({
        "enable": 1, "expire": 0, "comment": "engine", "email": "", "groups": ["ops", "web"], "keys": "x!oath",
        "tokens": {"mms": {}, "t2": {}},
    });
    serde_json::from_value(answer).unwrap()
}

#[test]
fn only_what_differs_is_written() {
    let cases = [
        (json!({}), ""),
        (
            json!({"comment": "engine", "enable": true, "groups": "web,ops"}),
            "",
        ),
        (
            json!({"comment": "", "groups": []}),
            "PUT /access/users/ada@pve comment= groups=",
        ),
        (
            json!({"enable": false, "expire": 7}),
            "PUT /access/users/ada@pve enable=0 expire=7",
        ),
        (
            json!({"groups": ["web"]}),
            "PUT /access/users/ada@pve groups=web",
        ),
        (
            json!({"groups": ["web", "lab"], "append": true}),
            "PUT /access/users/ada@pve groups=lab append=1",
        ),
        (json!({"groups": ["web"], "append": true}), ""),
        (
            json!({"keys": "abcdef"}),
            "PUT /access/users/ada@pve keys=********",
        ),
        (json!({"password": "12345678"}), ""),
        (json!({"state": "absent"}), "DELETE /access/users/ada@pve"),
    ];
    for (given, calls) in cases {
        let mut whole = given.clone();
        whole["userid"] = json!("ada@pve");
        let plan = change(&options(whole), Some(&ada()), Password::Kept, ROOT)
            .unwrap()
            .plan();
        assert_eq!(plan.calls().join("; "), calls, "{given}");
        assert_eq!(plan.before != plan.after, plan.changes(), "{given}");
    }
}

#[test]
fn a_new_user_is_made_with_what_is_stated() {
    let cases = [
        (json!({}), "POST /access/users userid=ada@pve"),
        (
            json!({"enable": true, "expire": 0, "comment": "", "groups": []}),
            "POST /access/users userid=ada@pve",
        ),
        (
            json!({"enable": false, "groups": ["web", "ops"], "append": true, "password": "12345678"}),
            "POST /access/users userid=ada@pve enable=0 groups=ops,web password=********",
        ),
        (json!({"state": "absent"}), ""),
    ];
    let token = Caller {
        name: "ansible@pam!mms",
        password: None,
    };
    for (given, calls) in cases {
        let mut whole = given.clone();
        whole["userid"] = json!("ada@pve");
        let plan = change(&options(whole), None, Password::Kept, token)
            .unwrap()
            .plan();
        assert_eq!(plan.calls().join("; "), calls, "{given}");
        assert_eq!(plan.before != plan.after, plan.changes(), "{given}");
    }
}

#[test]
fn a_password_is_written_after_the_fields_by_who_may() {
    let wanted = options(
        json!({"userid": "ada@pve", "enable": true, "comment": "", "password": "12345678"}),
    );
    let own = Secret::new("my-own-password");
    let admin = Caller {
        name: "admin@pve",
        password: Some(&own),
    };
    let put = "PUT /access/password userid=ada@pve password=********";
    for (caller, password) in [
        (ROOT, put.to_owned()),
        (admin, format!("{put} confirmation-password=********")),
    ] {
        let change = change(&wanted, Some(&ada()), Password::Differs, caller).unwrap();
        let calls = change.plan().calls();
        assert_eq!(
            calls,
            ["PUT /access/users/ada@pve comment=".to_owned(), password]
        );
    }
    let token = Caller {
        name: "root@pam!t",
        password: None,
    };
    let failure = change(&wanted, Some(&ada()), Password::Differs, token).unwrap_err();
    assert!(
        failure.msg.contains("the caller is the token `root@pam!t`"),
        "{}",
        failure.msg
    );
}

#[test]
fn a_password_is_compared_where_it_would_be_written() {
    let always = json!({"userid": "ada@pve", "password": "12345678", "update_password": "always"});
    let with = |key: &str, value: Value| {
        let mut given = always.clone();
        given[key] = value;
        given
    };
    let disabled = User {
        enable: false,
        ..ada()
    };
    let expired = User {
        expire: 1_000_000_000,
        ..ada()
    };
    let cases = [
        (always.clone(), Some(ada()), Password::Kept),
        (
            with("password", json!("another-one")),
            Some(ada()),
            Password::Differs,
        ),
        (always.clone(), Some(disabled), Password::Unknown),
        (always.clone(), Some(expired), Password::Unknown),
        (always.clone(), None, Password::Kept),
        (with("state", json!("absent")), Some(ada()), Password::Kept),
        (
            json!({"userid": "ada@pve", "password": "another-one"}),
            Some(ada()),
            Password::Kept,
        ),
    ];
    for (given, have, expected) in cases {
        let cluster = Canned::new().accepting("12345678").cluster();
        let compared = compare(&options(given.clone()), have.as_ref(), &cluster).unwrap();
        assert_eq!(compared, expected, "{given}");
    }
}

#[test]
fn keys_and_password_stand_in_no_diff() {
    let wanted = options(json!({"userid": "ada@pve", "keys": "abcdef", "password": "12345678"}));
    let plan = change(&wanted, Some(&ada()), Password::Differs, ROOT)
        .unwrap()
        .plan();
    let shown = format!("{} {}", plan.before, plan.after);
    for secret in ["abcdef", "x!oath", "12345678"] {
        assert!(!shown.contains(secret), "{shown}");
    }
    assert_ne!(plan.before["keys"], plan.after["keys"]);
    assert_ne!(plan.before["password"], plan.after["password"]);
}

#[test]
fn what_the_server_would_refuse_is_refused_at_once() {
    for userid in [
        "ada@pve",
        "ada.b@pve",
        "ada@mail.example@ldap-1",
        "DOMAIN\\ada@ad",
        "a!b@pve",
    ] {
        options(json!({"userid": userid})).check().unwrap();
    }
    let at_root =
        "the user `root@pam` cannot be removed: the server would keep it and remove its tokens";
    let cases = [
        (
            json!({"userid": "ada"}),
            "userid `ada` is not of the form name@realm",
        ),
        (
            json!({"userid": "@pve"}),
            "userid `@pve` is not of the form name@realm",
        ),
        (
            json!({"userid": "a b@pve"}),
            "userid `a b@pve` is not of the form name@realm",
        ),
        (
            json!({"userid": "ada@p"}),
            "userid `ada@p` is not of the form name@realm",
        ),
        (
            json!({"userid": "ada@pve!mms"}),
            "userid `ada@pve!mms` is not of the form name@realm; the token of a user is not a user: leave out \
             what follows `ada@pve`",
        ),
        (json!({"userid": "root@pam", "state": "absent"}), at_root),
        (
            json!({"userid": "ada@pve", "expire": -1}),
            "expire must be 0 (never) or a time in seconds since 1970",
        ),
    ];
    for (given, message) in cases {
        assert_eq!(options(given).check().unwrap_err().msg, message);
    }
    options(json!({"userid": "root@pam"})).check().unwrap();
}

#[test]
fn a_password_that_would_be_sent_has_the_length_that_the_server_takes() {
    let length = "the password of user `ada@pve` must have 8 to 64 characters";
    for password in [String::new(), "1234567".to_owned(), "x".repeat(65)] {
        let wanted = options(json!({"userid": "ada@pve", "password": password}));
        for (have, compared) in [(None, Password::Kept), (Some(ada()), Password::Differs)] {
            let failure = change(&wanted, have.as_ref(), compared, ROOT).unwrap_err();
            assert_eq!(failure.msg, length);
        }
        change(&wanted, Some(&ada()), Password::Kept, ROOT).unwrap();
    }
    let wanted = options(json!({"userid": "ada@pve", "password": "ä".repeat(64)}));
    change(&wanted, None, Password::Kept, ROOT).unwrap();
}
