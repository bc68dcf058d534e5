//! `/pools`: guests and storages in groups.

pub mod proxmox_pool;
pub mod proxmox_pool_member;

use ansible::Failure;

/// How deep pools nest.
const LEVELS: usize = 3;

/// Refuses what cannot be a pool's id: `web`, or `web/front` for a pool in a pool.
fn check_id(poolid: &str) -> Result<(), Failure> {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
    let whole = |name: &str| !name.is_empty() && name.chars().all(fits);
    if poolid.split('/').count() <= LEVELS && poolid.split('/').all(whole) {
        return Ok(());
    }
    Err(Failure::new(format!(
        "`{poolid}` cannot be a pool's id: letters, digits, `.`, `_` and `-` make one, and `/` at most {LEVELS} levels of them"
    )))
}

#[cfg(test)]
mod tests {
    use super::check_id;

    #[test]
    fn a_pool_may_be_in_a_pool() {
        for poolid in ["web", "web/front", "a/b/c", "web-1.x_y"] {
            assert!(check_id(poolid).is_ok(), "{poolid}");
        }
        for poolid in ["", "o p s", "/web", "web/", "a//b", "a/b/c/d", "w\u{e9}b"] {
            assert!(check_id(poolid).is_err(), "{poolid}");
        }
    }
}
