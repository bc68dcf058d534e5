//! `proxmox_group_info`: what groups there are, by `/access/groups`.

use ansible::{Args, Failure};
use pve::access::groups::Group;
use pve::apply::Applied;
use pve::{Cluster, Plan, Planned};
use serde_json::{Map, Value, json};

use crate::connection::{Connection, DropIn};
use crate::fault;
use crate::job::{Job, Report, Task};

/// The options of `proxmox_group_info`.
#[derive(Args, Debug)]
pub struct GroupInfoArgs {
    /// Where the API is.
    #[arg(flatten)]
    pub connection: DropIn,
    /// The group to look at, which must exist; otherwise all that the caller may see.
    #[arg(aliases = ["groupid", "name"])]
    pub group: Option<String>,
}

/// The module.
pub struct ProxmoxGroupInfo;

crate::module!(ProxmoxGroupInfo, "proxmox_group_info");

impl Job for ProxmoxGroupInfo {
    type Args = GroupInfoArgs;
    type Notes = Vec<Group>;

    fn connection(args: &GroupInfoArgs) -> &Connection {
        &args.connection.connection
    }

    fn plan(
        task: &Task<'_, GroupInfoArgs>,
        cluster: &Cluster,
    ) -> Result<Planned<Vec<Group>>, Failure> {
        // An empty text asks for all, as a variable that is not set often is one.
        let group = task.args.group.as_deref().filter(|name| !name.is_empty());
        read(group, cluster).map(|groups| Planned::Ready(Plan::default(), groups))
    }

    fn report(
        _task: &Task<'_, GroupInfoArgs>,
        groups: Vec<Group>,
        _plan: &Plan,
        _applied: Option<&Applied>,
        _cluster: &Cluster,
    ) -> Report {
        let groups: Vec<Value> = groups.iter().map(shown).collect();
        Report {
            returns: Map::from_iter([("proxmox_groups".to_owned(), json!(groups))]),
            ..Report::default()
        }
    }
}

fn read(group: Option<&str>, cluster: &Cluster) -> Result<Vec<Group>, Failure> {
    let Some(name) = group else {
        let mut groups = cluster
            .groups()
            .map_err(|error| fault::unable("read the groups", &error))?;
        // The order of the rows is another one in each answer.
        groups.sort_by(|a, b| a.groupid.cmp(&b.groupid));
        return Ok(groups);
    };
    match cluster.group(name) {
        Ok(Some(group)) => Ok(vec![group]),
        Ok(None) => Err(Failure::new(format!("Group '{name}' does not exist"))),
        Err(error) => Err(fault::unable(&format!("read group `{name}`"), &error)),
    }
}

fn shown(group: &Group) -> Value {
    let mut shown = json!({"groupid": group.groupid, "users": group.users});
    if !group.comment.is_empty() {
        shown["comment"] = json!(group.comment);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::read;
    use pve::Call;
    use pve::canned::{Canned, refused};
    use pve::path;
    use serde_json::json;

    #[test]
    fn only_a_group_that_is_not_there_does_not_exist() {
        let call = Call::get(path!("access", "groups", "ops"));
        let asked = |status, text| {
            Canned::new()
                .once(&call.to_string(), Err(refused(&call, status, text)))
                .cluster()
        };
        let absent = read(Some("ops"), &asked(500, "group 'ops' does not exist\n"));
        assert_eq!(absent.unwrap_err().msg, "Group 'ops' does not exist");

        let hidden = asked(403, "Permission check failed (/access/groups, Sys.Audit)\n");
        let failure = read(Some("ops"), &hidden).unwrap_err();
        assert!(
            failure
                .msg
                .starts_with("unable to read group `ops`: GET /access/groups/ops answered 403"),
            "{}",
            failure.msg
        );
        assert_eq!(failure.details["status"], json!(403));
    }
}
