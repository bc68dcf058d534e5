//! What is wanted of a clone: the options of one entry of `vms`, and the keys
//! of the API's configuration that follow from them.

use std::collections::BTreeMap;

use ansible::{Args, Choice};
use pve::wire::{Size, lists, switch, text_of};
use secret::Secret;
use serde_json::{Map, Value};

use crate::guests::config::{Unwantable, Want, Wanted};
use crate::guests::values::{
    agent, at_least, disk_size, ipconfig, net, sshkeys, tags, unwantable, vmid_range,
};
use crate::guests::wait::WaitFor;

/// What may be said of a VM, in an entry of `vms` and in `defaults`.
#[derive(Args, Clone, Debug, Default)]
pub struct Settings {
    /// The template or VM to clone: a name or a VMID. Of several templates with one name, that on the
    /// target node is taken. Needed only for a VM that is not there yet.
    pub template: Option<String>,
    /// The node that the VM is made on. By default the template's own. A VM that is there already stays
    /// where it is.
    pub node: Option<String>,
    /// Where an allocated VMID may lie, such as V(5000-5999).
    pub vmid_range: Option<String>,
    /// Whether the disks share the template's base (V(linked)) or are copied (V(full)). V(auto), which is
    /// the default, links clones of templates and copies other VMs.
    pub clone_type: Option<CloneType>,
    /// The storage for the disks of a full clone.
    pub storage: Option<String>,
    /// The format of the disks of a full clone, on a storage that has formats.
    #[arg(choices = ["raw", "qcow2", "vmdk"])]
    pub format: Option<String>,
    /// The pool that the VM belongs to.
    pub pool: Option<String>,
    /// The description.
    pub description: Option<String>,
    /// The tags. They replace those that the VM has.
    pub tags: Option<Vec<String>>,
    /// Cores of each socket.
    pub cores: Option<u32>,
    /// Processor sockets.
    pub sockets: Option<u32>,
    /// The processor type, such as V(host) or V(x86-64-v3,flags=+aes).
    pub cpu: Option<String>,
    /// Memory in MiB.
    pub memory: Option<u64>,
    /// The least memory in MiB that ballooning leaves; V(0) turns ballooning off.
    pub balloon: Option<u64>,
    /// Whether the VM starts with its node.
    pub onboot: Option<bool>,
    /// Whether the guest agent is there: true or false, or the API's property string.
    #[arg(kind = "raw")]
    pub agent: Option<Value>,
    /// The place in the start-up order, such as V(order=2,up=30).
    pub startup: Option<String>,
    /// Network cards by key, V(net0) and so on: a property string, or a dictionary with C(model),
    /// C(bridge), C(vlan), C(mac), C(firewall), C(rate), C(mtu) and the API's other keys. What is not
    /// stated is kept, the MAC above all.
    pub net: Option<BTreeMap<String, Value>>,
    /// Disks by key, V(scsi0) and so on, with their C(size), such as V(40G). They only grow; a smaller size
    /// fails before anything is done.
    pub disks: Option<BTreeMap<String, Value>>,
    /// The user that cloud-init makes.
    pub ciuser: Option<String>,
    /// The password of O(vms[].ciuser). It is compared with the stored hash, so that it is written only when it
    /// differs.
    pub cipassword: Option<Secret>,
    /// The SSH public keys of O(vms[].ciuser): a list, or a text with one on each line. They replace those that
    /// are there.
    #[arg(kind = "raw", no_log = false)]
    pub sshkeys: Option<Value>,
    /// IP configurations by key, V(ipconfig0) and so on, such as V(ip=dhcp) or
    /// V(ip=192.0.2.10/24,gw=192.0.2.1).
    pub ipconfig: Option<BTreeMap<String, Value>>,
    /// DNS servers.
    pub nameservers: Option<Vec<String>>,
    /// DNS search domains.
    pub searchdomains: Option<Vec<String>>,
    /// Cloud-init snippets in place of the generated data, such as V(user=local:snippets/web.yml).
    pub cicustom: Option<String>,
    /// Whether cloud-init upgrades the packages at the first boot.
    pub ciupgrade: Option<bool>,
    /// Any further key of the API's VM configuration. An empty text removes the key.
    pub config: Option<BTreeMap<String, Value>>,
    /// Whether the VM is just there, or runs. V(present), the default, leaves a VM running or stopped as it is.
    pub state: Option<State>,
    /// What to wait for once the VM has been told to start: nothing (the default), that it runs, that its
    /// guest agent answers, that it has an address, that its port O(vms[].port) is open. With a static
    /// O(vms[].ipconfig), address and port need no guest agent.
    pub wait_for: Option<WaitFor>,
    /// The TCP port to wait for, where V(port) is what is waited for.
    pub port: Option<u16>,
}

