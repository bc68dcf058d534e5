//! When two values of a guest's configuration are the same: the one place
//! that decides it.

use super::kind::Kind;
use super::property::PropertyString;
use super::{canonical_number, lists, parse_switch, sshkeys, tags};
use crate::nodes::guest::GuestKind;

/// How the values of a key are compared that is no property string.
#[derive(Clone, Copy)]
enum Shape {
    Text,
    Switch,
    Number,
    /// Trailing blanks and line ends make no difference.
    Prose,
    /// In their order, in either case.
    List,
    Set,
    Tags,
    SshKeys,
    /// `1` asks for a fresh one.
    Generated,
}

fn shape(key: &str) -> Shape {
    match key {
        "acpi" | "allow-ksm" | "autostart" | "ciupgrade" | "console" | "debug" | "freeze"
        | "keephugepages" | "kvm" | "localtime" | "numa" | "onboot" | "protection" | "reboot"
        | "tablet" | "tdf" | "template" | "unprivileged" => Shape::Switch,
        "balloon" | "cores" | "cpulimit" | "cpuunits" | "migrate_downtime" | "migrate_speed"
        | "shares" | "smp" | "sockets" | "swap" | "tty" | "vcpus" => Shape::Number,
        "description" => Shape::Prose,
        "nameserver" | "searchdomain" => Shape::List,
        "hotplug" => Shape::Set,
        "tags" => Shape::Tags,
        "sshkeys" => Shape::SshKeys,
        "vmgenid" => Shape::Generated,
        _ => Shape::Text,
    }
}

/// Whether the value that a guest has under a key is the wanted one, both as
/// the API writes or takes them (see [`text_of`](super::text_of)).
///
/// Property strings are compared whole, apart from what the server adds
/// (see [`PropertyString::same`]): whoever states only some of the keys
/// merges first. `cipassword` is answered as asterisks and never the same
/// here: [`password::compare`](super::password::compare) tells.
pub fn same(key: &str, have: &str, want: &str) -> bool {
    if let Some(kind) = Kind::of(key) {
        let parse = |text| PropertyString::parse(kind, text);
        return match (parse(have), parse(want)) {
            (Ok(have), Ok(want)) => have.same(&want),
            _ => have == want,
        };
    }
    match shape(key) {
        Shape::Text => have == want,
        Shape::Switch => match (parse_switch(have), parse_switch(want)) {
            (Some(have), Some(want)) => have == want,
            _ => have == want,
        },
        Shape::Number => match (canonical_number(have), canonical_number(want)) {
            (Some(have), Some(want)) => have == want,
            _ => have == want,
        },
        Shape::Prose => have.trim_end() == want.trim_end(),
        Shape::List => items(have).eq(items(want)),
        Shape::Set => {
            let sorted = |text| {
                let mut items: Vec<_> = items(text).collect();
                items.sort_unstable();
                items.dedup();
                items
            };
            sorted(have) == sorted(want)
        }
        Shape::Tags => tags::folded(have) == tags::folded(want),
        Shape::SshKeys => sshkeys::same(have, want),
        Shape::Generated => have == want || (want == "1" && have != "0"),
    }
}

fn items(text: &str) -> impl Iterator<Item = String> {
    lists::split(text).map(str::to_ascii_lowercase)
}

/// As [`same`], for a key that the guest may not have: what is missing is as
/// good as the key's default, and as an empty wanted value.
pub fn holds(kind: GuestKind, key: &str, have: Option<&str>, want: &str) -> bool {
    match have.or_else(|| default_of(kind, key)) {
        Some(have) => same(key, have, want),
        None => want.trim().is_empty() || Kind::of(key).is_some() && same(key, "", want),
    }
}

/// What a guest does without the key, where that is the same on every version
/// and node.
fn default_of(kind: GuestKind, key: &str) -> Option<&'static str> {
    match kind {
        GuestKind::Qemu => default_of_vm(key),
        GuestKind::Lxc => default_of_container(key),
    }
}

