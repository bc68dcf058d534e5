//! Users: what the modules that manage them share.

mod password;

use std::collections::BTreeSet;

use ansible::{Args, Choice, Failure};
use pve::access::users::{self, User};
use pve::wire::lists::joined;
use pve::{Call, Cluster, Param, Plan, Track, path};
use secret::Secret;
use serde::Deserialize;
use serde_json::{Value, json};

pub(super) use password::{Caller, Password, compare};

use super::role::USER_CFG;
use crate::fault;
use crate::resource::{Change, Emptied, Fate, Field, Fields, Resource, State, Wish, stated};

/// A user.
pub(super) const USER: Resource = Resource {
    thing: "user",
    key: "userid",
    file: USER_CFG,
    create: |id| Call::post(path!("access", "users")).with("userid", id),
    write: |verb, id| Call::new(verb, path!("access", "users", id)),
    look: users::of,
    read: |answer, _| User::deserialize(answer).ok().map(|user| fields(&user)),
    fresh: || fields(&User::default()),
    emptied: Emptied::Empty,
};

/// The one user that the server always has.
const ROOT: &str = "root@pam";

/// What stands in a diff in place of a secret …
const HIDDEN: &str = "********";
/// … and of one that is written.
const HIDDEN_ANEW: &str = "******** (written)";

fn fields(user: &User) -> Fields {
    Fields::from([
        ("enable", Field::from(user.enable)),
        ("expire", Field::from(user.expire)),
        ("firstname", Field::from(user.firstname.as_str())),
        ("lastname", Field::from(user.lastname.as_str())),
        ("email", Field::from(user.email.as_str())),
        ("comment", Field::from(user.comment.as_str())),
        ("keys", Field::from(user.keys.as_str())),
        ("groups", Field::from(&user.groups)),
    ])
}

/// What is wanted of a user.
#[derive(Args, Clone, Debug)]
#[args(required_if(key = "append", value = true, all = ["groups"]))]
pub struct UserOptions {
    /// The user, `name@realm`.
    #[arg(required, aliases = ["name"])]
    pub userid: String,
    /// Whether the user may log in, with a password or with a token. A new user may.
    pub enable: Option<bool>,
    /// When the user, tokens included, ends, in seconds since 1970; V(0) for never.
    pub expire: Option<i64>,
    /// The first name.
    pub firstname: Option<String>,
    /// The last name.
    pub lastname: Option<String>,
    /// The mail address.
    pub email: Option<String>,
    /// A note.
    pub comment: Option<String>,
    /// The keys of a second factor of the kind Yubico, as the server stores them.
    pub keys: Option<Secret>,
    /// The groups that the user is a member of. They replace those that the user is in, unless O(append=true).
    /// An empty list takes the user out of all groups; without this option the groups stay as they are.
    pub groups: Option<Vec<String>>,
    /// Add to the groups that the user is in, rather than replace them.
    #[arg(default = false)]
    pub append: bool,
    /// The password, of 8 to 64 characters, for a realm that lets Proxmox VE set it. A user without one logs in
    /// by tokens only.
    pub password: Option<Secret>,
    /// When the password is written: to a new user only, or, with V(always), also to a user who is there and for
    /// whom a login shows that it is not the password yet.
    #[arg(default = "on_create", no_log = false)]
    pub update_password: UpdatePassword,
    /// Whether the user is there.
    #[arg(default = "present")]
    pub state: State,
}

/// When a password is written.
#[derive(Choice, Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpdatePassword {
    /// To a new user.
    OnCreate,
    /// To a user who has another one, too.
    Always,
}

impl UserOptions {
    /// What can be said against them before anything is read.
    pub(super) fn check(&self) -> Result<(), Failure> {
        check_userid(&self.userid)?;
        let fault = if self.state == State::Absent {
            (self.userid == ROOT).then(|| {
                format!("the user `{ROOT}` cannot be removed: the server would keep it and remove its tokens")
            })
        } else if self.expire.is_some_and(|expire| expire < 0) {
            Some("expire must be 0 (never) or a time in seconds since 1970".to_owned())
        } else {
            None
        };
        fault.map_or(Ok(()), |fault| Err(Failure::new(fault)))
    }

    fn groups(&self) -> Option<BTreeSet<String>> {
        let groups = self.groups.as_ref()?;
        let names = groups.iter().flat_map(|text| pve::wire::lists::split(text));
        Some(names.map(str::to_owned).collect())
    }

    fn wish(&self, have: Option<&User>) -> Wish {
        let text = |text: &Option<String>| text.clone().map(Field::from);
        let mut groups = self.groups();
        if let (true, Some(groups), Some(have)) = (self.append, &mut groups, have) {
            groups.extend(have.groups.iter().cloned());
        }
        self.state.wish(stated([
            ("enable", self.enable.map(Field::from)),
            ("expire", self.expire.map(Field::from)),
            ("firstname", text(&self.firstname)),
            ("lastname", text(&self.lastname)),
            ("email", text(&self.email)),
            ("comment", text(&self.comment)),
            ("keys", self.keys.as_ref().map(|keys| keys.expose().into())),
            ("groups", groups.map(Field::from)),
        ]))
    }
}

