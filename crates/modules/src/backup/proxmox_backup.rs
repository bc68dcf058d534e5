//! `proxmox_backup`: backups of guests, now, by `/nodes/{node}/vzdump`.

mod ending;
mod rights;
mod target;

use std::time::Duration;

use ansible::{Args, Choice, Failure};
use pve::apply::Applied;
use pve::nodes::vzdump;
use pve::plan::{Bind, Settles};
use pve::{Call, Cluster, Plan, Planned, Step, Track};
use serde_json::{Map, Value, json};

use crate::connection::{Connection, DropIn};
use crate::fault;
use crate::guests::power::secs;
use crate::job::{Job, Report, Task};
use ending::Ending;
use target::{Fate, Target};

/// The name that a node's answer is bound to: a UPID, or that it has nothing to do.
const ANSWER: &str = "answer";
/// How long a node may take where the task does not say: all of its guests may be a night's work and more.
const PATIENCE: Duration = Duration::from_secs(24 * 3600);
const VERB: &str = "back up the guests of";

/// The options of `proxmox_backup`.
#[derive(Args, Debug)]
#[args(
    required_if(key = "mode", value = "include", any = ["vmids"]),
    required_if(key = "mode", value = "pool", all = ["pool"])
)]
pub struct BackupArgs {
    /// Where the API is.
    #[arg(flatten)]
    pub connection: DropIn,
    /// Which guests: those of O(vmids), all that the caller may back up, or those of O(pool).
    #[arg(required)]
    pub mode: Mode,
    /// The storage that the backups are put on.
    #[arg(required)]
    pub storage: String,
    /// The VMIDs of O(mode=include), VMs and containers.
    pub vmids: Option<Vec<u32>>,
    /// The pool of O(mode=pool). Guests of pools in it are not meant.
    pub pool: Option<String>,
    /// The one node whose guests are meant. Otherwise each node that is online backs up its own.
    pub node: Option<String>,
    /// What happens to a guest that runs: V(snapshot) goes on all the while, V(suspend) is paused for the second pass,
    /// V(stop) is shut down and started again.
    #[arg(default = "snapshot")]
    pub backup_mode: BackupMode,
    /// How the backups are compressed; V(0) not at all, V(1) by LZO. The nodes' own setting holds where this option is
    /// not stated.
    pub compress: Option<Compress>,
    /// How many threads Zstandard uses; V(0) is half of the cores.
    pub compression_threads: Option<i64>,
    /// The most that may be read, in KiB a second; V(0) is no limit.
    pub bandwidth: Option<u32>,
    /// The note of each backup, in which C({{cluster}}), C({{guestname}}), C({{node}}) and C({{vmid}}) are filled in by
    /// the server. In a playbook they are to be quoted, or marked C(!unsafe), as Ansible would fill them in itself.
    #[arg(default = "{{guestname}}")]
    pub description: String,
    /// Whether the backups are protected from being removed.
    pub protected: Option<bool>,
    /// Which backups of a guest stay on the storage, such as V(keep-last=3,keep-weekly=2): others are removed. The
    /// storage's own setting holds where this option is not stated.
    pub retention: Option<String>,
    /// How Proxmox Backup Server finds out what has changed in a container.
    pub change_detection_mode: Option<ChangeDetection>,
    /// Where what a VM overwrites meanwhile is kept, such as V(enabled=1,storage=local-lvm).
    pub fleecing: Option<String>,
    /// Further tuning, such as V(max-workers=4).
    pub performance_tweaks: Option<String>,
    /// Who is told of the backup.
    #[arg(default = "auto")]
    pub notification_mode: NotificationMode,
    /// Whether the task waits for the ends of the backups. Otherwise it succeeds once they have begun.
    #[arg(default = false)]
    pub wait: bool,
    /// How many seconds the backups may take with O(wait=true). The default counts only where this option is stated:
    /// without it each node is given a day.
    #[arg(default = 10)]
    pub wait_timeout: u32,
}

/// Which guests.
#[derive(Choice, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Those that are named.
    Include,
    /// All.
    All,
    /// Those of a pool.
    Pool,
}

/// What happens to a guest that runs.
#[derive(Choice, Clone, Copy, Debug, PartialEq, Eq)]
pub enum BackupMode {
    /// It runs on.
    Snapshot,
    /// It is paused for a moment.
    Suspend,
    /// It is stopped.
    Stop,
}

/// How backups are compressed.
#[derive(Choice, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compress {
    /// Not at all.
    #[choice(name = "0")]
    No,
    /// As of old: by LZO.
    #[choice(name = "1")]
    Yes,
    /// gzip.
    Gzip,
    /// LZO.
    Lzo,
    /// Zstandard.
    Zstd,
}

/// How Proxmox Backup Server finds out what has changed.
#[derive(Choice, Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeDetection {
    /// By reading all, into one archive.
    Legacy,
    /// By reading all.
    Data,
    /// By sizes and times.
    Metadata,
}

