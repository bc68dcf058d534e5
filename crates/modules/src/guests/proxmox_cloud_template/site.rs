//! What is there of the template, and what is to become of it.

use ansible::Failure;
use pve::Cluster;
use pve::nodes::guest::{Address, Live};
use pve::plan::{Probe, Verdict};
use serde_json::Value;

use super::image::{Image, mark_of, uuid_of};
use super::{CloudTemplateArgs, OnChange, cannot};
use crate::fault;
use crate::guests::clone::picture::Picture;
use crate::guests::config::Config;
use crate::guests::steps;

/// A VM that has one of the names.
#[derive(Clone, Debug)]
pub(super) struct There {
    /// Where it is.
    pub(super) address: Address,
    /// What it is.
    pub(super) live: Live,
    /// Its configuration.
    pub(super) config: Config,
    /// What it was made of, if it is one of ours.
    pub(super) made_of: Result<String, &'static str>,
}

/// What is there.
pub(super) struct Site {
    /// The cluster.
    pub(super) picture: Picture,
    /// The VMs that have the template's name.
    named: Vec<There>,
    /// Those that have the name of one beside it.
    beside: Vec<There>,
}

/// What is to become of it.
#[derive(Debug)]
pub(super) struct Fate<'a> {
    /// The VM that is there to be it; otherwise one is made.
    pub(super) there: Option<&'a There>,
    /// What it is called while it is made.
    pub(super) name: String,
    /// The template of an older image that it takes the place of.
    pub(super) replaces: Option<&'a There>,
    /// Whether it gets the template's name at the end.
    pub(super) renamed: bool,
    /// Whether it is of another image than the wanted one.
    pub(super) outdated: bool,
}

impl There {
    fn read(cluster: &Cluster, (address, live): &(Address, Live)) -> Result<Self, Failure> {
        let config = cluster
            .get(&address.config())
            .map_err(|error| fault::unable(&format!("read VM `{}`", address.vmid), &error))?;
        let config = Config::from_config(&config);
        Ok(Self {
            address: address.clone(),
            live: live.clone(),
            made_of: made_of(&config),
            config,
        })
    }

    fn is_of(&self, image: &Image) -> bool {
        self.made_of
            .as_ref()
            .is_ok_and(|mark| *mark == image.identity())
    }

    /// Fails for a VM that is not one of ours.
    fn own(&self) -> Result<(), String> {
        self.made_of.as_ref().map(|_| ()).map_err(|why| {
            format!(
                "VM {} is there, and this module did not make it: {why}",
                self.address
            )
        })
    }
}

/// What a VM was made of, or why it was not made by us.
fn made_of(config: &Config) -> Result<String, &'static str> {
    let mark = config.get("description").and_then(mark_of);
    let mark = mark.ok_or("its description has no line `ferrox: image …`")?;
    let uuid = uuid_of(mark);
    let smbios = config.get("smbios1").unwrap_or_default();
    if uuid.is_some_and(|uuid| smbios.to_ascii_lowercase().contains(&uuid)) {
        Ok(mark.to_owned())
    } else {
        Err("it has the description of one, and another SMBIOS UUID, as a clone does")
    }
}

impl Site {
    /// Reads it: three requests where the template is there and as wanted.
    pub(super) fn read(
        cluster: &Cluster,
        args: &CloudTemplateArgs,
        image: &Image,
    ) -> Result<Self, Failure> {
        let beside = image.name_beside(&args.name);
        let unreadable = |error| fault::unable("read the cluster's guests", &error);
        let picture = Picture::read(cluster, &[&args.name]).map_err(unreadable)?;
        let named = called(cluster, &picture, args, &args.name)?;
        let is_settled = match named.as_slice() {
            [there] => there.is_of(image) || args.on_change == OnChange::Keep,
            _ => false,
        };
        if is_settled {
            return Ok(Self {
                picture,
                named,
                beside: Vec::new(),
            });
        }
        let picture = if picture.complete {
            picture
        } else {
            Picture::read(cluster, &[&args.name, &beside]).map_err(unreadable)?
        };
        Ok(Self {
            named: called(cluster, &picture, args, &args.name)?,
            beside: called(cluster, &picture, args, &beside)?,
            picture,
        })
    }

