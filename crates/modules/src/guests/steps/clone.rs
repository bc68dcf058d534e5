//! The step that clones a guest.

use std::time::Duration;

use pve::nodes::guest::{Address, GuestKind};
use pve::plan::{Ask, Lost, Probe, VMID, Verdict};
use pve::{Call, Error, Param, Segment, Step, Upid, path};
use serde_json::Value;

/// How many clones may write to one storage side by side. Each takes the
/// storage's lock for its volumes, and waits for it no longer than 10 s.
const CLONES_ON_STORAGE: usize = 8;

/// How long nothing may be seen of a clone whose answer was lost, before it
/// counts as not begun.
pub(super) const QUIET: Duration = Duration::from_secs(10);

/// The locks of a guest that is being made by a clone: of a VM, and of a container.
const LOCKS: [&str; 2] = ["clone", "create"];

/// A clone that is to be made.
pub struct Clone<'a> {
    /// What is cloned.
    pub source: &'a Address,
    /// How many clones of it may be made side by side.
    pub at_once: usize,
    /// The name; without one it is called after its source.
    pub name: Option<&'a str>,
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
    /// The snapshot that is cloned, in place of what there is now.
    pub snapshot: Option<&'a str>,
    /// The description.
    pub description: Option<&'a str>,
    /// The storages that the clone writes to.
    pub writes_to: Vec<String>,
    /// Whom the server takes us for.
    pub user: &'a str,
}

impl Clone<'_> {
    /// The step that makes it.
    pub fn step(&self) -> Step {
        let newid = self.vmid.map_or(Param::Bound(VMID), Param::from);
        let mut call = Call::post(self.source.path().join("clone"))
            .with("newid", newid)
            .with_some(name_key(self.source.kind), self.name)
            .with("full", self.full)
            .with_some("pool", self.pool)
            .with_some("snapname", self.snapshot)
            .with_some("description", self.description);
        // The server refuses both for a linked clone, even where they change nothing.
        if self.full {
            call = call
                .with_some("storage", self.storage)
                .with_some("format", self.format);
        }
        if self.node != self.source.node {
            call = call.with("target", self.node);
        }
        let mut step = Step::task("clone", "cloned", call)
            .claims(format!("source:{}", self.source.vmid), self.at_once)
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
        let kind = self.source.kind;
        let vmid = self.vmid.map_or(Segment::Bound(VMID), Segment::from);
        let config = |node: &str| {
            let guest = path!("nodes", node, kind.as_str(), vmid.clone());
            Ask::Get(Call::get(guest.join("config")))
        };
        let asks = vec![
            config(&self.source.node),
            config(self.node),
            Ask::Get(clone_tasks(&self.source.node, kind)),
        ];
        let name = self.name.map(str::to_owned);
        let source = self.source.vmid.to_string();
        let user = self.user.to_owned();
        Probe::new(asks, move |answers| {
            let [on_source, on_target, tasks] = answers else {
                return Verdict::Absent;
            };
            match on_source.as_ref().or(on_target.as_ref()) {
                Ok(config) if is_locked_by_clone(config["lock"].as_str()) => {
                    Verdict::NotYet("it is being cloned".to_owned())
                }
                Ok(config) if bears(config, kind, name.as_deref()) => Verdict::Holds(None),
                Ok(config) => Verdict::Never(taken_by(&config[name_key(kind)])),
                Err(error) if error.is_not_found() => match tasks {
                    Ok(tasks) if is_cloning(tasks, kind, &source, &user) => {
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

/// The key of a configuration that has the guest's name.
pub fn name_key(kind: GuestKind) -> &'static str {
    match kind {
        GuestKind::Qemu => "name",
        GuestKind::Lxc => "hostname",
    }
}

/// Whether this lock says that a clone makes the guest.
pub fn is_locked_by_clone(lock: Option<&str>) -> bool {
    lock.is_some_and(|lock| LOCKS.contains(&lock))
}

/// Whether a guest that was looked up is the one that was to be made.
pub(super) fn bears(config: &Value, kind: GuestKind, name: Option<&str>) -> bool {
    name.is_none_or(|name| config[name_key(kind)] == name)
}

/// Another client was faster. The words are those that the server has for it.
pub(super) fn taken_by(name: &Value) -> Error {
    Error::Never(format!(
        "VM with this VMID already exists: it is `{}`",
        name.as_str().unwrap_or("a VM without a name")
    ))
}

fn is_cloning(tasks: &Value, kind: GuestKind, source: &str, user: &str) -> bool {
    running_clones(tasks, kind)
        .iter()
        .any(|upid| upid.id() == source && upid.user() == user)
}

/// The task that clones a guest.
fn clone_task(kind: GuestKind) -> &'static str {
    match kind {
        GuestKind::Qemu => "qmclone",
        GuestKind::Lxc => "vzclone",
    }
}

/// GET the clone tasks that run on a node.
pub fn clone_tasks(node: &str, kind: GuestKind) -> Call {
    tasks(node, clone_task(kind))
}

/// GET the tasks of a type that run on a node.
pub fn tasks(node: &str, task: &str) -> Call {
    Call::get(path!("nodes", node, "tasks"))
        .with("source", "active")
        .with("typefilter", task)
}

/// The clone tasks that run, from the answer to [`clone_tasks`].
pub fn running_clones(tasks: &Value, kind: GuestKind) -> Vec<Upid> {
    running(tasks, clone_task(kind))
}

/// The tasks of a type that run, from the answer to [`tasks`]. The list keeps
/// a task for a while after its end, with its status.
pub fn running(tasks: &Value, task: &str) -> Vec<Upid> {
    tasks
        .as_array()
        .into_iter()
        .flatten()
        .filter(|row| {
            let ended = row.get("endtime").is_some_and(|end| !end.is_null());
            let status = row["status"].as_str().unwrap_or("running");
            !ended && matches!(status, "" | "running" | "RUNNING")
        })
        .filter_map(|row| row["upid"].as_str()?.parse().ok())
        .filter(|upid: &Upid| upid.kind() == task)
        .collect()
}
