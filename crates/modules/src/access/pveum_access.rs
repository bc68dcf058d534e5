//! `pveum_access`: roles, groups, users, tokens and the access control list in
//! one plan, by `/access`.

mod references;
mod whole;

use ansible::{Args, Failure};
use pve::access::{groups, users};
use pve::apply::Applied;
use pve::{Call, Cluster, Plan, Planned, path};
use serde_json::{Map, Value, json};

use super::acl::{self, AclArgs};
use super::group::GroupOptions;
use super::pveum_token::TokenOptions;
use super::role::RoleOptions;
use super::token;
use super::user::UserOptions;
use crate::connection::Connection;
use crate::job::{Job, Report, Task};
use whole::{Unseen, Whole};

/// The options of `pveum_access`.
#[derive(Args, Debug)]
#[args(required_one_of(["roles", "groups", "users", "tokens", "acls"]))]
pub struct AccessArgs {
    /// Where the API is.
    #[arg(flatten)]
    pub connection: Connection,
    /// Roles. Those that are not named stay as they are, here as in all lists.
    pub roles: Option<Vec<RoleOptions>>,
    /// Groups.
    pub groups: Option<Vec<GroupOptions>>,
    /// Users.
    pub users: Option<Vec<UserOptions>>,
    /// API tokens.
    #[arg(no_log = false)]
    pub tokens: Option<Vec<TokenOptions>>,
    /// Entries of the access control list. Several items may name the same path: what they state adds up, and
    /// with `exclusive` in one of them the path has the entries of all of them and no others.
    pub acls: Option<Vec<AclArgs>>,
}

/// The module.
pub struct PveumAccess;

crate::module!(PveumAccess, "pveum_access");

impl Job for PveumAccess {
    type Args = AccessArgs;
    type Notes = Unseen;

    fn connection(args: &AccessArgs) -> &Connection {
        &args.connection
    }

    fn plan(task: &Task<'_, AccessArgs>, cluster: &Cluster) -> Result<Planned<Unseen>, Failure> {
        let args = task.args;
        let mut whole = Whole::new(args)?;
        read(args, cluster);
        whole.roles(cluster)?;
        whole.groups(cluster)?;
        whole.users(cluster)?;
        whole.tokens(cluster, task.context.check_mode)?;
        whole.acls(cluster, task.context.check_mode)?;
        let (plan, unseen) = whole.plan();
        Ok(Planned::Ready(plan, unseen))
    }

    fn report(
        _task: &Task<'_, AccessArgs>,
        unseen: Unseen,
        plan: &Plan,
        applied: Option<&Applied>,
        _cluster: &Cluster,
    ) -> Report {
        let mut report = Report {
            changed: Some(acl::changed(plan, applied, &unseen)),
            ..Report::default()
        };
        let mut secrets = Map::new();
        for (id, secret) in token::made(plan, applied) {
            secrets.insert(id.to_owned(), Value::Null);
            let pointer = format!("/secrets/{}", id.replace('~', "~0").replace('/', "~1"));
            report.reveals.push((pointer, secret.clone()));
        }
        report.returns = Map::from_iter([
            ("secrets".to_owned(), Value::Object(secrets)),
            ("changes".to_owned(), changes(plan, applied)),
        ]);
        report
    }
}

/// Asks what will be needed, side by side; the answers stay in the reading.
fn read(args: &AccessArgs, cluster: &Cluster) {
    let mut calls = Vec::new();
    if args.roles.is_some() {
        calls.push(Call::get(path!("access", "roles")));
    }
    if args.groups.is_some() {
        calls.push(groups::all());
    }
    if args.users.is_some() || args.tokens.is_some() {
        calls.push(users::all());
    }
    if args.acls.is_some() {
        calls.push(Call::get(path!("access", "acl")));
    }
    // What has failed is told where the answer is needed.
    let _ = cluster.get_each(&calls);
}

/// What was written, or would be: `{"thing": "user", "id": "ops@pve", "actions": ["created"]}`.
fn changes(plan: &Plan, applied: Option<&Applied>) -> Value {
    let rows = plan.tracks.iter().enumerate().filter_map(|(index, track)| {
        let wrote = |verb: &str| applied.is_none_or(|applied| applied.tracks[index].wrote(verb));
        let actions: Vec<&str> = track
            .steps
            .iter()
            .filter(|step| wrote(step.verb))
            .map(|step| step.done)
            .collect();
        (!actions.is_empty())
            .then(|| json!({"thing": track.thing, "id": track.id, "actions": actions}))
    });
    Value::Array(rows.collect())
}

#[cfg(test)]
mod tests;
