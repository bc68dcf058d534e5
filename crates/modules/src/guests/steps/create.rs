//! The step that makes a guest that is no clone.

use pve::nodes::guest::GuestKind;
use pve::plan::{Ask, Lost, Probe, VMID, Verdict};
use pve::{Call, Param, Segment, Step, path};

use super::clone::{QUIET, bears, is_locked_by_clone, name_key, running, taken_by, tasks};

/// A guest that is to be made.
pub struct Create<'a> {
    /// What kind of guest.
    pub kind: GuestKind,
    /// The node it is made on.
    pub node: &'a str,
    /// The VMID, where it is not allocated.
    pub vmid: Option<u32>,
    /// The name.
    pub name: Option<&'a str>,
    /// Everything else, as the API takes it.
    pub params: Vec<(String, Param)>,
}

impl Create<'_> {
    /// The step that makes it.
    pub fn step(self) -> Step {
        let vmid = self.vmid.map_or(Param::Bound(VMID), Param::from);
        let look_up = self.look_up();
        let mut call = Call::post(path!("nodes", self.node, self.kind.as_str()))
            .with("vmid", vmid)
            .with_some(name_key(self.kind), self.name);
        call.params.extend(self.params);
        Step::task("create", "created", call).lost(Lost::Look {
            probe: look_up,
            quiet: QUIET,
        })
    }

    /// Whether it was made although the answer was lost: its configuration is
    /// there, the lock goes, and the name is ours.
    fn look_up(&self) -> Probe {
        let kind = self.kind;
        let task = match kind {
            GuestKind::Qemu => "qmcreate",
            GuestKind::Lxc => "vzcreate",
        };
        let vmid = self.vmid.map_or(Segment::Bound(VMID), Segment::from);
        let guest = path!("nodes", self.node, kind.as_str(), vmid);
        let asks = vec![
            Ask::Get(Call::get(guest.join("config"))),
            Ask::Get(tasks(self.node, task)),
        ];
        let name = self.name.map(str::to_owned);
        Probe::new(asks, move |answers| {
            let [config, tasks] = answers else {
                return Verdict::Absent;
            };
            match config {
                Ok(config) if is_locked_by_clone(config["lock"].as_str()) => {
                    Verdict::NotYet("it is being made".to_owned())
                }
                Ok(config) if bears(config, kind, name.as_deref()) => Verdict::Holds(None),
                Ok(config) => Verdict::Never(taken_by(&config[name_key(kind)])),
                Err(error) if error.is_not_found() => match tasks {
                    Ok(tasks) if !running(tasks, task).is_empty() => {
                        Verdict::NotYet("a guest is being made".to_owned())
                    }
                    Ok(_) => Verdict::Absent,
                    Err(error) => Verdict::NotYet(error.to_string()),
                },
                Err(error) => Verdict::NotYet(error.to_string()),
            }
        })
    }
}
