//! From what is wanted and what is there to the plan.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use ansible::Failure;
use pve::nodes::guest::{GuestKind, Status};
use pve::plan::{Allocation, VMID};
use pve::wire::Size;
use pve::wire::password::Compared;
use pve::{Call, Cluster, Plan, Segment, Step, Track, path};
use serde_json::json;

use super::hardware::{DISK, Hardware, shown};
use super::image::{Image, mark_of, marked};
use super::notes::{Notes, REMOVE_OLD};
use super::rights;
use super::site::{Fate, Site, There};
use super::{CloudTemplateArgs, cannot};
use crate::fault;
use crate::guests::config::{Config, change};
use crate::guests::delta::Delta;
use crate::guests::steps::{self, Create, Remove};
use crate::guests::{held, linked};
use crate::resource::or_empty;
use crate::storage::volume::{Content, Volume};

const IMPORT: &str = "import";
const IMAGES: &str = "images";

/// What a plan is made of.
pub(super) struct Draft<'a> {
    pub(super) args: &'a CloudTemplateArgs,
    pub(super) cluster: &'a Cluster,
    pub(super) image: &'a Image,
    pub(super) hardware: &'a Hardware,
    pub(super) site: &'a Site,
    pub(super) range: Option<RangeInclusive<u32>>,
}

