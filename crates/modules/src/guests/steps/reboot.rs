//! The step that reboots a guest, and knows one that was rebooted from one that was not.

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
    /// it has not run for as long as before.
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
                Some(live) if live.status == Status::Running && live.uptime < uptime => {
                    Verdict::Holds(None)
                }
                Some(live) if live.status == Status::Running => Verdict::Absent,
                _ => Verdict::NotYet("it is down".to_owned()),
            }
        })
    }
}
