//! The step that waits until a guest's configuration is locked no more.

use std::time::Duration;

use pve::Step;
use pve::nodes::guest::{Address, live_from};
use pve::plan::{Probe, Verdict};

use crate::guests::held;

/// How long a lock is waited for: long enough for a snapshot or a small backup, short enough for a lock that was left
/// behind.
pub const UNLOCKED: Duration = Duration::from_secs(300);

/// Waits until the operation is over that has locked the guest's configuration.
pub fn unlocked(guest: &Address) -> Step {
    let address = guest.clone();
    let unlocked = Probe::get(guest.current(), move |answer| match answer {
        Ok(data) => match live_from(data).and_then(|live| live.lock) {
            Some(lock) => Verdict::NotYet(held::by_lock(&address, &lock)),
            None => Verdict::Holds(None),
        },
        Err(error) => Verdict::NotYet(error.to_string()),
    });
    Step::wait("wait for the lock of", "without a lock", unlocked).within(UNLOCKED)
}
