//! The steps that clone a VM, and those that bring one to its configuration.

use std::time::Duration;

use pve::nodes::guest::{Address, GuestKind, Status, live_from};
use pve::nodes::reach;
use pve::plan::{Ask, Bind, Ending, Follow, Lost, Probe, Settles, VMID, Verdict};
use pve::texts::Matched;
use pve::wire::Size;
use pve::{Call, Error, Param, Path, Segment, Step, path};
use serde_json::Value;

use super::picture::{CLONE_LOCK, clone_tasks, running_clones};
use super::source::Source;
use crate::guests::config::{Change, Config, merged};
use crate::guests::power::NODE;

/// How many clones may write to one storage side by side. Each takes the
/// storage's lock for its volumes, and waits for it no longer than 10 s.
const CLONES_ON_STORAGE: usize = 8;

/// How long nothing may be seen of a clone whose answer was lost, before it
/// counts as not begun.
const QUIET: Duration = Duration::from_secs(10);

/// How long a VM that is down for a reboot may take to run again.
const REBOOT: Duration = Duration::from_secs(60);

/// The path of a VM whose VMID may not be known yet.
pub fn vm_path(node: &str, vmid: Option<u32>) -> Path {
    let vmid = vmid.map_or(Segment::Bound(VMID), Segment::from);
    path(Segment::from(node), vmid)
}

/// The path of a VM whose node or VMID may not be known yet.
pub fn path(node: Segment, vmid: Segment) -> Path {
    Path::new(vec![
        Segment::from("nodes"),
        node,
        Segment::from("qemu"),
        vmid,
    ])
}

/// A clone that is to be made.
pub struct Clone<'a> {
    /// What is cloned.
    pub source: &'a Source,
    /// The name.
    pub name: &'a str,
    /// The VMID, where it is not allocated.
    pub vmid: Option<u32>,
    /// The node it is made on.
    pub node: &'a str,
    /// Whether the disks are copied.
    pub full: bool,
    /// The storage for a full clone's disks.
    pub storage: Option<&'a str>,
    /// The format of a full clone's disks.
    pub format: Option<&'a str>,
    /// The pool.
    pub pool: Option<&'a str>,
    /// The storages that the clone writes to.
    pub writes_to: Vec<String>,
    /// Whom the server takes us for.
    pub user: &'a str,
}

impl Clone<'_> {
    /// The step that makes it.
    pub fn step(&self) -> Step {
        let from = &self.source.address;
        let newid = self.vmid.map_or(Param::Bound(VMID), Param::from);
        let mut call = Call::post(from.path().join("clone"))
            .with("newid", newid)
            .with("name", self.name)
            .with("full", self.full)
            .with_some("pool", self.pool);
        // The server refuses both for a linked clone, even where they change nothing.
        if self.full {
            call = call
                .with_some("storage", self.storage)
                .with_some("format", self.format);
        }
        if self.node != from.node {
            call = call.with("target", self.node);
        }
        let mut step = Step::task("clone", "cloned", call)
            .claims(
                format!("source:{}", from.vmid),
                self.source.clones_at_once(),
            )
            .lost(Lost::Look {
                probe: self.look_up(),
                quiet: QUIET,
            });
        for storage in &self.writes_to {
            step = step.claims(format!("storage:{storage}"), CLONES_ON_STORAGE);
        }
        step
    }

    /// Whether the clone was made although its answer was lost: its
    /// configuration is there, the lock goes, and the name is ours. Until its
    /// end it lies on the source's node.
    fn look_up(&self) -> Probe {
        let config = |node: &str| Ask::Get(Call::get(vm_path(node, self.vmid).join("config")));
        let from = &self.source.address;
        let asks = vec![
            config(&from.node),
            config(self.node),
            Ask::Get(clone_tasks(&from.node)),
        ];
        let name = self.name.to_owned();
        let source = from.vmid.to_string();
        let user = self.user.to_owned();
        Probe::new(asks, move |answers| {
            let [on_source, on_target, tasks] = answers else {
                return Verdict::Absent;
            };
            match on_source.as_ref().or(on_target.as_ref()) {
                Ok(config) if config["lock"] == CLONE_LOCK => {
                    Verdict::NotYet("it is being cloned".to_owned())
                }
                Ok(config) if config["name"] == name.as_str() => Verdict::Holds(None),
                Ok(config) => Verdict::Never(taken_by(config)),
                Err(error) if error.is_not_found() => match tasks {
                    Ok(tasks) if is_cloning(tasks, &source, &user) => {
                        Verdict::NotYet("a clone is being made".to_owned())
                    }
                    Ok(_) => Verdict::Absent,
                    Err(error) => Verdict::NotYet(error.to_string()),
                },
                Err(error) => Verdict::NotYet(error.to_string()),
            }
        })
    }
}

/// Another client was faster. The words are those that the server has for it.
fn taken_by(config: &Value) -> Error {
    Error::Never(format!(
        "VM with this VMID already exists: it is `{}`",
        config["name"].as_str().unwrap_or("a VM without a name")
    ))
}

fn is_cloning(tasks: &Value, source: &str, user: &str) -> bool {
    running_clones(tasks)
        .iter()
        .any(|upid| upid.id() == source && upid.user() == user)
}