/// How disks are cloned.
#[derive(Choice, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CloneType {
    /// Linked for templates, full otherwise.
    #[default]
    Auto,
    /// They share the template's base.
    Linked,
    /// They are copied.
    Full,
}

/// Whether the VM runs.
#[derive(Choice, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// It is there.
    #[default]
    Present,
    /// It runs.
    Started,
}

/// An entry of `vms` with the defaults under it: what the entry does not state
/// is taken from there. Dictionaries merge by key, lists replace.
pub fn over(entry: &Map<String, Value>, defaults: &Map<String, Value>) -> Map<String, Value> {
    let mut merged = defaults.clone();
    for (key, value) in entry {
        match (merged.get_mut(key), value) {
            (Some(_), Value::Null) => {}
            (Some(Value::Object(under)), Value::Object(own)) => *under = over(own, under),
            _ => {
                merged.insert(key.clone(), value.clone());
            }
        }
    }
    merged
}

impl Settings {
    /// The keys of the configuration that are stated.
    pub fn wanted(&self) -> Result<Wanted, Unwantable> {
        let mut wanted = Wanted::new();
        let mut put = |key: &str, value: Option<String>| {
            if let Some(value) = value {
                wanted.insert(key.to_owned(), Want::Text(value));
            }
        };
        put("description", self.description.clone());
        put("tags", self.tags.as_deref().map(tags).transpose()?);
        put("cores", at_least("cores", self.cores.map(u64::from), 1)?);
        put(
            "sockets",
            at_least("sockets", self.sockets.map(u64::from), 1)?,
        );
        put("cpu", self.cpu.clone());
        put("memory", at_least("memory", self.memory, 16)?);
        put("balloon", self.balloon.map(|number| number.to_string()));
        put("onboot", self.onboot.map(|on| switch(on).to_owned()));
        put("agent", self.agent.as_ref().map(agent).transpose()?);
        put("startup", self.startup.clone());
        put("ciuser", self.ciuser.clone());
        put("sshkeys", self.sshkeys.as_ref().map(sshkeys).transpose()?);
        put("nameserver", self.nameservers.as_deref().map(lists::spaced));
        put(
            "searchdomain",
            self.searchdomains.as_deref().map(lists::spaced),
        );
        put("cicustom", self.cicustom.clone());
        put("ciupgrade", self.ciupgrade.map(|on| switch(on).to_owned()));
        for (key, value) in self.net.iter().flatten() {
            put(key, Some(net(key, value)?));
        }
        for (key, value) in self.ipconfig.iter().flatten() {
            put(key, Some(ipconfig(key, value)?));
        }
        for (key, value) in self.config.iter().flatten() {
            if let Some((_, why)) = NOT_CONFIGURATION
                .iter()
                .find(|(keys, _)| keys.contains(&key.as_str()))
            {
                return Err(unwantable(key, why));
            }
            let text = match value {
                Value::Null => Some(String::new()),
                value => text_of(value),
            };
            let text = text.ok_or_else(|| unwantable(key, "neither text, number nor boolean"))?;
            if wanted.insert(key.clone(), Want::Text(text)).is_some() {
                return Err(unwantable(
                    key,
                    "is stated twice: by its own option, and under config",
                ));
            }
        }
        if let Some(password) = &self.cipassword {
            wanted.insert("cipassword".to_owned(), Want::Password(password.clone()));
        }
        Ok(wanted)
    }

    /// The sizes that disks are wanted to have at least.
    pub fn sizes(&self) -> Result<BTreeMap<String, Size>, Unwantable> {
        self.disks
            .iter()
            .flatten()
            .map(|(key, value)| Ok((key.clone(), disk_size(key, value)?)))
            .collect()
    }

    /// The range for an allocated VMID.
    pub fn range(&self) -> Result<Option<std::ops::RangeInclusive<u32>>, Unwantable> {
        vmid_range(self.vmid_range.as_deref())
    }
}

/// What the request takes beside the keys of a configuration, and keys that
/// have a place of their own.
const NOT_CONFIGURATION: &[(&[&str], &str)] = &[
    (&["cipassword"], "is a secret; it has an option of its own"),
    (&["name"], "is the VM's identity, and cannot be changed"),
    (
        &["delete"],
        "is no key of the configuration; an empty text removes a key",
    ),
    (
        &[
            "background_delay",
            "digest",
            "force",
            "import-working-storage",
            "lock",
            "node",
            "revert",
            "skiplock",
            "template",
            "vmid",
        ],
        "is no key that a configuration is stated by",
    ),
];

#[cfg(test)]
mod tests;
