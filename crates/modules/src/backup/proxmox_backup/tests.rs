use ansible::{Args, Context};
use pve::canned::Canned;
use pve::{Plan, Planned};
use serde_json::{Value, json};

use super::{BackupArgs, ProxmoxBackup};
use crate::job::{Job, Task};

/// The plan of a task by a caller with these permissions. 101 is on pve1, 102 on pve2, 104 on pve3, which is offline;
/// 105 is a guest that does not show.
fn planned(options: &Value, permissions: &Value) -> Result<Plan, String> {
    let mut args = json!({"api_host": "pve1", "storage": "nfs", "mode": "include"});
    for (key, value) in options.as_object().unwrap() {
        args[key] = value.clone();
    }
    let Value::Object(args) = args else {
        unreachable!()
    };
    let taken = pve::Call::get(pve::path!("cluster", "nextid")).with("vmid", 105u32);
    let cluster = Canned::new()
        .always(
            "GET /cluster/resources",
            json!([
                {"type": "node", "node": "pve1", "status": "online"},
                {"type": "node", "node": "pve2", "status": "online"},
                {"type": "node", "node": "pve3", "status": "offline"},
                {"type": "qemu", "node": "pve1", "vmid": 101, "name": "web", "status": "running"},
                {"type": "lxc", "node": "pve2", "vmid": 102, "name": "dns", "status": "running"},
                {"type": "qemu", "node": "pve3", "vmid": 104, "status": "unknown"},
                {"type": "storage", "node": "pve1", "storage": "nfs", "status": "available"},
            ]),
        )
        .always("GET /access/permissions", permissions.clone())
        .always(
            "GET /pools poolid=web",
            json!([{"members": [{"vmid": 102}]}]),
        )
        .always(
            "GET /storage",
            json!([{"storage": "nfs"}, {"storage": "hidden"}]),
        )
        .always("GET /cluster/nextid vmid=999", json!("999"))
        .once(
            "GET /cluster/nextid vmid=105",
            Err(pve::canned::refused(&taken, 400, "VM 105 already exists")),
        )
        .cluster();
    let context = Context::default();
    let args = BackupArgs::parse(args).unwrap();
    let task = Task {
        args: &args,
        context: &context,
    };
    match ProxmoxBackup::plan(&task, &cluster) {
        Ok(Planned::Ready(plan, _)) => Ok(plan),
        Ok(Planned::Blocked { why, .. }) => Err(why),
        Err(failure) => Err(failure.msg),
    }
}

fn all() -> Value {
    json!({"/": {"VM.Backup": 1, "Datastore.AllocateSpace": 1, "Datastore.Allocate": 1, "Sys.Modify": 1}})
}

fn nodes(plan: &Plan) -> Vec<&str> {
    plan.tracks.iter().map(|track| track.id.as_str()).collect()
}

#[test]
fn only_nodes_are_asked_that_have_any_of_the_guests() {
    for (options, asked) in [
        (json!({"vmids": [101]}), vec!["pve1"]),
        (json!({"vmids": [102, 101, 102]}), vec!["pve1", "pve2"]),
        (json!({"vmids": [102], "node": "pve1"}), vec![]),
        (json!({"mode": "pool", "pool": "web"}), vec!["pve2"]),
        (json!({"mode": "all"}), vec!["pve1", "pve2"]),
        (json!({"mode": "all", "node": "pve2"}), vec!["pve2"]),
        // Nobody knows where it is.
        (json!({"vmids": [105]}), vec!["pve1", "pve2"]),
    ] {
        let plan = planned(&options, &all()).unwrap();
        assert_eq!(nodes(&plan), asked, "{options}");
    }
}

#[test]
fn what_is_stated_is_sent_zero_and_false_included() {
    let least = json!({"vmids": [102, 101]});
    assert_eq!(
        planned(&least, &all()).unwrap().calls()[0],
        "POST /nodes/pve1/vzdump all=0 vmid=102,101 storage=nfs mode=snapshot notes-template={{guestname}} \
         notification-mode=auto"
    );
    let most = json!({
        "vmids": [101], "backup_mode": "stop", "description": "d", "notification_mode": "notification-system",
        "compress": "0", "compression_threads": 0, "bandwidth": 0, "protected": false, "retention": "keep-last=1",
        "change_detection_mode": "metadata", "fleecing": "enabled=1", "performance_tweaks": "max-workers=4",
    });
    assert_eq!(
        planned(&most, &all()).unwrap().calls()[0],
        "POST /nodes/pve1/vzdump all=0 vmid=101 storage=nfs mode=stop notes-template=d \
         notification-mode=notification-system compress=0 zstd=0 bwlimit=0 protected=0 prune-backups=keep-last=1 \
         pbs-change-detection-mode=metadata fleecing=enabled=1 performance=max-workers=4"
    );
}

