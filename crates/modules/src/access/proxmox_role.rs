//! `proxmox_role`: a role, by `/access/roles`.

use ansible::{Args, Failure};
use pve::access::roles::Role;
use pve::apply::Applied;
use pve::{Cluster, Plan, Planned};
use serde_json::{Map, json};

use super::role::{self, Privileges};
use crate::connection::{Connection, DropIn};
use crate::fault;
use crate::job::{Job, Report, Task};
use crate::resource::{Change, Fate, State};

/// The options of `proxmox_role`.
#[derive(Args, Debug)]
pub struct RoleArgs {
    /// Where the API is.
    #[arg(flatten)]
    pub connection: DropIn,
    /// The role's id.
    #[arg(required, aliases = ["name"])]
    pub roleid: String,
    /// The role's privileges, which replace those that it has. An empty list empties the role; without this
    /// option the privileges of an existing role stay as they are.
    #[arg(aliases = ["privileges"])]
    pub privs: Option<Vec<String>>,
    /// Whether the role is there.
    #[arg(default = "present")]
    pub state: State,
}

/// The module.
pub struct ProxmoxRole;

crate::module!(ProxmoxRole, "proxmox_role");

impl Job for ProxmoxRole {
    type Args = RoleArgs;
    type Notes = Fate;

    fn connection(args: &RoleArgs) -> &Connection {
        &args.connection.connection
    }

    fn plan(task: &Task<'_, RoleArgs>, cluster: &Cluster) -> Result<Planned<Fate>, Failure> {
        let roles = cluster
            .roles()
            .map_err(|error| fault::unable("read the roles", &error))?;
        let change = change(task.args, &roles)?;
        let fate = change.fate;
        Ok(Planned::Ready(change.plan(), fate))
    }

    fn report(
        task: &Task<'_, RoleArgs>,
        fate: Fate,
        plan: &Plan,
        applied: Option<&Applied>,
        _cluster: &Cluster,
    ) -> Report {
        let roleid = &task.args.roleid;
        let mut returns = Map::from_iter([("roleid".to_owned(), json!(roleid))]);
        // What was wanted is not what is there where the write has failed.
        let done = applied.is_none_or(Applied::succeeded);
        if let Some(privs) = plan.after.get("privs").filter(|_| done) {
            returns.insert("privs".to_owned(), privs.clone());
        }
        Report {
            msg: Some(format!(
                "Role {roleid} {}",
                told(fate, task.context.check_mode)
            )),
            returns,
            ..Report::default()
        }
    }
}

fn change(args: &RoleArgs, roles: &[Role]) -> Result<Change, Failure> {
    let privileges = Privileges {
        stated: args.privs.as_deref(),
        append: false,
    };
    let wanted = (args.state == State::Present).then_some(privileges);
    let change = role::compare(&args.roleid, roles, wanted)?;
    // A built-in role may be asked for as it is.
    if change.step.is_some() {
        role::refuse_built_in(&args.roleid, roles, wanted)?;
    }
    Ok(change)
}

fn told(fate: Fate, check_mode: bool) -> &'static str {
    match (fate, check_mode) {
        (Fate::Created, true) => "would be created",
        (Fate::Created, false) => "successfully created",
        (Fate::Changed, true) => "would be updated",
        (Fate::Changed, false) => "successfully updated",
        (Fate::Removed, true) => "would be deleted",
        (Fate::Removed, false) => "successfully deleted",
        (Fate::Kept, _) => "already exists with desired configuration",
        (Fate::Missed, _) => "does not exist",
    }
}

#[cfg(test)]
mod tests {
    use super::{RoleArgs, change};
    use crate::resource::Fate;
    use ansible::Args;
    use pve::access::roles::Role;
    use serde_json::{Value, json};

    fn args(value: Value) -> RoleArgs {
        let Value::Object(map) = value else {
            panic!("not an object")
        };
        RoleArgs::parse(map).unwrap()
    }

    fn roles() -> Vec<Role> {
        [
            ("Administrator", &["VM.Audit", "VM.Clone"][..], true),
            ("PVEAuditor", &["VM.Audit"], true),
            ("Ops", &["VM.Audit"], false),
        ]
        .into_iter()
        .map(|(roleid, privs, special)| Role {
            roleid: roleid.to_owned(),
            privs: privs.iter().map(|&name| name.to_owned()).collect(),
            special,
        })
        .collect()
    }

    #[test]
    fn only_what_differs_is_written() {
        let cases = [
            (
                json!({"roleid": "New", "privs": ["VM.Clone", "VM.Audit"]}),
                Fate::Created,
                "POST /access/roles roleid=New privs=VM.Audit,VM.Clone",
            ),
            (
                json!({"roleid": "Ops", "privs": ["VM.Audit", "VM.Audit"]}),
                Fate::Kept,
                "",
            ),
            (json!({"roleid": "Ops"}), Fate::Kept, ""),
            (
                json!({"name": "Ops", "privileges": ["VM.Clone"]}),
                Fate::Changed,
                "PUT /access/roles/Ops privs=VM.Clone",
            ),
            (
                json!({"roleid": "Ops", "privs": []}),
                Fate::Changed,
                "PUT /access/roles/Ops privs=",
            ),
            (
                json!({"roleid": "Ops", "state": "absent"}),
                Fate::Removed,
                "DELETE /access/roles/Ops",
            ),
            (
                json!({"roleid": "New", "state": "absent"}),
                Fate::Missed,
                "",
            ),
        ];
        for (given, fate, call) in cases {
            let change = change(&args(given.clone()), &roles()).unwrap();
            assert_eq!(change.fate, fate, "{given}");
            let plan = change.plan();
            assert_eq!(plan.calls().join("; "), call, "{given}");
            assert_eq!(plan.before != plan.after, plan.changes(), "{given}");
        }
    }

    #[test]
    fn a_built_in_role_is_fine_as_it_is_and_cannot_be_another() {
        for kept in [
            json!({"roleid": "PVEAuditor"}),
            json!({"roleid": "PVEAuditor", "privs": ["VM.Audit"]}),
            json!({"roleid": "PVENone", "state": "absent"}),
        ] {
            assert!(
                change(&args(kept.clone()), &roles())
                    .unwrap()
                    .step
                    .is_none(),
                "{kept}"
            );
        }
        for refused in [
            json!({"roleid": "PVEAuditor", "privs": ["VM.Clone"]}),
            json!({"roleid": "PVEAuditor", "state": "absent"}),
            json!({"roleid": "PVEMine", "privs": ["VM.Clone"]}),
        ] {
            let failure = change(&args(refused.clone()), &roles()).unwrap_err();
            assert!(
                failure.msg.contains("is built into Proxmox VE"),
                "{refused}: {}",
                failure.msg
            );
        }
    }
}
