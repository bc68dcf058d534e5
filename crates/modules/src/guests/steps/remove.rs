//! The steps that end a guest's life as it was: its conversion to a template,
//! and its removal.

use pve::plan::{Probe, Verdict};
use pve::{Call, Path, Step};

use super::look;
use crate::guests::config::Config;

/// Converts a guest to a template. For a VM this is a task, for a container an answer.
pub fn convert_to_template(guest: &Path) -> Step {
    let converted = Probe::get(Call::get(guest.join("config")), |answer| match answer {
        Ok(config) if Config::from_config(config).is_template() => Verdict::Holds(None),
        Ok(_) => Verdict::Absent,
        Err(error) => Verdict::NotYet(error.to_string()),
    });
    Step::task(
        "convert",
        "converted to a template",
        Call::post(guest.join("template")),
    )
    .lost(look(converted))
}

/// How a guest is removed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Remove {
    /// Whether it goes from backup jobs, replication and the HA manager, too.
    pub purge: bool,
    /// Whether volumes go that bear its VMID and stand in no configuration.
    pub unreferenced_disks: bool,
    /// Whether a container that runs is stopped by it. A VM that runs is refused.
    pub force: bool,
}

impl Remove {
    /// The step that removes it. Only what is switched on is sent: older
    /// servers do not know each of these.
    pub fn step(self, guest: &Path) -> Step {
        let gone = Probe::get(Call::get(guest.join("config")), |answer| match answer {
            Ok(_) => Verdict::Absent,
            Err(error) if error.is_not_found() => Verdict::Holds(None),
            Err(error) => Verdict::NotYet(error.to_string()),
        });
        let call = [
            ("purge", self.purge),
            ("destroy-unreferenced-disks", self.unreferenced_disks),
            ("force", self.force),
        ]
        .into_iter()
        .filter(|(_, on)| *on)
        .fold(Call::delete(guest.clone()), |call, (key, on)| {
            call.with(key, on)
        });
        Step::task("remove", "removed", call).lost(look(gone))
    }
}
