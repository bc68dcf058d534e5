//! What is wanted of a disk that is there: its volume is kept, its size only grows.

use std::cmp::Ordering;

use ansible::Failure;
use pve::Cluster;
use pve::nodes::guest::Address;
use pve::wire::{Kind, PropertyString, Size};

use super::config::{Config, LABELS, Unwantable, other_label};
use super::values::unwantable;
use crate::fault;

/// A wanted disk beside the one that is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fitted {
    /// What is wanted of it, about the volume that is there.
    pub value: String,
    /// The size that it grows to.
    pub grows: Option<Size>,
    /// What is wanted and cannot be had of the volume that is there.
    pub left: Vec<String>,
}

/// Brings a wanted disk, `local-lvm:64,discard=on` or `local-lvm:vm-101-disk-0,size=64G`, together with the one
/// that is there. A wanted size that is larger is a growth; a disk cannot shrink, nor become another format by
/// what its configuration says.
pub fn fitted(key: &str, have: &str, want: &str) -> Result<Fitted, Unwantable> {
    let kind = Kind::of(key).ok_or_else(|| unwantable(key, "is no disk"))?;
    let parse = |text| PropertyString::parse(kind, text).map_err(|error| unwantable(key, error));
    let mut want = parse(want)?;
    let as_it_is = |want: PropertyString| Fitted {
        value: want.to_string(),
        ..Fitted::default()
    };
    let Ok(have) = parse(have) else {
        return Ok(as_it_is(want));
    };
    let asked = asked_size(&want);
    if have.get("media") == Some("cdrom") {
        // A disk takes the place of a drive; it is none itself.
        if asked.is_some() && want.get("media").is_none() {
            want.set("media", "disk")
                .map_err(|error| unwantable(key, error))?;
        }
        return Ok(as_it_is(want));
    }
    let is_request = asked.is_some() && want.storage() == have.storage();
    let keeps = is_request || want.get("file").is_none() || want.get("file") == have.get("file");
    let imports = want.get("import-from").is_some();
    let size = if is_request { asked } else { want.size() }.filter(|_| keeps && !imports);
    let (mut grows, mut left) = (None, Vec::new());
    if let (true, Some(have), Some(size)) = (kind == Kind::DISK, have.size(), size) {
        match size.cmp(&have) {
            Ordering::Greater => grows = Some(size),
            Ordering::Less => left.push(format!("it is {have}, and disks cannot shrink to {size}")),
            Ordering::Equal => {}
        }
    }
    want.remove("size");
    if !keeps {
        return Ok(as_it_is(want));
    }
    if let Some(wanted) = want.get("format")
        && let Some(format) = have.get("file").map(format_of)
        && wanted != format
    {
        left.push(format!(
            "its format is {format}, and not {wanted}: proxmox_disk with state: moved converts it"
        ));
    }
    want.remove("format");
    if kind == Kind::STATE_DISK {
        for label in &LABELS {
            left.extend(other_label(&have, &want, label));
            want.remove(label.0);
        }
    }
    if is_request && let Some(volume) = have.get("file") {
        want.set("file", volume)
            .map_err(|error| unwantable(key, error))?;
        want.remove("import-from");
    }
    Ok(Fitted {
        value: want.to_string(),
        grows,
        left,
    })
}

/// The format of a volume, which its name ends with where the storage has several.
pub fn format_of(volume: &str) -> &str {
    match volume.rsplit_once('.') {
        Some((_, format)) if matches!(format, "qcow2" | "vmdk") => format,
        _ => "raw",
    }
}

/// Whether a volume's name tells its format: then the server can make another one of it on the same storage.
pub fn has_format(volume: &str) -> bool {
    matches!(volume.rsplit_once('.'), Some((_, "raw" | "qcow2" | "vmdk")))
}

/// The configuration of a guest with the sizes that its disks have now. What waits for the next boot tells the size
/// that a disk had when it was written.
pub fn sized_as_now(have: Config, address: &Address, cluster: &Cluster) -> Result<Config, Failure> {
    let pending = cluster.get(&address.pending()).map_err(|error| {
        let what = format!("read the sizes of the disks of `{}`", address.vmid);
        fault::unable(&what, &error)
    })?;
    Ok(have.sized_as(&Config::from_pending(&pending)))
}

/// The size of a volume that is asked for and not named: `local-lvm:64` is 64 GiB.
fn asked_size(want: &PropertyString) -> Option<Size> {
    let (_, size) = want.get("file")?.split_once(':')?;
    format!("{size}G").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::fitted;

    #[test]
    fn a_disk_keeps_its_volume_and_grows() {
        let lvm = "local-lvm:vm-101-disk-0,size=32G,ssd=1";
        for (key, have, want, value, grows) in [
            (
                "scsi0",
                lvm,
                "local-lvm:32",
                "local-lvm:vm-101-disk-0",
                None,
            ),
            (
                "scsi0",
                lvm,
                "local-lvm:64,discard=on",
                "local-lvm:vm-101-disk-0,discard=on",
                Some("64G"),
            ),
            (
                "scsi0",
                lvm,
                "local-lvm:16,format=raw",
                "local-lvm:vm-101-disk-0",
                None,
            ),
            (
                "scsi0",
                lvm,
                "local-lvm:0,import-from=local:import/a.qcow2",
                "local-lvm:vm-101-disk-0",
                None,
            ),
            (
                "scsi0",
                lvm,
                "local-lvm:vm-101-disk-0,size=32768M",
                "local-lvm:vm-101-disk-0",
                None,
            ),
            (
                "scsi0",
                lvm,
                "local-lvm:vm-101-disk-0,size=40G",
                "local-lvm:vm-101-disk-0",
                Some("40G"),
            ),
            (
                "scsi0",
                lvm,
                "local-lvm:vm-101-disk-0,size=8G",
                "local-lvm:vm-101-disk-0",
                None,
            ),
            ("scsi0", lvm, "ceph:32", "ceph:32", None),
            (
                "efidisk0",
                "ceph:vm-1-disk-1,size=528K",
                "ceph:1,efitype=4m",
                "ceph:vm-1-disk-1",
                None,
            ),
            (
                "ide2",
                "none,media=cdrom",
                "local:iso/a.iso,media=cdrom",
                "local:iso/a.iso,media=cdrom",
                None,
            ),
            (
                "ide2",
                "none,media=cdrom",
                "local-lvm:8",
                "local-lvm:8,media=disk",
                None,
            ),
            (
                "ide2",
                "local:cloudinit,media=cdrom",
                "local:cloudinit",
                "local:cloudinit",
                None,
            ),
        ] {
            let fitted = fitted(key, have, want).unwrap();
            assert_eq!(fitted.value, value, "{want}");
            let size = fitted.grows.map(|size| size.to_string());
            assert_eq!(size.as_deref(), grows, "{want}");
        }
    }

    #[test]
    fn what_is_no_property_string_is_told() {
        let error =
            fitted("scsi0", "local-lvm:vm-101-disk-0", "local-lvm:32,discard=").unwrap_err();
        assert_eq!(error.to_string(), "scsi0: the key `discard` has no value");
    }
}