/// Writes what differs.
pub fn configure(vm: &Path, change: &Change) -> Option<Step> {
    (!change.is_empty()).then(|| Step::call("configure", "configured", change.call(vm)))
}

/// The name that a value is bound to which can only be told from the VM itself.
const OWN: &str = "own";

/// Writes a key of a new clone, merged with the value that the clone has of its own.
pub fn adapt(vm: &Path, key: &str, wanted: &str) -> [Step; 2] {
    let config = vm.join("config");
    let write = Call::put(config.clone()).with(key, Param::Bound(OWN));
    let (key, wanted) = (key.to_owned(), wanted.to_owned());
    let own = Probe::get(Call::get(config), move |answer| match answer {
        Ok(config) => match merged(&key, config[&key].as_str(), &wanted) {
            Ok(value) => Verdict::Holds(Some(value)),
            Err(error) => Verdict::Never(Error::Never(error.to_string())),
        },
        Err(error) => reach::not_yet(error),
    });
    [
        Step::wait("look at", "looked at", own).binds(Bind::Probe { name: OWN }),
        Step::call("configure", "configured", write),
    ]
}

/// Grows disks to their wanted sizes; a disk that is larger than wanted is an error.
pub fn grow(
    vm: &Path,
    have: &Config,
    sizes: &std::collections::BTreeMap<String, Size>,
) -> Result<Vec<(String, Size, Size, Step)>, String> {
    let mut steps = Vec::new();
    for (disk, wanted) in sizes {
        let Some(size) = have.disk_size(disk) else {
            return Err(format!("there is no disk {disk} to grow"));
        };
        if *wanted < size {
            return Err(format!(
                "{disk} is {size}, and disks cannot shrink to {wanted}"
            ));
        }
        if *wanted > size {
            let call = Call::put(vm.join("resize"))
                .with("disk", disk)
                .with("size", wanted.to_string());
            let step = Step::task("resize", "resized", call);
            steps.push((disk.clone(), size, *wanted, step));
        }
    }
    Ok(steps)
}

/// Moves a VM into a pool.
pub fn enter_pool(pool: &str, vmid: u32) -> Step {
    let call = Call::put(path!("pools"))
        .with("poolid", pool)
        .with("vms", vmid)
        .with("allow-move", true);
    // Pools are part of user.cfg, which is locked in the whole cluster.
    Step::call("move to its pool", "moved to its pool", call).claims("user.cfg", 1)
}

/// Starts a VM; that it runs already is as good.
pub fn start(vm: &Path) -> Step {
    let running = Probe::get(
        Call::get(vm.join("status").join("current")),
        |answer| match answer.as_ref().ok().and_then(live_from) {
            Some(live) if live.status == Status::Running => Verdict::Holds(None),
            Some(_) => Verdict::Absent,
            None => Verdict::NotYet("its status is unknown".to_owned()),
        },
    );
    Step::task(
        "start",
        "started",
        Call::post(vm.join("status").join("start")),
    )
    .on(Ending::Text(Matched::AlreadyRunning), Follow::Accept)
    .lost(Lost::Look {
        probe: running,
        quiet: QUIET,
    })
}

/// Starts a VM that the HA manager manages: the task only passes the wish on,
/// and the VM may start on another node, which is bound.
pub fn ha_start(address: &Address) -> Step {
    start(&address.path())
        .settles(Settles::Holds(reach::ha_running(address)))
        .binds(Bind::Probe { name: NODE })
}

/// Reboots a VM, and waits until it runs with the values that waited for it.
pub fn reboot(vm: &Path) -> Vec<Step> {
    let call = Call::post(vm.join("status").join("reboot"));
    // The task ends when the guest is down; what starts it again is no task.
    let asks = vec![
        Ask::Get(Call::get(vm.join("status").join("current"))),
        Ask::Get(Call::get(vm.join("pending"))),
    ];
    let runs_anew = Probe::new(asks, |answers| match answers {
        [Ok(current), Ok(pending)]
            if live_from(current).is_some_and(|live| live.status == Status::Running)
                && Config::from_pending(pending).pending().is_empty() =>
        {
            Verdict::Holds(None)
        }
        _ => Verdict::NotYet("it does not run with its new values yet".to_owned()),
    });
    vec![
        Step::task("reboot", "rebooted", call),
        Step::wait("wait for", "running again", runs_anew)
            .within(REBOOT)
            // A value that a boot does not take over either is reported as pending.
            .on(Ending::TimedOut, Follow::Accept),
    ]
}

/// Reboots a VM if values wait for it.
pub fn reboot_if_pending(vm: &Path) -> Step {
    let settled = Probe::get(Call::get(vm.join("pending")), |answer| match answer {
        Ok(pending) if Config::from_pending(pending).pending().is_empty() => Verdict::Holds(None),
        Ok(_) => Verdict::Never(Error::Never("values wait for a reboot".to_owned())),
        Err(error) => Verdict::NotYet(error.to_string()),
    });
    Step::wait("look at", "without pending values", settled)
        .on(Ending::Never, Follow::Steps(reboot(vm)))
}

/// Where an existing VM is, as an address.
pub fn address(node: &str, vmid: u32) -> Address {
    Address {
        node: node.to_owned(),
        kind: GuestKind::Qemu,
        vmid,
    }
}
