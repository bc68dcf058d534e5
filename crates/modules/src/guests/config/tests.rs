use super::{Config, Want, Wanted, change};
use pve::Call;
use pve::path;
use pve::wire::password::Compared;
use secret::Secret;
use serde_json::json;

fn wanted(pairs: &[(&str, &str)]) -> Wanted {
    pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), Want::Text((*value).to_owned())))
        .collect()
}

fn call(have: &serde_json::Value, pairs: &[(&str, &str)]) -> String {
    let change = change(&Config::from_config(have), &wanted(pairs), Compared::Same).unwrap();
    if change.is_empty() {
        return String::new();
    }
    Call::to_string(&change.call(&path!("vm")))
}

#[test]
fn only_what_differs_is_written() {
    let have = json!({
        "cores": 2, "memory": "2048", "onboot": 1, "tags": "a;b", "agent": "1,fstrim_cloned_disks=1",
        "net0": "virtio=BC:24:11:00:00:01,bridge=vmbr0,tag=20", "ipconfig0": "ip=10.0.0.5/24,gw=10.0.0.1",
        "description": "x",
    });
    for (pairs, expected) in [
        (
            vec![("cores", "2"), ("memory", "2048"), ("tags", "b a")],
            "",
        ),
        (vec![("cores", "4")], "PUT /vm/config cores=4"),
        (vec![("agent", "1"), ("onboot", "1")], ""),
        (
            vec![("net0", "bridge=vmbr1")],
            "PUT /vm/config net0=virtio=BC:24:11:00:00:01,bridge=vmbr1,tag=20",
        ),
        (vec![("net0", "model=virtio,bridge=vmbr0")], ""),
        (
            vec![("net1", "bridge=vmbr1")],
            "PUT /vm/config net1=virtio,bridge=vmbr1",
        ),
        (
            vec![("ipconfig0", "ip=dhcp")],
            "PUT /vm/config ipconfig0=ip=dhcp",
        ),
        (
            vec![("description", ""), ("tags", "")],
            "PUT /vm/config delete=description,tags",
        ),
        (vec![("ciuser", ""), ("hotplug", "")], ""),
    ] {
        assert_eq!(call(&have, &pairs), expected, "{pairs:?}");
    }
}

#[test]
fn a_container_is_compared_as_one() {
    let have = json!({
        "rootfs": "local-lvm:vm-200-disk-0,size=8G", "memory": 512, "features": "nesting=1,keyctl=1",
        "net0": "name=eth0,bridge=vmbr0,hwaddr=BC:24:11:00:00:01,ip=dhcp,type=veth",
    });
    for (pairs, expected) in [
        (
            vec![("memory", "512"), ("swap", "512"), ("cmode", "tty")],
            "",
        ),
        (vec![("cores", "1")], "PUT /vm/config cores=1"),
        (
            vec![("net0", "name=eth0,ip=dhcp"), ("features", "nesting=1")],
            "",
        ),
        (
            vec![("net0", "bridge=vmbr1")],
            "PUT /vm/config net0=name=eth0,bridge=vmbr1,hwaddr=BC:24:11:00:00:01,ip=dhcp,type=veth",
        ),
        (
            vec![("net1", "name=eth1,bridge=vmbr1")],
            "PUT /vm/config net1=name=eth1,bridge=vmbr1",
        ),
        (
            vec![("features", "nesting=0")],
            "PUT /vm/config features=nesting=0,keyctl=1",
        ),
    ] {
        assert_eq!(call(&have, &pairs), expected, "{pairs:?}");
    }
}

#[test]
fn a_disk_is_never_replaced() {
    let have = Config::from_config(&json!({"scsi1": "ceph:vm-1-disk-1,size=32G"}));
    let same = wanted(&[("scsi1", "ceph:32")]);
    assert!(change(&have, &same, Compared::Same).unwrap().is_empty());
    let other = wanted(&[("scsi1", "local:32")]);
    assert_eq!(
        change(&have, &other, Compared::Same)
            .unwrap_err()
            .to_string(),
        "scsi1: there is a disk already (ceph:vm-1-disk-1); it would be replaced by another"
    );
}

#[test]
fn a_password_is_written_when_it_differs_and_shown_never() {
    let wanted = Wanted::from([(
        "cipassword".to_owned(),
        Want::Password(Secret::new("hunter2")),
    )]);
    let have = Config::default();
    for compared in [Compared::Same, Compared::Unknown] {
        assert!(change(&have, &wanted, compared).unwrap().is_empty());
    }
    let differs = change(&have, &wanted, Compared::Differs).unwrap();
    assert_eq!(
        differs.call(&path!("vm")).to_string(),
        "PUT /vm/config cipassword=********"
    );
    assert!(!format!("{differs:?}").contains("hunter2"));
}

