//! A canned cluster, and what is planned on it.

use ansible::{Args, Context};
use pve::canned::Canned;
use pve::{Cluster, Error, Plan, Planned};
use serde_json::{Map, Value, json};

use crate::guests::clone::report::Note;
use crate::guests::proxmox_clone_vms::{CloneArgs, ProxmoxCloneVms};
use crate::job::{Job, Task};

/// A VM of the cluster; by default stopped, on `pve1`, without a configuration.
pub(super) struct Vm {
    row: Value,
    live: Value,
    known_name: bool,
    config: Map<String, Value>,
    pending: Vec<Value>,
    dump: Option<String>,
}

pub(super) fn vm(vmid: u32, name: &str) -> Vm {
    Vm {
        row: json!({"type": "qemu", "id": format!("qemu/{vmid}"), "vmid": vmid, "node": "pve1"}),
        live: json!({"vmid": vmid, "name": name, "status": "stopped"}),
        known_name: true,
        config: map(json!({"name": name})),
        pending: Vec::new(),
        dump: None,
    }
}

/// The template that most tests clone: 9000 on `pve1`, its disk on shared storage.
pub(super) fn debian() -> Vm {
    vm(9000, "debian").template().config(json!({
        "cores": 2, "memory": "2048", "agent": "1",
        "net0": "virtio=BC:24:11:90:00:00,bridge=vmbr0",
        "scsi0": "ceph:base-9000-disk-0,size=10G",
        "ide2": "ceph:vm-9000-cloudinit,media=cdrom",
    }))
}

impl Vm {
    pub(super) fn on(mut self, node: &str) -> Self {
        self.row["node"] = json!(node);
        self
    }

    pub(super) fn template(mut self) -> Self {
        self.live["template"] = json!(1);
        self
    }

    pub(super) fn running(mut self) -> Self {
        self.live["status"] = json!("running");
        self
    }

    pub(super) fn paused(mut self) -> Self {
        self.live["qmpstatus"] = json!("paused");
        self.running()
    }

    pub(super) fn locked(mut self, lock: &str) -> Self {
        self.live["lock"] = json!(lock);
        self.config.insert("lock".to_owned(), json!(lock));
        self
    }

    /// Being cloned: it has no name yet.
    pub(super) fn being_made(self) -> Self {
        let vmid = self.row["vmid"].clone();
        let mut made = self.young().locked("clone");
        made.live["name"] = json!(format!("VM {vmid}"));
        made
    }

    /// Younger than the last statistics round, which is the one that knows names.
    pub(super) fn young(mut self) -> Self {
        self.known_name = false;
        self
    }

    pub(super) fn pool(mut self, pool: &str) -> Self {
        self.row["pool"] = json!(pool);
        self
    }

    pub(super) fn config(mut self, config: Value) -> Self {
        self.config.extend(map(config));
        self
    }

    pub(super) fn without(mut self, keys: &[String]) -> Self {
        self.config.retain(|key, _| !keys.contains(key));
        self
    }

    /// A value that waits for the next boot; null for a key that goes then.
    pub(super) fn pending(mut self, key: &str, value: &Value) -> Self {
        let had = self.config.get(key).cloned().unwrap_or_default();
        self.pending.push(if value.is_null() {
            json!({"key": key, "value": had, "delete": 1})
        } else {
            json!({"key": key, "value": had, "pending": value})
        });
        self
    }

    /// The cloud-init user data.
    pub(super) fn dump(mut self, dump: &str) -> Self {
        self.dump = Some(dump.to_owned());
        self
    }

    fn node(&self) -> &str {
        self.row["node"].as_str().unwrap()
    }

    fn path(&self) -> String {
        format!("/nodes/{}/qemu/{}", self.node(), self.row["vmid"])
    }

    fn pending_rows(&self) -> Value {
        let settled = self
            .config
            .iter()
            .filter(|(key, _)| self.pending.iter().all(|row| row["key"] != key.as_str()))
            .map(|(key, value)| json!({"key": key, "value": value}));
        settled.chain(self.pending.iter().cloned()).collect()
    }
}

/// A cluster of `pve1` and `pve2`, with the shared storage `ceph`, the local
/// storage `local-lvm` on each node, and the pools `web` and `db`.
pub(super) struct Site {
    canned: Canned,
    rows: Vec<Value>,
    lists: Vec<(&'static str, Vec<Value>)>,
}

impl Site {
    pub(super) fn of(vms: impl IntoIterator<Item = Vm>) -> Self {
        Self::with_nodes(&["pve1", "pve2"], &[], vms)
    }

