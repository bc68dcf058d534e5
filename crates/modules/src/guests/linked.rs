//! Linked clones, which share the volumes of what they were cloned from: those
//! that stand on a template keep it from being removed, and few guests but
//! templates can have any.

use std::collections::BTreeSet;

use pve::Cluster;
use pve::cluster::resources::Resources;
use pve::nodes::guest::{Address, GuestKind};
use pve::wire::row;

use super::config::{Config, is_disk};
use super::volumes;

/// Types of storages that give linked clones to nothing but templates. What
/// storages of other types do is the server's to say.
const TEMPLATES_ONLY: [&str; 10] = [
    "cephfs",
    "cifs",
    "dir",
    "glusterfs",
    "iscsi",
    "iscsidirect",
    "lvm",
    "nfs",
    "zfs",
    "zfspool",
];
/// Those that give them to snapshots, too.
const OF_SNAPSHOTS: [&str; 2] = ["lvmthin", "rbd"];

/// The VMIDs of the linked clones that stand on a template's volumes, one
/// request for each storage that has such volumes. A storage that cannot be
/// read shows none, nor does one the clones of guests that the caller may not
/// configure: the server knows of them when the template is to be removed.
pub fn clones(cluster: &Cluster, address: &Address, config: &Config) -> BTreeSet<u32> {
    let content = match address.kind {
        GuestKind::Qemu => "images",
        GuestKind::Lxc => "rootdir",
    };
    let volumes = volumes::of(address.vmid, config);
    let storages: BTreeSet<&str> = volumes
        .iter()
        .filter(|volume| volumes::is_base(volume))
        .filter_map(|volume| Some(volume.split_once(':')?.0))
        .collect();
    storages
        .into_iter()
        .filter_map(|storage| {
            cluster
                .storage_content(&address.node, storage, Some(content), None)
                .ok()
        })
        .flatten()
        .filter(|row| {
            row::text(row, "volid").and_then(|volume| volumes::base(&volume)) == Some(address.vmid)
        })
        .filter_map(|row| row::text(&row, "vmid")?.parse().ok())
        .collect()
}

/// Why a VM that is no template can have no linked clone, where that is known.
pub fn obstacle(
    resources: &Resources,
    node: &str,
    config: &Config,
    of_snapshot: bool,
) -> Option<String> {
    let refuses = |plugin: &str| {
        TEMPLATES_ONLY.contains(&plugin) || (!of_snapshot && OF_SNAPSHOTS.contains(&plugin))
    };
    config
        .iter()
        // The state of a TPM is copied for a linked clone, too.
        .filter(|(key, _)| is_disk(key) && *key != "tpmstate0")
        .find_map(|(key, _)| {
            let disk = config.disk(key)?;
            let storage = disk
                .storage()
                .filter(|_| disk.get("media") != Some("cdrom"))?;
            let plugin = &resources.storage(storage, node)?.plugin;
            refuses(plugin).then(|| {
                format!(
                    "it is no template, and its disk {key} on the storage `{storage}` ({plugin}) cannot be shared \
                     with a linked clone: full: true copies it"
                )
            })
        })
}

#[cfg(test)]
mod tests {
    use super::{clones, obstacle};
    use crate::guests::config::Config;
    use pve::canned::{Canned, refused};
    use pve::cluster::resources::{Resources, Storage};
    use pve::nodes::guest::{Address, GuestKind};
    use pve::{Call, path};
    use serde_json::json;
    use std::collections::BTreeSet;

    #[test]
    fn the_clones_of_a_template_are_known_by_the_names_of_their_volumes() {
        let address = Address {
            node: "pve1".to_owned(),
            kind: GuestKind::Qemu,
            vmid: 9000,
        };
        let config = Config::from_config(&json!({
            "template": 1, "scsi0": "ceph:base-9000-disk-0,size=3G", "ide2": "nfs:9000/vm-9000-cloudinit.qcow2,media=cdrom",
            "scsi1": "zfs:base-9000-disk-1",
        }));
        let cluster = Canned::new()
            .once(
                "GET /nodes/pve1/storage/ceph/content content=images",
                Ok(json!([
                    {"volid": "ceph:base-9000-disk-0", "vmid": 9000},
                    {"volid": "ceph:base-9000-disk-0/vm-300-disk-0", "vmid": "300"},
                    {"volid": "ceph:base-9001-disk-0/vm-301-disk-0", "vmid": 301},
                    {"volid": "ceph:vm-302-disk-0", "vmid": 302},
                ])),
            )
            .once(
                "GET /nodes/pve1/storage/zfs/content content=images",
                Err(refused(
                    &Call::get(path!("nodes")),
                    403,
                    "Permission check failed",
                )),
            )
            .cluster();
        assert_eq!(clones(&cluster, &address, &config), BTreeSet::from([300]));
    }

    #[test]
    fn what_cannot_have_a_linked_clone_is_known_by_the_storage_of_its_disks() {
        for (plugin, of_snapshot, refused) in [
            ("dir", false, true),
            ("zfspool", true, true),
            ("rbd", false, true),
            ("lvmthin", true, false),
            ("btrfs", false, false),
        ] {
            let resources = Resources {
                storages: vec![Storage {
                    storage: "store".to_owned(),
                    node: "pve1".to_owned(),
                    shared: false,
                    active: true,
                    plugin: plugin.to_owned(),
                    content: BTreeSet::new(),
                }],
                ..Resources::default()
            };
            let why = |key: &str, value: &str| {
                let config = Config::from_config(&json!({key: value}));
                obstacle(&resources, "pve1", &config, of_snapshot)
            };
            let disk = why("scsi0", "store:vm-1-disk-0");
            assert_eq!(disk.is_some(), refused, "{plugin}");
            assert_eq!(
                why("scsi0", "store:iso/a.iso,media=cdrom"),
                None,
                "{plugin}"
            );
            assert_eq!(why("scsi0", "unseen:vm-1-disk-0"), None, "{plugin}");
            assert_eq!(why("tpmstate0", "store:vm-1-disk-1"), None, "{plugin}");
        }
    }
}
