//! Realms: their settings, and what the modules that manage them share.

use std::collections::BTreeSet;

use ansible::{Choice, Failure};
use pve::access::domains::{self, Realm};
use pve::wire::{Kind, PropertyString, lists, parse_switch};
use pve::{Call, path};

use super::proxmox_domain::DomainArgs;
use crate::resource::{Emptied, Field, Fields, Resource};

/// A realm.
pub(super) const REALM: Resource = Resource {
    thing: "realm",
    key: "realm",
    file: "domains.cfg",
    create: |id| Call::post(path!("access", "domains")).with("realm", id),
    write: |verb, id| Call::new(verb, path!("access", "domains", id)),
    look: domains::of,
    read: |answer, _| Some(fields(&serde_json::from_value(answer.clone()).ok()?)),
    // What is stated is stored, also where it is what the server does anyway.
    fresh: Fields::new,
    emptied: Emptied::Delete,
};

/// The types of realms that can be made.
#[derive(Choice, Clone, Copy, Debug, PartialEq, Eq)]
pub enum RealmType {
    /// Active Directory.
    Ad,
    /// Any other directory that speaks LDAP.
    Ldap,
    /// A provider of `OpenID` Connect.
    Openid,
}

const ALL: &[RealmType] = &[RealmType::Ad, RealmType::Ldap, RealmType::Openid];
const DIRECTORY: &[RealmType] = &[RealmType::Ad, RealmType::Ldap];
const AD: &[RealmType] = &[RealmType::Ad];
const LDAP: &[RealmType] = &[RealmType::Ldap];
const OPENID: &[RealmType] = &[RealmType::Openid];

/// How a setting is read and compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Text,
    /// Words in one text, whose order means nothing.
    Words,
    /// Options of a synchronisation, a property string.
    Sync,
    Number,
    /// On or off, with what the server does where it is not told.
    Switch(bool),
}

/// A setting of a realm.
struct Setting {
    /// Its name in the API.
    name: &'static str,
    /// The types of realms that have it.
    of: &'static [RealmType],
    form: Form,
    /// What a task states.
    stated: fn(&DomainArgs) -> Option<Field>,
}

/// All settings but the secrets. The options of a directory are called `ldap_…` and `ad_…` alike.
const SETTINGS: &[Setting] = &[
    setting("comment", ALL, Form::Text, |args| {
        text(args.comment.as_ref())
    }),
    setting("default", ALL, Form::Switch(false), |args| {
        switch(args.default)
    }),
    setting("server1", DIRECTORY, Form::Text, |args| {
        text(args.ldap_primary_server.as_ref())
    }),
    setting("server2", DIRECTORY, Form::Text, |args| {
        text(args.ldap_secondary_server.as_ref())
    }),
    setting("port", DIRECTORY, Form::Number, |args| {
        args.ldap_port.map(|port| Field::from(i64::from(port)))
    }),
    setting("mode", DIRECTORY, Form::Text, |args| {
        args.ldap_mode.map(|mode| Field::from(mode.name()))
    }),
    setting("verify", DIRECTORY, Form::Switch(false), |args| {
        switch(args.ldap_validate_certs)
    }),
    setting("bind_dn", DIRECTORY, Form::Text, |args| {
        text(args.ldap_bind_dn.as_ref())
    }),
    setting("filter", DIRECTORY, Form::Text, |args| {
        text(args.ldap_filter.as_ref())
    }),
    setting("user_classes", DIRECTORY, Form::Words, |args| {
        text(args.ldap_user_classes.as_ref())
    }),
    setting("group_classes", DIRECTORY, Form::Words, |args| {
        text(args.ldap_group_classes.as_ref())
    }),
    setting("group_filter", DIRECTORY, Form::Text, |args| {
        text(args.ldap_group_filter.as_ref())
    }),
    setting("group_name_attr", DIRECTORY, Form::Text, |args| {
        text(args.ldap_group_name_attr.as_ref())
    }),
    setting("sync-defaults-options", DIRECTORY, Form::Sync, |args| {
        let options = args.ldap_sync_defaults_options.as_ref()?;
        Some(Field::from(options.text()))
    }),
    setting("base_dn", LDAP, Form::Text, |args| {
        text(args.ldap_base_dn.as_ref())
    }),
    setting("user_attr", LDAP, Form::Text, |args| {
        text(args.ldap_user_attr.as_ref())
    }),
    setting("domain", AD, Form::Text, |args| {
        text(args.ad_domain.as_ref())
    }),
    setting("case-sensitive", AD, Form::Switch(true), |args| {
        switch(Some(args.ad_case_sensitive))
    }),
    setting("issuer-url", OPENID, Form::Text, |args| {
        text(args.openid_issuer_url.as_ref())
    }),
    setting("client-id", OPENID, Form::Text, |args| {
        text(args.openid_client_id.as_ref())
    }),
    setting(USERNAME_CLAIM, OPENID, Form::Text, |args| {
        text(args.openid_username_claim.as_ref())
    }),
    setting("scopes", OPENID, Form::Words, |args| {
        text(args.openid_scopes.as_ref())
    }),
    setting("prompt", OPENID, Form::Text, |args| {
        text(args.openid_prompt.as_ref())
    }),
    setting("acr-values", OPENID, Form::Words, |args| {
        text(args.openid_acr_values.as_ref())
    }),
    setting("audiences", OPENID, Form::Words, |args| {
        text(args.openid_audiences.as_ref())
    }),
    setting("autocreate", OPENID, Form::Switch(false), |args| {
        switch(args.openid_autocreate)
    }),
    setting("query-userinfo", OPENID, Form::Switch(true), |args| {
        switch(args.openid_query_userinfo)
    }),
    setting("groups-claim", OPENID, Form::Text, |args| {
        text(args.openid_groups_claim.as_ref())
    }),
    setting("groups-autocreate", OPENID, Form::Switch(false), |args| {
        switch(args.openid_groups_autocreate)
    }),
    setting("groups-overwrite", OPENID, Form::Switch(false), |args| {
        switch(args.openid_groups_overwrite)
    }),
];

