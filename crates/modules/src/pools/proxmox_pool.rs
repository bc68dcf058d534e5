//! `proxmox_pool`: a pool, by `/pools`.

use ansible::{Args, Failure};
use pve::apply::Applied;
use pve::pools::{self, Pool};
use pve::{Call, Cluster, Plan, Planned, Verb, path};
use serde_json::{Map, json};

use super::check_id;
use crate::access::role::USER_CFG;
use crate::connection::{Connection, DropIn};
use crate::fault;
use crate::job::{Job, Report, Task};
use crate::resource::{Change, Emptied, Fate, Field, Fields, Resource, State, stated};

/// The options of `proxmox_pool`.
#[derive(Args, Debug)]
pub struct PoolArgs {
    /// Where the API is.
    #[arg(flatten)]
    pub connection: DropIn,
    /// The pool's id. V(web/front) is the pool V(front) in the pool V(web), which must exist.
    #[arg(required, aliases = ["name"])]
    pub poolid: String,
    /// A note on the pool. An empty text takes it away; without this option an existing pool keeps its own.
    pub comment: Option<String>,
    /// Whether the pool is there.
    #[arg(default = "present")]
    pub state: State,
}

/// A pool, without its members.
const POOL: Resource = Resource {
    thing: "pool",
    key: "poolid",
    file: USER_CFG,
    create: |id| Call::post(path!("pools")).with("poolid", id),
    write: pools::of,
    look: |id| pools::of(Verb::Get, id),
    read: |answer, _| pools::read(answer).ok()?.as_ref().map(fields),
    fresh: || fields(&Pool::default()),
    emptied: Emptied::Empty,
};

fn fields(pool: &Pool) -> Fields {
    Fields::from([("comment", Field::from(pool.comment.as_str()))])
}

/// The module.
pub struct ProxmoxPool;

crate::module!(ProxmoxPool, "proxmox_pool");

impl Job for ProxmoxPool {
    type Args = PoolArgs;
    type Notes = Fate;

    fn connection(args: &PoolArgs) -> &Connection {
        &args.connection.connection
    }

    fn plan(task: &Task<'_, PoolArgs>, cluster: &Cluster) -> Result<Planned<Fate>, Failure> {
        let poolid = &task.args.poolid;
        check_id(poolid)?;
        let pool = cluster
            .pool(poolid)
            .map_err(|error| fault::unable(&format!("read pool `{poolid}`"), &error))?;
        let change = change(task.args, pool.as_ref())?;
        let fate = change.fate;
        Ok(Planned::Ready(change.plan(), fate))
    }

    fn report(
        task: &Task<'_, PoolArgs>,
        fate: Fate,
        _plan: &Plan,
        _applied: Option<&Applied>,
        _cluster: &Cluster,
    ) -> Report {
        let poolid = &task.args.poolid;
        Report {
            msg: Some(format!("Pool {poolid} {}", fate.told())),
            returns: Map::from_iter([("poolid".to_owned(), json!(poolid))]),
            ..Report::default()
        }
    }
}

fn change(args: &PoolArgs, pool: Option<&Pool>) -> Result<Change, Failure> {
    let wanted = stated([("comment", args.comment.as_deref().map(Field::from))]);
    let change = POOL.change(
        &args.poolid,
        pool.map(fields).as_ref(),
        &args.state.wish(wanted),
    );
    if change.fate == Fate::Removed && pool.is_some_and(|pool| !pool.members.is_empty()) {
        return Err(Failure::new(format!(
            "Can't delete pool {} with members. Please remove members from pool first.",
            args.poolid
        )));
    }
    Ok(change)
}

#[cfg(test)]
mod tests {
    use super::{PoolArgs, change};
    use crate::resource::Fate;
    use ansible::Args;
    use pve::pools::{Members, Pool};
    use serde_json::{Value, json};

    fn args(value: Value) -> PoolArgs {
        let Value::Object(map) = value else {
            panic!("not an object")
        };
        PoolArgs::parse(map).unwrap()
    }

    #[test]
    fn only_what_differs_is_written() {
        let there = Pool {
            comment: "Web servers".to_owned(),
            ..Pool::default()
        };
        let cases = [
            (
                json!({"poolid": "a/b", "comment": "x"}),
                None,
                Fate::Created,
                "POST /pools poolid=a/b comment=x",
            ),
            (
                json!({"poolid": "a"}),
                None,
                Fate::Created,
                "POST /pools poolid=a",
            ),
            (json!({"poolid": "web"}), Some(&there), Fate::Kept, ""),
            (
                json!({"name": "web", "comment": "Web servers"}),
                Some(&there),
                Fate::Kept,
                "",
            ),
            (
                json!({"poolid": "web", "comment": "x"}),
                Some(&there),
                Fate::Changed,
                "PUT /pools poolid=web comment=x",
            ),
            (
                json!({"poolid": "web", "comment": ""}),
                Some(&there),
                Fate::Changed,
                "PUT /pools poolid=web comment=",
            ),
            (
                json!({"poolid": "web", "state": "absent"}),
                Some(&there),
                Fate::Removed,
                "DELETE /pools poolid=web",
            ),
            (
                json!({"poolid": "web", "state": "absent"}),
                None,
                Fate::Missed,
                "",
            ),
        ];
        for (given, pool, fate, call) in cases {
            let change = change(&args(given.clone()), pool).unwrap();
            assert_eq!(change.fate, fate, "{given}");
            let plan = change.plan();
            assert_eq!(plan.calls().join("; "), call, "{given}");
            assert_eq!(plan.before != plan.after, plan.changes(), "{given}");
        }
    }

    #[test]
    fn a_pool_with_members_is_kept() {
        let guests = Members {
            guests: [101].into(),
            ..Members::default()
        };
        let storages = Members {
            storages: ["nfs".to_owned()].into(),
            ..Members::default()
        };
        for members in [guests, storages] {
            let pool = Pool {
                members,
                ..Pool::default()
            };
            let absent = args(json!({"poolid": "web", "state": "absent"}));
            assert_eq!(
                change(&absent, Some(&pool)).unwrap_err().msg,
                "Can't delete pool web with members. Please remove members from pool first."
            );
        }
    }
}
