//! What values say of volumes: whether they make new ones, and what those that are there stay.

use pve::nodes::guest::GuestKind;
use pve::wire::{Kind, PropertyString, parse_switch};
use pve::{Path, Segment};

/// Whether the key is that of a disk or drive in use.
pub fn is_disk(key: &str) -> bool {
    !key.starts_with("unused")
        && matches!(Kind::of(key), Some(kind) if kind == Kind::DISK || kind == Kind::STATE_DISK)
}

/// Whether this value of the key makes a new volume.
pub fn allocates(key: &str, value: &str) -> bool {
    Kind::of(key)
        .and_then(|kind| PropertyString::parse(kind, value).ok())
        .is_some_and(|value| value.allocates())
}

/// Whether it is a network card for which the server takes a new MAC.
pub(super) fn lacks_mac(key: &str, value: &str) -> bool {
    Kind::of(key)
        .filter(|kind| *kind == Kind::NET)
        .and_then(|kind| PropertyString::parse(kind, value).ok())
        .is_some_and(|card| card.get("macaddr").or(card.get("hwaddr")).is_none())
}

/// Whether a guest's path is a VM's.
pub fn is_vm(guest: &Path) -> bool {
    guest.segments().get(2) == Some(&Segment::from(GuestKind::Qemu.as_str()))
}

/// The value that a disk has after the next boot, with the size that it has now: one that waits tells the size that
/// the disk had when it was written.
pub(super) fn sized(key: &str, now: Option<&str>, next: String) -> String {
    let parse = |text: &str| {
        let disk = PropertyString::parse(Kind::of(key)?, text).ok()?;
        disk.size()?;
        Some(disk)
    };
    let (Some(now), Some(mut disk)) = (now.and_then(parse), parse(&next)) else {
        return next;
    };
    match now.get("size") {
        Some(size) if volume_of(&now) == volume_of(&disk) && disk.set("size", size).is_ok() => {
            disk.to_string()
        }
        _ => next,
    }
}

/// The volume of a disk or of a mount point.
fn volume_of(disk: &PropertyString) -> Option<&str> {
    disk.get("file").or_else(|| disk.get("volume"))
}

/// What is chosen when the volume of an EFI disk or of a TPM's state is made, with what it is where nothing is said.
pub const LABELS: [(&str, &str); 3] = [
    ("efitype", "2m"),
    ("pre-enrolled-keys", "0"),
    ("version", "v1.2"),
];

/// A disk keeps its volume, and what that is. The medium of a drive may be another one, whose size is another.
pub(super) fn hold_volume(
    had: &PropertyString,
    merged: &mut PropertyString,
    states_size: bool,
) -> Result<(), String> {
    let Some(there) = had.get("file") else {
        return Ok(());
    };
    let is_other = merged.get("file").is_some_and(|volume| volume != there);
    if had.get("media") == Some("cdrom") {
        if is_other && !states_size {
            merged.remove("size");
        }
        return Ok(());
    }
    if is_other {
        return Err(format!(
            "there is a disk already ({there}); it would be replaced by another"
        ));
    }
    match LABELS
        .iter()
        .find_map(|label| other_label(had, merged, label))
    {
        Some(why) => Err(why),
        None => Ok(()),
    }
}

/// Says that a volume is not what is wanted of it, where that is chosen when it is made.
pub fn other_label(
    had: &PropertyString,
    want: &PropertyString,
    (label, default): &(&str, &str),
) -> Option<String> {
    let wanted = want.get(label)?;
    let is = had.get(label).unwrap_or(default);
    let same = wanted == is
        || matches!((parse_switch(wanted), parse_switch(is)), (Some(wanted), Some(is)) if wanted == is);
    (!same)
        .then(|| format!("its {label} is {is}, which is chosen when it is made, and not {wanted}"))
}
