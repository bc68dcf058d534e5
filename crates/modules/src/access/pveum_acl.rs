//! `pveum_acl`: who is given which role on a path, by `/access/acl`.

use std::collections::BTreeSet;

use ansible::{Args, Failure};
use pve::apply::Applied;
use pve::plan::OnError;
use pve::{Cluster, Plan, Planned};
use serde_json::{Map, Value};

use super::acl::{self, AclArgs, Beside, Wish};
use crate::connection::Connection;
use crate::job::{Job, Report, Task};

/// The options of `pveum_acl`.
#[derive(Args, Debug)]
pub struct PveumAclArgs {
    /// Where the API is.
    #[arg(flatten)]
    pub connection: Connection,
    /// What the entries shall be.
    #[arg(flatten)]
    pub acl: AclArgs,
}

/// What the report needs.
#[derive(Debug)]
pub struct Notes {
    entries: Value,
    unseen: BTreeSet<String>,
}

/// The module.
pub struct PveumAcl;

crate::module!(PveumAcl, "pveum_acl");

impl Job for PveumAcl {
    type Args = PveumAclArgs;
    type Notes = Notes;

    fn connection(args: &PveumAclArgs) -> &Connection {
        &args.connection
    }

    fn plan(task: &Task<'_, PveumAclArgs>, cluster: &Cluster) -> Result<Planned<Notes>, Failure> {
        let wish = Wish::new(&task.args.acl)?;
        let path = wish.path.clone();
        let change = acl::change(&[wish], cluster, task.context.check_mode)?
            .spares_the_caller(cluster, &Beside::default())?;
        let entries = change.entries(&path);
        let plan = Plan {
            tracks: change.tracks,
            before: change.before,
            after: change.after,
            warnings: change.warnings,
            // What could not be given elsewhere is not taken away here.
            on_error: OnError::Stop,
            ..Plan::default()
        };
        let notes = Notes {
            entries,
            unseen: change.unseen,
        };
        Ok(Planned::Ready(plan, notes))
    }

