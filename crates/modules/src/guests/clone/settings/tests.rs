//! Merging, and what options become.

use super::{Settings, over};
use crate::guests::config::Want;
use ansible::Args;
use serde_json::{Map, Value, json};

fn map(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

#[test]
fn dictionaries_merge_by_key_and_lists_replace() {
    let defaults = json!({
        "cores": 2, "memory": 2048, "tags": ["a", "b"],
        "net": {"net0": {"bridge": "vmbr0", "firewall": true}}, "disks": {"scsi0": {"size": "40G"}},
    });
    let entry = json!({
        "name": "web-1", "cores": 4, "memory": null, "tags": ["c"],
        "net": {"net0": {"vlan": 20}, "net1": "virtio,bridge=vmbr1"},
    });
    assert_eq!(
        Value::Object(over(&map(entry), &map(defaults))),
        json!({
            "name": "web-1", "cores": 4, "memory": 2048, "tags": ["c"],
            "net": {
                "net0": {"bridge": "vmbr0", "firewall": true, "vlan": 20},
                "net1": "virtio,bridge=vmbr1",
            },
            "disks": {"scsi0": {"size": "40G"}},
        })
    );
}

#[test]
fn options_become_keys_of_the_api() {
    let settings = Settings::parse(map(json!({
        "tags": ["web", "prod"], "cores": 4, "onboot": false, "agent": true, "ciupgrade": "no",
        "net": {"net0": {"model": "virtio", "bridge": "vmbr0", "vlan": 20, "firewall": true}},
        "nameservers": ["1.1.1.1", "9.9.9.9"], "ipconfig": {"ipconfig0": "ip=dhcp"},
        "config": {"vga": "std", "numa": true, "hookscript": null},
    })))
    .unwrap();
    let wanted: Vec<(String, String)> = settings
        .wanted()
        .unwrap()
        .into_iter()
        .filter_map(|(key, want)| match want {
            Want::Text(text) => Some((key, text)),
            Want::Parts { .. } | Want::Password(_) => None,
        })
        .collect();
    let expected = [
        ("agent", "1"),
        ("ciupgrade", "0"),
        ("cores", "4"),
        ("hookscript", ""),
        ("ipconfig0", "ip=dhcp"),
        ("nameserver", "1.1.1.1 9.9.9.9"),
        ("net0", "virtio,bridge=vmbr0,firewall=1,tag=20"),
        ("numa", "1"),
        ("onboot", "0"),
        ("tags", "web;prod"),
        ("vga", "std"),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()));
    assert_eq!(wanted, expected);
}

#[test]
fn what_cannot_be_wanted_is_said() {
    for (stated, message) in [
        (
            json!({"net": {"eth0": "virtio"}}),
            "eth0: is no network card: name it net0, net1, …",
        ),
        (
            json!({"vmid_range": "50-60"}),
            "vmid_range: must be two VMIDs from 100 on, such as 5000-5999",
        ),
        (
            json!({"config": {"delete": "vga"}}),
            "delete: is no key of the configuration; an empty text removes a key",
        ),
        (
            json!({"config": {"skiplock": true}}),
            "skiplock: is no key that a configuration is stated by",
        ),
        (
            json!({"disks": {"scsi0": {}}}),
            "scsi0: has no size, such as 40G",
        ),
        (
            json!({"disks": {"scsi0": {"size": "4G", "ssd": true}}}),
            "scsi0: its size is stated here and nothing else; ssd belongs under config, as in \
             config: {scsi0: \"ssd=…\"}",
        ),
        (
            json!({"net": {"net0": {"bridge": "vmbr0", "vlan": [1, 2]}}}),
            "net0: vlan is neither text, number nor boolean",
        ),
        (
            json!({"net": {"net0": {"model": "virtio", "bridgee": "vmbr0"}}}),
            "net0: there is no key `bridgee`; known are bridge, firewall, host-tunnel, link_down, mac, model, mtu, queues, \
             rate, trunks, vlan",
        ),
        (
            json!({"net": {"net1": "virtio=BC:24:11:00:00:01,hwaddr=BC:24:11:00:00:01"}}),
            "net1: there is no key `hwaddr`; known are bridge, firewall, host-tunnel, link_down, mac, model, mtu, queues, \
             rate, trunks, vlan",
        ),
        (
            json!({"net": {"net0": "virtio,bridge"}}),
            "net0: the key `model` stands twice",
        ),
        (
            json!({"ipconfig": {"ipconfig0": {"ip": "dhcp", "gateway": "192.0.2.1"}}}),
            "ipconfig0: `gateway` is not a key of ipconfig: ip, gw, ip6 and gw6 are",
        ),
        (json!({"cores": 0}), "cores: must be at least 1, got: 0"),
        (json!({"sockets": 0}), "sockets: must be at least 1, got: 0"),
        (
            json!({"memory": 15}),
            "memory: must be at least 16, got: 15",
        ),
        (
            json!({"ipconfig": {"ipconfig0": {"ip": ["dhcp"]}}}),
            "ipconfig0: ip is neither text, number nor boolean",
        ),
        (
            json!({"agent": {"enabled": 1}}),
            "agent: must be true, false, or the API's property string",
        ),
        (
            json!({"cores": 2, "config": {"cores": 4}}),
            "cores: is stated twice: by its own option, and under config",
        ),
        (
            json!({"sshkeys": ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0 admin", 7]}),
            "sshkeys: holds something that is no text",
        ),
    ] {
        let settings = Settings::parse(map(stated)).unwrap();
        let error = settings
            .wanted()
            .map(drop)
            .and_then(|()| settings.sizes().map(drop))
            .and_then(|()| settings.range().map(drop))
            .unwrap_err();
        assert_eq!(error.to_string(), message);
    }
}
