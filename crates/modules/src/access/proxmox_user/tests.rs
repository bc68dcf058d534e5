use super::{Notes, ProxmoxUserArgs, options, plan};
use crate::access::user::{Caller, Password};
use crate::resource::Fate;
use ansible::Args;
use pve::access::users::User;
use serde_json::{Value, json};

const TOKEN: Caller<'_> = Caller {
    name: "ansible@pam!mms",
    password: None,
};
const ROOT: Caller<'_> = Caller {
    name: "root@pam",
    password: None,
};

fn args(given: &Value) -> ProxmoxUserArgs {
    let mut whole = given.clone();
    whole["userid"] = json!("ada@pve");
    let Value::Object(map) = whole else {
        panic!("not an object")
    };
    ProxmoxUserArgs::parse(map).unwrap()
}

fn ada() -> User {
    let answer = json!({
        "enable": 1, "expire": 0, "comment": "engine", "groups": ["ops", "web"],
        "tokens": {"ci": {"privsep": 1, "comment": "builds"}, "web": {"privsep": 0, "expire": 7}},
    });
    serde_json::from_value(answer).unwrap()
}

#[test]
fn only_what_differs_is_written() {
    let ci = json!({"tokenid": "ci"});
    let web = json!({"name": "web", "privilege_separation": false, "expire": 7});
    let cases = [
        (json!({}), Fate::Kept, vec![]),
        (
            json!({"enable": false, "expire": 9}),
            Fate::Changed,
            vec!["PUT /access/users/ada@pve enable=0 expire=9"],
        ),
        (
            json!({"groups": ["web", "ops"], "comment": "engine"}),
            Fate::Kept,
            vec![],
        ),
        (
            json!({"groups": []}),
            Fate::Changed,
            vec!["PUT /access/users/ada@pve groups="],
        ),
        (json!({"tokens": [web, ci]}), Fate::Kept, vec![]),
        (
            json!({"tokens": [ci]}),
            Fate::Changed,
            vec!["DELETE /access/users/ada@pve/token/web"],
        ),
        (
            json!({"tokens": []}),
            Fate::Changed,
            vec![
                "DELETE /access/users/ada@pve/token/ci",
                "DELETE /access/users/ada@pve/token/web",
            ],
        ),
        (
            json!({"comment": "", "tokens": [web, {"tokenid": "ci", "comment": "", "privsep": false}, {"tokenid": "t3"}]}),
            Fate::Changed,
            vec![
                "PUT /access/users/ada@pve comment=",
                "PUT /access/users/ada@pve/token/ci comment= privsep=0",
                "POST /access/users/ada@pve/token/t3 expire=0",
            ],
        ),
        (
            json!({"state": "absent", "tokens": []}),
            Fate::Removed,
            vec!["DELETE /access/users/ada@pve"],
        ),
    ];
    for (given, fate, calls) in cases {
        let args = args(&given);
        let have = ada();
        let (plan, notes) =
            plan(&args, &options(&args), Some(&have), Password::Kept, TOKEN).unwrap();
        assert_eq!(plan.calls(), calls, "{given}");
        assert_eq!(notes.fate, fate, "{given}");
        assert_eq!(plan.before != plan.after, plan.changes(), "{given}");
    }
}

#[test]
fn tokens_come_after_their_user() {
    let args = args(&json!({"password": "12345678", "tokens": [{"tokenid": "ci"}]}));
    let (plan, notes) = plan(&args, &options(&args), None, Password::Kept, TOKEN).unwrap();
    assert_eq!(
        plan.calls(),
        [
            "POST /access/users userid=ada@pve password=********",
            "POST /access/users/ada@pve/token/ci expire=0",
        ]
    );
    let stages: Vec<u32> = plan.tracks.iter().map(|track| track.stage).collect();
    assert_eq!(stages, [0, 1]);
    assert_eq!(notes.fate, Fate::Created);
    assert_eq!(plan.after["tokens"]["ci"]["privsep"], json!(true));
}

#[test]
fn a_password_that_a_token_may_not_write_stays_with_a_warning() {
    let have = ada();
    for (password, warned) in [
        (Password::Kept, None),
        (Password::Differs, Some("is not the one that is stated")),
        (
            Password::Unknown,
            Some("cannot be compared, as the user is disabled or expired"),
        ),
    ] {
        let args = args(&json!({"password": "12345678"}));
        let (by_token, notes) = plan(&args, &options(&args), Some(&have), password, TOKEN).unwrap();
        assert!(!by_token.changes());
        assert_eq!(notes.fate, Fate::Kept);
        assert_eq!(by_token.warnings.len(), usize::from(warned.is_some()));
        assert!(warned.is_none_or(|why| by_token.warnings[0].contains(why)));

        let (by_root, notes) = plan(&args, &options(&args), Some(&have), password, ROOT).unwrap();
        assert_eq!(by_root.changes(), warned.is_some());
        let fate = if by_root.changes() {
            Fate::Changed
        } else {
            Fate::Kept
        };
        let expected = Notes {
            fate,
            beyond_password: false,
        };
        assert_eq!(notes, expected);
    }
}

#[test]
fn a_token_that_is_stated_twice_is_refused() {
    let args = args(&json!({"tokens": [{"tokenid": "ci"}, {"tokenid": "ci"}]}));
    let failure = plan(&args, &options(&args), None, Password::Kept, TOKEN).unwrap_err();
    assert_eq!(failure.msg, "the token `ada@pve!ci` is stated twice");
}
