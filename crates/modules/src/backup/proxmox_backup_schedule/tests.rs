use ansible::{Args, Context};
use pve::Planned;
use pve::canned::Canned;
use serde_json::{Value, json};

use super::{BackupScheduleArgs, ProxmoxBackupSchedule};
use crate::job::{Job, Task};

/// The calls of the plan for a guest and a job, or why there is none. 101 is in pool web, on pve1.
fn planned(job: &Value, options: &Value) -> Result<Vec<String>, String> {
    let mut args = json!({"api_host": "pve1", "backup_id": "nightly"});
    for (key, value) in options.as_object().unwrap() {
        args[key] = value.clone();
    }
    let Value::Object(args) = args else {
        unreachable!()
    };
    let cluster = Canned::new()
        .always("GET /cluster/backup/nightly", job.clone())
        .always(
            "GET /cluster/resources",
            json!([
                {"type": "node", "node": "pve1", "status": "online"},
                {"type": "qemu", "node": "pve1", "vmid": 101, "name": "web", "status": "running"},
                {"type": "lxc", "node": "pve2", "vmid": 102, "name": "dns", "status": "running"},
            ]),
        )
        .always(
            "GET /pools poolid=web",
            json!([{"members": [{"type": "qemu", "vmid": 101}]}]),
        )
        .cluster();
    let context = Context::default();
    let args = BackupScheduleArgs::parse(args).unwrap();
    let task = Task {
        args: &args,
        context: &context,
    };
    match ProxmoxBackupSchedule::plan(&task, &cluster) {
        Ok(Planned::Ready(plan, ())) => Ok(plan.calls()),
        Ok(Planned::Blocked { why, .. }) => Err(why),
        Err(failure) => Err(failure.msg),
    }
}

fn job(more: &Value) -> Value {
    let mut job = json!({"id": "nightly", "type": "vzdump"});
    for (key, value) in more.as_object().unwrap() {
        job[key] = value.clone();
    }
    job
}

#[test]
fn a_guest_is_added_in_the_way_in_which_the_job_chooses_guests() {
    let put = |change: &str| Ok(vec![format!("PUT /cluster/backup/nightly {change}")]);
    for (more, calls) in [
        (json!({"vmid": "101"}), Ok(vec![])),
        (json!({"vmid": "103;104"}), put("vmid=103,104,101")),
        (json!({"all": 1}), Ok(vec![])),
        (json!({"all": 1, "node": "pve1"}), Ok(vec![])),
        (json!({"all": 1, "exclude": "101,103"}), put("exclude=103")),
        (json!({"all": 1, "exclude": "101"}), put("delete=exclude")),
        (json!({"pool": "web"}), Ok(vec![])),
    ] {
        let added = planned(&job(&more), &json!({"vm_id": "101", "state": "present"}));
        assert_eq!(added, calls, "{more}");
    }
}

#[test]
fn a_job_that_cannot_take_a_guest_says_why() {
    for (more, why) in [
        (json!({"pool": "lab"}), "the guests of pool `lab`"),
        (
            json!({"all": 1, "node": "pve1"}),
            "guests of node `pve1` only, and this one is on `pve2`",
        ),
        (
            json!({"vmid": "100", "node": "pve1"}),
            "guests of node `pve1` only, and this one is on `pve2`",
        ),
    ] {
        let failed = planned(&job(&more), &json!({"vm_name": "dns", "state": "present"}));
        assert!(
            failed.clone().unwrap_err().contains(why),
            "{more}: {failed:?}"
        );
    }
}

#[test]
fn a_guest_is_removed_in_the_way_in_which_the_job_chooses_guests() {
    let put = |change: &str| Ok(vec![format!("PUT /cluster/backup/nightly {change}")]);
    for (more, calls) in [
        (json!({"vmid": "103"}), Ok(vec![])),
        (json!({"vmid": "101,103"}), put("vmid=103")),
        (json!({"all": 1}), put("exclude=101")),
        (json!({"all": 1, "exclude": "103"}), put("exclude=103,101")),
        (json!({"all": 1, "exclude": "101"}), Ok(vec![])),
        (json!({"pool": "lab"}), Ok(vec![])),
    ] {
        let removed = planned(&job(&more), &json!({"vm_id": "101", "state": "absent"}));
        assert_eq!(removed, calls, "{more}");
    }
}

#[test]
fn the_last_guest_of_a_list_and_a_member_of_the_pool_stay() {
    for (more, why) in [
        (json!({"vmid": "101"}), "the only guest of the job"),
        (json!({"pool": "web"}), "the guests of pool `web`"),
    ] {
        let failed = planned(&job(&more), &json!({"vm_id": "101", "state": "absent"}));
        assert!(
            failed.clone().unwrap_err().contains(why),
            "{more}: {failed:?}"
        );
    }
}

#[test]
fn a_vmid_that_no_guest_has_is_removed_and_not_added() {
    let listed = job(&json!({"vmid": "101,999"}));
    let gone = planned(&listed, &json!({"vm_id": "999", "state": "absent"}));
    assert_eq!(gone.unwrap(), ["PUT /cluster/backup/nightly vmid=101"]);
    let added = planned(&listed, &json!({"vm_id": "998", "state": "present"}));
    assert!(
        added
            .unwrap_err()
            .starts_with("VM with vmid 998 does not exist in cluster")
    );
    let text = planned(&listed, &json!({"vm_id": "web", "state": "present"}));
    assert_eq!(text.unwrap_err(), "vm_id: `web` is no VMID");
}