/// The setting that a realm keeps for as long as it lives, as it keeps its type.
pub(super) const USERNAME_CLAIM: &str = "username-claim";

const fn setting(
    name: &'static str,
    of: &'static [RealmType],
    form: Form,
    stated: fn(&DomainArgs) -> Option<Field>,
) -> Setting {
    Setting {
        name,
        of,
        form,
        stated,
    }
}

fn text(stated: Option<&String>) -> Option<Field> {
    stated.map(|text| Field::from(text.as_str()))
}

fn switch(stated: Option<bool>) -> Option<Field> {
    stated.map(Field::from)
}

impl Setting {
    fn is_of(&self, kind: &str) -> bool {
        self.of.iter().any(|of| of.name() == kind)
    }
}

/// A realm's settings, with what the server does where a switch is not told.
pub(super) fn fields(realm: &Realm) -> Fields {
    let kind = ("type", Field::from(realm.kind.as_str()));
    SETTINGS
        .iter()
        .filter(|setting| setting.is_of(&realm.kind))
        .filter_map(|setting| Some((setting.name, setting.form.read(realm.text(setting.name))?)))
        .chain([kind])
        .collect()
}

/// The settings that a task states, as far as realms of these two types have them: the one that is
/// wanted, and the realm's own. A value that means the same as the realm's is the realm's.
pub(super) fn stated(args: &DomainArgs, kinds: [&str; 2], have: Option<&Fields>) -> Fields {
    let [kind, own] = kinds;
    SETTINGS
        .iter()
        .filter(|setting| setting.is_of(kind) && setting.is_of(own))
        .filter_map(|setting| {
            let field = (setting.stated)(args)?;
            let kept = have.and_then(|have| have.get(setting.name));
            let field = match (kept, &field) {
                (Some(Field::Text(have)), Field::Text(want)) if setting.form.same(have, want) => {
                    Field::from(have.as_str())
                }
                _ => field,
            };
            Some((setting.name, field))
        })
        .collect()
}

impl Form {
    fn read(self, text: Option<String>) -> Option<Field> {
        match self {
            Self::Switch(default) => Some(Field::Switch(
                text.as_deref().and_then(parse_switch).unwrap_or(default),
            )),
            Self::Number => text.map(|text| text.parse().map_or(Field::Text(text), Field::Number)),
            Self::Text | Self::Words | Self::Sync => text.map(Field::Text),
        }
    }

    fn same(self, have: &str, want: &str) -> bool {
        match self {
            Self::Words => words(have) == words(want),
            Self::Sync => {
                let parse = |text| PropertyString::parse(Kind::REALM_SYNC, text);
                match (parse(have), parse(want)) {
                    (Ok(have), Ok(want)) => have.same(&want),
                    _ => false,
                }
            }
            Self::Text | Self::Number | Self::Switch(_) => have == want,
        }
    }
}

fn words(text: &str) -> BTreeSet<&str> {
    lists::split(text).collect()
}

/// What a synchronisation takes away, as the API takes it: `acl;entry`. Commas and blanks are as
/// good as semicolons.
pub(super) fn vanished(stated: Option<&str>) -> Result<Option<String>, Failure> {
    const KNOWN: [&str; 4] = ["acl", "properties", "entry", "none"];
    let words: Vec<&str> = lists::split(stated.unwrap_or_default()).collect();
    match words.iter().find(|word| !KNOWN.contains(word)) {
        Some(word) => Err(Failure::new(format!(
            "remove_vanished: `{word}` is none of {}",
            KNOWN.join(", ")
        ))),
        None => Ok((!words.is_empty()).then(|| words.join(";"))),
    }
}
