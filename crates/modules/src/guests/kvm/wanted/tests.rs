//! Every option in the API's form, and values as playbooks state them.

use std::collections::BTreeMap;

use ansible::Args;
use serde_json::{Map, Value, json};

use super::Configuration;
use crate::guests::config::Want;

fn wanted(options: Value) -> Result<BTreeMap<String, String>, String> {
    let Value::Object(options) = options else {
        panic!("not an object")
    };
    let options: Map<String, Value> = options;
    let configuration = Configuration::parse(options).unwrap();
    let wanted = configuration.wanted().map_err(|error| error.to_string())?;
    Ok(wanted
        .into_iter()
        .map(|(key, want)| match want {
            Want::Text(text) => (key, text),
            _ => (key, "a password".to_owned()),
        })
        .collect())
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn every_option_is_a_key_of_the_api() {
    for (option, value, key, text) in [
        ("acpi", json!(true), "acpi", "1"),
        ("agent", json!(true), "agent", "1"),
        ("allow_ksm", json!(false), "allow-ksm", "0"),
        ("args", json!("-cpu host,+vmx"), "args", "-cpu host,+vmx"),
        ("autostart", json!("yes"), "autostart", "1"),
        ("balloon", json!(0), "balloon", "0"),
        ("bios", json!("ovmf"), "bios", "ovmf"),
        (
            "boot",
            json!("order=scsi0;net0"),
            "boot",
            "order=scsi0;net0",
        ),
        ("bootdisk", json!("scsi0"), "bootdisk", "scsi0"),
        (
            "cicustom",
            json!("user=local:snippets/u.yml"),
            "cicustom",
            "user=local:snippets/u.yml",
        ),
        ("cipassword", json!("secret"), "cipassword", "a password"),
        ("citype", json!("nocloud"), "citype", "nocloud"),
        ("ciupgrade", json!(false), "ciupgrade", "0"),
        ("ciuser", json!("admin"), "ciuser", "admin"),
        ("cores", json!("4"), "cores", "4"),
        ("cpu", json!("host,flags=+aes"), "cpu", "host,flags=+aes"),
        ("cpulimit", json!(2), "cpulimit", "2"),
        ("cpuunits", json!(1000), "cpuunits", "1000"),
        ("description", json!("a\nb"), "description", "a\nb"),
        ("freeze", json!(true), "freeze", "1"),
        (
            "hookscript",
            json!("local:snippets/h.pl"),
            "hookscript",
            "local:snippets/h.pl",
        ),
        ("hotplug", json!("network,disk"), "hotplug", "network,disk"),
        ("hugepages", json!(2), "hugepages", "2"),
        ("keyboard", json!("de"), "keyboard", "de"),
        ("kvm", json!(false), "kvm", "0"),
        ("localtime", json!(true), "localtime", "1"),
        ("lock", json!("backup"), "lock", "backup"),
        ("machine", json!("q35"), "machine", "q35"),
        ("memory", json!(2048), "memory", "2048"),
        ("migrate_downtime", json!(1), "migrate_downtime", "1"),
        ("migrate_speed", json!(0), "migrate_speed", "0"),
        (
            "nameservers",
            json!(["192.0.2.1", "192.0.2.2"]),
            "nameserver",
            "192.0.2.1 192.0.2.2",
        ),
        ("numa_enabled", json!(true), "numa", "1"),
        ("onboot", json!(true), "onboot", "1"),
        ("ostype", json!("l26"), "ostype", "l26"),
        ("protection", json!(true), "protection", "1"),
        ("reboot", json!(false), "reboot", "0"),
        ("rng0", json!("/dev/urandom"), "rng0", "/dev/urandom"),
        (
            "scsihw",
            json!("virtio-scsi-single"),
            "scsihw",
            "virtio-scsi-single",
        ),
        (
            "searchdomains",
            json!("example.org,example.net"),
            "searchdomain",
            "example.org example.net",
        ),
        ("shares", json!(1000), "shares", "1000"),
        (
            "smbios",
            json!("base64=1,serial=MTIz"),
            "smbios1",
            "base64=1,serial=MTIz",
        ),
        ("sockets", json!(2), "sockets", "2"),
        (
            "spice_enhancements",
            json!("foldersharing=1"),
            "spice_enhancements",
            "foldersharing=1",
        ),
        ("startdate", json!("2026-09-25"), "startdate", "2026-09-25"),
        (
            "startup",
            json!("order=2,up=30"),
            "startup",
            "order=2,up=30",
        ),
        ("tablet", json!(false), "tablet", "0"),
        ("tags", json!(["web", "prod"]), "tags", "web;prod"),
        ("tdf", json!(true), "tdf", "1"),
        ("template", json!(false), "template", "0"),
        ("vcpus", json!(1), "vcpus", "1"),
        ("vga", json!("serial0"), "vga", "serial0"),
        (
            "watchdog",
            json!("i6300esb,action=reset"),
            "watchdog",
            "i6300esb,action=reset",
        ),
    ] {
        assert_eq!(
            wanted(json!({option: value})),
            Ok(BTreeMap::from([(key.to_owned(), text.to_owned())])),
            "{option}"
        );
    }
}

#[test]
fn numbered_keys_stand_for_themselves() {
    for (option, value, key, text) in [
        (
            "audio",
            json!("device=ich9-intel-hda,driver=spice"),
            "audio0",
            "device=ich9-intel-hda,driver=spice",
        ),
        (
            "hostpci",
            json!("host=0000:01:00.0,pcie=1"),
            "hostpci0",
            "host=0000:01:00.0,pcie=1",
        ),
        ("ide", json!("local:cloudinit"), "ide2", "local:cloudinit"),
        (
            "ipconfig",
            json!("ip=192.0.2.10/24,gw=192.0.2.1"),
            "ipconfig0",
            "ip=192.0.2.10/24,gw=192.0.2.1",
        ),
        (
            "net",
            json!("virtio,bridge=vmbr0,tag=20"),
            "net0",
            "virtio,bridge=vmbr0,tag=20",
        ),
        (
            "numa",
            json!("cpus=0-1,memory=1024"),
            "numa0",
            "cpus=0-1,memory=1024",
        ),
        (
            "parallel",
            json!("/dev/parport0"),
            "parallel0",
            "/dev/parport0",
        ),
        ("sata", json!("local-lvm:8"), "sata5", "local-lvm:8"),
        (
            "scsi",
            json!("local-lvm:8,format=raw"),
            "scsi30",
            "local-lvm:8,format=raw",
        ),
        ("serial", json!("socket"), "serial0", "socket"),
        ("usb", json!("spice,usb3=1"), "usb0", "spice,usb3=1"),
        ("virtio", json!("local-lvm:8"), "virtio15", "local-lvm:8"),
        (
            "virtiofs",
            json!("share,cache=auto"),
            "virtiofs0",
            "share,cache=auto",
        ),
        (
            "net",
            json!({"model": "virtio", "bridge": "vmbr0", "vlan": 20}),
            "net1",
            "virtio,bridge=vmbr0,tag=20",
        ),
        (
            "scsi",
            json!({"file": "local-lvm:8", "ssd": true}),
            "scsi1",
            "local-lvm:8,ssd=1",
        ),
        (
            "ipconfig",
            json!({"ip": "dhcp", "ip6": null}),
            "ipconfig1",
            "ip=dhcp",
        ),
    ] {
        assert_eq!(
            wanted(json!({option: {key: value}})),
            Ok(BTreeMap::from([(key.to_owned(), text.to_owned())])),
            "{option} {key}"
        );
    }
    assert_eq!(wanted(json!({"net": {"net0": null}})), Ok(BTreeMap::new()));
    assert_eq!(
        wanted(json!({"serial": {"serial0": ["socket"]}})),
        Err("serial0: must be a text such as the API takes".to_owned())
    );
}

#[test]
fn what_is_structured_becomes_a_property_string() {
    for (option, value, text) in [
        (
            "efidisk0",
            json!({"storage": "ceph", "efitype": "4m", "format": "raw", "pre_enrolled_keys": true}),
            "ceph:1,efitype=4m,format=raw,pre-enrolled-keys=1",
        ),
        ("efidisk0", json!({"storage": "ceph"}), "ceph:1"),
        (
            "efidisk0",
            json!({"storage": "ceph", "pre_enrolled_keys": false}),
            "ceph:1,pre-enrolled-keys=0",
        ),
        (
            "tpmstate0",
            json!({"storage": "ceph"}),
            "ceph:1,version=v2.0",
        ),
        (
            "tpmstate0",
            json!({"storage": "ceph", "version": "1.2"}),
            "ceph:1,version=v1.2",
        ),
    ] {
        assert_eq!(
            wanted(json!({option: value})),
            Ok(BTreeMap::from([(option.to_owned(), text.to_owned())])),
            "{value}"
        );
    }
}

#[test]
fn the_agent_is_a_switch_or_a_property_string() {
    for (stated, text) in [
        (json!("1"), "1"),
        (json!("yes"), "1"),
        (json!(true), "1"),
        (json!(false), "0"),
        (json!("off"), "0"),
        (
            json!("enabled=1,fstrim_cloned_disks=1"),
            "enabled=1,fstrim_cloned_disks=1",
        ),
    ] {
        assert_eq!(
            wanted(json!({"agent": stated})).unwrap()["agent"],
            text,
            "{stated}"
        );
    }
}

#[test]
fn ssh_keys_are_percent_encoded() {
    let one = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFdh one@example.org";
    let two = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFdi two+x@example.org";
    assert_eq!(
        wanted(json!({"sshkeys": format!("{one}\n{two}\n")})).unwrap()["sshkeys"],
        "ssh-ed25519%20AAAAC3NzaC1lZDI1NTE5AAAAIFdh%20one%40example.org%0A\
         ssh-ed25519%20AAAAC3NzaC1lZDI1NTE5AAAAIFdi%20two%2Bx%40example.org"
    );
}

#[test]
fn what_cannot_be_is_told() {
    for (options, error) in [
        (
            json!({"tags": ["-x"]}),
            "tags: `-x` is not a tag: letters, digits and _ - + . are allowed, the first a letter, a digit or _",
        ),
        (
            json!({"sshkeys": "hello"}),
            "sshkeys: `hello` is not an SSH public key: expected a line such as `ssh-ed25519 AAAA… comment`",
        ),
    ] {
        assert_eq!(wanted(options).unwrap_err(), error);
    }
}
