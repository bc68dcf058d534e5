use std::collections::{BTreeMap, BTreeSet};

use super::{Case, Missing, Wanted, judge};
use serde_json::{Value, json};

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

fn option(value: Value) -> BTreeMap<String, Value> {
    serde_json::from_value(value).unwrap()
}

fn missing(
    have: &[&str],
    token: Option<&str>,
    of_user: Option<&Option<BTreeSet<String>>>,
) -> Missing {
    let case = Case {
        path: "/vms",
        wanted: &set(&["VM.Audit", "VM.Clone"]),
        have: set(have),
        known: set(&["VM.Audit", "VM.Clone", "VM.Backup"]),
    };
    case.missing("ops@pve", token, of_user)
}

#[test]
fn privileges_may_be_lists_or_texts() {
    let wanted = Wanted::read(&option(json!({
        "/vms/": ["VM.Audit", "VM.Clone VM.Backup"], "/vms": "VM.Audit,SDN.Use", "/": "Sys.Audit"
    })));
    let wanted = wanted.unwrap().0;
    assert_eq!(
        wanted["/vms"],
        set(&["VM.Audit", "VM.Backup", "VM.Clone", "SDN.Use"])
    );
    assert_eq!(wanted["/"], set(&["Sys.Audit"]));
    for wrong in [
        json!({"vms": ["VM.Audit"]}),
        json!({"/vms": {"VM.Audit": true}}),
        json!({"/vms": [1]}),
    ] {
        assert!(Wanted::read(&option(wrong)).is_err());
    }
}

#[test]
fn a_users_role_keeps_what_is_inherited() {
    let missing = missing(&["VM.Audit", "VM.Backup"], None, None);
    assert_eq!(missing.privileges, set(&["VM.Clone"]));
    assert_eq!(
        missing.commands,
        [
            "{ pveum role modify Ferrox-vms-ops_pve --privs \"VM.Audit VM.Backup VM.Clone\" --append 1 || \
             pveum role add Ferrox-vms-ops_pve --privs \"VM.Audit VM.Backup VM.Clone\"; } && \
             pveum acl modify /vms --roles Ferrox-vms-ops_pve --users 'ops@pve'"
        ]
    );
}

#[test]
fn a_separate_token_needs_it_beside_its_user() {
    let grant = |kind: &str, holder: &str, role: &str| {
        format!(
            "{{ pveum role modify {role} --privs \"VM.Audit VM.Clone\" --append 1 || \
             pveum role add {role} --privs \"VM.Audit VM.Clone\"; }} && \
             pveum acl modify /vms --roles {role} --{kind}s '{holder}'"
        )
    };
    let of_user = grant("user", "ops@pve", "Ferrox-vms-ops_pve");
    let of_token = grant("token", "ops@pve!ci", "Ferrox-vms-ops_pve_ci");
    let cases = [
        (Some(set(&["VM.Audit", "VM.Clone"])), vec![of_token.clone()]),
        (
            Some(set(&["VM.Audit"])),
            vec![of_user.clone(), of_token.clone()],
        ),
        (None, vec![of_user, of_token]),
    ];
    for (has, commands) in cases {
        let missing = missing(&[], Some("ci"), Some(&has));
        assert_eq!(missing.commands, commands);
        let hint = judge(&[missing]).hint.unwrap();
        assert_eq!(
            hint.contains("pveum user permissions ops@pve --path /vms"),
            has.is_none()
        );
    }
}

#[test]
fn a_privilege_that_the_server_does_not_know_is_not_granted() {
    let case = Case {
        path: "/",
        wanted: &set(&["VM.Nope"]),
        have: set(&[]),
        known: set(&["VM.Audit"]),
    };
    let everywhere = || case.missing("ops@pve", None, None);
    assert_eq!(everywhere().commands, [""; 0]);
    let finding = judge(&[everywhere(), everywhere()]);
    assert_eq!(finding.ok, Some(false));
    // It is not lacked, as nobody can have it, and said once, however many paths it is wanted on.
    assert_eq!(finding.detail, "this server knows no privilege `VM.Nope`");
}
