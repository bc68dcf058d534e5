//! A VM that is brought to the stated configuration.

use ansible::Failure;
use pve::nodes::guest::Address;
use pve::plan::{Lost, Probe, Verdict};
use pve::wire::password::Compared;
use pve::{Cluster, Planned, Step};
use serde_json::{Value, json};

use super::pending::lock;
use super::settled::Settled;
use super::subject::{Notes, named, of_root, planned, unwanted};
use crate::guests::config::{Change, Config, Want, Wanted, change};
use crate::guests::delta::Delta;
use crate::guests::disks::sized_as_now;
use crate::guests::password;
use crate::guests::proxmox_kvm::KvmArgs;
use crate::guests::rights::hold_root;
use crate::guests::single::Deed;
use crate::guests::steps::{configure, grow, look};
use crate::job::Task;

/// The plan.
pub fn plan(task: &Task<'_, KvmArgs>, cluster: &Cluster) -> Result<Planned<Notes>, Failure> {
    let args = task.args;
    let named = named(args)?;
    let one = named.config(cluster)?.there(&named, cluster)?;
    let mut have = Config::from_config(&one.read);
    let compared = match &args.configuration.cloud_init.cipassword {
        Some(wanted) if have.get("cipassword").is_some() => {
            let user_data = cluster.get(&password::user_data(&one.address));
            password::compared(&have, wanted, user_data.as_deref())
        }
        _ => Compared::Differs,
    };
    let wanted = wanted(args).map_err(|error| unwanted("update", &one.label(), &error))?;
    let settled = Settled::of(&have, wanted.clone(), args.changing.update_unsafe);
    if settled.is_ok_and(|settled| !settled.sizes.is_empty()) {
        have = sized_as_now(have, &one.address, cluster)?;
    }
    let subject = Subject {
        address: &one.address,
        label: one.label(),
        pool: one.pool.as_deref(),
        user: cluster.client().user(),
    };
    let deed = deed(args, &subject, &have, wanted, compared)?;
    let lock = lock(args, &have);
    if !deed.delta.steps.is_empty() {
        hold_digest(args, &one.read, &subject.label)?;
    }
    let planned = planned(task, deed, &one.address, &subject.label, lock);
    Ok(planned.map(|notes| Notes {
        written: Some(one.address.path()),
        ..notes
    }))
}

/// What is wanted; with a VMID the name too.
fn wanted(args: &KvmArgs) -> Result<Wanted, crate::guests::config::Unwantable> {
    let mut wanted = args.configuration.wanted()?;
    if let (Some(_), Some(name)) = (args.vmid, &args.name) {
        wanted.insert("name".to_owned(), Want::Text(name.clone()));
    }
    Ok(wanted)
}

/// The VM that is updated.
struct Subject<'a> {
    address: &'a Address,
    label: String,
    pool: Option<&'a str>,
    user: &'a str,
}

