//! What is wanted of a disk that is there: its volume is kept, its size only grows.

use pve::wire::{Kind, PropertyString, Size};

use super::config::Unwantable;
use super::values::unwantable;

/// A wanted disk beside the one that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fitted {
    /// What is wanted of it, about the volume that is there.
    pub value: String,
    /// The size that it grows to.
    pub grows: Option<Size>,
}

/// Brings a wanted disk, `local-lvm:64,discard=on` or `local-lvm:vm-101-disk-0,size=64G`, together with the one
/// that is there. A wanted size that is larger is a growth; a smaller one is none, as a disk cannot shrink.
pub fn fitted(key: &str, have: &str, want: &str) -> Result<Fitted, Unwantable> {
    let kind = Kind::of(key).ok_or_else(|| unwantable(key, "is no disk"))?;
    let parse = |text| PropertyString::parse(kind, text).map_err(|error| unwantable(key, error));
    let mut want = parse(want)?;
    let Ok(have) = parse(have) else {
        return Ok(Fitted {
            value: want.to_string(),
            grows: None,
        });
    };
    let asked = asked_size(&want);
    if have.get("media") == Some("cdrom") {
        // A disk takes the place of a drive; it is none itself.
        if asked.is_some() && want.get("media").is_none() {
            want.set("media", "disk")
                .map_err(|error| unwantable(key, error))?;
        }
        return Ok(Fitted {
            value: want.to_string(),
            grows: None,
        });
    }
    let is_request = asked.is_some() && want.storage() == have.storage();
    let size = if is_request { asked } else { want.size() };
    let grows = match (kind == Kind::DISK, have.size(), size) {
        (true, Some(have), Some(size)) if size > have => Some(size),
        _ => None,
    };
    want.remove("size");
    if is_request && let Some(volume) = have.get("file") {
        want.set("file", volume)
            .map_err(|error| unwantable(key, error))?;
        want.remove("format");
        want.remove("import-from");
    }
    Ok(Fitted {
        value: want.to_string(),
        grows,
    })
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
                "ceph:vm-1-disk-1,efitype=4m",
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
