//! The step that moves a guest to another node.

use pve::nodes::guest::Address;
use pve::nodes::reach;
use pve::plan::{Ask, Probe, Settles, Verdict};
use pve::{Call, Path, Step, path};

use super::look;

/// A guest that is to be moved.
#[derive(Clone, Copy, Debug)]
pub struct Migrate<'a> {
    /// Where it is.
    pub from: &'a Address,
    /// The node it is moved to.
    pub target: &'a str,
    /// Whether it runs, and goes on running meanwhile.
    pub online: bool,
    /// Whether disks of storages that are not shared are copied.
    pub with_local_disks: bool,
    /// Whether the HA manager manages it: the task only passes the wish on.
    pub by_ha: bool,
}

impl Migrate<'_> {
    /// The step that moves it.
    pub fn step(self) -> Step {
        let mut call = Call::post(self.from.path().join("migrate")).with("target", self.target);
        for (key, on) in [
            ("online", self.online),
            ("with-local-disks", self.with_local_disks),
        ] {
            if on {
                call = call.with(key, true);
            }
        }
        let arrived = self.arrived();
        let step = Step::task("migrate", "migrated", call).lost(look(arrived.clone()));
        if self.by_ha {
            step.settles(Settles::Holds(arrived))
        } else {
            step
        }
    }

    /// Its configuration lies on the node that it is on; it is locked meanwhile.
    fn arrived(self) -> Probe {
        let config = |guest: &Path| Ask::Get(Call::get(guest.join("config")));
        let there = path!(
            "nodes",
            self.target,
            self.from.kind.as_str(),
            self.from.vmid
        );
        let asks = vec![config(&there), config(&self.from.path())];
        Probe::new(asks, |answers| match answers {
            [Ok(_), _] => Verdict::Holds(None),
            [_, Ok(config)] if config["lock"].is_string() => {
                Verdict::NotYet("it is being migrated".to_owned())
            }
            [Err(error), Ok(_)] if error.is_not_found() => Verdict::Absent,
            [Err(error), _] => reach::not_yet(error),
            _ => Verdict::Absent,
        })
    }
}