    pub(super) fn with_nodes(
        online: &[&'static str],
        offline: &[&str],
        vms: impl IntoIterator<Item = Vm>,
    ) -> Self {
        let mut rows = vec![
            json!({"type": "pool", "pool": "web"}),
            json!({"type": "pool", "pool": "db"}),
        ];
        for node in online.iter().chain(offline) {
            let status = if online.contains(node) {
                "online"
            } else {
                "offline"
            };
            rows.push(json!({"type": "node", "node": node, "status": status}));
            for (storage, shared) in [("ceph", 1), ("local-lvm", 0)] {
                rows.push(json!({
                    "type": "storage", "storage": storage, "node": node, "shared": shared,
                    "status": "available",
                }));
            }
        }
        let mut site = Self {
            canned: Canned::new(),
            rows,
            lists: online.iter().map(|node| (*node, Vec::new())).collect(),
        };
        for vm in vms {
            site.add(&vm);
        }
        site
    }

    fn add(&mut self, vm: &Vm) {
        let mut row = vm.row.clone();
        if vm.known_name {
            row["name"] = vm.live["name"].clone();
        }
        self.rows.push(row);
        let Some((_, list)) = self.lists.iter_mut().find(|(node, _)| *node == vm.node()) else {
            return;
        };
        list.push(vm.live.clone());
        let path = vm.path();
        let canned = std::mem::take(&mut self.canned)
            .always(&format!("GET {path}/status/current"), vm.live.clone())
            .always(&format!("GET {path}/config"), json!(vm.config))
            .always(&format!("GET {path}/pending"), vm.pending_rows());
        self.canned = match &vm.dump {
            Some(dump) => {
                canned.always(&format!("GET {path}/cloudinit/dump type=user"), json!(dump))
            }
            None => canned,
        };
    }

    /// A guest of another kind.
    pub(super) fn row(mut self, row: Value) -> Self {
        self.rows.push(row);
        self
    }

    pub(super) fn always(mut self, call: &str, data: Value) -> Self {
        self.canned = self.canned.always(call, data);
        self
    }

    pub(super) fn once(mut self, call: &str, answer: Result<Value, Error>) -> Self {
        self.canned = self.canned.once(call, answer);
        self
    }

    /// The clone tasks that a node lists as running.
    pub(super) fn clones(self, node: &str, upids: &[&str]) -> Self {
        let tasks: Vec<Value> = upids.iter().map(|upid| json!({"upid": upid})).collect();
        self.always(
            &format!("GET /nodes/{node}/tasks source=active typefilter=qmclone"),
            json!(tasks),
        )
    }

    pub(super) fn canned(self) -> Canned {
        let mut canned = self
            .canned
            .always("GET /cluster/resources", json!(self.rows))
            .always(
                "GET /access/permissions",
                json!({"/vms": {"VM.GuestAgent.Audit": 1}}),
            );
        for (node, list) in self.lists {
            let acl_path = format!("/nodes/{node}");
            let held = json!({acl_path.as_str(): {"Sys.Audit": 1}});
            canned = canned.always(&format!("GET /access/permissions path={acl_path}"), held);
            canned = canned.always(&format!("GET /nodes/{node}/qemu full=1"), json!(list));
        }
        canned
    }

    /// What planning leads to; a failure by its message.
    pub(super) fn planned(self, args: &Value) -> Result<Planned<Vec<Note>>, String> {
        planned(args, &self.canned().cluster())
    }

    pub(super) fn ready(self, args: &Value) -> (Plan, Vec<Note>) {
        match self.planned(args) {
            Ok(Planned::Ready(plan, notes)) => (plan, notes),
            Ok(Planned::Blocked { why, .. }) => panic!("blocked: {why}"),
            Err(msg) => panic!("{msg}"),
        }
    }

    /// The calls that are planned for one VM.
    pub(super) fn calls(self, vm: Value) -> Vec<String> {
        self.ready(&these(Value::Array(vec![vm]))).0.calls()
    }

    /// Why nothing is planned for these VMs.
    pub(super) fn refusal(self, vms: Value) -> String {
        match self.planned(&these(vms)) {
            Ok(_) => panic!("nothing stands against it"),
            Err(msg) => msg,
        }
    }
}

/// What planning leads to; a failure by its message.
pub(super) fn planned(args: &Value, cluster: &Cluster) -> Result<Planned<Vec<Note>>, String> {
    let args = CloneArgs::parse(map(args.clone())).unwrap();
    let task = Task {
        args: &args,
        context: &Context::default(),
    };
    ProxmoxCloneVms::plan(&task, cluster).map_err(|failure| failure.msg)
}

/// The options that name these VMs.
pub(super) fn these(vms: Value) -> Value {
    Value::Object(Map::from_iter([("vms".to_owned(), vms)]))
}

pub(super) fn map(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        other => panic!("{other} is no dictionary"),
    }
}