/// A container without `cores` sees all of its node's.
fn default_of_container(key: &str) -> Option<&'static str> {
    Some(match key {
        "console" => "1",
        "cpulimit" | "debug" | "onboot" | "protection" | "template" | "unprivileged" => "0",
        "memory" | "swap" => "512",
        "cmode" => "tty",
        "tty" => "2",
        _ => return None,
    })
}

fn default_of_vm(key: &str) -> Option<&'static str> {
    Some(match key {
        "acpi" | "kvm" | "tablet" | "ciupgrade" | "allow-ksm" | "reboot" | "cores" | "sockets" => {
            "1"
        }
        "autostart" | "freeze" | "numa" | "onboot" | "protection" | "tdf" | "template"
        | "keephugepages" | "vcpus" | "cpulimit" => "0",
        "memory" => "512",
        "bios" => "seabios",
        "ostype" => "other",
        "scsihw" => "lsi",
        "hotplug" => "network,disk,usb",
        _ => return None,
    })
}

/// Whether a virtual machine's `agent` says that the guest agent is there.
pub fn agent_enabled(agent: &str) -> bool {
    PropertyString::parse(Kind::AGENT, agent)
        .is_ok_and(|agent| agent.switch("enabled").unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::{agent_enabled, holds, same};
    use crate::nodes::guest::GuestKind::{Lxc, Qemu};
    use proptest::prelude::*;

    #[test]
    fn values_that_mean_the_same_are_the_same() {
        for (key, have, want) in [
            (
                "net0",
                "virtio=BC:24:11:00:00:01,bridge=vmbr0",
                "model=virtio,bridge=vmbr0",
            ),
            (
                "scsi0",
                "local-lvm:vm-1-disk-0,size=4096M",
                "local-lvm:vm-1-disk-0,size=4G",
            ),
            (
                "ide2",
                "local:1/vm-1-cloudinit.qcow2,media=cdrom",
                "local:cloudinit",
            ),
            (
                "rootfs",
                "local-lvm:vm-2-disk-0,size=8G",
                "volume=local-lvm:vm-2-disk-0",
            ),
            (
                "ipconfig0",
                "ip=192.0.2.9/24,gw=192.0.2.1",
                "gw=192.0.2.1,ip=192.0.2.9/24",
            ),
            ("ipconfig1", "ip6=2001:db8::1/64", "ip6=2001:DB8:0:0::1/64"),
            ("tags", "prod;web", "Web, prod"),
            (
                "sshkeys",
                "ssh-ed25519%20AAAA%20me%0A",
                "ssh-ed25519 AAAA me",
            ),
            ("boot", "order=scsi0;net0", " order=scsi0;net0"),
            ("agent", "1", "enabled=1,fstrim_cloned_disks=0"),
            ("agent", "enabled=1,type=virtio", "yes"),
            (
                "cpu",
                "cputype=host,flags=+aes;-pcid",
                "host,flags=-pcid;+aes",
            ),
            ("startup", "order=1,up=30", "up=30,order=1"),
            ("startup", "order=2", "2"),
            ("onboot", "1", "yes"),
            ("numa", "0", "false"),
            ("cores", "4", "4.0"),
            ("cpulimit", "1.50", "1.5"),
            ("memory", "64", "current=64"),
            ("description", "two\nlines\n", "two\nlines"),
            ("nameserver", "1.1.1.1 9.9.9.9", "1.1.1.1,9.9.9.9"),
            ("searchdomain", "example.org", "Example.org"),
            ("hotplug", "network,disk", "disk;network"),
            (
                "cicustom",
                "user=local:snippets/u.yml,meta=local:snippets/m.yml",
                "meta=local:snippets/m.yml,user=local:snippets/u.yml",
            ),
            ("vmgenid", "e5d2f0a4-5b3c-4e0e-9b9c-0d6d4a1f2b3c", "1"),
            ("numa0", "cpus=0;1,memory=512", "memory=512,cpus=1;0"),
            ("name", "web-1", "web-1"),
        ] {
            assert!(same(key, have, want), "{key}: {have} | {want}");
        }
    }

    #[test]
    fn values_that_mean_something_else_differ() {
        for (key, have, want) in [
            (
                "net0",
                "virtio=BC:24:11:00:00:01,bridge=vmbr0",
                "virtio=BC:24:11:00:00:02,bridge=vmbr0",
            ),
            (
                "scsi0",
                "local-lvm:vm-1-disk-0,size=4G",
                "local-lvm:vm-1-disk-0,size=8G",
            ),
            ("ipconfig0", "ip=192.0.2.9/24", "ip=192.0.2.9/25"),
            ("tags", "prod", "prod;web"),
            ("boot", "order=scsi0;net0", "order=net0;scsi0"),
            ("agent", "1", "0"),
            ("agent", "1", "1,freeze-fs=0"),
            ("onboot", "0", "1"),
            ("memory", "64", "640"),
            ("description", "two\nlines", "two lines"),
            ("nameserver", "1.1.1.1 9.9.9.9", "9.9.9.9 1.1.1.1"),
            ("name", "web-1", "Web-1"),
            ("ciuser", "1", "1.0"),
            ("cipassword", "**********", "hunter2"),
        ] {
            assert!(!same(key, have, want), "{key}: {have} | {want}");
        }
    }

    #[test]
    fn a_missing_key_is_as_good_as_its_default() {
        for (key, want) in [
            ("onboot", "0"),
            ("kvm", "yes"),
            ("cores", "1"),
            ("memory", "512"),
            ("agent", "enabled=0"),
            ("tags", ""),
            ("description", "\n"),
            ("scsihw", "lsi"),
        ] {
            assert!(holds(Qemu, key, None, want), "{key}={want}");
        }
        for (key, want) in [
            ("onboot", "1"),
            ("kvm", "0"),
            ("agent", "1"),
            ("tags", "web"),
            ("balloon", "0"),
            ("net0", "virtio,bridge=vmbr0"),
            ("ciuser", "admin"),
        ] {
            assert!(!holds(Qemu, key, None, want), "{key}={want}");
        }
        assert!(!holds(Qemu, "onboot", Some("1"), "0"));
    }

    #[test]
    fn a_container_has_other_defaults() {
        for (key, want) in [("swap", "512"), ("cmode", "tty"), ("features", "nesting=0")] {
            assert!(holds(Lxc, key, None, want), "{key}={want}");
        }
        for (key, want) in [("cores", "1"), ("swap", "0"), ("unprivileged", "1")] {
            assert!(!holds(Lxc, key, None, want), "{key}={want}");
        }
    }

    #[test]
    fn the_agent_is_on_however_it_is_said() {
        for agent in [
            "1",
            "enabled=1",
            "on,fstrim_cloned_disks=1",
            "type=isa,enabled=yes",
        ] {
            assert!(agent_enabled(agent), "{agent}");
        }
        for agent in ["", "0", "enabled=0", "type=isa", "1,1"] {
            assert!(!agent_enabled(agent), "{agent}");
        }
    }

    proptest! {
        #[test]
        fn every_value_is_the_same_as_itself(
            key in prop::sample::select(vec![
                "net0", "scsi0", "efidisk0", "mp0", "ipconfig0", "tags", "sshkeys", "boot", "agent",
                "cpu", "startup", "onboot", "cores", "memory", "description", "nameserver",
                "hotplug", "vmgenid", "name", "numa0", "audio0",
            ]),
            value: String,
            plain in "[a-z0-9=,;:./ -]{0,40}",
        ) {
            prop_assert!(same(key, &value, &value), "{}: {}", key, value);
            prop_assert!(same(key, &plain, &plain), "{}: {}", key, plain);
        }
    }
}
