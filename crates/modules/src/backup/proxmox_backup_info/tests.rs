use ansible::Args;
use pve::canned::Canned;
use serde_json::{Value, json};

use super::{BackupInfoArgs, ProxmoxBackupInfo};
use crate::reader::Reader;

/// `job vmid name` of each entry, and the warnings.
fn told(job: &Value, options: &Value) -> (Vec<String>, Vec<String>) {
    let mut args = json!({"api_host": "pve1"});
    for (key, value) in options.as_object().unwrap() {
        args[key] = value.clone();
    }
    let Value::Object(args) = args else {
        unreachable!()
    };
    let cluster = Canned::new()
        .always("GET /cluster/backup", json!([job]))
        .always(
            "GET /cluster/resources",
            json!([
                {"type": "node", "node": "pve1", "status": "online"},
                {"type": "qemu", "node": "pve1", "vmid": 101, "name": "web", "status": "running"},
                {"type": "lxc", "node": "pve2", "vmid": 102, "name": "dns", "status": "running"},
                {"type": "qemu", "node": "pve1", "vmid": 103, "status": "unknown"},
            ]),
        )
        .always(
            "GET /nodes/pve1/qemu full=1",
            json!([{"vmid": 103, "name": "young", "status": "running"}]),
        )
        .always("GET /nodes/pve1/lxc full=1", json!([]))
        .always("GET /nodes/pve1/lxc", json!([]))
        .always(
            "GET /pools poolid=web",
            json!([{"members": [{"vmid": 102}, {"vmid": 104}]}]),
        )
        .cluster();
    let report = ProxmoxBackupInfo::read(&BackupInfoArgs::parse(args).unwrap(), &cluster)
        .unwrap_or_else(|failure| panic!("{}", failure.msg));
    let rows = report.returns["backup_info"].as_array().unwrap();
    let text = |row: &Value, key: &str| row[key].as_str().unwrap_or("-").to_owned();
    let rows = rows
        .iter()
        .map(|row| {
            format!(
                "{} {} {}",
                text(row, "id"),
                text(row, "vmid"),
                text(row, "vm_name")
            )
        })
        .collect();
    (rows, report.warnings)
}

#[test]
fn each_guest_that_a_job_takes_is_an_entry() {
    for (job, options, rows) in [
        (
            json!({"id": "j", "vmid": "102,101"}),
            json!({}),
            vec!["j 102 dns", "j 101 web"],
        ),
        (
            json!({"id": "j", "vmid": "999,101"}),
            json!({}),
            vec!["j 999 -", "j 101 web"],
        ),
        (
            json!({"id": "j", "all": 1, "exclude": "101"}),
            json!({}),
            vec!["j 102 dns", "j 103 -"],
        ),
        (
            json!({"id": "j", "all": 1, "node": "pve2"}),
            json!({}),
            vec!["j 102 dns"],
        ),
        (
            json!({"id": "j", "pool": "web"}),
            json!({}),
            vec!["j 102 dns", "j 104 -"],
        ),
        (
            json!({"id": "j", "all": 1}),
            json!({"vm_id": "102"}),
            vec!["j 102 dns"],
        ),
        (
            json!({"id": "j", "all": 1}),
            json!({"vm_name": "web"}),
            vec!["j 101 web"],
        ),
        (
            json!({"id": "j", "all": 1}),
            json!({"vm_name": "young"}),
            vec!["j 103 young"],
        ),
        (
            json!({"id": "j", "vmid": "101"}),
            json!({"vm_id": "102"}),
            vec![],
        ),
    ] {
        let (found, warnings) = told(&job, &options);
        assert_eq!(found, rows, "{job} {options}");
        assert_eq!(warnings, [""; 0], "{job} {options}");
    }
}

#[test]
fn what_cannot_be_told_is_a_warning() {
    let (rows, warnings) = told(&json!({"id": "j", "all": 1}), &json!({"vm_name": "nobody"}));
    assert!(
        rows.is_empty() && warnings[0].starts_with("there is no guest `nobody`"),
        "{warnings:?}"
    );
    let (rows, warnings) = told(&json!({"id": "j", "pool": "gone"}), &json!({}));
    assert!(rows.is_empty());
    assert_eq!(
        warnings,
        ["which guests backup job `j` takes is not known: there is no pool `gone`"]
    );
}
