use ansible::Args;
use pve::Plan;
use serde_json::{Value, json};

use super::{DomainArgs, plan, said, wanted};
use crate::resource::Fate;

fn args(options: &Value, more: &Value) -> DomainArgs {
    let mut all = json!({"realm": "office"});
    for options in [options, more] {
        let options = options.as_object().unwrap().clone();
        all.as_object_mut().unwrap().extend(options);
    }
    let Value::Object(all) = all else {
        panic!("not an object")
    };
    DomainArgs::parse(all).unwrap()
}

fn ldap() -> Value {
    json!({
        "state": "present", "type": "ldap", "ldap_base_dn": "dc=x", "ldap_user_attr": "uid", "ldap_primary_server": "s1",
    })
}

fn openid() -> Value {
    json!({"state": "present", "type": "openid", "openid_issuer_url": "https://sso", "openid_client_id": "pve"})
}

fn planned(options: &Value, more: &Value, have: &Value) -> (Plan, Fate) {
    let args = args(options, more);
    let have = (!have.is_null()).then(|| serde_json::from_value(have.clone()).unwrap());
    plan(&args, wanted(&args).unwrap(), have.as_ref())
}

fn calls(options: &Value, more: &Value, have: &Value) -> String {
    let (plan, _) = planned(options, more, have);
    assert_eq!(plan.changes(), plan.before != plan.after, "{more} {have}");
    plan.calls().join("; ")
}

#[test]
fn a_new_realm_gets_what_is_stated_and_its_type_has() {
    let cases = [
        (json!({}), ""),
        (json!({"comment": ""}), ""),
        (json!({"openid_client_id": "other", "ad_domain": "x"}), ""),
        (
            json!({"default": true, "comment": "Office"}),
            " comment=Office default=1",
        ),
        (
            json!({"ad_port": 636, "ldap_mode": "ldap+starttls"}),
            " mode=ldap+starttls port=636",
        ),
        (json!({"ldap_validate_certs": false}), " verify=0"),
        (
            json!({"ldap_sync_defaults_options": {"scope": "both", "enable_new": false, "remove_vanished": "entry, acl"}}),
            " sync-defaults-options=enable-new=0,remove-vanished=entry;acl,scope=both",
        ),
        (json!({"ldap_password": "hush"}), " password"),
        (json!({"ldap_password": ""}), ""),
    ];
    for (more, sent) in cases {
        let expected = {
            let mut params = vec!["base_dn=dc=x", "server1=s1", "type=ldap", "user_attr=uid"];
            params.extend(
                sent.split(' ')
                    .filter(|param| !param.is_empty() && *param != "password"),
            );
            params.sort_unstable();
            let secret = if sent == " password" {
                " password=********"
            } else {
                ""
            };
            format!(
                "POST /access/domains realm=office {}{secret}",
                params.join(" ")
            )
        };
        assert_eq!(calls(&ldap(), &more, &json!(null)), expected, "{more}");
    }
}

#[test]
fn of_an_existing_realm_only_what_differs_is_written() {
    let have = json!({
        "type": "ldap", "base_dn": "dc=x", "user_attr": "uid", "server1": "s1", "port": "636", "comment": "Office",
        "user_classes": "person, user", "sync-defaults-options": "enable-new=1,remove-vanished=acl;entry,scope=both",
        "verify": 1, "sync_attributes": "email=mail", "digest": "ab",
    });
    let cases = [
        (json!({}), ""),
        (
            json!({"comment": "Office", "ldap_port": 636, "ldap_validate_certs": true, "default": false}),
            "",
        ),
        (json!({"ldap_user_classes": "user,person"}), ""),
        (json!({"ldap_user_classes": "user"}), "user_classes=user"),
        (
            json!({"ldap_sync_defaults_options": {"scope": "both", "remove_vanished": "entry;acl", "enable_new": true}}),
            "",
        ),
        (
            json!({"ldap_sync_defaults_options": {"scope": "both", "remove_vanished": "entry;acl", "enable_new": false}}),
            "sync-defaults-options=enable-new=0,remove-vanished=entry;acl,scope=both",
        ),
        (
            json!({"ldap_sync_defaults_options": {}}),
            "delete=sync-defaults-options",
        ),
        (
            json!({"comment": "", "ldap_port": 389}),
            "port=389 delete=comment",
        ),
        (json!({"ldap_filter": ""}), ""),
        (json!({"ldap_primary_server": "s2"}), "server1=s2"),
    ];
    for (more, sent) in cases {
        let expected = match sent {
            "" => String::new(),
            sent => format!("PUT /access/domains/office {sent}"),
        };
        assert_eq!(calls(&ldap(), &more, &have), expected, "{more}");
    }
}