/// `name@realm`, by the rule of the server: it would take the id of a token for
/// that of a user who does not exist.
pub(super) fn check_userid(userid: &str) -> Result<(), Failure> {
    let in_realm = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let valid = userid.rsplit_once('@').is_some_and(|(name, realm)| {
        !name.is_empty()
            && !name.contains(|c: char| c.is_whitespace() || matches!(c, ':' | '/'))
            && realm.len() > 1
            && realm.starts_with(|c: char| c.is_ascii_alphabetic())
            && realm.chars().all(in_realm)
    });
    if valid {
        return Ok(());
    }
    let token = match userid.rsplit_once('!') {
        Some((user, _)) if user.contains('@') => {
            format!("; the token of a user is not a user: leave out what follows `{user}`")
        }
        _ => String::new(),
    };
    Err(Failure::new(format!(
        "userid `{userid}` is not of the form name@realm{token}"
    )))
}

/// What makes a user as it is wanted.
#[derive(Debug)]
pub(super) struct UserChange {
    /// What becomes of the user, the password aside.
    pub fate: Fate,
    /// The user as it is; null where there is none.
    pub before: Value,
    /// The user as it will be.
    pub after: Value,
    /// The writes, if any are due.
    pub track: Option<Track>,
    /// What should be known in any case.
    pub warnings: Vec<String>,
}

impl UserChange {
    /// The plan of a module that manages this user alone.
    pub(super) fn plan(self) -> Plan {
        let or_empty = |value: Value| if value.is_null() { json!({}) } else { value };
        Plan {
            tracks: self.track.into_iter().collect(),
            before: or_empty(self.before),
            after: or_empty(self.after),
            warnings: self.warnings,
            ..Plan::default()
        }
    }
}

/// The user, if there is one.
pub(super) fn read(userid: &str, cluster: &Cluster) -> Result<Option<User>, Failure> {
    cluster
        .user(userid)
        .map_err(|error| fault::unable(&format!("read user `{userid}`"), &error))
}

/// What makes a user as it is wanted. `password` is what [`compare`] has found.
pub(super) fn change(
    options: &UserOptions,
    have: Option<&User>,
    password: Password,
    caller: Caller<'_>,
) -> Result<UserChange, Failure> {
    let userid = options.userid.as_str();
    let mut change = USER.change(userid, have.map(fields).as_ref(), &options.wish(have));
    finish_call(&mut change, options, have)?;
    hide_keys(&mut change);
    let mut warnings = Vec::new();
    let mut track = change.track();
    match (change.fate, have, &options.password) {
        (Fate::Removed, Some(have), _) if !have.tokens.is_empty() => {
            let tokens: Vec<&String> = have.tokens.keys().collect();
            change.before["tokens"] = json!(tokens);
            warnings.push(format!(
                "with the user `{userid}` {} removed: {}",
                match tokens.len() {
                    1 => "its token is".to_owned(),
                    many => format!("its {many} tokens are"),
                },
                joined(tokens)
            ));
        }
        (Fate::Created, _, Some(_)) => change.after["password"] = json!(HIDDEN_ANEW),
        (Fate::Kept | Fate::Changed, _, Some(wanted)) if password != Password::Kept => {
            if password == Password::Unknown {
                warnings.push(format!(
                    "the user `{userid}` is disabled or expired, so that no login can tell whether the password is \
                     the wanted one: it is written each time"
                ));
            }
            let step = password::write(userid, wanted, caller)?;
            track
                .get_or_insert_with(|| Track::new(USER.thing, userid, Vec::new()))
                .steps
                .push(step);
            change.before["password"] = json!(HIDDEN);
            change.after["password"] = json!(HIDDEN_ANEW);
        }
        _ => {}
    }
    Ok(UserChange {
        fate: change.fate,
        before: change.before,
        after: change.after,
        track,
        warnings,
    })
}

/// What the fields alone do not say of the write.
fn finish_call(
    change: &mut Change,
    options: &UserOptions,
    have: Option<&User>,
) -> Result<(), Failure> {
    let Some(call) = change.step.as_mut().and_then(|step| step.call.as_mut()) else {
        return Ok(());
    };
    if let Some(keys) = &options.keys {
        set(call, "keys", keys.clone().into());
    }
    match (change.fate, have) {
        (Fate::Created, _) => {
            if let Some(password) = &options.password {
                let password = password::checked(&options.userid, password)?;
                call.params
                    .push(("password".to_owned(), password.clone().into()));
            }
        }
        // To send the groups that are missing, and no others, takes back nothing that another client has
        // done in the meantime, and needs no right to the groups that the user is in.
        (Fate::Changed, Some(have)) if options.append && change.differs.contains(&"groups") => {
            let wanted = options.groups().unwrap_or_default();
            set(
                call,
                "groups",
                joined(wanted.difference(&have.groups)).into(),
            );
            call.params.push(("append".to_owned(), true.into()));
        }
        _ => {}
    }
    Ok(())
}

fn set(call: &mut Call, name: &str, value: Param) {
    if let Some((_, param)) = call.params.iter_mut().find(|(param, _)| param == name) {
        *param = value;
    }
}

/// The keys of a second factor may be what its codes are made from.
fn hide_keys(change: &mut Change) {
    let hide = |side: &mut Value, mark: &str| {
        if let Some(keys) = side.get_mut("keys")
            && *keys != ""
        {
            *keys = json!(mark);
        }
    };
    let written = change.differs.contains(&"keys");
    hide(&mut change.before, HIDDEN);
    hide(
        &mut change.after,
        if written { HIDDEN_ANEW } else { HIDDEN },
    );
}

#[cfg(test)]
mod tests;
