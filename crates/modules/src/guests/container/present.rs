//! `present`: a container that is there is brought to what is stated, one that
//! is not is made.

use std::sync::Arc;

use ansible::Failure;
use pve::cluster::resources::Resources;
use pve::wire::parse_switch;
use pve::wire::password::Compared;
use pve::{Cluster, Planned};
use serde_json::{Value, json};

use super::anew::recreate;
use super::clone::clone;
use super::new::create;
use super::subject::{Notes, hold_no_vm, named, title};
use super::wanted::Stated;
use crate::guests::config::{Change, Config, Unwantable, change};
use crate::guests::delta::Delta;
use crate::guests::disks::sized_as_now;
use crate::guests::held;
use crate::guests::proxmox::ContainerArgs;
use crate::guests::single::{Deed, One, patience};
use crate::guests::steps;
use crate::job::Task;

/// What the server takes from no container.
const REQUIRED: [&str; 4] = ["memory", "ostype", "rootfs", "unprivileged"];

/// The plan.
pub fn plan(task: &Task<'_, ContainerArgs>, cluster: &Cluster) -> Result<Planned<Notes>, Failure> {
    let args = task.args;
    let stated = Stated::of(args).map_err(|error| unwanted(&error))?;
    let sought = named(args)?.config(cluster)?;
    let Some(one) = sought.guest else {
        hold_no_vm(args, &sought.resources)?;
        return made(task, &stated, &sought.resources, cluster);
    };
    if args.force {
        return recreate(task, &stated, &sought.resources, &one, cluster);
    }
    let title = title(args.hostname.as_deref(), Some(one.address.vmid));
    if args.clone.is_some() || !args.update {
        let deed = Deed::says(format!("VM {title} already exists."));
        return Ok(deed
            .returns("vmid", one.address.vmid)
            .planned(&one.address, &title)
            .map(Notes::of));
    }
    updated(task, &stated, &sought.resources, &one, &title, cluster)
}

/// What cannot be wanted, as a failure.
pub fn unwanted(error: &Unwantable) -> Failure {
    Failure::new(error.to_string())
}

/// A container that is not there.
fn made(
    task: &Task<'_, ContainerArgs>,
    stated: &Stated<'_>,
    resources: &Resources,
    cluster: &Cluster,
) -> Result<Planned<Notes>, Failure> {
    let args = task.args;
    match (args.clone, &args.ostemplate) {
        (Some(source), _) => clone(task, source, resources, cluster),
        (None, Some(_)) => create(task, stated, resources, cluster),
        (None, None) => Err(Failure::new(format!(
            "VM {} does not exist but neither clone nor ostemplate were specified!",
            title(args.hostname.as_deref(), args.vmid)
        ))),
    }
}

/// A container that is there.
fn updated(
    task: &Task<'_, ContainerArgs>,
    stated: &Stated<'_>,
    resources: &Resources,
    one: &One<Arc<Value>>,
    title: &str,
    cluster: &Cluster,
) -> Result<Planned<Notes>, Failure> {
    let args = task.args;
    let mut have = Config::from_config(&one.read);
    let path = one.address.path();
    hold_deletion(args, one, &have, title)?;
    let mut about = stated.about(&have).map_err(|error| unwanted(&error))?;
    if !about.sizes.is_empty() {
        have = sized_as_now(have, &one.address, cluster)?;
        about = stated.about(&have).map_err(|error| unwanted(&error))?;
    }
    let mut change =
        change(&have, &about.wanted, Compared::Same).map_err(|error| unwanted(&error))?;
    let growth = steps::grow(&path, &have, &about.sizes).map_err(Failure::new)?;
    hold_volumes(&change, one, &have, title)?;
    let is_written = !change.is_empty();
    let mut of_grown = change.take_grown(growth.iter().map(|(key, ..)| key.as_str()));
    let mut delta = Delta::default();
    delta.then(steps::configure(&path, &change));
    for (key, _, size, step) in growth {
        let grown = have.disk(&key).and_then(|mut volume| {
            volume.set("size", &size.to_string()).ok()?;
            Some(volume.to_string())
        });
        delta.show(&key, json!(have.get(&key)), json!(grown));
        delta.then([step]);
        of_grown.grown(&key, size);
    }
    delta.then(steps::configure(&path, &of_grown));
    for change in [change, of_grown] {
        delta.before.extend(change.before);
        delta.after.extend(change.after);
    }
    let is_off = resources
        .guest(one.address.vmid)
        .is_some_and(|guest| guest.status == "stopped");
    let written = (is_written && !is_off).then_some(path);
    let msg = if delta.steps.is_empty() {
        "Container config is already up to date.".to_owned()
    } else {
        format!("VM {title} has been updated.")
    };
    let mut deed = Deed::says(msg)
        .returns("vmid", one.address.vmid)
        .does(delta)
        .within(patience(task.context, args.timeout));
    deed.warnings = about.warnings;
    deed.warnings.extend(kept(task, &have, one.pool.as_deref()));
    Ok(deed.planned(&one.address, title).map(|told| Notes {
        written,
        ..Notes::of(told)
    }))
}

/// What a container does not go without, and what `protection` keeps in it.
fn hold_deletion(
    args: &ContainerArgs,
    one: &One<Arc<Value>>,
    have: &Config,
    title: &str,
) -> Result<(), Failure> {
    let keys = || args.delete.iter().flatten().map(String::as_str);
    let needed = keys().find(|key| REQUIRED.contains(key) && have.get(key).is_some());
    let why = needed
        .map(|key| format!("{key} cannot be taken from it"))
        .or_else(|| held::by_protection_of(&one.address, have, keys()));
    match why {
        Some(why) => Err(Failure::new(format!(
            "unable to update container `{title}`: {why}"
        ))),
        None => Ok(()),
    }
}

/// What `protection` keeps as it is: the server writes no volume of a container then, and lets it grow all the same.
fn hold_volumes(
    change: &Change,
    one: &One<Arc<Value>>,
    have: &Config,
    title: &str,
) -> Result<(), Failure> {
    let keys = change.set.iter().map(|(key, _)| key.as_str());
    match held::by_protection_as_it_is(&one.address, have, keys) {
        Some(why) => Err(Failure::new(format!(
            "unable to update container `{title}`: {why}"
        ))),
        None => Ok(()),
    }
}

/// What is stated and is only chosen when a container is made.
fn kept(task: &Task<'_, ContainerArgs>, have: &Config, pool: Option<&str>) -> Vec<String> {
    let args = task.args;
    let mut warnings = Vec::new();
    let unprivileged = have.get("unprivileged").and_then(parse_switch) == Some(true);
    if task.context.given("unprivileged") && args.unprivileged != unprivileged {
        warnings.push(format!(
            "unprivileged is {unprivileged} and stays so: it is chosen when a container is made"
        ));
    }
    if let Some(ostype) = have.get("ostype")
        && args.ostype != "auto"
        && args.ostype != ostype
    {
        warnings.push(format!(
            "ostype is {ostype} and stays so: it is chosen when a container is made"
        ));
    }
    if args.pool.is_some() && args.pool.as_deref() != pool {
        warnings.push(format!(
            "the pool is {} and stays so: proxmox_pool_member moves a container to another one",
            pool.unwrap_or("none")
        ));
    }
    warnings
}