fn deed(
    args: &KvmArgs,
    subject: &Subject<'_>,
    have: &Config,
    wanted: Wanted,
    compared: Compared,
) -> Result<Deed, Failure> {
    let Subject { address, label, .. } = subject;
    let vm = address.path();
    let unable = |error: &dyn std::fmt::Display| {
        Failure::new(format!("unable to update VM `{label}`: {error}"))
    };
    let settled =
        Settled::of(have, wanted, args.changing.update_unsafe).map_err(|error| unable(&error))?;
    hold_ovmf(have, &settled.wanted).map_err(|why| unable(&why))?;
    let mut change = change(have, &settled.wanted, compared).map_err(|error| unable(&error))?;
    let mut keys = of_root(change.set.iter().map(|(key, _)| key.as_str()));
    let growths = grow(&vm, have, &settled.sizes).map_err(|why| unable(&why))?;
    if args.skiplock == Some(true) && !(change.is_empty() && growths.is_empty()) {
        keys.push("skiplock");
    }
    hold_root(subject.user, &keys)?;

    let mut of_grown = change.take_grown(growths.iter().map(|(disk, ..)| disk.as_str()));
    let mut delta = Delta::default();
    let update = |change: &Change| {
        configure(&vm, change).map(|step| Step {
            verb: "update",
            done: "updated",
            ..step
        })
    };
    delta.then(update(&change));
    for (disk, from, to, step) in growths {
        let sized = |size: pve::wire::Size| json!(size.to_string());
        delta.show(&format!("{disk} size"), sized(from), sized(to));
        delta.then([step]);
        of_grown.grown(&disk, to);
    }
    delta.then(update(&of_grown));
    let writes = std::mem::take(&mut delta.steps).into_iter().enumerate();
    delta.then(writes.map(|(nth, step)| guarded(args, step, address, nth)));
    for change in [change, of_grown] {
        delta.before.extend(change.before);
        delta.after.extend(change.after);
    }
    let name = args.name.as_deref().unwrap_or(label);
    let vmid = address.vmid;
    let mut deed = if delta.steps.is_empty() {
        Deed::says(format!("VM {name} with vmid {vmid} is up to date"))
    } else {
        Deed::says(format!("VM {name} with vmid {vmid} updated")).does(delta)
    };
    deed.warnings.extend(settled.warnings());
    if compared == Compared::Unknown {
        deed.warnings.push(
            "cipassword cannot be compared with what is stored, and is set on creation only"
                .to_owned(),
        );
    }
    if let Some(pool) = args.making.pool.as_deref()
        && subject.pool != Some(pool)
    {
        deed.warnings.push(format!(
            "pool is not changed by an update: VM `{label}` is in {}; proxmox_pool_member moves it to {pool}",
            subject.pool.map_or_else(|| "no pool".to_owned(), |pool| format!("the pool {pool}"))
        ));
    }
    Ok(deed.returns("vmid", vmid))
}

/// An EFI disk is of no use to another firmware.
fn hold_ovmf(have: &Config, wanted: &Wanted) -> Result<(), String> {
    let bios = match wanted.get("bios") {
        Some(Want::Text(bios)) => Some(bios.as_str()),
        _ => have.get("bios"),
    };
    hold_firmware(wanted, bios)
}

/// As [`hold_ovmf`], with the firmware that is or will be there.
pub fn hold_firmware(wanted: &Wanted, bios: Option<&str>) -> Result<(), String> {
    if wanted.contains_key("efidisk0") && bios != Some("ovmf") {
        return Err("efidisk0 cannot be used if bios is not set to ovmf".to_owned());
    }
    Ok(())
}

/// The configuration is the one whose digest the task states. One that is locked will have another digest when the lock
/// has gone, which is waited for.
pub fn hold_digest(args: &KvmArgs, config: &Value, label: &str) -> Result<(), Failure> {
    let Some(digest) = &args.digest else {
        return Ok(());
    };
    let is_locked = config["lock"].is_string() && args.skiplock != Some(true);
    match config["digest"].as_str() {
        Some(there) if there != digest && !is_locked => Err(Failure::new(format!(
            "unable to update VM `{label}`: its configuration has the digest {there}, and not {digest}: it was changed \
             meanwhile"
        ))),
        _ => Ok(()),
    }
}

/// The `nth` write of the configuration, from 0 on, with `skiplock` as the task states it. The digest that it states is
/// the first one's: once that has taken effect, it is another one, so that a repetition would be refused.
pub fn guarded(args: &KvmArgs, mut step: Step, address: &Address, nth: usize) -> Step {
    let digest = args.digest.clone().filter(|_| nth == 0);
    step.call = step.call.map(|call| {
        let skiplock = args.skiplock.filter(|on| *on);
        call.with_some("digest", digest.as_ref())
            .with_some("skiplock", skiplock)
    });
    // What makes volumes or lets them grow looks for them itself.
    let (Some(digest), Lost::Repeat) = (digest, &step.lost) else {
        return step;
    };
    let probe = Probe::get(address.config(), move |answer| match answer {
        Ok(config) if config["digest"] == digest.as_str() => Verdict::Absent,
        Ok(_) => Verdict::Holds(None),
        Err(error) => Verdict::NotYet(error.to_string()),
    });
    step.lost(look(probe))
}
