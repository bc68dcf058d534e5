//! What only root@pam may do with a guest.

use ansible::Failure;

/// Only the user root@pam itself, no token of it, may set some things.
pub fn hold_root(user: &str, keys: &[&str]) -> Result<(), Failure> {
    if user == "root@pam" || keys.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!(
        "{}: only root@pam may set this, logged in with its password; the server takes us for {user}",
        keys.join(", ")
    )))
}
