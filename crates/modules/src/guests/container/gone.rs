//! `absent` and `template`: the ends of a container as it was.

use ansible::Failure;
use pve::nodes::guest::Status;
use pve::{Cluster, Planned};
use serde_json::{Value, json};

use super::subject::{Notes, hold_no_vm, named, there, title, title_of};
use super::switch::{is_managed, shut_down};
use crate::guests::delta::Delta;
use crate::guests::held;
use crate::guests::proxmox::ContainerArgs;
use crate::guests::single::{Deed, patience};
use crate::guests::steps::{self, Remove};
use crate::job::Task;

/// The plan of a removal.
pub fn absent(
    task: &Task<'_, ContainerArgs>,
    cluster: &Cluster,
) -> Result<Planned<Notes>, Failure> {
    let args = task.args;
    let sought = named(args)?.current(cluster)?;
    let Some(one) = sought.guest else {
        hold_no_vm(args, &sought.resources)?;
        let title = title(args.hostname.as_deref(), args.vmid);
        let told = Deed::says(format!("VM {title} is already absent."));
        return Ok(Notes::nothing(told.returns("vmid", json!(args.vmid))));
    };
    // Called as the task calls it: what it is called otherwise was not asked for.
    let title = title(args.hostname.as_deref(), Some(one.address.vmid));
    let runs = one.read.status != Status::Stopped;
    let deed = if runs && !args.force {
        Deed::says(format!("VM {title} is running. Stop it before deletion.")).warns(format!(
            "the container {title} runs and was not removed; force: true removes it all the same"
        ))
    } else {
        let by_ha = is_managed(&one) && !args.purge;
        held::hold_removal(cluster, &one.address, &title, by_ha)?;
        let mut delta = Delta::default();
        delta.show("status", json!(one.read.status.as_str()), Value::Null);
        let remove = Remove {
            purge: args.purge,
            unreferenced_disks: args.destroy_unreferenced_disks,
            force: runs,
        };
        delta.then([remove.step(&one.address.path())]);
        Deed::says(format!("VM {title} removed.")).does(delta)
    };
    Ok(deed
        .returns("vmid", one.address.vmid)
        .within(patience(task.context, args.timeout))
        .planned(&one.address, &title)
        .map(Notes::of))
}

/// The plan of a conversion.
pub fn template(
    task: &Task<'_, ContainerArgs>,
    cluster: &Cluster,
) -> Result<Planned<Notes>, Failure> {
    let args = task.args;
    let named = named(args)?;
    let one = there(args, named.current(cluster)?, &named, cluster)?;
    let title = title_of(args, &one);
    let runs = one.read.status != Status::Stopped;
    let deed = if one.read.template {
        Deed::says(format!("VM {title} is already a template."))
    } else if runs && !args.force {
        return Err(Failure::new(format!(
            "VM {title} is running, and only one that is stopped becomes a template: stop it before, or state \
             force: true"
        )));
    } else {
        held::hold_conversion(cluster, &one.address, &title)?;
        let mut delta = Delta::default();
        if runs {
            delta.show("status", json!(one.read.status.as_str()), json!("stopped"));
            delta.then([shut_down(task, &one)]);
        }
        delta.show("template", json!(false), json!(true));
        delta.then([steps::convert_to_template(&one.address.path())]);
        Deed::says(format!("VM {title} converted to template.")).does(delta)
    };
    Ok(deed
        .returns("vmid", one.address.vmid)
        .within(patience(task.context, args.timeout))
        .planned(&one.address, &title)
        .map(Notes::of))
}
