//! `proxmox_pool_member`: what is in a pool, by `/pools`, `/cluster/resources` and `/storage`.

mod wanted;

use std::collections::BTreeMap;

use ansible::{Args, Failure};
use pve::apply::Applied;
use pve::plan::{Lost, Probe, Verdict};
use pve::pools::{self, Members};
use pve::wire::lists::joined;
use pve::{Call, Cluster, Plan, Planned, Step, Track, Verb};
use serde_json::{Map, Value, json};

use super::check_id;
use crate::access::role::USER_CFG;
use crate::connection::{Connection, DropIn};
use crate::fault;
use crate::job::{Job, Report, Task};
use crate::resource::{LIMIT, QUIET, State};
use wanted::Wanted;

/// The options of `proxmox_pool_member`.
#[derive(Args, Debug)]
pub struct PoolMemberArgs {
    /// Where the API is.
    #[arg(flatten)]
    pub connection: DropIn,
    /// The pool's id, V(web/front) for the pool V(front) in the pool V(web). The pool must exist.
    #[arg(required, aliases = ["name"])]
    pub poolid: String,
    /// Guests and storages.
    #[arg(required)]
    pub members: Vec<Member>,
    /// Whether they are in the pool. With O(exclusive=true) they are.
    #[arg(default = "present")]
    pub state: State,
    /// Whether O(members) are all that is in the pool: what else is in it is taken out. In a loop each round takes
    /// out what the round before has put in.
    #[arg(default = false)]
    pub exclusive: bool,
    /// Whether a guest may be taken out of the pool that it is in by now. A guest is in one pool only.
    #[arg(default = false)]
    pub allow_move: bool,
}

/// What is in a pool, or shall be.
#[derive(Args, Debug)]
pub struct Member {
    /// A VM or a container, by VMID or name.
    pub vm: Option<String>,
    /// A storage.
    pub storage: Option<String>,
}

/// The module.
pub struct ProxmoxPoolMember;

crate::module!(ProxmoxPoolMember, "proxmox_pool_member");

impl Job for ProxmoxPoolMember {
    type Args = PoolMemberArgs;
    type Notes = ();

    fn connection(args: &PoolMemberArgs) -> &Connection {
        &args.connection.connection
    }

    fn plan(task: &Task<'_, PoolMemberArgs>, cluster: &Cluster) -> Result<Planned<()>, Failure> {
        let args = task.args;
        check_id(&args.poolid)?;
        let unable = format!("read pool `{}`", args.poolid);
        let pool = cluster
            .pool(&args.poolid)
            .map_err(|error| fault::unable(&unable, &error))?
            .ok_or_else(|| Failure::new(format!("unable to {unable}: there is no such pool")))?;
        let wanted = Wanted::read(&args.members)?;
        let found = wanted.find(cluster, &pool.members, adds(args))?;
        plan(args, &pool.members, &found.members, &found.pools).map(|plan| Planned::Ready(plan, ()))
    }

    fn report(
        task: &Task<'_, PoolMemberArgs>,
        (): (),
        plan: &Plan,
        applied: Option<&Applied>,
        _cluster: &Cluster,
    ) -> Report {
        let poolid = &task.args.poolid;
        let mut returns = Map::from_iter([("poolid".to_owned(), json!(poolid))]);
        // What was wanted is not what is there where a write has failed.
        let done = applied.is_none_or(Applied::succeeded);
        if let Some(members) = plan.after.get("members").filter(|_| done) {
            returns.insert("members".to_owned(), members.clone());
        }
        let told = if plan.changes() {
            "updated"
        } else {
            "already up-to-date"
        };
        Report {
            msg: Some(format!("Pool {poolid} membership {told}")),
            returns,
            ..Report::default()
        }
    }
}

/// Whether the members shall be in the pool.
fn adds(args: &PoolMemberArgs) -> bool {
    args.exclusive || args.state == State::Present
}

