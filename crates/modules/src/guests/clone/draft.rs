//! From what is wanted and what is there to the plan, one VM after the other.

mod known;
mod new;

use std::collections::BTreeSet;
use std::sync::Arc;

use pve::nodes::guest::GuestKind;
use pve::{Cluster, Path, Plan, Step};
use serde_json::json;

use super::item::{Item, There};
use super::picture::Picture;
use super::reading::Reading;
use super::report::Note;
use crate::guests::config::{Config, Wanted};
use crate::guests::proxmox_clone_vms::Options;
use crate::guests::wait::{Reach, WaitFor};

/// The plan while it is made.
pub struct Draft<'a> {
    options: &'a Options,
    cluster: &'a Cluster,
    picture: &'a Picture,
    taken: Arc<BTreeSet<u32>>,
    /// The VMs whose guest agents will be asked.
    pub agents: Vec<(String, Option<u32>, Option<String>)>,
    /// What is done so far.
    pub plan: Plan,
}

impl<'a> Draft<'a> {
    /// A plan that does nothing yet.
    pub fn new(
        options: &'a Options,
        cluster: &'a Cluster,
        picture: &'a Picture,
        items: &[Item],
    ) -> Self {
        let taken = picture
            .resources
            .guests
            .iter()
            .map(|guest| guest.address.vmid)
            .chain(items.iter().filter_map(|item| item.vmid))
            .collect();
        Self {
            options,
            cluster,
            picture,
            taken: Arc::new(taken),
            agents: Vec::new(),
            plan: Plan {
                parallel: options.parallel.into(),
                on_error: options.on_error.into(),
                before: json!({}),
                after: json!({}),
                ..Plan::default()
            },
        }
    }

    /// Adds what is to be done for one VM.
    pub fn vm(&mut self, item: &Item, there: &There, reading: &Reading) -> Result<Note, String> {
        let wanted = item.settings.wanted().map_err(|error| error.to_string())?;
        match there {
            There::No(source) => self.new_vm(item, source, &wanted, reading),
            There::Yes(address, live) => self.known_vm(item, address, live, &wanted, reading),
        }
    }

    fn waits(
        &mut self,
        item: &Item,
        vmid: Option<u32>,
        vm: &Path,
        reach: &Reach,
    ) -> Result<Vec<Step>, String> {
        let wait_for = item.settings.wait_for.unwrap_or(WaitFor::None);
        if reach.needs_agent(wait_for) {
            self.agents
                .push((item.name.clone(), vmid, item.settings.pool.clone()));
        }
        reach
            .steps(vm, wait_for, item.settings.port.unwrap_or_default())
            .map_err(|error| format!("cannot be waited for: {error}"))
    }

    /// Cloud-init settings reach a guest by a drive; without one they are stored and do nothing.
    fn check_cloud_init(&mut self, item: &Item, config: &Config, wanted: &Wanted) {
        let is_cloud_init = |key: &&String| {
            key.starts_with("ipconfig")
                || matches!(
                    key.as_str(),
                    "ciuser"
                        | "cipassword"
                        | "sshkeys"
                        | "nameserver"
                        | "searchdomain"
                        | "cicustom"
                )
        };
        let drive = config.iter().any(|(_, value)| value.contains("cloudinit"));
        let keys: Vec<&String> = wanted.keys().filter(is_cloud_init).collect();
        if let (false, [first, ..]) = (drive, keys.as_slice()) {
            self.plan.warnings.push(format!(
                "{}: there is no cloud-init drive, so {first} and the like do not reach the guest; give the \
                 template one, or add one with config: {{ide2: \"STORAGE:cloudinit\"}}",
                item.name
            ));
        }
    }
}

fn waits(item: &Item) -> bool {
    matches!(item.settings.wait_for, Some(WaitFor::Ip | WaitFor::Port))
}

fn reach(config: &Config) -> Reach {
    Reach::of(GuestKind::Qemu, |key| config.get(key).map(str::to_owned))
}
