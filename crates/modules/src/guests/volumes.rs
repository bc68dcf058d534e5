//! Which volumes go with a guest, and on which guests' volumes it stands.

use std::collections::BTreeSet;

use super::config::Config;

/// The keys of a configuration that name volumes, less their numbers.
const KEYS: [&str; 10] = [
    "efidisk", "ide", "mp", "rootfs", "sata", "scsi", "tpmstate", "unused", "virtio", "vmstate",
];

/// How the volumes of templates begin.
const BASES: [&str; 2] = ["base-", "basevol-"];

/// The volumes that the server destroys with a guest: those of its configuration that bear its
/// VMID. An ISO image, a path of the node and another guest's volume stay.
pub fn of(vmid: u32, config: &Config) -> Vec<String> {
    named(config)
        .filter(|volume| {
            let name = volume.rsplit([':', '/']).next().unwrap_or_default();
            owner(name, &["vm-", "base-", "subvol-", "basevol-"]) == Some(vmid)
        })
        .map(str::to_owned)
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect()
}

/// The VMIDs of the guests on whose volumes this one's stand: of a linked clone, its template's.
/// A storage whose clones are whole (LVM-thin) does not name them, and does not need them.
pub fn bases(config: &Config) -> BTreeSet<u32> {
    named(config).filter_map(base).collect()
}

/// The VMID of the guest on whose volume this one stands: 9000, of `ceph:base-9000-disk-0/vm-101-disk-0`.
pub fn base(volume: &str) -> Option<u32> {
    let (above, _) = volume.split_once(':')?.1.rsplit_once('/')?;
    above.split('/').find_map(|part| owner(part, &BASES))
}

/// Whether others may stand on it.
pub fn is_base(volume: &str) -> bool {
    let name = volume.rsplit([':', '/']).next().unwrap_or_default();
    owner(name, &BASES).is_some()
}

/// `storage:…`, of each key that names a volume.
fn named(config: &Config) -> impl Iterator<Item = &str> {
    config
        .iter()
        .filter(|(key, _)| KEYS.contains(&key.trim_end_matches(|end: char| end.is_ascii_digit())))
        .filter_map(|(_, value)| {
            let first = value.split(',').next()?;
            let volume = first.split_once('=').map_or(first, |(_, volume)| volume);
            volume.contains(':').then_some(volume)
        })
}

/// The VMID in a volume's name: of `vm-101-disk-0`, 101.
fn owner(name: &str, prefixes: &[&str]) -> Option<u32> {
    prefixes
        .iter()
        .find_map(|prefix| name.strip_prefix(prefix)?.split('-').next()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::{bases, of};
    use crate::guests::config::Config;
    use serde_json::json;

    #[test]
    fn what_bears_the_vmid_goes_and_what_it_stands_on_is_known() {
        let cases = [
            ("scsi0", "ceph:vm-101-disk-0,size=10G", true, None),
            ("scsi12", "file=ceph:vm-101-disk-0,size=10G", true, None),
            ("unused0", "local-lvm:vm-101-disk-3", true, None),
            ("vmstate", "nfs:101/vm-101-state-a.raw", true, None),
            ("ide2", "ceph:vm-101-cloudinit,media=cdrom", true, None),
            ("ide2", "local:iso/vm-101-a.iso,media=cdrom", true, None),
            ("ide2", "local:iso/debian-13.iso,media=cdrom", false, None),
            ("ide2", "none,media=cdrom", false, None),
            ("scsi1", "ceph:vm-1010-disk-0", false, None),
            ("mp0", "/srv/data,mp=/data", false, None),
            ("rootfs", "zfs:subvol-101-disk-0,size=8G", true, None),
            (
                "scsi0",
                "ceph:base-9000-disk-0/vm-101-disk-0",
                true,
                Some(9000),
            ),
            (
                "virtio0",
                "nfs:9000/base-9000-disk-0.qcow2/101/vm-101-disk-0.qcow2",
                true,
                Some(9000),
            ),
            (
                "rootfs",
                "zfs:basevol-9100-disk-0/subvol-101-disk-0",
                true,
                Some(9100),
            ),
            ("scsi0", "ceph:base-101-disk-0", true, None),
            ("description", "ceph:vm-101-disk-0", false, None),
        ];
        for (key, value, goes, base) in cases {
            let config = Config::from_config(&json!({key: value}));
            assert_eq!(of(101, &config).len(), usize::from(goes), "{value}");
            assert_eq!(bases(&config).first().copied(), base, "{value}");
        }
    }
}
