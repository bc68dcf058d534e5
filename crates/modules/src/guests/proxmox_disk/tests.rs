mod present;

use ansible::{Args, Context};
use pve::Planned;
use pve::canned::Canned;
use serde_json::{Value, json};

use super::{DiskArgs, ProxmoxDisk};
use crate::job::{Job, Task};

/// What a task does to a VM with disks and drives, or why it fails.
#[derive(Debug)]
struct Outcome {
    calls: Vec<String>,
    msg: String,
    warnings: Vec<String>,
}

fn outcome(options: &Value) -> Result<Outcome, String> {
    let Value::Object(mut options) = options.clone() else {
        unreachable!()
    };
    let given = options.keys().cloned().collect();
    options.insert("vmid".to_owned(), json!(101));
    let args = DiskArgs::parse(options).map_err(|error| error.to_string())?;
    let cluster = Canned::new()
        .always(
            "GET /cluster/resources",
            json!([
                {"type": "node", "node": "pve1", "status": "online"},
                {"type": "qemu", "node": "pve1", "vmid": 101, "name": "web", "status": "stopped"},
                {"type": "qemu", "node": "pve1", "vmid": 102, "name": "db", "status": "stopped"},
                {"type": "lxc", "node": "pve1", "vmid": 200, "name": "dns", "status": "stopped"},
            ]),
        )
        .always(
            "GET /nodes/pve1/qemu/101/config",
            json!({
                "name": "web",
                "scsi0": "local-lvm:vm-101-disk-0,cache=writeback,discard=on,iothread=1,mbps_rd=10,size=10240M",
                "scsi1": "local-lvm:vm-101-disk-1",
                "virtio0": "/dev/disk/by-id/ata-1:2,size=8G",
                "ide0": "none,media=cdrom",
                "ide2": "local:iso/debian.iso,media=cdrom,size=600M",
                "efidisk0": "local-lvm:vm-101-disk-2,efitype=4m,size=4M",
                "unused0": "local-lvm:vm-101-disk-3",
            }),
        )
        .always("GET /nodes/pve1/qemu/101/pending", json!([]))
        .always(
            "GET /nodes/pve1/qemu/102/config",
            json!({"name": "db", "scsi5": "local-lvm:vm-102-disk-0,size=8G"}),
        )
        .cluster();
    let context = Context {
        given,
        ..Context::default()
    };
    let task = Task {
        args: &args,
        context: &context,
    };
    match ProxmoxDisk::plan(&task, &cluster) {
        Ok(Planned::Ready(plan, told)) => {
            assert_eq!(plan.changes(), plan.before != plan.after);
            let vm = "/nodes/pve1/qemu/101/";
            let calls = plan.calls().into_iter();
            Ok(Outcome {
                calls: calls.map(|call| call.replace(vm, "")).collect(),
                msg: told.msg.unwrap_or_default(),
                warnings: plan.warnings,
            })
        }
        Ok(Planned::Blocked { why, .. }) => Err(why),
        Err(failure) => Err(failure.msg),
    }
}

/// The one call, or none, and the sentence.
fn done(options: &Value) -> (String, String) {
    let Outcome {
        calls,
        msg,
        warnings,
    } = outcome(options).unwrap();
    assert!(warnings.is_empty(), "{options}: {warnings:?}");
    (calls.join("; "), msg)
}

#[test]
fn a_disk_grows_in_whatever_unit() {
    for (disk, size, call, msg) in [
        ("scsi0", "10G", "", "Disk scsi0 is already 10G size"),
        (
            "scsi0",
            "0.009765625T",
            "",
            "Disk scsi0 is already 0.009765625T size",
        ),
        (
            "scsi0",
            "20480M",
            "PUT resize disk=scsi0 size=20G",
            "Disk scsi0 resized in VM 101",
        ),
        (
            "scsi0",
            "+512m",
            "PUT resize disk=scsi0 size=10752M",
            "Disk scsi0 resized in VM 101",
        ),
    ] {
        let options = json!({"disk": disk, "size": size, "state": "resized"});
        assert_eq!(done(&options), (call.to_owned(), msg.to_owned()), "{size}");
    }
}

#[test]
fn a_disk_is_moved_where_it_is_not() {
    for (options, call, msg) in [
        (
            json!({"disk": "scsi0", "target_storage": "local-lvm", "format": "raw"}),
            "",
            "Disk scsi0 already at local-lvm storage",
        ),
        (
            json!({"disk": "scsi0", "target_storage": "nfs", "format": "qcow2", "delete_moved": true, "bwlimit": 1024}),
            "POST move_disk disk=scsi0 storage=nfs format=qcow2 bwlimit=1024 delete=1",
            "Disk scsi0 moved from VM 101 storage local-lvm",
        ),
        (
            json!({"disk": "unused0", "target_storage": "nfs", "delete_moved": false}),
            "POST move_disk disk=unused0 storage=nfs",
            "Disk unused0 moved from VM 101 storage local-lvm",
        ),
        (
            json!({"disk": "scsi0", "target_vmid": 102}),
            "POST move_disk disk=scsi0 target-vmid=102 target-disk=scsi0",
            "Disk scsi0 moved from VM 101 storage local-lvm",
        ),
        (
            json!({"disk": "scsi9", "target_vmid": 102, "target_disk": "scsi5"}),
            "",
            "Disk scsi9 already at VM 102 as scsi5",
        ),
    ] {
        let mut options = options;
        options["state"] = json!("moved");
        assert_eq!(
            done(&options),
            (call.to_owned(), msg.to_owned()),
            "{options}"
        );
    }
}

