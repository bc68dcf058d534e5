//! The cloud-init password that is stored, compared with a wanted one. No
//! answer shows it, but the user data that is made of it has its hash.

use pve::nodes::guest::Address;
use pve::wire::password::{self, Compared};
use pve::{Call, Error};
use secret::Secret;
use serde_json::Value;

use super::config::Config;

/// The question that [`compared`] understands the answer of.
pub fn user_data(vm: &Address) -> Call {
    Call::get(vm.path().join("cloudinit").join("dump")).with("type", "user")
}

/// How the stored password compares. User data of the user's own has one that
/// is not ours to compare.
pub fn compared(have: &Config, wanted: &Secret, user_data: Result<&Value, &Error>) -> Compared {
    let own_data = have
        .get("cicustom")
        .is_some_and(|custom| custom.contains("user="));
    match user_data {
        Ok(dump) if !own_data => password::compare(wanted, dump.as_str().unwrap_or_default()),
        _ => Compared::Unknown,
    }
}