#[test]
fn a_bind_password_is_written_with_another_change_or_always() {
    let have = json!({"type": "ldap", "base_dn": "dc=x", "user_attr": "uid", "server1": "s1"});
    let secret = json!({"ldap_password": "hush"});
    let always = json!({"ldap_password": "hush", "update_password": "always"});
    let and_more = json!({"ldap_password": "hush", "comment": "Office"});
    assert_eq!(calls(&ldap(), &secret, &have), "");
    assert_eq!(
        calls(&ldap(), &always, &have),
        "PUT /access/domains/office password=********"
    );
    assert_eq!(
        calls(&ldap(), &and_more, &have),
        "PUT /access/domains/office comment=Office password=********"
    );
}

#[test]
fn a_client_key_is_compared_where_the_server_tells_it() {
    let have = |key: Value| json!({"type": "openid", "issuer-url": "https://sso", "client-id": "pve", "client-key": key});
    let key = |key: &str| json!({"openid_client_key": key});
    let written = "PUT /access/domains/office client-key=********";
    assert_eq!(calls(&openid(), &key("old"), &have(json!("old"))), "");
    assert_eq!(calls(&openid(), &key("new"), &have(json!("old"))), written);
    assert_eq!(calls(&openid(), &key("new"), &have(json!(null))), "");
    let always = json!({"openid_client_key": "new", "update_password": "always"});
    assert_eq!(calls(&openid(), &always, &have(json!(null))), written);
    let (plan, _) = planned(&openid(), &key("new"), &have(json!("old")));
    assert!(!format!("{}{}", plan.before, plan.after).contains("old"));
}

#[test]
fn a_realm_keeps_its_type_and_its_username_claim() {
    let sso = json!({"type": "openid", "issuer-url": "https://sso", "client-id": "pve", "username-claim": "email"});
    let (plan, fate) = planned(&ldap(), &json!({"ldap_password": "hush"}), &sso);
    assert_eq!((plan.calls().len(), fate), (0, Fate::Kept));
    assert_eq!(
        plan.warnings,
        [
            "the realm `office` is of type openid, and a realm keeps its type: settings that only a realm of type \
          ldap has are not written"
        ]
    );
    let more = json!({"comment": "Office", "ldap_filter": "(a=b)"});
    let ad = json!({"type": "ad", "domain": "x", "server1": "s1"});
    assert_eq!(
        calls(&ldap(), &more, &ad),
        "PUT /access/domains/office comment=Office filter=(a=b)"
    );

    for (claim, stays) in [
        (json!("email"), "`email`"),
        (json!(null), "the provider's subject"),
    ] {
        let mut sso = sso.clone();
        sso["username-claim"] = claim;
        let (plan, fate) = planned(&openid(), &json!({"openid_username_claim": "upn"}), &sso);
        assert_eq!((plan.calls().len(), fate), (0, Fate::Kept));
        assert_eq!(
            plan.warnings,
            [format!(
                "the realm `office` keeps the username claim that it was made with, {stays}"
            )]
        );
    }
    let (plan, _) = planned(&openid(), &json!({"openid_username_claim": "email"}), &sso);
    assert!(plan.warnings.is_empty());
}

#[test]
fn a_realm_is_removed_without_its_options() {
    let ad = json!({"type": "ad", "domain": "x", "server1": "s1"});
    let absent = json!({"state": "absent", "type": "ad"});
    assert_eq!(
        calls(&absent, &json!({}), &ad),
        "DELETE /access/domains/office"
    );
    assert_eq!(calls(&absent, &json!({}), &json!(null)), "");
}

#[test]
fn wrong_options_are_named_before_the_server_is_asked() {
    let cases = [
        (
            json!({"ldap_base_dn": null}),
            "type is ldap but all of the following are missing: ldap_base_dn",
        ),
        (
            json!({"type": "ad"}),
            "type is ad but all of the following are missing: ad_domain",
        ),
        (
            json!({"type": "openid"}),
            "type is openid but all of the following are missing: openid_issuer_url",
        ),
        (
            json!({"ldap_user_attr": ""}),
            "ldap_user_attr is empty, and a realm of type ldap needs it",
        ),
        (
            json!({"ad_sync_defaults_options": {"remove_vanished": "acl;users"}}),
            "remove_vanished: `users` is none of acl, properties, entry, none",
        ),
        (
            json!({"realm": "pam"}),
            "the realm `pam` is built into Proxmox VE and cannot be changed",
        ),
        (
            json!({"realm": "pve", "state": "absent"}),
            "the realm `pve` is built into Proxmox VE and cannot be removed",
        ),
    ];
    for (more, message) in cases {
        assert_eq!(wanted(&args(&ldap(), &more)).unwrap_err().msg, message);
    }
}

#[test]
fn what_becomes_of_it_is_said_as_of_old() {
    let cases = [
        (Fate::Created, false, "Domain office added."),
        (Fate::Created, true, "Domain office would be added."),
        (Fate::Changed, false, "Domain office edited."),
        (Fate::Removed, true, "Domain office would be deleted."),
        (Fate::Kept, true, "Domain office already exists."),
        (Fate::Missed, false, "Domain office not present."),
    ];
    for (fate, check_mode, sentence) in cases {
        assert_eq!(said("office", fate, check_mode), sentence);
    }
}
