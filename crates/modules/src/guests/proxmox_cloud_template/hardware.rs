//! What is wanted of the template's configuration.

use std::collections::BTreeMap;

use pve::wire::{Kind, PropertyString, Size};
use serde_json::{Value, json};

use super::CloudTemplateArgs;
use super::image::Image;
use crate::guests::clone::settings::Settings;
use crate::guests::config::{Config, Unwantable, Want, Wanted};
use crate::guests::values::{disk_size, unwantable};

/// The disk that the image becomes.
pub(super) const DISK: &str = "scsi0";
/// The cloud-init drive.
const DRIVE: &str = "ide2";
const UUID: &str = "smbios1";
/// Keys that do nothing without the drive.
const CLOUD_INIT: [&str; 6] = [
    "cicustom",
    "ciuser",
    "ipconfig0",
    "nameserver",
    "searchdomain",
    "sshkeys",
];

/// What the options say, and what a cloud image needs where they say nothing.
#[derive(Debug)]
pub(super) struct Hardware {
    /// What is stated: what a template that is there is brought to.
    stated: Wanted,
    /// The same and what is not stated: what a new one is made with.
    first: Wanted,
    /// The size of the disk.
    pub(super) size: Option<Size>,
    storage: String,
    /// Whether a new one gets a cloud-init drive, and whether one that is there does.
    drive: (bool, bool),
}

impl Hardware {
    /// From the options; `given` tells which of them the task states.
    pub(super) fn of(
        args: &CloudTemplateArgs,
        given: impl Fn(&str) -> bool,
    ) -> Result<Self, Unwantable> {
        let mut stated = stated(args)?;
        let text = |value: &str| Want::Text(value.to_owned());
        let console =
            [("serial0", "socket"), ("vga", "serial0")].map(|(key, value)| (key, text(value)));
        let console = console.into_iter().filter(|_| args.serial_console);
        if given("serial_console") {
            for (key, value) in console.clone() {
                stated.entry(key.to_owned()).or_insert(value);
            }
        }
        let has_own_drive = stated.values().any(is_cloud_init);
        let mut first = stated.clone();
        let mut default = |key: &str, value: Want| {
            first.entry(key.to_owned()).or_insert(value);
        };
        default("agent", text("1"));
        default("boot", text(&format!("order={DISK}")));
        default("ostype", text("l26"));
        default("scsihw", text("virtio-scsi-single"));
        console.for_each(|(key, value)| default(key, value));
        if args.cloud_init && args.ipconfig.is_none() {
            default("ipconfig0", text("ip=dhcp"));
        }
        if args.net.is_none() && !first.contains_key("net0") {
            first.insert("net0".to_owned(), text("bridge=vmbr0"));
        }
        if let Some(vlan) = args.vlan {
            for wanted in [&mut first, &mut stated] {
                tag(wanted, vlan)?;
            }
        }
        let own = |key: &str, part: &str, why: &str| match stated.get(key) {
            Some(Want::Text(text)) if part_of(key, text, part) => Err(unwantable(key, why)),
            _ => Ok(()),
        };
        own(
            DISK,
            "file",
            "is the disk that the image becomes: only its further properties are stated",
        )?;
        own(
            UUID,
            "uuid",
            "the UUID is what tells the template from its clones",
        )?;
        let of_cloud_init = CLOUD_INIT.iter().find(|key| stated.contains_key(**key));
        if let Some(key) = of_cloud_init.filter(|_| !args.cloud_init && !has_own_drive) {
            return Err(unwantable(
                key,
                "reaches no guest without a cloud-init drive",
            ));
        }
        let size = args.disk_size.as_ref();
        let size = size.map(|size| disk_size("disk_size", size)).transpose()?;
        Ok(Self {
            drive: (
                args.cloud_init && !has_own_drive,
                given("cloud_init") && args.cloud_init && !has_own_drive,
            ),
            storage: args.storage.clone(),
            stated,
            first,
            size,
        })
    }

