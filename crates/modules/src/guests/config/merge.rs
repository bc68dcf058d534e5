//! What becomes of a value when another one is written over it.

use pve::nodes::guest::GuestKind;
use pve::wire::{Kind, PropertyString};

use super::Unwantable;
use super::volumes::hold_volume;

/// A property string less some of its keys.
pub(super) fn without(key: &str, had: &str, unset: &[&str]) -> String {
    let parsed = Kind::of(key).and_then(|kind| PropertyString::parse(kind, had).ok());
    let Some(mut parsed) = parsed else {
        return had.to_owned();
    };
    for part in unset {
        parsed.remove(part);
    }
    parsed.to_string()
}

/// A property string keeps what was not stated of it, the MAC of a network
/// card above all. An address is the exception: a gateway that was not stated
/// does not belong to the new address.
pub fn merged(
    guest: GuestKind,
    key: &str,
    had: Option<&str>,
    want: &str,
) -> Result<String, Unwantable> {
    let unwantable = |why: String| Unwantable {
        key: key.to_owned(),
        why,
    };
    let Some(kind) = Kind::of(key).filter(|_| !want.is_empty()) else {
        return Ok(want.to_owned());
    };
    let want = PropertyString::parse(kind, want).map_err(|error| unwantable(error.to_string()))?;
    let states_size = want.get("size").is_some();
    let whole = key.starts_with("ipconfig") || matches!(key, "boot" | "cicustom");
    let had = had.and_then(|had| PropertyString::parse(kind, had).ok());
    let mut merged = match &had {
        Some(had) if !whole => had.merge(&want),
        _ => want,
    };
    if guest == GuestKind::Qemu && kind == Kind::NET && merged.get("model").is_none() {
        merged
            .set("model", "virtio")
            .map_err(|error| unwantable(error.to_string()))?;
    }
    if let Some(had) = &had {
        hold_volume(had, &mut merged, states_size).map_err(unwantable)?;
    }
    Ok(merged.to_string())
}