    fn report(
        _task: &Task<'_, PveumAclArgs>,
        notes: Notes,
        plan: &Plan,
        applied: Option<&Applied>,
        _cluster: &Cluster,
    ) -> Report {
        let done = applied.is_none_or(Applied::succeeded);
        let entries = if done { notes.entries } else { Value::Null };
        Report {
            returns: Map::from_iter([("entries".to_owned(), entries)]),
            changed: Some(acl::changed(plan, applied, &notes.unseen)),
            ..Report::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{PveumAcl, PveumAclArgs};
    use crate::job::{Job, Task};
    use ansible::{Args, Context};
    use pve::Planned;
    use pve::canned::Canned;
    use serde_json::{Value, json};

    fn entries() -> Value {
        json!([
            {"path": "/vms", "type": "user", "ugid": "a@pve", "roleid": "PVEAuditor", "propagate": 1},
            {"path": "/vms", "type": "user", "ugid": "b@pve", "roleid": "PVEAuditor", "propagate": 1},
            {"path": "/vms", "type": "group", "ugid": "ops", "roleid": "PVEVMAdmin", "propagate": 0},
            {"path": "/", "type": "user", "ugid": "a@pve", "roleid": "PVEAdmin", "propagate": 1},
        ])
    }

    /// The calls of the plan, or why there is none.
    fn planned(options: &Value) -> Result<Vec<String>, String> {
        let Value::Object(map) = options.clone() else {
            panic!("not an object")
        };
        let args = PveumAclArgs::parse(map).map_err(|error| error.to_string())?;
        let cluster = Canned::new().always("GET /access/acl", entries()).cluster();
        let context = Context::default();
        let task = Task {
            args: &args,
            context: &context,
        };
        match PveumAcl::plan(&task, &cluster) {
            Ok(Planned::Ready(plan, _)) => {
                assert_eq!(plan.before != plan.after, plan.changes(), "{options}");
                Ok(plan.calls())
            }
            Ok(Planned::Blocked { why, .. }) => Err(why),
            Err(failure) => Err(failure.msg),
        }
    }

    #[test]
    fn only_what_differs_is_written_and_in_the_fewest_requests() {
        let put = |rest: &str| format!("PUT /access/acl {rest}");
        let cases = [
            (
                json!({"path": "/vms/", "users": ["a@pve", "b@pve"], "roles": "PVEAuditor"}),
                vec![],
            ),
            (
                json!({"path": "/vms", "users": ["a@pve", "c@pve"], "groups": "dev", "roles": ["PVEAuditor"]}),
                vec![put(
                    "path=/vms roles=PVEAuditor users=c@pve groups=dev propagate=1",
                )],
            ),
            (
                json!({"path": "/vms", "users": ["a@pve"], "roles": ["PVEAuditor"], "propagate": false}),
                vec![put("path=/vms roles=PVEAuditor users=a@pve propagate=0")],
            ),
            (
                json!({"path": "/vms", "groups": ["ops"], "roles": ["PVEVMAdmin"]}),
                vec![put("path=/vms roles=PVEVMAdmin groups=ops propagate=1")],
            ),
            (
                json!({"path": "/vms", "users": "a@pve", "tokens": "a@pve!t1", "roles": ["PVEAuditor", "PVEVMUser"]}),
                vec![
                    put("path=/vms roles=PVEAuditor,PVEVMUser tokens=a@pve!t1 propagate=1"),
                    put("path=/vms roles=PVEVMUser users=a@pve propagate=1"),
                ],
            ),
            (
                json!({"path": "/vms", "users": ["a@pve"], "roles": ["PVEAuditor"], "exclusive": true}),
                vec![
                    put("path=/vms roles=PVEAuditor users=b@pve delete=1"),
                    put("path=/vms roles=PVEVMAdmin groups=ops delete=1"),
                ],
            ),
            (
                json!({"path": "/vms", "users": ["a@pve"], "state": "absent"}),
                vec![put("path=/vms roles=PVEAuditor users=a@pve delete=1")],
            ),
            (
                json!({"path": "/vms", "roles": ["PVEAuditor"], "state": "absent"}),
                vec![put("path=/vms roles=PVEAuditor users=a@pve,b@pve delete=1")],
            ),
            (
                json!({"path": "/vms", "users": ["c@pve"], "roles": ["PVEAuditor"], "state": "absent"}),
                vec![],
            ),
            (
                json!({"path": "/", "exclusive": true}),
                vec![put("path=/ roles=PVEAdmin users=a@pve delete=1")],
            ),
        ];
        for (options, calls) in cases {
            assert_eq!(planned(&options).unwrap(), calls, "{options}");
        }
    }

    #[test]
    fn what_can_be_no_entry_is_refused_before_anything_is_asked() {
        for (options, why) in [
            (
                json!({"path": "/bogus", "users": "a@pve", "roles": "R"}),
                "it begins with",
            ),
            (
                json!({"path": "/vms", "users": "a", "roles": "R"}),
                "has no realm",
            ),
            (
                json!({"path": "/vms", "users": "a@pve!t", "roles": "R"}),
                "belongs to tokens",
            ),
            (
                json!({"path": "/vms", "tokens": "t1", "roles": "R"}),
                "no full name of a token",
            ),
            (
                json!({"path": "/vms", "users": "a@pve"}),
                "one of them is missing",
            ),
            (
                json!({"path": "/vms", "roles": "R"}),
                "one of them is missing",
            ),
            (json!({"path": "/vms"}), "state the roles"),
            (
                json!({"path": "/vms", "state": "absent", "exclusive": true}),
                "cannot go with state absent",
            ),
        ] {
            let failure = planned(&options).unwrap_err();
            assert!(failure.contains(why), "{options}: {failure}");
        }
    }
}