/// Who is told.
#[derive(Choice, Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotificationMode {
    /// A mail address where there is one, the notification system otherwise.
    Auto,
    /// A mail address.
    #[choice(name = "legacy-sendmail")]
    LegacySendmail,
    /// The notification system.
    #[choice(name = "notification-system")]
    NotificationSystem,
}

/// The module.
pub struct ProxmoxBackup;

crate::module!(ProxmoxBackup, "proxmox_backup");

impl Job for ProxmoxBackup {
    type Args = BackupArgs;
    type Notes = Vec<Target>;

    fn connection(args: &BackupArgs) -> &Connection {
        &args.connection.connection
    }

    fn plan(
        task: &Task<'_, BackupArgs>,
        cluster: &Cluster,
    ) -> Result<Planned<Vec<Target>>, Failure> {
        let args = task.args;
        let resources = cluster
            .resources()
            .map_err(|error| fault::unable("look for nodes and guests", &error))?;
        let nodes = target::nodes(args, &resources)?;
        let wanted = target::wanted(args, &resources, cluster)?;
        let left_out = rights::hold(args, &resources, &wanted, cluster)?;
        let (targets, warnings) = target::targets(args, &resources, &nodes, &wanted);
        let asked = targets.iter().filter(|target| target.fate != Fate::Idle);
        let tracks: Vec<Track> = asked.map(|target| track(task, target, cluster)).collect();
        let plan = Plan {
            parallel: tracks.len(),
            before: if tracks.is_empty() {
                Value::Null
            } else {
                json!({})
            },
            after: target::shown(&targets),
            warnings: left_out.into_iter().chain(warnings).collect(),
            tracks,
            ..Plan::default()
        };
        Ok(Planned::Ready(plan, targets))
    }

    fn report(
        task: &Task<'_, BackupArgs>,
        targets: Vec<Target>,
        plan: &Plan,
        applied: Option<&Applied>,
        cluster: &Cluster,
    ) -> Report {
        let wait = task.args.wait;
        let (msg, ending) = if task.context.check_mode {
            let verb = if plan.changes() {
                "Backups"
            } else {
                "No backups"
            };
            (format!("{verb} would be created"), Ending::default())
        } else {
            let ending = ending::of(&targets, applied, wait, cluster);
            let msg = match (ending.began, wait) {
                (false, _) => "Backup request sent to proxmox, no tasks created",
                (true, false) => "Backup tasks created",
                (true, true) => "Backups succeeded",
            };
            (msg.to_owned(), ending)
        };
        Report {
            msg: Some(msg),
            returns: Map::from_iter([("backups".to_owned(), Value::Array(ending.backups))]),
            changed: (!task.context.check_mode).then_some(ending.began),
            warnings: ending.warnings,
            ..Report::default()
        }
    }
}

/// What one node does.
fn track(task: &Task<'_, BackupArgs>, target: &Target, cluster: &Cluster) -> Track {
    let BackupArgs {
        wait, wait_timeout, ..
    } = *task.args;
    if target.fate == Fate::Offline {
        let why = "the node is offline";
        return Track::new("node", &target.node, vec![Step::cannot(VERB, why)]);
    }
    let settles = if wait {
        Settles::TaskEnds
    } else {
        Settles::AtOnce
    };
    let step = Step::call(VERB, "backed up", call(task.args, &target.node))
        .settles(settles)
        .lost(vzdump::lost(&target.node, cluster.client().user()))
        .binds(Bind::Answer {
            name: ANSWER,
            pointer: "",
        });
    Track {
        limit: wait.then(|| {
            if task.context.given("wait_timeout") {
                secs(wait_timeout)
            } else {
                PATIENCE
            }
        }),
        ..Track::new("node", &target.node, vec![step])
    }
}

/// The request to one node. It picks its own guests out of those that are meant.
fn call(args: &BackupArgs, node: &str) -> Call {
    let vmids = (args.mode == Mode::Include).then(|| target::listed(&target::distinct(args)));
    let pool = args.pool.as_deref().filter(|_| args.mode == Mode::Pool);
    vzdump::start(node)
        .with("all", args.mode == Mode::All)
        .with_some("vmid", vmids)
        .with_some("pool", pool)
        .with("storage", args.storage.as_str())
        .with("mode", args.backup_mode.name())
        .with("notes-template", args.description.as_str())
        .with("notification-mode", args.notification_mode.name())
        .with_some("compress", args.compress.map(|compress| compress.name()))
        .with_some("zstd", args.compression_threads)
        .with_some("bwlimit", args.bandwidth)
        .with_some("protected", args.protected)
        .with_some("prune-backups", args.retention.as_deref())
        .with_some(
            "pbs-change-detection-mode",
            args.change_detection_mode.map(|mode| mode.name()),
        )
        .with_some("fleecing", args.fleecing.as_deref())
        .with_some("performance", args.performance_tweaks.as_deref())
}

#[cfg(test)]
mod tests;
