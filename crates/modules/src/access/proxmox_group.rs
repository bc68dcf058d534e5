//! `proxmox_group`: a group of users, by `/access/groups`.

use ansible::{Args, Failure};
use pve::access::groups::Group;
use pve::apply::Applied;
use pve::{Cluster, Plan, Planned};
use serde_json::{Map, json};

use super::group;
use crate::connection::{Connection, DropIn};
use crate::fault;
use crate::job::{Job, Report, Task};
use crate::resource::{Change, Fate, State};

/// The options of `proxmox_group`.
#[derive(Args, Debug)]
pub struct GroupArgs {
    /// Where the API is.
    #[arg(flatten)]
    pub connection: DropIn,
    /// The group's id.
    #[arg(required, aliases = ["name"])]
    pub groupid: String,
    /// A note on the group. An empty text takes it away; without this option an existing group keeps its own.
    pub comment: Option<String>,
    /// Whether the group is there.
    #[arg(default = "present")]
    pub state: State,
}

/// The module.
pub struct ProxmoxGroup;

crate::module!(ProxmoxGroup, "proxmox_group");

impl Job for ProxmoxGroup {
    type Args = GroupArgs;
    type Notes = Fate;

    fn connection(args: &GroupArgs) -> &Connection {
        &args.connection.connection
    }

    fn plan(task: &Task<'_, GroupArgs>, cluster: &Cluster) -> Result<Planned<Fate>, Failure> {
        let groups = cluster
            .groups()
            .map_err(|error| fault::unable("read the groups", &error))?;
        let change = change(task.args, &groups)?;
        let fate = change.fate;
        Ok(Planned::Ready(change.plan(), fate))
    }

    fn report(
        task: &Task<'_, GroupArgs>,
        fate: Fate,
        _plan: &Plan,
        _applied: Option<&Applied>,
        _cluster: &Cluster,
    ) -> Report {
        let groupid = &task.args.groupid;
        Report {
            msg: Some(format!("Group {groupid} {}", fate.told())),
            returns: Map::from_iter([("groupid".to_owned(), json!(groupid))]),
            ..Report::default()
        }
    }
}

fn change(args: &GroupArgs, groups: &[Group]) -> Result<Change, Failure> {
    group::change(&args.groupid, groups, args.comment.as_deref(), args.state)
}

#[cfg(test)]
mod tests {
    use super::{GroupArgs, change};
    use crate::resource::Fate;
    use ansible::Args;
    use pve::access::groups::Group;
    use serde_json::{Value, json};

    fn args(value: Value) -> GroupArgs {
        let Value::Object(map) = value else {
            panic!("not an object")
        };
        GroupArgs::parse(map).unwrap()
    }

    #[test]
    fn a_comment_is_managed_where_it_is_stated() {
        let groups = [Group {
            groupid: "ops".to_owned(),
            comment: "Operations".to_owned(),
            ..Group::default()
        }];
        let cases = [
            (
                json!({"groupid": "new", "comment": "x"}),
                Fate::Created,
                "POST /access/groups groupid=new comment=x",
            ),
            (
                json!({"groupid": "new"}),
                Fate::Created,
                "POST /access/groups groupid=new",
            ),
            (json!({"groupid": "ops"}), Fate::Kept, ""),
            (
                json!({"name": "ops", "comment": "Operations"}),
                Fate::Kept,
                "",
            ),
            (
                json!({"groupid": "ops", "comment": "x"}),
                Fate::Changed,
                "PUT /access/groups/ops comment=x",
            ),
            (
                json!({"groupid": "ops", "comment": ""}),
                Fate::Changed,
                "PUT /access/groups/ops comment=",
            ),
            (
                json!({"groupid": "ops", "state": "absent"}),
                Fate::Removed,
                "DELETE /access/groups/ops",
            ),
            (
                json!({"groupid": "new", "state": "absent"}),
                Fate::Missed,
                "",
            ),
        ];
        for (given, fate, call) in cases {
            let change = change(&args(given.clone()), &groups).unwrap();
            assert_eq!(change.fate, fate, "{given}");
            let plan = change.plan();
            assert_eq!(plan.calls().join("; "), call, "{given}");
            assert_eq!(plan.before != plan.after, plan.changes(), "{given}");
        }
    }

    #[test]
    fn what_cannot_be_a_group_is_not_sent() {
        for groupid in ["o p s", "ops/web", ""] {
            let failure = change(&args(json!({"groupid": groupid})), &[]).unwrap_err();
            assert_eq!(
                failure.msg,
                format!(
                    "`{groupid}` cannot be a group's id: letters, digits, `.`, `_` and `-` make one"
                )
            );
        }
    }
}
