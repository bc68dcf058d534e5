//! `proxmox_user`: a user with tokens, by `/access/users` and `/access/password`.

use std::collections::BTreeSet;

use ansible::{Args, Failure};
use pve::access::tokens;
use pve::access::users::User;
use pve::apply::Applied;
use pve::plan::OnError;
use pve::wire::lists::joined;
use pve::{Cluster, Plan, Planned, Track};
use secret::Secret;
use serde_json::{Map, json};

use super::token;
use super::user::{self, Caller, Password, UpdatePassword, UserChange, UserOptions};
use crate::connection::{Connection, DropIn};
use crate::job::{Job, Report, Task};
use crate::resource::{Fate, Field, State, Wish, stated};

/// The options of `proxmox_user`.
#[derive(Args, Debug)]
pub struct ProxmoxUserArgs {
    /// Where the API is.
    #[arg(flatten)]
    pub connection: DropIn,
    /// The user, `name@realm`.
    #[arg(required, aliases = ["name"])]
    pub userid: String,
    /// Whether the user is there.
    #[arg(default = "present")]
    pub state: State,
    /// A note. Like the other texts, it stays as it is where it is not stated.
    pub comment: Option<String>,
    /// Whether the user may log in, with a password or with a token.
    #[arg(default = true)]
    pub enable: bool,
    /// The mail address.
    pub email: Option<String>,
    /// When the user, tokens included, ends, in seconds since 1970; V(0) for never.
    #[arg(default = 0)]
    pub expire: i64,
    /// The first name.
    pub firstname: Option<String>,
    /// The last name.
    pub lastname: Option<String>,
    /// The groups that the user is a member of, in any order. An empty list takes the user out of all groups;
    /// without this option the groups stay as they are.
    pub groups: Option<Vec<String>>,
    /// The keys of a second factor of the kind Yubico, as the server stores them.
    pub keys: Option<Secret>,
    /// The password, of 8 to 64 characters, for a realm that lets Proxmox VE set it. For a user who is there it
    /// is written where a login shows that it is not the password yet, which an API token may not do.
    pub password: Option<Secret>,
    /// The API tokens of the user, all of them: those that are not in the list are removed. Without this option
    /// the tokens stay as they are.
    #[arg(no_log = false)]
    pub tokens: Option<Vec<TokenOptions>>,
}

/// A token of the user.
#[derive(Args, Clone, Debug)]
pub struct TokenOptions {
    /// The name of the token, the part after `!`: two characters at least.
    #[arg(required, aliases = ["name"], no_log = false)]
    pub tokenid: String,
    /// A note. It stays as it is where it is not stated.
    pub comment: Option<String>,
    /// When the token ends, in seconds since 1970; V(0) for never.
    #[arg(default = 0)]
    pub expire: i64,
    /// Whether the token has only those of the user's rights that it is given itself, by ACL entries.
    #[arg(default = true, aliases = ["privilege_separation"])]
    pub privsep: bool,
}

/// The module.
pub struct ProxmoxUser;

crate::module!(ProxmoxUser, "proxmox_user");

/// What the report tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notes {
    /// What becomes of the user, tokens and password included.
    fate: Fate,
    /// Whether it is more than the password.
    beyond_password: bool,
}

impl Job for ProxmoxUser {
    type Args = ProxmoxUserArgs;
    type Notes = Notes;

    fn connection(args: &ProxmoxUserArgs) -> &Connection {
        &args.connection.connection
    }

    fn plan(
        task: &Task<'_, ProxmoxUserArgs>,
        cluster: &Cluster,
    ) -> Result<Planned<Notes>, Failure> {
        let mut options = options(task.args);
        options.check()?;
        let have = user::read(&options.userid, cluster)?;
        // Empty is what a variable is that has not been set: no password for a user who has one.
        if have.is_some() && options.password.as_ref().is_some_and(Secret::is_empty) {
            options.password = None;
        }
        let password = user::compare(&options, have.as_ref(), cluster)?;
        let connection = &task.args.connection.connection;
        let caller = Caller::of(cluster, connection);
        let (plan, notes) = plan(task.args, &options, have.as_ref(), password, caller)?;
        Ok(Planned::Ready(plan, notes))
    }

    fn report(
        task: &Task<'_, ProxmoxUserArgs>,
        notes: Notes,
        plan: &Plan,
        applied: Option<&Applied>,
        _cluster: &Cluster,
    ) -> Report {
        let userid = &task.args.userid;
        let mut returns = Map::from_iter([("userid".to_owned(), json!(userid))]);
        let written = matches!(notes.fate, Fate::Created | Fate::Changed) && notes.beyond_password;
        if written && !task.context.check_mode {
            returns.insert("secrets".to_owned(), json!({}));
        }
        let reveals = token::made(plan, applied)
            .filter_map(|(id, secret)| {
                let (_, name) = tokens::split(id)?;
                Some((format!("/secrets/{name}"), secret.clone()))
            })
            .collect();
        Report {
            msg: Some(told(userid, notes.fate, task.context.check_mode)),
            returns,
            reveals,
            ..Report::default()
        }
    }
}

