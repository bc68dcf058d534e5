//! The keys that disks and drives have.

use ansible::Failure;

/// What disks and drives are called, and how many of each there may be.
const KEYS: [(&str, u16); 7] = [
    ("ide", 4),
    ("sata", 6),
    ("scsi", 31),
    ("virtio", 16),
    ("efidisk", 1),
    ("tpmstate", 1),
    ("unused", 256),
];

/// Refuses an option that is no key of a disk.
pub(super) fn hold(option: &str, key: &str) -> Result<(), Failure> {
    let is_one = KEYS.iter().any(|(name, count)| {
        let number = key.strip_prefix(name).map(str::parse::<u16>);
        matches!(number, Some(Ok(number)) if number < *count && key == format!("{name}{number}"))
    });
    if is_one {
        return Ok(());
    }
    let all = KEYS.map(|(name, count)| match count {
        1 => format!("{name}0"),
        count => format!("{name}0 to {name}{}", count - 1),
    });
    Err(Failure::new(format!(
        "{option} must be one of {}; got: {key}",
        all.join(", ")
    )))
}
