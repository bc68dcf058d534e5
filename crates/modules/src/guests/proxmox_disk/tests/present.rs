use serde_json::json;

use super::{done, outcome};

#[test]
fn a_disk_is_made_of_what_is_stated() {
    for (options, call, msg) in [
        (
            json!({"disk": "scsi2", "storage": "ceph", "size": "32"}),
            "POST config scsi2=ceph:32",
            "Disk scsi2 created in VM 101",
        ),
        (
            json!({"disk": "scsi2", "storage": "ceph", "size": "10240M", "ssd": true, "mbps": 12.5, "backup": false}),
            "POST config scsi2=ceph:10,backup=0,mbps=12.5,ssd=1",
            "Disk scsi2 created in VM 101",
        ),
        (
            json!({"disk": "scsi2", "storage": "nfs", "size": "512M", "format": "qcow2"}),
            "POST config scsi2=nfs:0.500,format=qcow2",
            "Disk scsi2 created in VM 101",
        ),
        (
            json!({"disk": "tpmstate0", "storage": "ceph"}),
            "POST config tpmstate0=ceph:1",
            "Disk tpmstate0 created in VM 101",
        ),
        (
            json!({"disk": "scsi2", "storage": "ceph", "import_from": "local:import/a.qcow2", "ssd": true}),
            "POST config scsi2=ceph:0,import-from=local:import/a.qcow2,ssd=1",
            "Disk scsi2 imported into VM 101",
        ),
        (
            json!({"disk": "scsi0", "storage": "ceph", "size": "32", "create": "forced"}),
            "POST config scsi0=ceph:32",
            "Disk scsi0 created in VM 101",
        ),
        (
            json!({"disk": "scsi2", "create": "disabled", "storage": "ceph", "size": "32"}),
            "",
            "Disk scsi2 not found in VM 101 and creation was disabled in parameters.",
        ),
    ] {
        assert_eq!(
            done(&options),
            (call.to_owned(), msg.to_owned()),
            "{options}"
        );
    }
}

#[test]
fn what_is_not_stated_of_a_disk_is_kept() {
    let all = "scsi0=local-lvm:vm-101-disk-0,cache=writeback,discard=on,iothread=1,mbps_rd=10,size=10240M";
    for (options, call) in [
        (json!({}), String::new()),
        (
            json!({"discard": "on", "iothread": true, "mbps_rd": 10.0, "backup": true, "ssd": false}),
            String::new(),
        ),
        (
            json!({"storage": "local-lvm", "size": "10", "format": "raw"}),
            String::new(),
        ),
        (
            json!({"storage": "local-lvm", "size": "10G", "media": "disk"}),
            String::new(),
        ),
        (
            json!({"import_from": "local:import/a.qcow2"}),
            String::new(),
        ),
        (
            json!({"create": "disabled", "ssd": true}),
            format!("PUT config {all},ssd=1"),
        ),
        (
            json!({"cache": "none"}),
            format!("PUT config {}", all.replace("writeback", "none")),
        ),
        (
            json!({"backup": false}),
            format!("PUT config {all},backup=0"),
        ),
    ] {
        let mut options = options;
        options["disk"] = json!("scsi0");
        let fate = if call.is_empty() {
            "is up to date"
        } else {
            "updated"
        };
        assert_eq!(
            done(&options),
            (call, format!("Disk scsi0 {fate} in VM 101")),
            "{options}"
        );
    }
    let (call, _) = done(&json!({"disk": "virtio0", "backup": false}));
    assert_eq!(
        call,
        "PUT config virtio0=/dev/disk/by-id/ata-1:2,size=8G,backup=0"
    );
}

#[test]
fn what_is_stated_of_a_disk_and_left_is_told() {
    for (options, warning) in [
        (
            json!({"disk": "scsi0", "size": "32"}),
            "scsi0 has 10G and not 32G; state: resized grows it",
        ),
        (
            json!({"disk": "scsi0", "size": "4G"}),
            "scsi0 has 10G and not 4G; a disk cannot shrink",
        ),
        (
            json!({"disk": "scsi0", "storage": "ceph"}),
            "scsi0 is on local-lvm and not on ceph; state: moved moves it",
        ),
    ] {
        let outcome = outcome(&options).unwrap();
        assert!(outcome.calls.is_empty(), "{options}");
        assert_eq!(outcome.warnings, [warning]);
    }
    let state_disk = json!({"disk": "efidisk0", "storage": "local-lvm", "size": "1"});
    assert_eq!(done(&state_disk).0, "");
}

#[test]
fn a_drive_has_a_medium() {
    for (options, call, msg) in [
        (
            json!({"disk": "ide1", "iso_image": "local:iso/a.iso"}),
            "PUT config ide1=local:iso/a.iso,media=cdrom",
            "CD-ROM was created on ide1 bus in VM 101",
        ),
        (
            json!({"disk": "ide1"}),
            "PUT config ide1=none,media=cdrom",
            "CD-ROM was created on ide1 bus in VM 101",
        ),
        (
            json!({"disk": "ide1", "storage": "none"}),
            "PUT config ide1=none,media=cdrom",
            "CD-ROM was created on ide1 bus in VM 101",
        ),
        (
            json!({"disk": "ide0", "iso_image": "local:iso/a.iso"}),
            "PUT config ide0=local:iso/a.iso,media=cdrom",
            "Disk ide0 updated in VM 101",
        ),
        (
            json!({"disk": "ide2", "iso_image": "none"}),
            "PUT config ide2=none,media=cdrom",
            "Disk ide2 updated in VM 101",
        ),
        (
            json!({"disk": "ide2", "iso_image": "local:iso/debian.iso", "storage": "none"}),
            "",
            "Disk ide2 is up to date in VM 101",
        ),
        (
            json!({"disk": "ide2", "iso_image": "local:iso/debian.iso", "storage": "x", "create": "forced"}),
            "",
            "Disk ide2 is up to date in VM 101",
        ),
        (
            json!({"disk": "scsi0", "iso_image": "local:iso/a.iso", "storage": "x", "create": "forced"}),
            "PUT config scsi0=local:iso/a.iso,media=cdrom",
            "CD-ROM was created on scsi0 bus in VM 101",
        ),
    ] {
        let mut options = options;
        options["media"] = json!("cdrom");
        assert_eq!(
            done(&options),
            (call.to_owned(), msg.to_owned()),
            "{options}"
        );
    }
}