    /// All that a new one is made with.
    pub(super) fn at_first(&self, image: &Image, description: Option<&str>) -> Wanted {
        let mut wanted = self.first.clone();
        let mut put = |key: &str, first: String| {
            let rest = match wanted.get(key) {
                Some(Want::Text(rest)) if !rest.is_empty() => format!(",{rest}"),
                _ => String::new(),
            };
            wanted.insert(key.to_owned(), Want::Text(first + &rest));
        };
        put(
            DISK,
            format!("{}:0,import-from={}", self.storage, image.volid()),
        );
        put(UUID, format!("uuid={}", image.uuid()));
        if self.drive.0 {
            put(DRIVE, format!("{}:cloudinit", self.storage));
        }
        let description = image.description(description);
        wanted.insert("description".to_owned(), Want::Text(description));
        wanted
    }

    /// What one that is there is brought to. What it is made of stays, and so do its drives.
    pub(super) fn later(&self, config: &Config, description: Option<String>) -> Wanted {
        let mut wanted = self.stated.clone();
        let lacks_drive =
            self.drive.1 && !config.iter().any(|(_, value)| value.contains("cloudinit"));
        if lacks_drive {
            let drive = format!("{}:cloudinit", self.storage);
            wanted.insert(DRIVE.to_owned(), Want::Text(drive));
        }
        if let Some(description) = description {
            wanted.insert("description".to_owned(), Want::Text(description));
        }
        wanted
    }

    /// The size that the disk is to have, as far as it is stated.
    pub(super) fn sizes(&self) -> BTreeMap<String, Size> {
        self.size
            .map(|size| (DISK.to_owned(), size))
            .into_iter()
            .collect()
    }

    /// The network cards.
    pub(super) fn cards(&self) -> impl Iterator<Item = PropertyString> {
        self.first
            .iter()
            .filter(|(key, _)| key.starts_with("net"))
            .filter_map(|(_, want)| match want {
                Want::Text(net) => PropertyString::parse(Kind::NET, net).ok(),
                _ => None,
            })
    }
}

/// The keys of a configuration that are stated.
fn stated(args: &CloudTemplateArgs) -> Result<Wanted, Unwantable> {
    let config = args.config.as_ref();
    for (key, why) in [
        (
            "cipassword",
            "belongs to a clone: a template that has one gives it to all",
        ),
        ("description", "has an option of its own"),
    ] {
        if config.is_some_and(|config| config.contains_key(key)) {
            return Err(unwantable(key, why));
        }
    }
    let settings = Settings {
        tags: args.tags.clone(),
        cores: args.cores,
        sockets: args.sockets,
        cpu: args.cpu.clone(),
        memory: args.memory,
        agent: args.agent.clone(),
        net: args.net.clone(),
        ciuser: args.ciuser.clone(),
        sshkeys: args.sshkeys.clone(),
        ipconfig: args.ipconfig.clone(),
        nameservers: args.nameservers.clone(),
        searchdomains: args.searchdomains.clone(),
        config: args.config.clone(),
        ..Settings::default()
    };
    settings.wanted()
}

/// Puts the first network card on a VLAN.
fn tag(wanted: &mut Wanted, vlan: u16) -> Result<(), Unwantable> {
    let told = |error: &dyn std::fmt::Display| unwantable("vlan", error);
    let mut net = match wanted.get("net0") {
        Some(Want::Text(net)) => {
            PropertyString::parse(Kind::NET, net).map_err(|error| told(&error))?
        }
        _ => PropertyString::empty(Kind::NET),
    };
    if net.get("tag").is_some() {
        return Err(told(&"is stated twice: by its own option, and under net"));
    }
    net.set("tag", &vlan.to_string())
        .map_err(|error| told(&error))?;
    wanted.insert("net0".to_owned(), Want::Text(net.to_string()));
    Ok(())
}

fn part_of(key: &str, text: &str, part: &str) -> bool {
    Kind::of(key)
        .and_then(|kind| PropertyString::parse(kind, text).ok())
        .is_some_and(|parsed| parsed.get(part).is_some())
}

fn is_cloud_init(want: &Want) -> bool {
    matches!(want, Want::Text(text) if text.contains("cloudinit"))
}

/// As the diff shows what a new one is made with.
pub(super) fn shown(wanted: &Wanted) -> serde_json::Map<String, Value> {
    wanted
        .iter()
        .filter_map(|(key, want)| match want {
            Want::Text(text) => Some((key.clone(), json!(text))),
            _ => None,
        })
        .collect()
}