fn told(userid: &str, fate: Fate, check_mode: bool) -> String {
    match (fate, check_mode) {
        (Fate::Created, true) => format!("Would create user {userid} (check mode)"),
        (Fate::Created, false) => format!("Created user {userid}"),
        (Fate::Changed, true) => format!("Would update {userid} (check mode)"),
        (Fate::Changed, false) => format!("User {userid} updated"),
        (Fate::Removed, true) => format!("Would deleted user with ID {userid} (check mode)"),
        (Fate::Removed, false) => format!("Deleted user with ID {userid}"),
        (Fate::Kept, _) => format!("User {userid} already up to date"),
        (Fate::Missed, _) => format!("User {userid} doesn't exist"),
    }
}

/// The options as those of `pveum_user` would say them.
fn options(args: &ProxmoxUserArgs) -> UserOptions {
    UserOptions {
        userid: args.userid.clone(),
        enable: Some(args.enable),
        expire: Some(args.expire),
        firstname: args.firstname.clone(),
        lastname: args.lastname.clone(),
        email: args.email.clone(),
        comment: args.comment.clone(),
        keys: args.keys.clone(),
        groups: args.groups.clone(),
        append: false,
        password: args.password.clone(),
        update_password: UpdatePassword::Always,
        state: args.state,
    }
}

fn plan(
    args: &ProxmoxUserArgs,
    options: &UserOptions,
    have: Option<&User>,
    password: Password,
    caller: Caller<'_>,
) -> Result<(Plan, Notes), Failure> {
    let kept = (password != Password::Kept && caller.is_token()).then(|| {
        let why = match password {
            Password::Unknown => "cannot be compared, as the user is disabled or expired",
            _ => "is not the one that is stated",
        };
        format!(
            "the password of user `{}` {why}, and stays as it is: the server lets nobody change passwords but a user \
             who has logged in with one, and the caller is the token `{}`",
            args.userid, caller.name
        )
    });
    let password = if kept.is_some() {
        Password::Kept
    } else {
        password
    };
    let mut change = user::change(options, have, password, caller)?;
    let fields = change.fate;
    change.warnings.extend(kept);
    let mut tracks = Vec::new();
    if let (State::Present, Some(stated)) = (args.state, &args.tokens) {
        tracks = plan_tokens(&args.userid, stated, have, &mut change)?;
    }
    let notes = Notes {
        fate: match fields {
            Fate::Kept if change.track.is_some() || !tracks.is_empty() => Fate::Changed,
            fate => fate,
        },
        beyond_password: fields != Fate::Kept || !tracks.is_empty(),
    };
    let mut plan = change.plan();
    plan.tracks.extend(tracks);
    plan.on_error = OnError::Stop;
    Ok((plan, notes))
}

/// What makes the tokens those of the list; they come after their user.
fn plan_tokens(
    userid: &str,
    stated: &[TokenOptions],
    have: Option<&User>,
    user: &mut UserChange,
) -> Result<Vec<Track>, Failure> {
    let mut wanted = BTreeSet::new();
    let mut changes = Vec::new();
    for options in stated {
        let id = token::checked(userid, Some(&options.tokenid))?;
        let name = tokens::split(&id).map_or("", |(_, name)| name);
        if !wanted.insert(name.to_owned()) {
            return Err(Failure::new(format!("the token `{id}` is stated twice")));
        }
        let have = have.and_then(|have| have.tokens.get(name));
        changes.push((
            name.to_owned(),
            token::change(&id, have, &wish(options), None),
        ));
    }
    let gone = have.map(|have| have.tokens.iter()).into_iter().flatten();
    let gone: Vec<_> = gone.filter(|(name, _)| !wanted.contains(*name)).collect();
    if !gone.is_empty() {
        user.warnings.push(format!(
            "the tokens of user `{userid}` that are not in the list are removed: {}",
            joined(gone.iter().map(|(name, _)| *name))
        ));
    }
    for (name, token) in gone {
        let change = token::change(
            &format!("{userid}!{name}"),
            Some(token),
            &Wish::Absent,
            None,
        );
        changes.push((name.clone(), change));
    }
    let mut tracks = Vec::new();
    for (name, mut change) in changes {
        for (side, token) in [
            (&mut user.before, &change.before),
            (&mut user.after, &change.after),
        ] {
            if !side.is_null() && !token.is_null() {
                side["tokens"][&name] = token.clone();
            }
        }
        tracks.extend(change.track().map(|track| Track { stage: 1, ..track }));
    }
    Ok(tracks)
}

fn wish(options: &TokenOptions) -> Wish {
    Wish::Present(stated([
        ("comment", options.comment.as_deref().map(Field::from)),
        ("expire", Some(Field::from(options.expire))),
        ("privsep", Some(Field::from(options.privsep))),
    ]))
}

#[cfg(test)]
mod tests;