    /// What is to become of it. A VM that this module did not make is left alone.
    pub(super) fn fate(&self, args: &CloudTemplateArgs, image: &Image) -> Result<Fate<'_>, String> {
        let named = one(&self.named)?;
        let beside = one(&self.beside)?;
        let name_beside = image.name_beside(&args.name);
        if let Some(there) = named {
            there.own()?;
            if args.vmid.is_some_and(|vmid| vmid != there.address.vmid) {
                return Err(format!("it is there as VMID {}", there.address));
            }
        }
        let outdated = named.filter(|there| !there.is_of(image));
        let fate = |there, name: &str| Fate {
            there,
            name: name.to_owned(),
            replaces: None,
            renamed: false,
            outdated: false,
        };
        let fate = match (args.on_change, named, outdated) {
            (_, Some(there), None) => fate(Some(there), &args.name),
            (OnChange::Keep, Some(there), Some(_)) => Fate {
                outdated: true,
                ..fate(Some(there), &args.name)
            },
            (OnChange::Versioned, Some(_), _) => fate(beside, &name_beside),
            (OnChange::Replace, Some(_), replaces) => Fate {
                replaces,
                renamed: true,
                ..fate(beside, &name_beside)
            },
            // What an interruption left: the old one is gone, and the new one has not got its name.
            (OnChange::Replace, None, _) if beside.is_some() => Fate {
                renamed: true,
                ..fate(beside, &name_beside)
            },
            (OnChange::Versioned, None, _) if beside.is_some() => fate(beside, &name_beside),
            (_, None, _) => fate(None, &args.name),
        };
        if let Some(there) = fate.there {
            there.own()?;
        }
        Ok(fate)
    }

    /// Why a new one cannot be made at this moment, if that is so: an earlier run
    /// may have left the server making one, which has no name until it is made.
    pub(super) fn blocked(
        &self,
        cluster: &Cluster,
        args: &CloudTemplateArgs,
        fate: &Fate<'_>,
    ) -> Result<Option<(Probe, String)>, Failure> {
        if fate.there.is_some() {
            return Ok(None);
        }
        let unseen = self.unseen(&fate.name);
        if !unseen.is_empty() {
            let why = format!(
                "it may be there already, where it cannot be seen: {}",
                unseen.join(", ")
            );
            return Err(cannot(&args.name, &why));
        }
        if let Some(vmid) = args.vmid.filter(|_| self.named.is_empty())
            && let Some(guest) = self.picture.resources.guest(vmid)
            && !self.is_being_made(vmid)
        {
            let name = guest.name.as_deref().unwrap_or("a guest without a name");
            let why = format!("VMID {vmid} is taken by `{name}` on {}", guest.address.node);
            return Err(cannot(&args.name, &why));
        }
        let call = steps::tasks(&args.node, TASK);
        let user = cluster.client().user().to_owned();
        let tasks = cluster
            .get(&call)
            .map_err(|error| fault::unable("list running tasks", &error))?;
        if !creates(&tasks, &user) {
            return Ok(None);
        }
        let until = Probe::get(call, move |answer| match answer {
            Ok(tasks) if !creates(tasks, &user) => Verdict::Holds(None),
            Ok(_) => Verdict::NotYet("a VM is being made".to_owned()),
            Err(error) => Verdict::NotYet(error.to_string()),
        });
        let why = format!(
            "a VM is being made on {} by this user, and may be the wanted template",
            args.node
        );
        Ok(Some((until, why)))
    }

    fn is_being_made(&self, vmid: u32) -> bool {
        let live = self.picture.live.get(&vmid);
        live.is_some_and(|(_, live)| live.name.is_none() && live.lock.as_deref() == Some("create"))
    }

    fn unseen(&self, name: &str) -> Vec<String> {
        let resources = &self.picture.resources;
        let offline = resources
            .named(name)
            .filter(|guest| !resources.is_online(&guest.address.node))
            .map(|guest| format!("VMID {} is offline", guest.address));
        offline.chain(self.picture.blind_spots()).collect()
    }
}

/// The VMs of this name that may be the template. Where its storage is not
/// shared, each node has one of its own, and those of other nodes are not meant.
fn called(
    cluster: &Cluster,
    picture: &Picture,
    args: &CloudTemplateArgs,
    name: &str,
) -> Result<Vec<There>, Failure> {
    let all: Result<Vec<There>, Failure> = picture
        .named(name)
        .into_iter()
        .map(|found| There::read(cluster, found))
        .collect();
    let all = all?;
    let is_here = |there: &There| there.address.node == args.node;
    let storage = picture.resources.storage(&args.storage, &args.node);
    let is_shared = storage.is_none_or(|storage| storage.shared);
    if is_shared && !all.iter().any(is_here) {
        return Ok(all);
    }
    let is_meant = |there: &There| is_here(there) || there.made_of.is_err();
    Ok(all.into_iter().filter(is_meant).collect())
}

fn one(found: &[There]) -> Result<Option<&There>, String> {
    match found {
        [] => Ok(None),
        [there] => Ok(Some(there)),
        several => {
            let listed: Vec<String> = several
                .iter()
                .map(|there| there.address.to_string())
                .collect();
            Err(format!(
                "more than one VM has this name: {}",
                listed.join(", ")
            ))
        }
    }
}

/// The task that makes a VM.
const TASK: &str = "qmcreate";

fn creates(tasks: &Value, user: &str) -> bool {
    steps::running(tasks, TASK)
        .iter()
        .any(|upid| upid.user() == user)
}