/// What is to be done; `pools` tells of guests which pool they are in.
fn plan(
    args: &PoolMemberArgs,
    have: &Members,
    wanted: &Members,
    pools: &BTreeMap<u32, String>,
) -> Result<Plan, Failure> {
    let nothing = Members::default();
    let (new, old) = match (args.exclusive, args.state) {
        (true, _) => (wanted.without(have), have.without(wanted)),
        (false, State::Present) => (wanted.without(have), nothing),
        (false, State::Absent) => (nothing, wanted.common(have)),
    };
    let moved: BTreeMap<u32, &String> = new
        .guests
        .iter()
        .filter_map(|vmid| Some((*vmid, pools.get(vmid)?)))
        .filter(|(_, pool)| **pool != args.poolid)
        .collect();
    if let Some((vmid, pool)) = moved.first_key_value()
        && !args.allow_move
    {
        return Err(Failure::new(format!(
            "unable to add VM {vmid} to pool `{}`: it is in pool `{pool}`; with allow_move: true it is taken from there",
            args.poolid
        )));
    }
    let steps = steps(args, &new, &old);
    let track = (!steps.is_empty()).then(|| Track::new("pool", args.poolid.clone(), steps));
    let after = have.with(&new).without(&old);
    let mut plan = Plan {
        tracks: track.into_iter().collect(),
        before: json!({"poolid": args.poolid, "members": shown(have)}),
        after: json!({"poolid": args.poolid, "members": shown(&after)}),
        ..Plan::default()
    };
    if !moved.is_empty() {
        plan.before["pools"] = json!(moved);
        let here: BTreeMap<u32, &String> = moved.keys().map(|vmid| (*vmid, &args.poolid)).collect();
        plan.after["pools"] = json!(here);
    }
    Ok(plan)
}

/// The writes. Who has rights by the pool keeps some throughout: what comes in
/// comes first.
fn steps(args: &PoolMemberArgs, new: &Members, old: &Members) -> Vec<Step> {
    let mut steps = Vec::new();
    if !new.is_empty() {
        let may_move = args.allow_move && !new.guests.is_empty();
        let call = listing(&args.poolid, new).with_some("allow-move", may_move.then_some(true));
        let new = new.clone();
        let there = look_up(&args.poolid, move |have| new.without(have).is_empty());
        steps.push(step("add members to", "members added", call).lost(there));
    }
    if !old.is_empty() {
        let call = listing(&args.poolid, old).with("delete", true);
        let old = old.clone();
        let gone = look_up(&args.poolid, move |have| old.common(have).is_empty());
        steps.push(step("remove members from", "members removed", call).lost(gone));
    }
    steps
}

fn listing(poolid: &str, members: &Members) -> Call {
    let vmids: Vec<String> = members.guests.iter().map(u32::to_string).collect();
    let mut call = pools::of(Verb::Put, poolid);
    if !vmids.is_empty() {
        call = call.with("vms", joined(&vmids));
    }
    if !members.storages.is_empty() {
        call = call.with("storage", joined(&members.storages));
    }
    call
}

fn step(verb: &'static str, done: &'static str, call: Call) -> Step {
    Step::call(verb, done, call)
        .claims(USER_CFG, 1)
        .within(LIMIT)
}

/// Whether a write took effect whose answer was lost: the server refuses to add
/// a member again, or to remove what is none.
fn look_up(poolid: &str, holds: impl Fn(&Members) -> bool + Send + Sync + 'static) -> Lost {
    let probe = Probe::get(pools::of(Verb::Get, poolid), move |answer| {
        match answer.as_ref().map(pools::read) {
            Ok(Ok(Some(pool))) if holds(&pool.members) => Verdict::Holds(None),
            Ok(Ok(_)) => Verdict::Absent,
            Ok(Err(error)) => Verdict::NotYet(error.to_string()),
            Err(error) => Verdict::NotYet(error.to_string()),
        }
    });
    Lost::Look {
        probe,
        quiet: QUIET,
    }
}

fn shown(members: &Members) -> Value {
    let guests = members
        .guests
        .iter()
        .map(|vmid| json!({"vm": vmid.to_string()}));
    let storages = members
        .storages
        .iter()
        .map(|storage| json!({"storage": storage}));
    guests.chain(storages).collect()
}

#[cfg(test)]
mod tests;