#[test]
fn a_disk_leaves_once() {
    for (disk, state, call, msg) in [
        (
            "scsi0",
            "detached",
            "PUT unlink idlist=scsi0 force=0",
            "Disk scsi0 detached from VM 101",
        ),
        (
            "scsi9",
            "detached",
            "",
            "Disk scsi9 not present in VM 101 config",
        ),
        (
            "unused0",
            "detached",
            "",
            "Disk unused0 already detached in VM 101",
        ),
        (
            "scsi0",
            "absent",
            "PUT unlink idlist=scsi0 force=1",
            "Disk scsi0 removed from VM 101",
        ),
        (
            "unused0",
            "absent",
            "PUT unlink idlist=unused0 force=1",
            "Disk unused0 removed from VM 101",
        ),
        (
            "scsi9",
            "absent",
            "",
            "Disk scsi9 is already absent in VM 101",
        ),
    ] {
        let options = json!({"disk": disk, "state": state});
        assert_eq!(
            done(&options),
            (call.to_owned(), msg.to_owned()),
            "{disk}, {state}"
        );
    }
}

#[test]
fn what_cannot_be_says_why() {
    let missing = "Unable to process missing disk scsi9 in VM 101";
    for (options, why) in [
        (
            json!({"disk": "scsi2", "size": "8"}),
            "unable to create disk `scsi2`: storage is needed for a new disk",
        ),
        (
            json!({"disk": "scsi2", "storage": "ceph"}),
            "unable to create disk `scsi2`: size is needed for a new disk, such as 32",
        ),
        (
            json!({"disk": "scsi2", "import_from": "local:import/a.qcow2"}),
            "unable to create disk `scsi2`: storage is needed for a new disk",
        ),
        (
            json!({"disk": "scsi2", "storage": "ceph", "size": "+8G"}),
            "unable to create disk `scsi2`: `+8G` is a growth, for which there is state: resized",
        ),
        (
            json!({"disk": "scsi2", "storage": "ceph", "size": "8GB"}),
            "unable to create disk `scsi2`: `8GB` is not a size: expected a number with K, M, G or T after it, such as \
             40G",
        ),
        (
            json!({"disk": "ide1", "media": "cdrom", "storage": "local"}),
            "unable to create disk `ide1`: a CD-ROM drive has an image in it, iso_image, and no storage; got storage: \
             local",
        ),
        (
            json!({"disk": "ide1", "media": "disk", "iso_image": "none"}),
            "unable to create disk `ide1`: iso_image goes with media: cdrom",
        ),
        (
            json!({"disk": "scsi0", "media": "cdrom", "iso_image": "local:iso/a.iso"}),
            "unable to update disk `scsi0`: it is a disk (local-lvm:vm-101-disk-0) and no CD-ROM drive",
        ),
        (
            json!({"disk": "ide2", "media": "disk"}),
            "unable to update disk `ide2`: it is a CD-ROM drive and no disk",
        ),
        (
            json!({"disk": "scsi9", "state": "resized", "size": "8G"}),
            missing,
        ),
        (
            json!({"disk": "scsi9", "state": "moved", "target_storage": "ceph"}),
            missing,
        ),
        (
            json!({"disk": "scsi9", "state": "moved", "target_vmid": 102}),
            missing,
        ),
        (
            json!({"disk": "scsi0", "state": "resized", "size": "8G"}),
            "unable to resize disk `scsi0`: scsi0 is 10G, and disks cannot shrink to 8G",
        ),
        (
            json!({"disk": "scsi1", "state": "resized", "size": "+8G"}),
            "unable to resize disk `scsi1`: its size is not in the configuration; `qm disk rescan --vmid 101` on pve1 \
             writes it there",
        ),
        (
            json!({"disk": "ide2", "state": "resized", "size": "+8G"}),
            "unable to resize disk `ide2`: it is a CD-ROM drive",
        ),
        (
            json!({"disk": "ide2", "state": "moved", "target_storage": "ceph"}),
            "unable to move disk `ide2`: it is a CD-ROM drive",
        ),
        (
            json!({"disk": "scsi0", "state": "moved"}),
            "state is moved but any of the following are missing: target_storage, target_vmid",
        ),
        (
            json!({"disk": "scsi2", "storage": "ceph", "size": "8", "serial": "a,b"}),
            "unable to create disk `scsi2`: the value `a,b` of `serial` holds a comma or a line break, which property \
             strings cannot carry",
        ),
    ] {
        assert_eq!(outcome(&options).unwrap_err(), why, "{options}");
    }
    for vmid in [200, 999] {
        let why =
            outcome(&json!({"disk": "scsi0", "state": "moved", "target_vmid": vmid})).unwrap_err();
        assert!(
            why.starts_with(&format!("VM with vmid {vmid} does not exist in cluster")),
            "{why}"
        );
    }
}

#[test]
fn what_is_no_disk_is_said_before_anything_is_asked() {
    for disk in [
        "ide4", "sata6", "scsi31", "virtio16", "efidisk1", "scsi", "scsi01", "scsi+1", "net0", "",
    ] {
        let why = outcome(&json!({"disk": disk, "state": "absent"})).unwrap_err();
        assert_eq!(
            why,
            format!(
                "disk must be one of ide0 to ide3, sata0 to sata5, scsi0 to scsi30, virtio0 to virtio15, efidisk0, \
                 tpmstate0, unused0 to unused255; got: {disk}"
            )
        );
    }
    let target =
        json!({"disk": "scsi0", "state": "moved", "target_vmid": 102, "target_disk": "sdb"});
    assert!(
        outcome(&target)
            .unwrap_err()
            .starts_with("target_disk must be one of ide0")
    );
}
