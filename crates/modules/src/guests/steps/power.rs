//! The steps that start, stop, suspend and reboot a guest.

use std::time::Duration;

use pve::nodes::guest::{Address, Status, live_from};
use pve::nodes::reach;
use pve::plan::{Ask, Bind, Ending, Follow, Probe, Settles, Verdict};
use pve::texts::Matched;
use pve::{Call, Error, Path, Step};

use super::look;
use crate::guests::config::Config;
use crate::guests::power::{NODE, secs};

/// The server ends a shutdown by itself; its answer is given this much longer.
pub(super) const GRACE: Duration = Duration::from_secs(15);

/// What a hard stop may take.
pub const HARD_STOP: Duration = Duration::from_secs(60);

/// How long a guest that is down for a reboot may take to run again.
const REBOOT: Duration = Duration::from_secs(60);

fn action(guest: &Path, action: &str) -> Call {
    Call::post(guest.join("status").join(action))
}

fn current(guest: &Path) -> Call {
    Call::get(guest.join("status").join("current"))
}

/// Starts a guest; that it runs already is as good.
pub fn start(guest: &Path) -> Step {
    Step::task("start", "started", action(guest, "start"))
        .on(Ending::Text(Matched::AlreadyRunning), Follow::Accept)
        .lost(look(reach::running(guest, None)))
}

/// Starts a guest that the HA manager manages: the task only passes the wish on,
/// and the guest may start on another node, which is bound.
pub fn start_by_ha(address: &Address) -> Step {
    start(&address.path())
        .settles(Settles::Holds(reach::ha_running(address)))
        .binds(Bind::Probe { name: NODE })
}

/// How a guest is shut down.
#[derive(Clone, Copy, Debug)]
pub struct ShutDown {
    /// How many seconds it is given.
    pub timeout: u32,
    /// Whether the server stops it the hard way after that.
    pub force: bool,
    /// Whether the HA manager manages it: the task only passes the wish on.
    pub by_ha: bool,
}

impl ShutDown {
    /// The step that shuts it down. Within its limit the server says itself
    /// that the time was too short.
    pub fn step(self, guest: &Path) -> Step {
        let stopped = reach::stopped(guest);
        let mut call = action(guest, "shutdown").with("timeout", self.timeout);
        let mut limit = secs(self.timeout) + GRACE;
        if self.force {
            call = call.with("forceStop", true);
            limit += HARD_STOP;
        }
        let step = Step::task("shut down", "shut down", call)
            .within(limit)
            .on(Ending::Text(Matched::NotRunning), Follow::Accept)
            .lost(look(stopped.clone()));
        if self.by_ha {
            step.settles(Settles::Holds(stopped))
        } else {
            step
        }
    }
}

/// Stops a guest as if its power were cut. `overrules` a shutdown that is still
/// at work and holds the guest's lock; the server refuses that for the HA manager's guests.
pub fn stop(guest: &Path, by_ha: bool, overrules: bool) -> Step {
    let stopped = reach::stopped(guest);
    let mut call = action(guest, "stop");
    if overrules && !by_ha {
        call = call.with("overrule-shutdown", true);
    }
    let step = Step::task("stop", "stopped", call)
        .within(HARD_STOP)
        .on(Ending::Text(Matched::NotRunning), Follow::Accept)
        .lost(look(stopped.clone()));
    if by_ha {
        step.settles(Settles::Holds(stopped))
    } else {
        step
    }
}

/// Resets a VM, as its reset button does. Twice is the same as once.
pub fn reset(vm: &Path) -> Step {
    Step::task("reset", "reset", action(vm, "reset"))
}

/// Halts a VM in memory.
pub fn pause(vm: &Path) -> Step {
    let paused = status_is(vm, |status| status == Status::Paused);
    Step::task("pause", "paused", action(vm, "suspend")).lost(look(paused))
}

/// Writes a VM's memory to a disk and stops it; its next start takes it up there.
pub fn hibernate(vm: &Path) -> Step {
    Step::task(
        "hibernate",
        "hibernated",
        action(vm, "suspend").with("todisk", true),
    )
    .lost(look(reach::stopped(vm)))
}

/// Lets a paused VM go on.
pub fn resume(vm: &Path) -> Step {
    let runs = status_is(vm, |status| status == Status::Running);
    Step::task("resume", "resumed", action(vm, "resume")).lost(look(runs))
}

/// Holds when the guest's status is one of these; absent otherwise.
fn status_is(guest: &Path, fits: fn(Status) -> bool) -> Probe {
    Probe::get(current(guest), move |answer| match answer {
        Ok(data) => match live_from(data) {
            Some(live) if fits(live.status) => Verdict::Holds(None),
            Some(_) => Verdict::Absent,
            None => Verdict::NotYet("its status is not known".to_owned()),
        },
        Err(error) => reach::not_yet(error),
    })
}

/// Reboots a VM, and waits until it runs again.
pub fn restart(vm: &Path) -> [Step; 2] {
    // The task ends when the guest is down; what starts it again is no task.
    let runs = Step::wait("wait for", "running again", reach::running(vm, None));
    [
        Step::task("reboot", "rebooted", action(vm, "reboot")),
        runs.within(REBOOT),
    ]
}

/// Reboots a VM, and waits until it runs with the values that waited for it.
pub fn reboot(vm: &Path) -> Vec<Step> {
    let call = action(vm, "reboot");
    // The task ends when the guest is down; what starts it again is no task.
    let asks = vec![
        Ask::Get(current(vm)),
        Ask::Get(Call::get(vm.join("pending"))),
    ];
    let runs_anew = Probe::new(asks, |answers| match answers {
        [Ok(current), Ok(pending)]
            if live_from(current).is_some_and(|live| live.status == Status::Running)
                && Config::from_pending(pending).pending().is_empty() =>
        {
            Verdict::Holds(None)
        }
        _ => Verdict::NotYet("it does not run with its new values yet".to_owned()),
    });
    vec![
        Step::task("reboot", "rebooted", call),
        Step::wait("wait for", "running again", runs_anew)
            .within(REBOOT)
            // A value that a boot does not take over either is reported as pending.
            .on(Ending::TimedOut, Follow::Accept),
    ]
}

/// Reboots a VM if values wait for it.
pub fn reboot_if_pending(vm: &Path) -> Step {
    let settled = Probe::get(Call::get(vm.join("pending")), |answer| match answer {
        Ok(pending) if Config::from_pending(pending).pending().is_empty() => Verdict::Holds(None),
        Ok(_) => Verdict::Never(Error::Never("values wait for a reboot".to_owned())),
        Err(error) => Verdict::NotYet(error.to_string()),
    });
    Step::wait("look at", "without pending values", settled)
        .on(Ending::Never, Follow::Steps(reboot(vm)))
}
