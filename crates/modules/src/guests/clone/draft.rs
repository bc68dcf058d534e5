//! From what is wanted and what is there to the plan, one VM after the other.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use pve::nodes::guest::{Address, GuestKind, Live, Status};
use pve::nodes::reach;
use pve::plan::{Allocation, OnError, VMID};
use pve::wire::password::Compared;
use pve::{Cluster, Path, Plan, Segment, Step, Track};
use serde_json::{Map, Value, json};

use super::item::{Item, There};
use super::picture::Picture;
use super::reading::Reading;
use super::report::Note;
use super::source::{Source, storages};
use super::steps::{self, Clone as CloneStep};
use crate::guests::config::{Config, Want, Wanted, change};
use crate::guests::power::NODE;
use crate::guests::proxmox_clone_vms::{OnPending, OnVmError, Options};
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
                on_error: match options.on_error {
                    OnVmError::Continue => OnError::Continue,
                    OnVmError::Stop => OnError::Stop,
                },
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

    fn new_vm(
        &mut self,
        item: &Item,
        source: &Source,
        wanted: &Wanted,
        reading: &Reading,
    ) -> Result<Note, String> {
        let settings = &item.settings;
        let template = reading.config(source.address.vmid);
        let full = source.is_full(settings.clone_type.unwrap_or_default())?;
        if let Some(why) = source.obstacle(self.picture, &template, settings, full) {
            return Err(why);
        }
        let node = settings.node.as_ref().unwrap_or(&source.address.node);
        let clone = CloneStep {
            source,
            name: &item.name,
            vmid: item.vmid,
            node,
            full,
            storage: settings.storage.as_deref(),
            format: settings.format.as_deref(),
            pool: settings.pool.as_deref(),
            writes_to: match settings.storage.as_ref().filter(|_| full) {
                Some(storage) => vec![storage.clone()],
                None => storages(&template).collect(),
            },
            user: self.cluster.client().user(),
        };
        let vm = steps::vm_path(node, item.vmid);
        let mut have = template;
        forget_mac(&mut have, wanted);
        let change = change(&have, wanted, Compared::Differs).map_err(|error| error.to_string())?;
        let after = have.with(&change);
        let mut steps = vec![clone.step()];
        steps.extend(steps::configure(&vm, &change));
        let growth = steps::grow(
            &vm,
            &have,
            &item.settings.sizes().map_err(|e| e.to_string())?,
        )?;
        steps.extend(growth.into_iter().map(|(_, _, _, step)| step));
        self.check_cloud_init(item, &after, wanted);
        if item.is_wanted_running() {
            steps.push(steps::start(&vm));
            let mut reach = reach(&after);
            if !states_mac(wanted) {
                // A clone's network cards get MACs of their own.
                reach.mac = None;
            }
            steps.extend(self.waits(item, item.vmid, &vm, &reach)?);
        }
        let mut track = Track::new("VM", &item.name, steps);
        track.limit = Some(Duration::from_secs(self.options.timeout));
        if let Some(vmid) = item.vmid {
            track.bindings.insert(VMID, vmid.to_string());
        } else {
            track.allocates = Some(Allocation {
                range: settings.range().map_err(|error| error.to_string())?,
                taken: Arc::clone(&self.taken),
            });
        }
        self.plan.after[&item.name] = shown(item, source, node, change.after)?;
        self.plan.tracks.push(track);
        Ok(Note {
            name: item.name.clone(),
            vmid: item.vmid,
            node: node.clone(),
            source_vmid: Some(source.address.vmid),
            status: Status::Stopped,
            pending: Vec::new(),
            reboots: false,
            track: Some(self.plan.tracks.len() - 1),
            waits: waits(item),
        })
    }

    fn known_vm(
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
        let change = change(&have, wanted, compared).map_err(|error| error.to_string())?;
        let vm = address.path();
        let mut before = change.before.clone();
        let mut after = change.after.clone();
        let mut steps: Vec<Step> = steps::configure(&vm, &change).into_iter().collect();
        let sizes = item.settings.sizes().map_err(|error| error.to_string())?;
        for (disk, from, to, step) in steps::grow(&vm, &have, &sizes)? {
            before.insert(disk.clone(), json!({"size": from.to_string()}));
            after.insert(disk, json!({"size": to.to_string()}));
            steps.push(step);
        }
        let guest = self.picture.resources.guest(vmid);
        let pool = guest.and_then(|guest| guest.pool.clone());
        if let Some(wanted) = item
            .settings
            .pool
            .as_ref()
            .filter(|wanted| pool.as_ref() != Some(*wanted))
        {
            before.insert("pool".to_owned(), json!(pool));
            after.insert("pool".to_owned(), json!(wanted));
            steps.push(steps::enter_pool(wanted, vmid));
        }
        if live.status == Status::Paused && item.is_wanted_running() {
            self.plan.warnings.push(format!(
                "{} ({vmid}) is paused: it is neither resumed nor started",
                item.name
            ));
        }
        let starts = item.is_wanted_running() && live.status == Status::Stopped;
        if starts {
            before.insert("status".to_owned(), json!("stopped"));
            after.insert("status".to_owned(), json!("running"));
            let ha_managed = live.ha_managed || guest.is_some_and(|guest| guest.ha_managed);
            steps.push(if ha_managed {
                steps::ha_start(address)
            } else {
                steps::start(&vm)
            });
        }
        let runs = live.status == Status::Running;
        let reboots = runs && self.options.on_pending == OnPending::Reboot;
        if reboots && !have.pending().is_empty() {
            before.insert("pending".to_owned(), json!(have.pending()));
            after.insert("pending".to_owned(), json!([]));
            steps.extend(steps::reboot(&vm));
        } else if reboots && !change.is_empty() {
            steps.push(steps::reboot_if_pending(&vm));
        }
        let may_wait = starts || runs;
        if may_wait {
            // The HA manager may have started it on another node.
            let guest = steps::path(Segment::Bound(NODE), Segment::from(vmid));
            steps.extend(self.waits(item, Some(vmid), &guest, &reach(&have.with(&change)))?);
        }
        if let Some(lock) = live
            .lock
            .as_ref()
            .filter(|_| steps.iter().any(|step| step.call.is_some()))
        {
            return Err(format!(
                "VMID {vmid} is locked ({lock}); when that operation does not run any more, unlock it with `qm \
                 unlock {vmid}`"
            ));
        }
        let mut note = Note {
            name: item.name.clone(),
            vmid: Some(vmid),
            node: address.node.clone(),
            source_vmid: None,
            status: live.status,
            pending: have.pending().to_vec(),
            reboots,
            track: None,
            waits: may_wait && waits(item),
        };
        if !before.is_empty() || !after.is_empty() {
            self.plan.before[&item.name] = Value::Object(before);
            self.plan.after[&item.name] = Value::Object(after);
        }
        if !steps.is_empty() {
            let mut track = Track::new("VM", &item.name, steps);
            track.limit = Some(Duration::from_secs(self.options.timeout));
            track.bindings.insert(VMID, vmid.to_string());
            track.bindings.insert(NODE, address.node.clone());
            self.plan.tracks.push(track);
            note.track = Some(self.plan.tracks.len() - 1);
        }
        Ok(note)
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

/// A new VM as the diff shows it: what is stated of it and differs from its template.
fn shown(
    item: &Item,
    source: &Source,
    node: &str,
    stated: Map<String, Value>,
) -> Result<Value, String> {
    let mut shown = stated;
    let mut put = |key: &str, value: Value| shown.insert(key.to_owned(), value);
    put("template", json!(source.address.vmid));
    put("node", json!(node));
    let vmid = item
        .vmid
        .map_or_else(|| json!("allocated"), |vmid| json!(vmid));
    put("vmid", vmid);
    if let Some(pool) = &item.settings.pool {
        put("pool", json!(pool));
    }
    for (disk, size) in item.settings.sizes().map_err(|error| error.to_string())? {
        put(&disk, json!({"size": size.to_string()}));
    }
    if item.is_wanted_running() {
        put("status", json!("running"));
    }
    Ok(Value::Object(shown))
}

fn waits(item: &Item) -> bool {
    matches!(item.settings.wait_for, Some(WaitFor::Ip | WaitFor::Port))
}

fn reach(config: &Config) -> Reach {
    Reach::of(GuestKind::Qemu, |key| config.get(key).map(str::to_owned))
}

fn states_mac(wanted: &Wanted) -> bool {
    matches!(wanted.get("net0"), Some(Want::Text(net)) if reach::mac_of(net).is_some())
}

/// A clone has other MACs than its template: the template's must not be written to it.
fn forget_mac(template: &mut Config, wanted: &Wanted) {
    for key in wanted.keys().filter(|key| key.starts_with("net")) {
        template.forget_mac(key);
    }
}