#[test]
fn what_is_left_undone_is_told() {
    for (options, warning, tracks) in [
        (
            json!({"vmids": [101, 102], "node": "pve1"}),
            "on node `pve2` and not on `pve1`: 102",
            1,
        ),
        (json!({"mode": "all"}), "node `pve3` is offline: 104", 2),
    ] {
        let plan = planned(&options, &all()).unwrap();
        assert_eq!(
            (plan.warnings.len(), plan.tracks.len()),
            (1, tracks),
            "{options}"
        );
        assert!(plan.warnings[0].contains(warning), "{:?}", plan.warnings);
    }
    // A guest that is named is not left out in silence: its track fails.
    let plan = planned(&json!({"vmids": [101, 104]}), &all()).unwrap();
    assert_eq!(nodes(&plan), ["pve1", "pve3"]);
    assert_eq!(plan.calls().len(), 1);
}

#[test]
fn what_is_not_there_is_told_before_anything_is_written() {
    for (options, msg) in [
        (
            json!({"vmids": [101, 999]}),
            "VM with vmid 999 does not exist in cluster",
        ),
        (json!({"vmids": []}), "vmids is empty"),
        (
            json!({"vmids": [101], "node": "nope"}),
            "Node nope was specified, but does not exist on the cluster",
        ),
        (
            json!({"vmids": [101], "node": "pve3"}),
            "unable to back up the guests of node `pve3`: the node is offline",
        ),
        (
            json!({"vmids": [101], "storage": "nope"}),
            "Storage nope does not exist in the cluster",
        ),
        (
            json!({"mode": "pool", "pool": "nope"}),
            "pool 'nope' does not exist",
        ),
    ] {
        let failed = planned(&options, &all())
            .map(|plan| plan.calls())
            .unwrap_err();
        assert!(failed.starts_with(msg), "{options}: {failed}");
    }
    assert!(planned(&json!({"vmids": [101], "storage": "hidden"}), &all()).is_ok());
}

#[test]
fn missing_privileges_are_told_before_anything_is_written() {
    let space = json!({"/storage/nfs": {"Datastore.AllocateSpace": 1}});
    let one = json!({"/storage/nfs": {"Datastore.AllocateSpace": 1}, "/vms/101": {"VM.Backup": 1}});
    for (options, permissions, msg) in [
        (
            json!({"vmids": [101]}),
            &json!({}),
            "Insufficient permission: Datastore.AllocateSpace is missing on /storage/nfs",
        ),
        (
            json!({"vmids": [101, 102]}),
            &one,
            "Insufficient permissions: You dont have the VM.Backup permission for VMID 102",
        ),
        (
            json!({"mode": "pool", "pool": "web"}),
            &one,
            "Insufficient permissions: You dont have the VM.Backup permission for VMID 102",
        ),
        (
            json!({"mode": "all"}),
            &space,
            "Insufficient permissions: You dont have the VM.Backup permission",
        ),
        (
            json!({"vmids": [101], "bandwidth": 0}),
            &one,
            "Insufficient permission: Performance_tweaks and bandwidth require 'Sys.Modify' permission for '/'",
        ),
        (
            json!({"vmids": [101], "retention": "keep-all=1"}),
            &one,
            "Insufficient permissions: Custom retention was requested, but Datastore.Allocate is missing on /storage/nfs",
        ),
    ] {
        let failed = planned(&options, permissions)
            .map(|plan| plan.calls())
            .unwrap_err();
        assert_eq!(failed, msg, "{options}");
    }
    let plan = planned(
        &json!({"mode": "all", "node": "pve2"}),
        &json!({
            "/storage/nfs": {"Datastore.AllocateSpace": 1}, "/vms": {"VM.Backup": 1}, "/vms/102": {"VM.Audit": 1},
        }),
    );
    assert_eq!(
        plan.unwrap().warnings,
        ["not backed up, as VM.Backup is missing: 102"]
    );
}
