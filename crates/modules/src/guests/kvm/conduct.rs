//! The options that say how a VM is to be handled: its description, its start, its guest agent.

use ansible::Args;
use pve::wire::{parse_switch, switch};

use super::stated::Stated;
use crate::guests::config::Unwantable;
use crate::guests::values::tags;

/// How the VM is handled.
#[derive(Args, Debug, Default)]
pub struct Conduct {
    /// Whether the guest agent is there: true or false, or the API's property string.
    pub agent: Option<String>,
    /// The description.
    pub description: Option<String>,
    /// A script on a storage that is run at each stage of the VM's life, such as V(local:snippets/hook.pl).
    pub hookscript: Option<String>,
    /// The lock of the configuration. Only root@pam, logged in with its password, may set it.
    #[arg(choices = ["migrate", "backup", "snapshot", "rollback"])]
    pub lock: Option<String>,
    /// How many seconds the VM may stand still at the end of a migration.
    pub migrate_downtime: Option<u64>,
    /// How many MB a migration may move in a second; V(0) sets no limit.
    pub migrate_speed: Option<u64>,
    /// Whether the VM starts with its node.
    pub onboot: Option<bool>,
    /// Whether the VM and its disks are protected from being removed.
    pub protection: Option<bool>,
    /// Whether the VM may reboot. Without, it ends when the guest reboots.
    pub reboot: Option<bool>,
    /// The place in the start-up order, such as V(order=2,up=30).
    pub startup: Option<String>,
    /// The tags. They replace those that the VM has.
    pub tags: Option<Vec<String>>,
    /// The configuration's mark of a template. O(state=template) converts the disks as well, and is what is wanted.
    pub template: Option<bool>,
}

impl Conduct {
    /// The keys of the configuration that are stated.
    pub fn state(&self, stated: &mut Stated) -> Result<(), Unwantable> {
        stated.put("agent", self.agent.as_deref().map(agent));
        for (key, text) in [
            ("description", &self.description),
            ("hookscript", &self.hookscript),
            ("lock", &self.lock),
            ("startup", &self.startup),
        ] {
            stated.text(key, text.as_ref());
        }
        stated.number("migrate_downtime", self.migrate_downtime);
        stated.number("migrate_speed", self.migrate_speed);
        for (key, on) in [
            ("onboot", self.onboot),
            ("protection", self.protection),
            ("reboot", self.reboot),
            ("template", self.template),
        ] {
            stated.switch(key, on);
        }
        stated.put("tags", self.tags.as_deref().map(tags).transpose()?);
        Ok(())
    }
}

/// A word for yes or no as the API writes it; anything else is a property string.
fn agent(text: &str) -> String {
    match parse_switch(text).filter(|_| !text.is_empty()) {
        Some(on) => switch(on).to_owned(),
        None => text.to_owned(),
    }
}
