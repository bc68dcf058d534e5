//! A container without its mount points, for as long as a snapshot takes.

use std::collections::BTreeMap;

use ansible::Failure;
use pve::nodes::guest::{Address, Status, live_from};
use pve::{Call, Cluster, Step};

use crate::fault;
use crate::guests::config::Config;
use crate::guests::rights::hold_root;
use crate::guests::single::One;
use crate::guests::steps::{ShutDown, start, start_by_ha};

/// How long a container is given to shut down where the task does not say.
const SHUTDOWN: u32 = 60;

/// A container whose mount points are taken off.
#[derive(Debug)]
pub(super) struct Unbound {
    address: Address,
    by_ha: bool,
    /// The mount points by their keys, as the configuration has them.
    mounts: BTreeMap<String, String>,
    runs: bool,
    shutdown: u32,
}

impl Unbound {
    /// The container as it is; nothing where there is no mount point to be taken off. It fails where one could not be
    /// put back.
    pub(super) fn read(
        cluster: &Cluster,
        guest: &One<()>,
        shutdown: Option<u32>,
    ) -> Result<Option<Self>, Failure> {
        let address = &guest.address;
        let unable = |error| {
            let what = format!("look at container `{}`", guest.label());
            fault::unable(&what, &error)
        };
        let mut answers = cluster
            .get_each(&[address.config(), address.current()])
            .into_iter();
        let (Some(config), Some(live)) = (answers.next(), answers.next()) else {
            return Ok(None);
        };
        let config = Config::from_config(&*config.map_err(unable)?);
        let live = live_from(&*live.map_err(unable)?);
        let mounts: BTreeMap<String, String> = config
            .iter()
            .filter(|(key, _)| is_mount_point(key))
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        let of_root: Vec<&str> = mounts
            .iter()
            .filter(|(_, value)| is_of_root(value))
            .map(|(key, _)| key.as_str())
            .collect();
        hold_root(cluster.client().user(), &of_root)?;
        Ok((!mounts.is_empty()).then(|| Self {
            address: address.clone(),
            by_ha: guest.ha_managed || live.as_ref().is_some_and(|live| live.ha_managed),
            mounts,
            runs: live.is_some_and(|live| live.status != Status::Stopped),
            shutdown: shutdown.unwrap_or(SHUTDOWN),
        }))
    }

    /// What a failure is told with: the mount points that are off now, with what puts each of them back.
    pub(super) fn missing(&self, cluster: &Cluster) -> Option<String> {
        let Some(Ok(config)) = cluster
            .get_each(&[self.address.config()])
            .into_iter()
            .next()
        else {
            return Some(format!(
                "its mount points, should they not be back: {}",
                self.lines()
            ));
        };
        let config = Config::from_config(&config);
        let off = lines(self.mounts().filter(|(key, _)| config.get(key).is_none()));
        (!off.is_empty()).then(|| {
            format!("these mount points are off, and have to be put back before it starts: {off}")
        })
    }

    /// The mount points, those last that only root@pam can put back: what others may have back comes first.
    fn mounts(&self) -> impl Iterator<Item = (&str, &str)> {
        let some = |of_root: bool| {
            self.mounts
                .iter()
                .map(|(key, value)| (key.as_str(), value.as_str()))
                .filter(move |(_, value)| is_of_root(value) == of_root)
        };
        some(false).chain(some(true))
    }

    /// `mp0: /srv/data,mp=/data; mp1: …`
    fn lines(&self) -> String {
        lines(
            self.mounts
                .iter()
                .map(|(key, value)| (key.as_str(), value.as_str())),
        )
    }

    /// What is told before anything is taken off: should this process be killed, nobody else knows it.
    pub(super) fn notice(&self, label: &str) -> String {
        format!(
            "{label}: its mount points are taken off for the snapshot and put back after it: {}",
            self.lines()
        )
    }

    /// The container shut down, and its mount points gone.
    pub(super) fn take_off(&self) -> Vec<Step> {
        let path = self.address.path();
        let mut steps = Vec::new();
        if self.runs {
            let shut_down = ShutDown {
                timeout: self.shutdown,
                force: false,
                by_ha: self.by_ha,
            };
            steps.push(shut_down.step(&path));
        }
        let keys: Vec<&str> = self.mounts.keys().map(String::as_str).collect();
        let call = Call::put(path.join("config")).with("delete", keys.join(","));
        steps.push(Step::call(
            "take the mount points off",
            "mount points taken off",
            call,
        ));
        steps
    }

    /// The mount points as they were, each by a request of its own, as one that is refused keeps no other off; and
    /// the container running if it ran, but not without what it had.
    pub(super) fn put_back(&self) -> Vec<Step> {
        let path = self.address.path();
        let mut steps: Vec<Step> = self
            .mounts()
            .map(|(key, value)| {
                Step::call(
                    "put a mount point back on",
                    "mount point put back",
                    Call::put(path.join("config")).with(key, value),
                )
            })
            .collect();
        if self.runs {
            let start = if self.by_ha {
                start_by_ha(&self.address)
            } else {
                start(&path)
            };
            steps.push(start.if_well());
        }
        steps
    }
}

fn is_mount_point(key: &str) -> bool {
    key.strip_prefix("mp").is_some_and(|number| {
        !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// Whether a mount point is none of a storage: a path or a device of the node, which root@pam alone may set.
fn is_of_root(value: &str) -> bool {
    let volume = value
        .split(',')
        .find_map(|part| part.strip_prefix("volume="))
        .unwrap_or(value);
    volume.starts_with('/')
}

/// `mp0: /srv/data,mp=/data; mp1: …`
fn lines<'a>(mounts: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let lines: Vec<String> = mounts
        .map(|(key, value)| format!("{key}: {value}"))
        .collect();
    lines.join("; ")
}
