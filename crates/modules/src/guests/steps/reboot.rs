//! The step that reboots a guest, and knows one that was rebooted from one that was not.

use std::time::{Duration, Instant};

use pve::nodes::guest::{Address, GuestKind, Status, live_from};
use pve::nodes::reach;
use pve::plan::{Ask, Probe, Verdict};
use pve::{Step, Upid};

use super::clone::{running, tasks};
use super::look;
use super::power::GRACE;
use crate::guests::power::secs;

/// A reboot by the guest's own means: it shuts down, and the server starts it again.
#[derive(Clone, Copy, Debug)]
pub struct Reboot<'a> {
    /// Where it is.
    pub address: &'a Address,
    /// How many seconds it is given to shut down.
    pub timeout: u32,
    /// How many seconds it had run before.
    pub uptime: u32,
}

impl Reboot<'_> {
    /// The step that reboots it. Its task ends when the guest is down; what starts a VM again is
    /// no task.
    pub fn step(self) -> Step {
        let call = self.address.action("reboot").with("timeout", self.timeout);
        Step::task("reboot", "rebooted", call)
            .within(secs(self.timeout) + GRACE)
            .lost(look(self.begun()))
    }

    /// Whether it reboots although the answer was lost: a task is at work on it, it is down, or
    /// it has not run on since.
    fn begun(self) -> Probe {
        let task = match self.address.kind {
            GuestKind::Qemu => "qmreboot",
            GuestKind::Lxc => "vzreboot",
        };
        let asks = vec![
            Ask::Get(self.address.current()),
            Ask::Get(tasks(&self.address.node, task)),
        ];
        let (vmid, uptime) = (self.address.vmid.to_string(), self.uptime);
        let known = Instant::now();
        Probe::new(asks, move |answers| {
            let (current, tasks) = match answers {
                [Ok(current), Ok(tasks)] => (current, tasks),
                [Err(error), _] | [_, Err(error)] => return reach::not_yet(error),
                _ => return Verdict::Absent,
            };
            let at_work = running(tasks, task)
                .into_iter()
                .find(|upid: &Upid| upid.id() == vmid);
            if let Some(upid) = at_work {
                return Verdict::Holds(Some(upid.to_string()));
            }
            match live_from(current) {
                Some(live) if live.status == Status::Running => {
                    if began_anew(uptime, known.elapsed(), live.uptime) {
                        Verdict::Holds(None)
                    } else {
                        Verdict::Absent
                    }
                }
                _ => Verdict::NotYet("it is down".to_owned()),
            }
        })
    }
}

/// Whether a guest that had run for `before` seconds was started anew, as it has run for `now` seconds so long after.
/// Both are whole seconds, so that one of them is no difference.
fn began_anew(before: u32, after: Duration, now: u32) -> bool {
    now < before || u64::from(now) + 1 < u64::from(before) + after.as_secs()
}

#[cfg(test)]
mod tests {
    use super::began_anew;
    use std::time::Duration;

    #[test]
    fn a_guest_that_has_not_run_on_was_started_anew() {
        for (before, after, now, anew) in [
            (90, 0, 90, false),
            (90, 0, 3, true),
            (90, 20, 110, false),
            (90, 20, 109, false),
            (90, 20, 100, true),
            // It had run for seconds only, and has run for longer since it was rebooted.
            (3, 20, 12, true),
            (3, 20, 23, false),
            (0, 10, 10, false),
            (0, 10, 7, true),
        ] {
            let told = began_anew(before, Duration::from_secs(after), now);
            assert_eq!(told, anew, "{before} s, {after} s later {now} s");
        }
    }
}