impl Draft<'_> {
    /// The plan of one track.
    pub(super) fn plan(&self, fate: &Fate<'_>) -> Result<(Plan, Notes), Failure> {
        let args = self.args;
        let name = if fate.renamed {
            args.name.clone()
        } else {
            fate.name.clone()
        };
        let mut notes = Notes {
            name,
            made_as: fate.name.clone(),
            vmid: fate.there.map(|there| there.address.vmid),
            node: fate
                .there
                .map_or(&args.node, |there| &there.address.node)
                .clone(),
            image: self.image.identity(),
            outdated: fate.outdated,
            is_new: fate.there.is_none(),
            changes: false,
            replaces: fate.replaces.map(|old| old.address.vmid),
        };
        let mut plan = Plan::default();
        let mut track = Track::new("template", &notes.name, Vec::new());
        track.limit = Some(Duration::from_secs(args.timeout.into()));
        let mut delta = if let Some(there) = fate.there {
            track.bindings.insert(VMID, there.address.vmid.to_string());
            if let Ok(mark) = &there.made_of {
                notes.image.clone_from(mark);
            }
            self.bring(there, &mut plan.warnings)?
        } else {
            notes.vmid = self.stated_vmid(fate);
            if notes.vmid.is_none() {
                track.allocates = Some(self.allocation());
            }
            self.make(fate)?
        };
        if fate.outdated {
            plan.warnings.push(format!(
                "{} is made of another image ({}), and kept: on_change: replace and versioned make a new one",
                notes.name, notes.image
            ));
        }
        self.take_place(fate, &mut delta)?;
        notes.changes = !delta.steps.is_empty();
        track.steps = delta.steps;
        plan.before = or_empty(json!(delta.before));
        plan.after = or_empty(json!(delta.after));
        if notes.changes {
            plan.tracks.push(track);
        }
        Ok((plan, notes))
    }

    fn stated_vmid(&self, fate: &Fate<'_>) -> Option<u32> {
        // The one that is there has it, and the one beside it another.
        self.args.vmid.filter(|_| fate.name == self.args.name)
    }

    fn allocation(&self) -> Allocation {
        let guests = self.site.picture.resources.guests.iter();
        let taken: BTreeSet<u32> = guests.map(|guest| guest.address.vmid).collect();
        Allocation {
            range: self.range.clone(),
            taken: Arc::new(taken),
        }
    }

    fn cannot(&self, why: impl std::fmt::Display) -> Failure {
        cannot(&self.args.name, &why.to_string())
    }

    /// What makes a new one.
    fn make(&self, fate: &Fate<'_>) -> Result<Delta, Failure> {
        let args = self.args;
        let replaced = fate.replaces.map(|old| old.address.vmid);
        rights::check(self.cluster, args, self.image, self.hardware, replaced)?;
        self.storage_takes(&self.image.storage, IMPORT)?;
        self.storage_takes(&args.storage, IMAGES)?;
        let vmid = self.stated_vmid(fate);
        let vm = steps::vm_path(&args.node, vmid);
        let wanted = self
            .hardware
            .at_first(self.image, args.description.as_deref());
        let first = change(&Config::default(), &wanted, Compared::Same)
            .map_err(|error| self.cannot(error))?;
        let mut delta = Delta::default();
        delta.then(self.download()?);
        let mut params = first.set;
        params.extend(
            args.pool
                .iter()
                .map(|pool| ("pool".to_owned(), pool.into())),
        );
        let create = Create {
            kind: GuestKind::Qemu,
            node: &args.node,
            vmid,
            name: Some(&fate.name),
            params,
        };
        delta.then([create.step()]);
        delta.after = shown(&wanted);
        for (disk, size) in self.hardware.sizes() {
            let resize = Call::put(vm.join("resize"))
                .with("disk", &disk)
                .with("size", size.to_string());
            delta.then([Step::task("resize", "resized", resize)]);
            delta.show("disk_size", json!(null), json!(size.to_string()));
        }
        delta.then([steps::convert_to_template(&vm)]);
        delta.before.clear();
        let vmid = vmid.map_or_else(|| json!("allocated"), |vmid| json!(vmid));
        for (key, value) in [
            ("name", json!(fate.name)),
            ("node", json!(args.node)),
            ("vmid", vmid),
            ("image", json!(self.image.volid())),
            ("template", json!(true)),
        ] {
            delta.after.insert(key.to_owned(), value);
        }
        if let Some(pool) = &args.pool {
            delta.after.insert("pool".to_owned(), json!(pool));
        }
        Ok(delta)
    }

    /// The image comes to its storage. Of one that is there the server compares
    /// the checksum, and leaves it; it gives no file its name before it is whole.
    fn download(&self) -> Result<Option<Step>, Failure> {
        let image = self.image;
        let volume = Volume {
            node: self.args.node.clone(),
            storage: image.storage.clone(),
            content: Content::Import,
            name: image.filename.clone(),
        };
        if let Some(url) = &image.url {
            let user = self.cluster.client().user();
            return Ok(Some(volume.download(url, Some(&image.checksum), user)));
        }
        let files = self
            .cluster
            .files(&volume.node, &volume.storage, IMPORT)
            .map_err(|error| fault::unable(&format!("look for image `{}`", volume.id()), &error))?;
        if files.iter().any(|file| file.volid == volume.id()) {
            return Ok(None);
        }
        let why = format!("there is no image {} on node {}", volume.id(), volume.node);
        Err(self.cannot(why))
    }

    fn storage_takes(&self, storage: &str, content: &str) -> Result<(), Failure> {
        let node = &self.args.node;
        let status = self
            .cluster
            .storage_status(node, storage)
            .map_err(|error| {
                fault::unable(
                    &format!("read storage `{storage}` on node `{node}`"),
                    &error,
                )
            })?;
        if status.content.iter().any(|kind| kind == content) {
            return Ok(());
        }
        Err(self.cannot(format!(
            "storage `{storage}` takes no content of type {content}, only {}",
            status.content.join(", ")
        )))
    }

    /// What brings one that is there to its end: it may be half made, or have other settings.
    fn bring(&self, there: &There, warnings: &mut Vec<String>) -> Result<Delta, Failure> {
        let args = self.args;
        let vm = there.address.path();
        let have = &there.config;
        // The mark is not the task's to state: it stays with the VM.
        let mark = have.get("description").and_then(mark_of);
        let description = args.description.as_deref().zip(mark);
        let description = description.map(|(text, mark)| marked(Some(text), mark));
        let wanted = self.hardware.later(have, description);
        let change = change(have, &wanted, Compared::Same).map_err(|error| self.cannot(error))?;
        let mut delta = Delta {
            steps: steps::configure(&vm, &change).into_iter().collect(),
            before: change.before,
            after: change.after,
        };
        if there.live.template {
            warnings.extend(self.other_size(have));
        } else {
            let grown =
                steps::grow(&vm, have, &self.hardware.sizes()).map_err(|why| self.cannot(why))?;
            for (disk, from, to, step) in grown {
                let size = |size: Size| json!({"size": size.to_string()});
                delta.show(&disk, size(from), size(to));
                delta.then([step]);
            }
        }
        let guest = self.site.picture.resources.guest(there.address.vmid);
        let pool = guest.and_then(|guest| guest.pool.as_ref());
        if let Some(wanted) = args.pool.as_ref().filter(|wanted| pool != Some(*wanted)) {
            delta.show("pool", json!(pool), json!(wanted));
            delta.then([steps::enter_pool(wanted, there.address.vmid)]);
        }
        if !there.live.template {
            delta.show("template", json!(false), json!(true));
            delta.then([steps::convert_to_template(&vm)]);
        }
        match obstacle(there) {
            Some(why) if !delta.steps.is_empty() => Err(self.cannot(why)),
            _ => Ok(delta),
        }
    }

    /// A template's disk keeps its size.
    fn other_size(&self, have: &Config) -> Option<String> {
        let (wanted, size) = (self.hardware.size?, have.disk_size(DISK)?);
        (wanted != size).then(|| {
            format!(
                "the disk of {} has {size}, and not {wanted}: that of a template keeps its size",
                self.args.name
            )
        })
    }

    /// The new one takes the old one's place.
    fn take_place(&self, fate: &Fate<'_>, delta: &mut Delta) -> Result<(), Failure> {
        if let Some(old) = fate.replaces {
            let why = held::by_protection(&old.address, &old.config).or_else(|| {
                held::by_clones(&linked::clones(self.cluster, &old.address, &old.config))
            });
            if let Some(why) = why {
                let vmid = old.address.vmid;
                return Err(self.cannot(format!(
                    "the one of another image ({vmid}) cannot be removed: {why}; on_change: versioned keeps both"
                )));
            }
            let remove = Remove {
                purge: true,
                ..Remove::default()
            };
            let step = Step {
                verb: REMOVE_OLD,
                ..remove.step(&old.address.path())
            };
            delta.then([step]);
            let made_of = old.made_of.as_deref().unwrap_or_default();
            delta.show(
                "replaced",
                json!({"vmid": old.address.vmid, "image": made_of}),
                json!(null),
            );
        }
        if fate.renamed {
            let node = fate
                .there
                .map_or(&self.args.node, |there| &there.address.node);
            let config = path!("nodes", node, "qemu", Segment::Bound(VMID), "config");
            let call = Call::put(config).with("name", &self.args.name);
            delta.then([Step::call("rename", "renamed", call)]);
            delta.show("name", json!(fate.name), json!(self.args.name));
        }
        Ok(())
    }
}

/// Why nothing of it can be written.
fn obstacle(there: &There) -> Option<String> {
    if let Some(lock) = &there.live.lock {
        let why = held::by_lock(&there.address, lock);
        return Some(format!("VM {}: {why}", there.address));
    }
    let runs = !there.live.template && there.live.status != Status::Stopped;
    runs.then(|| format!("VM {} is half made, and runs: shut it down", there.address))
}
