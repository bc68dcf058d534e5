//! Which VM is cloned, and whether the clone can be where it is wanted.

use pve::guests::GuestRef;
use pve::nodes::guest::{Address, Live, Status};

use super::picture::Picture;
use super::settings::{CloneType, Settings};
use crate::guests::config::{Config, is_disk};

/// The VM that is cloned.
#[derive(Clone, Debug)]
pub struct Source {
    /// Where it is.
    pub address: Address,
    /// What it is.
    pub live: Live,
}

impl Source {
    /// The VM that `settings` name as the template. Of several with one name,
    /// templates come before other VMs, and one on the target node before the others.
    pub fn find(picture: &Picture, settings: &Settings) -> Result<Self, String> {
        let Some(reference) = &settings.template else {
            return Err("it is not there, and no template is given to clone it from".to_owned());
        };
        let matching: Vec<Self> = match GuestRef::from(reference.as_str()) {
            GuestRef::Vmid(vmid) => picture.live.get(&vmid).into_iter().collect(),
            GuestRef::Name(name) => picture.named(&name),
        }
        .into_iter()
        .map(|(address, live)| Self {
            address: address.clone(),
            live: live.clone(),
        })
        .collect();
        let templates: Vec<&Self> = matching
            .iter()
            .filter(|source| source.live.template)
            .collect();
        let candidates = if templates.is_empty() {
            matching.iter().collect()
        } else {
            templates
        };
        let on_target: Vec<&Self> = candidates
            .iter()
            .copied()
            .filter(|source| Some(&source.address.node) == settings.node.as_ref())
            .collect();
        match (candidates.as_slice(), on_target.as_slice()) {
            ([source], _) | (_, [source]) => Ok((*source).clone()),
            ([], _) => Err(unknown(picture, reference)),
            (several, _) => Err(format!(
                "more than one template is named `{reference}`: {}; give {}the template's VMID",
                several
                    .iter()
                    .map(|source| source.address.to_string())
                    .collect::<Vec<_>>()
                    .join(", "),
                if settings.node.is_none() {
                    "the node, or "
                } else {
                    ""
                }
            )),
        }
    }

    /// Whether its disks are copied.
    pub fn is_full(&self, clone_type: CloneType) -> Result<bool, String> {
        match clone_type {
            CloneType::Auto => Ok(!self.live.template),
            CloneType::Full => Ok(true),
            CloneType::Linked if self.live.template => Ok(false),
            CloneType::Linked => Err(format!(
                "{} is no template, and only templates have linked clones",
                self.address.vmid
            )),
        }
    }

    /// How many clones of it may run side by side: a running VM is locked for
    /// each one, while clones of a template or a stopped VM share the lock.
    pub fn clones_at_once(&self) -> usize {
        match self.live.status {
            Status::Running | Status::Paused if !self.live.template => 1,
            _ => 8,
        }
    }

    /// Why the clone cannot be made on its target node, where that can be seen
    /// before anything is written.
    pub fn obstacle(
        &self,
        picture: &Picture,
        config: &Config,
        settings: &Settings,
        full: bool,
    ) -> Option<String> {
        let here = &self.address.node;
        let target = settings.node.as_ref().unwrap_or(here);
        let resources = &picture.resources;
        if !resources.nodes.iter().any(|node| node.node == *target) {
            return Some(format!("there is no node `{target}`"));
        }
        if !resources.is_online(target) {
            return Some(format!("the node {target} is offline"));
        }
        let chosen = settings.storage.as_ref().filter(|_| full);
        if let Some(storage) = chosen {
            match resources.storage(storage, target) {
                None => {
                    return Some(format!(
                        "there is no storage `{storage}` on {target} (a storage without \
                         Datastore.Audit is invisible)"
                    ));
                }
                Some(known) if target != here && !known.shared => {
                    return Some(format!(
                        "a clone from {here} to {target} needs a shared storage, and `{storage}` is local"
                    ));
                }
                Some(_) => {}
            }
        }
        if target == here {
            return None;
        }
        let local = storages(config).find(|storage| {
            resources
                .storage(storage, here)
                .is_some_and(|known| !known.shared)
        })?;
        Some(format!(
            "{} on {here} has a disk on the local storage `{local}`, so it cannot be cloned to {target}: clone \
             it on {here}, or from a template on {target} or on shared storage",
            self.address.vmid
        ))
    }
}

fn unknown(picture: &Picture, reference: &str) -> String {
    let offline: Vec<&str> = picture.resources.offline_nodes().collect();
    let offline = if offline.is_empty() {
        String::new()
    } else {
        format!(
            " on the nodes that are online (offline: {})",
            offline.join(", ")
        )
    };
    format!("there is no template `{reference}`{offline} (one without VM.Audit is invisible)")
}

/// The storages that the disks of a VM lie on, cloud-init drives included.
pub fn storages(config: &Config) -> impl Iterator<Item = String> {
    let mut storages: Vec<String> = config
        .iter()
        .filter(|(key, _)| is_disk(key))
        .filter_map(|(key, _)| config.disk(key))
        .filter(|disk| {
            let file = disk.get("file").unwrap_or_default();
            // An image in a drive is not cloned; a cloud-init drive is.
            disk.get("media") != Some("cdrom") || file.contains("cloudinit")
        })
        .filter_map(|disk| Some(disk.storage()?.to_owned()))
        .collect();
    storages.sort_unstable();
    storages.dedup();
    storages.into_iter()
}
