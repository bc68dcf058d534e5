//! A VM that is to be cloned.

use std::sync::Arc;
use std::time::Duration;

use pve::Track;
use pve::nodes::guest::Status;
use pve::nodes::reach as net;
use pve::plan::{Allocation, VMID};
use pve::wire::password::Compared;
use serde_json::{Map, Value, json};

use super::{Draft, reach, waits};
use crate::guests::clone::item::Item;
use crate::guests::clone::reading::Reading;
use crate::guests::clone::report::Note;
use crate::guests::clone::source::{Source, storages};
use crate::guests::config::{Config, Want, Wanted, change};
use crate::guests::steps;

impl Draft<'_> {
    pub(super) fn new_vm(
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
        let idle = for_full_clones(item).filter(|_| !full);
        self.plan.warnings.extend(idle);
        let node = settings.node.as_ref().unwrap_or(&source.address.node);
        let clone = steps::Clone {
            source: &source.address,
            at_once: source.clones_at_once(),
            name: Some(&item.name),
            vmid: item.vmid,
            node,
            full,
            storage: settings.storage.as_deref(),
            format: settings.format.as_deref(),
            pool: settings.pool.as_deref(),
            snapshot: None,
            description: None,
            writes_to: match settings.storage.as_ref().filter(|_| full) {
                Some(storage) => vec![storage.clone()],
                None => storages(&template).collect(),
            },
            user: self.cluster.client().user(),
        };
        let vm = steps::vm_path(node, item.vmid);
        let mut have = template;
        forget_mac(&mut have, wanted);
        let mut change =
            change(&have, wanted, Compared::Differs).map_err(|error| error.to_string())?;
        let after = have.with(&change);
        let own = change.take_own(&have, wanted);
        let mut steps = vec![clone.step()];
        steps.extend(steps::configure(&vm, &change));
        for (key, wanted) in &own {
            steps.extend(steps::adapt(&vm, key, wanted));
        }
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
            cannot: None,
        })
    }
}

/// What is stated and does nothing where the clone is linked.
fn for_full_clones(item: &Item) -> Option<String> {
    let settings = &item.settings;
    let stated = match (&settings.storage, &settings.format) {
        (Some(_), Some(_)) => "storage and format are",
        (Some(_), None) => "storage is",
        (None, Some(_)) => "format is",
        (None, None) => return None,
    };
    Some(format!(
        "{}: {stated} for full clones; this one is linked and lies where its template lies",
        item.name
    ))
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

fn states_mac(wanted: &Wanted) -> bool {
    matches!(wanted.get("net0"), Some(Want::Text(net)) if net::mac_of(net).is_some())
}

/// A clone has other MACs than its template: the template's must not be written to it.
fn forget_mac(template: &mut Config, wanted: &Wanted) {
    for key in wanted.keys().filter(|key| key.starts_with("net")) {
        template.forget_mac(key);
    }
}
