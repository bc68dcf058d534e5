//! `pveum_role`: a role, by `/access/roles`.

use std::collections::BTreeSet;
use std::time::Duration;

use ansible::{Args, Choice, Failure};
use pve::access::roles::{Role, privileges};
use pve::apply::Applied;
use pve::plan::{Lost, Probe, Verdict};
use pve::{Call, Cluster, Path, Plan, Planned, Step, Track, path};
use serde_json::{Map, Value, json};

use crate::connection::Connection;
use crate::fault;
use crate::job::{Job, Report, Task};

/// The server waits up to 10 s for its lock on `user.cfg`: a write that has not
/// taken effect by then will not.
const QUIET: Duration = Duration::from_secs(10);

/// More than a write needs that waits for the lock, is looked for and repeated.
const LIMIT: Duration = Duration::from_secs(60);

/// The options of `pveum_role`.
#[derive(Args, Debug)]
#[args(required_if(key = "append", value = true, all = ["privs"]))]
pub struct RoleArgs {
    /// Where the API is.
    #[arg(flatten)]
    pub connection: Connection,
    /// The role's id.
    #[arg(required, aliases = ["roleid"])]
    pub name: String,
    /// The role's privileges: a list, or a text with commas or blanks in between, as `pveum` takes it.
    /// They replace those that the role has, unless O(append=true). An empty list empties the role; without
    /// this option the privileges of an existing role stay as they are.
    pub privs: Option<Vec<String>>,
    /// Add to the privileges that the role has, rather than replace them.
    #[arg(default = false)]
    pub append: bool,
    /// Whether the role is there.
    #[arg(default = "present")]
    pub state: State,
}

/// Whether the role is there.
#[derive(Choice, Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It is.
    Present,
    /// It is not.
    Absent,
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
        returns.insert("name".to_owned(), json!(task.args.name));
        // What was wanted is not what is there where the write has failed.
        let failed =
            applied.is_some_and(|applied| applied.tracks.iter().any(|track| !track.succeeded()));
        if !failed {
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
    let name = args.name.as_str();
    let have = roles.iter().find(|role| role.roleid == name);
    if have.is_some_and(|role| role.special) || is_reserved(name) {
        return Err(Failure::new(format!(
            "the role `{name}` is built into Proxmox VE and cannot be {}; make a role of another name \
             (names that begin with PVE are reserved)",
            match args.state {
                State::Present => "changed",
                State::Absent => "removed",
            }
        )));
    }
    let before = have.map(|role| &role.privs);
    let after = match args.state {
        State::Absent => None,
        State::Present => Some(wanted(args, before, &privileges(roles))?),
    };
    let of_role = path!("access", "roles", name);
    let step = match (before, &after) {
        (None, Some(privs)) => Some(Step::call(
            "create",
            "created",
            Call::post(path!("access", "roles"))
                .with("roleid", name)
                .with("privs", joined(privs)),
        )),
        (Some(before), Some(after)) if before != after => Some(Step::call(
            "change",
            "changed",
            Call::put(of_role.clone()).with("privs", joined(after)),
        )),
        (Some(_), None) => Some(Step::call(
            "remove",
            "removed",
            Call::delete(of_role.clone()),
        )),
        _ => None,
    };
    let step = step.map(|step| {
        step.claims("user.cfg", 1)
            .lost(look_up(of_role, after.clone()))
            .within(LIMIT)
    });
    Ok(Plan {
        tracks: step
            .into_iter()
            .map(|step| Track::new("role", name, vec![step]))
            .collect(),
        before: shown(name, before),
        after: shown(name, after.as_ref()),
        ..Plan::default()
    })
}

/// The role is as it shall be, or it is not: that tells whether a write took
/// effect whose answer was lost. A second POST or DELETE would fail.
fn look_up(of_role: Path, wanted: Option<BTreeSet<String>>) -> Lost {
    let probe = Probe::get(Call::get(of_role), move |answer| {
        let have = match answer {
            Ok(privs) => privs
                .as_object()
                .map(|privs| privs.keys().cloned().collect()),
            Err(error) if error.is_not_found() => None,
            Err(error) => return Verdict::NotYet(error.to_string()),
        };
        if have == wanted {
            Verdict::Holds(None)
        } else {
            Verdict::Absent
        }
    });
    Lost::Look {
        probe,
        quiet: QUIET,
    }
}

/// The names that the server keeps for itself, whether it has such a role or not.
fn is_reserved(name: &str) -> bool {
    name.get(..3)
        .is_some_and(|start| start.eq_ignore_ascii_case("PVE"))
}

fn wanted(
    args: &RoleArgs,
    before: Option<&BTreeSet<String>>,
    known: &BTreeSet<String>,
) -> Result<BTreeSet<String>, Failure> {
    let have = before.cloned().unwrap_or_default();
    let Some(stated) = &args.privs else {
        return Ok(have);
    };
    let mut privs: BTreeSet<String> = stated
        .iter()
        .flat_map(|text| pve::wire::lists::split(text))
        .map(str::to_owned)
        .collect();
    // A server that hides its roles from the caller still checks what it is sent.
    let unknown: Vec<String> = privs
        .difference(known)
        .filter(|_| !known.is_empty())
        .map(|privilege| unknown_privilege(privilege, known))
        .collect();
    if !unknown.is_empty() {
        return Err(Failure::new(unknown.join("; ")));
    }
    if args.append {
        privs.extend(have);
    }
    Ok(privs)
}

/// Privileges that went away, with what took their place.
const SUCCESSORS: &[(&str, &[&str])] = &[(
    "VM.Monitor",
    &[
        "Sys.Audit",
        "VM.GuestAgent.Audit",
        "VM.GuestAgent.FileRead",
        "VM.GuestAgent.FileWrite",
        "VM.GuestAgent.FileSystemMgmt",
        "VM.GuestAgent.Unrestricted",
    ],
)];

pub(crate) fn unknown_privilege(privilege: &str, known: &BTreeSet<String>) -> String {
    let successors = SUCCESSORS
        .iter()
        .find(|(old, _)| *old == privilege)
        .map(|(_, successors)| *successors);
    let predecessor = SUCCESSORS
        .iter()
        .find(|(old, new)| known.contains(*old) && new.contains(&privilege))
        .map(|(old, _)| *old);
    let instead = match (successors, predecessor, near(privilege, known)) {
        (Some(successors), _, _) => format!(
            "; what it allowed is now split: use {}",
            successors.join(", ")
        ),
        (None, Some(predecessor), _) => format!("; on this version it is {predecessor}"),
        (None, None, Some(near)) => format!("; did you mean {near}?"),
        (None, None, None) => String::new(),
    };
    format!("this server knows no privilege `{privilege}`{instead}")
}

/// The known privilege that differs in case only.
fn near<'a>(privilege: &str, known: &'a BTreeSet<String>) -> Option<&'a String> {
    known
        .iter()
        .find(|candidate| candidate.eq_ignore_ascii_case(privilege))
}

fn joined(privs: &BTreeSet<String>) -> String {
    privs
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(",")
}

fn shown(name: &str, privs: Option<&BTreeSet<String>>) -> Value {
    privs.map_or_else(|| json!({}), |privs| json!({"name": name, "privs": privs}))
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
                vec!["POST /access/roles roleid=New privs="],
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
