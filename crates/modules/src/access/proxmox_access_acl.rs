//! `proxmox_access_acl`: an entry of the access control list, by `/access/acl`.

use std::collections::BTreeSet;

use ansible::{Args, Choice, Failure};
use pve::access::acl::{Acl, SubjectKind};
use pve::access::acl_path;
use pve::apply::Applied;
use pve::{Cluster, Plan, Planned};
use serde_json::Map;

use super::acl::{self, Whom, Wish};
use crate::connection::{Connection, DropIn};
use crate::job::{Job, Report, Task};
use crate::resource::State;

/// The options of `proxmox_access_acl`.
#[derive(Args, Debug)]
#[args(
    required_if(key = "state", value = "present", all = ["path", "roleid", "type", "ugid"]),
    required_if(key = "state", value = "absent", all = ["path"])
)]
pub struct AccessAclArgs {
    /// Where the API is.
    #[arg(flatten)]
    pub connection: DropIn,
    /// The path: `/`, `/vms/100`, `/storage/local`, `/pool/web`, …
    pub path: Option<String>,
    /// The role. When entries are taken away, any role where none is stated.
    pub roleid: Option<String>,
    /// What `ugid` is the name of. When entries are taken away, those of any kind where none is stated.
    #[arg(rename = "type")]
    pub kind: Option<Kind>,
    /// The user (`name@realm`), the group, or the token (`name@realm!token`). When entries are taken away,
    /// anybody's where nobody is stated.
    pub ugid: Option<String>,
    /// Whether the role holds below the path too. When entries are taken away, only those that agree with
    /// it, where it is stated.
    #[arg(default = true)]
    pub propagate: bool,
    /// Whether the entry is there.
    #[arg(default = "present")]
    pub state: State,
}

/// What a name is the name of.
#[derive(Choice, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A user.
    User,
    /// A group.
    Group,
    /// An API token.
    Token,
}

/// The list before and after, and the paths that the caller does not see.
type Notes = (Acl, Acl, BTreeSet<String>);

/// The module.
pub struct ProxmoxAccessAcl;

crate::module!(ProxmoxAccessAcl, "proxmox_access_acl");

impl Job for ProxmoxAccessAcl {
    type Args = AccessAclArgs;
    type Notes = Notes;

    fn connection(args: &AccessAclArgs) -> &Connection {
        &args.connection.connection
    }

    fn plan(task: &Task<'_, AccessAclArgs>, cluster: &Cluster) -> Result<Planned<Notes>, Failure> {
        let wish = wish(task)?;
        let change = acl::change(&[wish], cluster, task.context.check_mode)?;
        let plan = Plan {
            tracks: change.tracks,
            before: change.before,
            after: change.after,
            warnings: change.warnings,
            ..Plan::default()
        };
        Ok(Planned::Ready(
            plan,
            (change.have, change.want, change.unseen),
        ))
    }

    fn report(
        _task: &Task<'_, AccessAclArgs>,
        (have, want, unseen): Notes,
        plan: &Plan,
        applied: Option<&Applied>,
        _cluster: &Cluster,
    ) -> Report {
        let changed = acl::changed(plan, applied, &unseen);
        let mut returns = Map::from_iter([("old_acls".to_owned(), acl::rows(&have))]);
        if changed && applied.is_none_or(Applied::succeeded) {
            returns.insert("new_acls".to_owned(), acl::rows(&want));
        }
        Report {
            returns,
            changed: Some(changed),
            ..Report::default()
        }
    }
}

fn wish(task: &Task<'_, AccessAclArgs>) -> Result<Wish, Failure> {
    let args = task.args;
    let kind = args.kind.map(|kind| match kind {
        Kind::User => SubjectKind::User,
        Kind::Group => SubjectKind::Group,
        Kind::Token => SubjectKind::Token,
    });
    let path = args.path.as_deref().unwrap_or_default();
    let id = args.ugid.clone();
    let whom = (kind.is_some() || id.is_some()).then_some(Whom { kind, id });
    let propagate =
        (args.state == State::Present || task.context.given("propagate")).then_some(args.propagate);
    Ok(Wish {
        path: acl_path::normal(path).map_err(|error| Failure::new(error.to_string()))?,
        roles: args.roleid.iter().cloned().collect(),
        whom: whom.into_iter().collect(),
        propagate,
        state: args.state,
        exclusive: false,
    })
}

#[cfg(test)]
mod tests {
    use super::{AccessAclArgs, ProxmoxAccessAcl};
    use crate::job::{Job, Task};
    use ansible::{Args, Context};
    use pve::Planned;
    use pve::canned::Canned;
    use serde_json::{Value, json};

    fn calls(options: &Value) -> Vec<String> {
        let Value::Object(map) = options.clone() else {
            panic!("not an object")
        };
        let context = Context {
            given: map.keys().cloned().collect(),
            ..Context::default()
        };
        let args = AccessAclArgs::parse(map).unwrap();
        let entries = json!([
            {"path": "/vms", "type": "user", "ugid": "a@pve", "roleid": "PVEAuditor", "propagate": 1},
            {"path": "/vms", "type": "user", "ugid": "a@pve", "roleid": "PVEVMUser", "propagate": 0},
            {"path": "/vms", "type": "group", "ugid": "ops", "roleid": "PVEAuditor", "propagate": 1},
        ]);
        let cluster = Canned::new().always("GET /access/acl", entries).cluster();
        let task = Task {
            args: &args,
            context: &context,
        };
        match ProxmoxAccessAcl::plan(&task, &cluster).unwrap() {
            Planned::Ready(plan, _) => plan.calls(),
            Planned::Blocked { why, .. } => panic!("{why}"),
        }
    }

    #[test]
    fn whether_a_role_propagates_is_compared_and_narrows_a_removal_only_where_it_is_stated() {
        let put = |rest: &str| vec![format!("PUT /access/acl path=/vms {rest}")];
        let entry = |more: Value| {
            let mut options = json!({"path": "/vms"});
            options
                .as_object_mut()
                .unwrap()
                .extend(more.as_object().unwrap().clone());
            options
        };
        let auditor = json!({"type": "user", "ugid": "a@pve", "roleid": "PVEAuditor"});
        let cases = [
            (entry(auditor.clone()), vec![]),
            (
                entry(
                    json!({"type": "user", "ugid": "a@pve", "roleid": "PVEAuditor", "propagate": false}),
                ),
                put("roles=PVEAuditor users=a@pve propagate=0"),
            ),
            (
                entry(json!({"state": "absent", "type": "user"})),
                put("roles=PVEAuditor,PVEVMUser users=a@pve delete=1"),
            ),
            (
                entry(json!({"state": "absent", "ugid": "a@pve", "propagate": false})),
                put("roles=PVEVMUser users=a@pve delete=1"),
            ),
            (
                entry(json!({"state": "absent", "roleid": "PVEAuditor"})),
                put("roles=PVEAuditor users=a@pve groups=ops delete=1"),
            ),
            (entry(json!({"state": "absent", "ugid": "b@pve"})), vec![]),
        ];
        for (options, wanted) in cases {
            assert_eq!(calls(&options), wanted, "{options}");
        }
    }
}