#[test]
fn pending_values_count_as_written() {
    let config = Config::from_pending(&json!([
        {"key": "cores", "value": 2, "pending": 4},
        {"key": "memory", "value": "2048"},
        {"key": "vga", "value": "std", "delete": 1},
    ]));
    assert_eq!(config.get("cores"), Some("4"));
    assert_eq!(config.get("memory"), Some("2048"));
    assert_eq!(config.get("vga"), None);
    assert_eq!(config.pending(), ["cores", "vga"]);
}

#[test]
fn parts_of_a_property_string_may_go_while_others_are_kept() {
    let have = json!({"net0": "virtio=BC:24:11:00:00:01,bridge=vmbr0,tag=20,mtu=9000"});
    for (set, unset, expected) in [
        ("bridge=vmbr0", vec!["rate"], ""),
        ("", vec![], ""),
        (
            "",
            vec!["mtu"],
            "PUT /vm/config net0=virtio=BC:24:11:00:00:01,bridge=vmbr0,tag=20",
        ),
        (
            "bridge=vmbr1",
            vec!["tag", "mtu"],
            "PUT /vm/config net0=virtio=BC:24:11:00:00:01,bridge=vmbr1",
        ),
    ] {
        let parts = Want::Parts {
            set: set.to_owned(),
            unset,
        };
        let wanted = Wanted::from([("net0".to_owned(), parts)]);
        let change = change(&Config::from_config(&have), &wanted, Compared::Same).unwrap();
        let call = change.call(&path!("vm")).to_string();
        assert_eq!(change.is_empty(), expected.is_empty(), "{call}");
        if !expected.is_empty() {
            assert_eq!(call, expected);
        }
    }
}

#[test]
fn the_medium_of_a_drive_may_change_whatever_its_bus() {
    let have = Config::from_config(&json!({
        "sata2": "local:iso/a.iso,media=cdrom", "ide0": "local:vm-1-disk-1,size=4G",
    }));
    let other = wanted(&[("sata2", "local:iso/b.iso,media=cdrom")]);
    let change_of = |wanted| change(&have, wanted, Compared::Same);
    assert_eq!(
        change_of(&other).unwrap().call(&path!("vm")).to_string(),
        "PUT /vm/config sata2=local:iso/b.iso,media=cdrom"
    );
    let disk = wanted(&[("ide0", "none,media=cdrom")]);
    assert!(change_of(&disk).is_err(), "a disk is no drive");
}

#[test]
fn new_volumes_of_a_vm_are_made_by_a_task() {
    let have = Config::from_config(&json!({"ide2": "none,media=cdrom"}));
    for (key, value, makes) in [
        ("scsi0", "local-lvm:32", true),
        (
            "scsi0",
            "local-lvm:0,import-from=local:import/a.qcow2",
            true,
        ),
        ("ide2", "local-lvm:cloudinit", true),
        ("efidisk0", "local-lvm:1,efitype=4m", true),
        ("scsi0", "local-lvm:vm-101-disk-0", false),
        ("ide2", "local:iso/a.iso,media=cdrom", false),
        ("cores", "4", false),
    ] {
        let change = change(&have, &wanted(&[(key, value)]), Compared::Same).unwrap();
        assert_eq!(change.allocations().count(), usize::from(makes), "{value}");
        for (kind, verb) in [("qemu", if makes { "POST" } else { "PUT" }), ("lxc", "PUT")] {
            let call = Call::to_string(&change.call(&path!("nodes", "pve1", kind, 101)));
            assert!(call.starts_with(verb), "{call}");
        }
    }
}

#[test]
fn a_value_that_waits_has_the_size_that_its_disk_has_now() {
    let config = Config::from_pending(&json!([
        {"key": "scsi0", "value": "ceph:vm-1-disk-0,size=64G", "pending": "ceph:vm-1-disk-0,iothread=1,size=32G"},
        {"key": "scsi1", "value": "ceph:vm-1-disk-1,size=8G", "pending": "ceph:vm-1-disk-2,size=4G"},
    ]));
    assert_eq!(
        config.get("scsi0"),
        Some("ceph:vm-1-disk-0,iothread=1,size=64G")
    );
    assert_eq!(config.get("scsi1"), Some("ceph:vm-1-disk-2,size=4G"));
}

#[test]
fn what_a_volume_was_made_as_is_not_written_over_it() {
    let have = Config::from_config(&json!({"efidisk0": "ceph:vm-1-disk-0,size=528K"}));
    let change = |value| change(&have, &wanted(&[("efidisk0", value)]), Compared::Same);
    assert!(change("ceph:1,efitype=2m").unwrap().set.is_empty());
    assert_eq!(
        change("ceph:1,efitype=4m").unwrap_err().to_string(),
        "efidisk0: its efitype is 2m, which is chosen when it is made, and not 4m"
    );
}
