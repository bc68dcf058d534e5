//! A VM that is there already.

use std::time::Duration;

use pve::nodes::guest::{Address, Live, Status};
use pve::plan::VMID;
use pve::wire::password::Compared;
use pve::{Segment, Step, Track, path};
use serde_json::{Value, json};

use super::{Draft, reach, waits};
use crate::guests::clone::item::Item;
use crate::guests::clone::reading::Reading;
use crate::guests::clone::report::Note;
use crate::guests::config::{Wanted, change};
use crate::guests::delta::Delta;
use crate::guests::held;
use crate::guests::power::NODE;
use crate::guests::proxmox_clone_vms::OnPending;
use crate::guests::steps;

impl Draft<'_> {
    pub(super) fn known_vm(
        &mut self,
        item: &Item,
        address: &Address,
        live: &Live,
        wanted: &Wanted,
        reading: &Reading,
    ) -> Result<Note, String> {
        let vmid = address.vmid;
        let have = reading.config(vmid);
        let compared = reading.password(vmid);
        if compared == Compared::Unknown {
            self.plan.warnings.push(format!(
                "{} ({vmid}): cipassword cannot be compared with what is stored, and is set on creation only",
                item.name
            ));
        }
        let mut change = change(&have, wanted, compared).map_err(|error| error.to_string())?;
        let taken = change.delete.iter().map(String::as_str);
        if let Some(why) = held::by_protection_of(address, &have, taken) {
            return Err(why);
        }
        let vm = address.path();
        let mut delta = Delta::default();
        let sizes = item.settings.sizes().map_err(|error| error.to_string())?;
        let growths = steps::grow(&vm, &have, &sizes)?;
        let after = have.with(&change);
        let mut of_grown = change.take_grown(growths.iter().map(|(disk, ..)| disk.as_str()));
        delta.then(steps::configure(&vm, &change));
        for (disk, from, to, step) in growths {
            let size = |size: pve::wire::Size| json!({"size": size.to_string()});
            delta.show(&disk, size(from), size(to));
            delta.steps.push(step);
            of_grown.grown(&disk, to);
        }
        delta.then(steps::configure(&vm, &of_grown));
        let is_configured = !change.is_empty() || !of_grown.is_empty();
        for change in [change, of_grown] {
            delta.before.extend(change.before);
            delta.after.extend(change.after);
        }
        self.pool(item, vmid, &mut delta);
        let starts = self.power(item, address, live, &mut delta);
        let reboots = self.reboot(address, live, have.pending(), is_configured, &mut delta);
        let may_wait = starts || live.status == Status::Running;
        if may_wait {
            // The HA manager may have started it on another node.
            let guest = path!("nodes", Segment::Bound(NODE), "qemu", vmid);
            let waits = self.waits(item, Some(vmid), &guest, &reach(&after))?;
            delta.steps.extend(waits);
        }
        let cannot = obstacle(address, live, &delta);
        if let Some(why) = &cannot {
            delta = Delta {
                steps: vec![Step::cannot("change", why.clone())],
                ..Delta::default()
            };
        }
        Ok(Note {
            name: item.name.clone(),
            vmid: Some(vmid),
            node: address.node.clone(),
            source_vmid: None,
            status: live.status,
            pending: have.pending().to_vec(),
            reboots,
            track: self.follow(item, address, delta),
            waits: may_wait && waits(item),
            cannot,
        })
    }

    /// Adds the VM to the plan, if there is anything to do about it.
    fn follow(&mut self, item: &Item, address: &Address, delta: Delta) -> Option<usize> {
        if !delta.before.is_empty() || !delta.after.is_empty() {
            self.plan.before[&item.name] = Value::Object(delta.before);
            self.plan.after[&item.name] = Value::Object(delta.after);
        }
        if delta.steps.is_empty() {
            return None;
        }
        let mut track = Track::new("VM", &item.name, delta.steps);
        track.limit = Some(Duration::from_secs(self.options.timeout));
        track.bindings.insert(VMID, address.vmid.to_string());
        track.bindings.insert(NODE, address.node.clone());
        self.plan.tracks.push(track);
        Some(self.plan.tracks.len() - 1)
    }

    fn pool(&self, item: &Item, vmid: u32, delta: &mut Delta) {
        let guest = self.picture.resources.guest(vmid);
        let pool = guest.and_then(|guest| guest.pool.as_ref());
        if let Some(wanted) = item.settings.pool.as_ref()
            && pool != Some(wanted)
        {
            delta.show("pool", json!(pool), json!(wanted));
            delta.steps.push(steps::enter_pool(wanted, vmid));
        }
    }

    /// Whether it is to be started.
    fn power(&mut self, item: &Item, address: &Address, live: &Live, delta: &mut Delta) -> bool {
        if !item.is_wanted_running() {
            return false;
        }
        let vmid = address.vmid;
        if live.status == Status::Paused {
            self.plan.warnings.push(format!(
                "{} ({vmid}) is paused: it is neither resumed nor started",
                item.name
            ));
        }
        let starts = live.status == Status::Stopped;
        if starts {
            let guest = self.picture.resources.guest(vmid);
            let ha_managed = live.ha_managed || guest.is_some_and(|guest| guest.ha_managed);
            delta.show("status", json!("stopped"), json!("running"));
            delta.steps.push(if ha_managed {
                steps::start_by_ha(address)
            } else {
                steps::start(&address.path())
            });
        }
        starts
    }

    /// Whether it is rebooted for values that wait for it.
    fn reboot(
        &self,
        address: &Address,
        live: &Live,
        pending: &[String],
        is_configured: bool,
        delta: &mut Delta,
    ) -> bool {
        let reboots =
            live.status == Status::Running && self.options.on_pending == OnPending::Reboot;
        if reboots && !pending.is_empty() {
            delta.show("pending", json!(pending), json!([]));
            delta.steps.extend(steps::reboot(&address.path()));
        } else if reboots && is_configured {
            delta.steps.push(steps::reboot_if_pending(&address.path()));
        }
        reboots
    }
}

/// Why nothing of it can be written.
fn obstacle(address: &Address, live: &Live, delta: &Delta) -> Option<String> {
    let lock = live.lock.as_ref()?;
    let writes = delta.steps.iter().any(|step| step.call.is_some());
    writes.then(|| held::by_lock(address, lock))
}
