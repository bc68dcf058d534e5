//! What taking and pruning snapshots have in common: which names they may have, and which ones go.

use std::ops::RangeInclusive;

use ansible::Failure;
use pve::nodes::snapshot::CURRENT;

/// How many characters the name of a snapshot has (the server's format `pve-configid`).
const NAME_LENGTH: RangeInclusive<usize> = 2..=40;

/// What the server would refuse as a snapshot's name, told before anything is done for it; `option` has the name.
pub fn hold_name(option: &str, name: &str) -> Result<(), Failure> {
    if name == CURRENT {
        return Err(Failure::new(format!(
            "{option}: `{CURRENT}` is the guest as it is, and no snapshot can be called so"
        )));
    }
    if is_name(name) {
        return Ok(());
    }
    Err(Failure::new(format!(
        "{option}: `{name}` cannot name a snapshot: it begins with a letter, goes on with letters, digits, `_` and \
         `-`, and has {} to {} characters",
        NAME_LENGTH.start(),
        NAME_LENGTH.end()
    )))
}

/// Whether a snapshot may be called so.
fn is_name(name: &str) -> bool {
    name.len() >= *NAME_LENGTH.start() && begins_name(name)
}

/// Whether a snapshot may have a name that begins so.
pub fn begins_name(name: &str) -> bool {
    name.len() <= *NAME_LENGTH.end()
        && name.starts_with(|letter: char| letter.is_ascii_alphabetic())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

/// The oldest of these, the oldest being first, that only so many are left.
pub fn oldest<T>(all: &[T], left: u32) -> &[T] {
    let left = usize::try_from(left).unwrap_or(usize::MAX);
    &all[..all.len().saturating_sub(left)]
}
