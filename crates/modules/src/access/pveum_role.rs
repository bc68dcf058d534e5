//! `pveum_role`: a role, by `/access/roles`.

use ansible::{Args, Failure};
use pve::access::roles::Role;
use pve::apply::Applied;
use pve::{Cluster, Plan, Planned};
use serde_json::{Map, json};

use super::role::{self, RoleOptions};
use crate::connection::Connection;
use crate::fault;
use crate::job::{Job, Report, Task};
use crate::resource::Change;

/// The options of `pveum_role`.
#[derive(Args, Debug)]
pub struct RoleArgs {
    /// Where the API is.
    #[arg(flatten)]
    pub connection: Connection,
    /// The role.
    #[arg(flatten)]
    pub role: RoleOptions,
}

/// The module.
pub struct PveumRole;

crate::module!(PveumRole, "pveum_role");

impl Job for PveumRole {
    type Args = RoleArgs;
    type Notes = ();

    fn connection(args: &RoleArgs) -> &Connection {
        &args.connection
    }

    fn plan(task: &Task<'_, RoleArgs>, cluster: &Cluster) -> Result<Planned<()>, Failure> {
        let roles = cluster
            .roles()
            .map_err(|error| fault::unable("read the roles", &error))?;
        plan(task.args, &roles).map(|plan| Planned::Ready(plan, ()))
    }

    fn report(
        task: &Task<'_, RoleArgs>,
        (): (),
        plan: &Plan,
        applied: Option<&Applied>,
        _cluster: &Cluster,
    ) -> Report {
        let mut returns = Map::new();
        returns.insert("name".to_owned(), json!(task.args.role.name));
        // What was wanted is not what is there where the write has failed.
        if applied.is_none_or(Applied::succeeded) {
            returns.insert(
                "privs".to_owned(),
                plan.after.get("privs").cloned().unwrap_or_default(),
            );
        }
        Report {
            returns,
            ..Report::default()
        }
    }
}

fn plan(args: &RoleArgs, roles: &[Role]) -> Result<Plan, Failure> {
    let RoleOptions { name, .. } = &args.role;
    role::change(name, roles, args.role.wanted()).map(Change::plan)
}

#[cfg(test)]
mod tests {
    use super::{RoleArgs, plan};
    use ansible::Args;
    use pve::access::roles::Role;
    use serde_json::{Value, json};

    fn args(value: Value) -> RoleArgs {
        let Value::Object(map) = value else {
            panic!("not an object")
        };
        RoleArgs::parse(map).unwrap()
    }

    fn role(roleid: &str, privs: &[&str], special: bool) -> Role {
        Role {
            roleid: roleid.to_owned(),
            privs: privs
                .iter()
                .map(|&privilege| privilege.to_owned())
                .collect(),
            special,
        }
    }

    fn nine() -> Vec<Role> {
        let all = ["VM.Audit", "VM.Clone", "Sys.Audit", "VM.GuestAgent.Audit"];
        vec![
            role("Administrator", &all, true),
            role("Provisioner", &["VM.Audit"], false),
        ]
    }

    #[test]
    fn only_what_differs_is_written() {
        let cases = [
            (
                json!({"name": "New", "privs": ["VM.Clone", "VM.Audit"]}),
                vec!["POST /access/roles roleid=New privs=VM.Audit,VM.Clone"],
            ),
            (
                json!({"name": "New"}),
                vec!["POST /access/roles roleid=New"],
            ),
            (json!({"name": "Provisioner", "privs": "VM.Audit"}), vec![]),
            (json!({"name": "Provisioner"}), vec![]),
            (
                json!({"roleid": "Provisioner", "privs": "VM.Clone VM.Audit"}),
                vec!["PUT /access/roles/Provisioner privs=VM.Audit,VM.Clone"],
            ),
            (
                json!({"name": "Provisioner", "privs": ["VM.Clone"], "append": true}),
                vec!["PUT /access/roles/Provisioner privs=VM.Audit,VM.Clone"],
            ),
            (
                json!({"name": "Provisioner", "privs": ["VM.Audit"], "append": true}),
                vec![],
            ),
            (
                json!({"name": "Provisioner", "privs": []}),
                vec!["PUT /access/roles/Provisioner privs="],
            ),
            (
                json!({"name": "Provisioner", "state": "absent"}),
                vec!["DELETE /access/roles/Provisioner"],
            ),
            (json!({"name": "Nope", "state": "absent"}), vec![]),
        ];
        for (given, calls) in cases {
            let plan = plan(&args(given.clone()), &nine()).unwrap();
            assert_eq!(plan.calls(), calls, "{given}");
            assert_eq!(plan.before != plan.after, plan.changes(), "{given}");
        }
    }

    #[test]
    fn an_unknown_privilege_is_refused_with_its_successor() {
        let cases = [
            (
                "VM.Monitor",
                "this server knows no privilege `VM.Monitor`; what it allowed is now split: use Sys.Audit, \
                 VM.GuestAgent.Audit, VM.GuestAgent.FileRead, VM.GuestAgent.FileWrite, \
                 VM.GuestAgent.FileSystemMgmt, VM.GuestAgent.Unrestricted",
            ),
            (
                "vm.audit",
                "this server knows no privilege `vm.audit`; did you mean VM.Audit?",
            ),
            ("VM.Nope", "this server knows no privilege `VM.Nope`"),
        ];
        for (privilege, message) in cases {
            let args = args(json!({"name": "New", "privs": [privilege]}));
            assert_eq!(plan(&args, &nine()).unwrap_err().msg, message);
        }
    }

    #[test]
    fn on_eight_the_predecessor_is_named() {
        let eight = [role("Administrator", &["VM.Audit", "VM.Monitor"], true)];
        let args = args(json!({"name": "New", "privs": ["VM.GuestAgent.Audit"]}));
        assert_eq!(
            plan(&args, &eight).unwrap_err().msg,
            "this server knows no privilege `VM.GuestAgent.Audit`; on this version it is VM.Monitor"
        );
    }

    #[test]
    fn built_in_and_reserved_roles_are_refused() {
        for name in ["Administrator", "PVEWhatever", "pveAdmin"] {
            for state in ["present", "absent"] {
                let args = args(json!({"name": name, "state": state, "privs": ["VM.Audit"]}));
                let failure = plan(&args, &nine()).unwrap_err();
                assert!(
                    failure.msg.starts_with(&format!(
                        "the role `{name}` is built into Proxmox VE and cannot be "
                    )),
                    "{}",
                    failure.msg
                );
            }
        }
    }
}
