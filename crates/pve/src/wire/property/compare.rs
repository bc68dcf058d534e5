//! What two property strings mean to one another.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::PropertyString;
use crate::wire::kind::{Allocation, Type};
use crate::wire::size::Size;
use crate::wire::{canonical_number, lists, parse_switch, switch};

impl PropertyString {
    /// What an existing value becomes when `wanted` is written over it: keys
    /// that are stated replace, others are kept.
    ///
    /// A NIC so keeps its MAC unless one is stated, also under another model.
    /// A disk keeps its volume where the wanted one only asks for a volume
    /// such as it has (`local-lvm:32`, `local-lvm:cloudinit`): written as it
    /// is, that would make a second one.
    #[must_use]
    pub fn merge(&self, wanted: &Self) -> Self {
        let keeps_volume = self.answers(wanted);
        let mut merged = self.clone();
        for (key, value) in &wanted.pairs {
            if keeps_volume && wanted.is_request(key) {
                continue;
            }
            match merged.pairs.iter_mut().find(|(own, _)| own == key) {
                Some((_, own)) => own.clone_from(value),
                None => merged.pairs.push((key.clone(), value.clone())),
            }
        }
        merged
    }

    /// Whether an existing value is what `wanted` asks for.
    ///
    /// Order, spelling and keys that hold their default make no difference.
    /// What the server adds by itself does not either: the MAC of a NIC, the
    /// size of a disk and the volume that an allocation was answered with,
    /// unless `wanted` states them.
    pub fn same(&self, wanted: &Self) -> bool {
        let keeps_volume = self.answers(wanted);
        let mut have = self.meanings();
        let mut want = wanted.meanings();
        let added: &[&str] = match self.kind.allocation {
            Allocation::None => &["macaddr", "hwaddr"],
            Allocation::Sized | Allocation::Unsized => &["size"],
        };
        for key in added.iter().filter(|key| wanted.get(key).is_none()) {
            have.remove(key);
        }
        if keeps_volume {
            have.retain(|key, _| !wanted.is_request(key));
            want.retain(|key, _| !wanted.is_request(key));
            if wanted.asks_for_cloud_init() {
                have.remove("media");
                want.remove("media");
            }
        }
        have == want
    }

    /// Whether the existing volume is one that the allocation in `wanted`
    /// could have been answered with. A volume that has grown since still is.
    fn answers(&self, wanted: &Self) -> bool {
        let (Some((have_storage, have)), Some((storage, asked))) = (self.volume(), wanted.volume())
        else {
            return false;
        };
        if have_storage != storage {
            return false;
        }
        if wanted.asks_for_cloud_init() {
            return have.contains("-cloudinit");
        }
        if self.get("media") == Some("cdrom") {
            return false;
        }
        let Ok(least) = format!("{asked}G").parse::<Size>() else {
            return false;
        };
        match self.kind.allocation {
            Allocation::None => false,
            Allocation::Unsized => true,
            Allocation::Sized => self.size().is_none_or(|size| size >= least),
        }
    }

    /// Whether a key of an allocation only tells how the volume is made.
    fn is_request(&self, key: &str) -> bool {
        Some(key) == self.kind.default_key || matches!(key, "format" | "import-from" | "size")
    }

    /// Whether writing it makes a volume: `local-lvm:32`, `local-lvm:cloudinit`, or an image that is imported. To
    /// write it twice makes two.
    pub fn allocates(&self) -> bool {
        let is_size = |name: &str| {
            name.bytes().any(|byte| byte.is_ascii_digit())
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_digit() || byte == b'.')
        };
        self.asks_for_cloud_init()
            || self
                .volume()
                .is_some_and(|(_, name)| is_size(name) || self.get("import-from").is_some())
    }

    fn asks_for_cloud_init(&self) -> bool {
        self.volume().is_some_and(|(_, name)| name == "cloudinit")
    }

    pub(super) fn volume(&self) -> Option<(&str, &str)> {
        if self.kind.allocation == Allocation::None {
            return None;
        }
        self.get(self.kind.default_key?)?
            .split_once(':')
            .filter(|(storage, _)| !storage.contains('/'))
    }

    /// The values in one spelling, those that say the default left out.
    fn meanings(&self) -> BTreeMap<&str, String> {
        self.iter()
            .filter_map(|(key, value)| {
                let property = self.kind.property(key);
                let meaning = meaning(property.map_or(Type::Text, |property| property.kind), value);
                let default = property.and_then(|property| property.default);
                (default != Some(meaning.as_str())).then_some((key, meaning))
            })
            .collect()
    }
}

/// A value in the one spelling of its type; as it is where it is none.
fn meaning(kind: Type, value: &str) -> String {
    let spelt = match kind {
        Type::Text => None,
        Type::Switch => parse_switch(value).map(|on| switch(on).to_owned()),
        Type::Number => canonical_number(value),
        Type::Size => value.parse::<Size>().ok().map(|size| size.to_string()),
        Type::Mac => Some(value.to_ascii_uppercase()),
        Type::Address => canonical_address(value),
        Type::Set => {
            let mut items: Vec<_> = lists::split(value).collect();
            items.sort_unstable();
            items.dedup();
            Some(items.join(";"))
        }
    };
    spelt.unwrap_or_else(|| value.to_owned())
}

fn canonical_address(text: &str) -> Option<String> {
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address, format!("/{}", canonical_number(prefix)?)),
        None => (text, String::new()),
    };
    let address: IpAddr = address.parse().ok()?;
    Some(format!("{address}{prefix}"))
}

#[cfg(test)]
mod tests {
    use super::PropertyString;
    use crate::wire::Kind;
    use proptest::prelude::*;

    fn net(text: &str) -> PropertyString {
        PropertyString::parse(Kind::NET, text).unwrap()
    }

    fn disk(text: &str) -> PropertyString {
        PropertyString::parse(Kind::DISK, text).unwrap()
    }

    #[test]
    fn what_differs_is_told() {
        let have = net("virtio=BC:24:11:00:00:01,bridge=vmbr0,tag=20");
        for other in [
            "virtio=BC:24:11:00:00:02,bridge=vmbr0,tag=20",
            "e1000=BC:24:11:00:00:01,bridge=vmbr0,tag=20",
            "virtio=BC:24:11:00:00:01,bridge=vmbr1,tag=20",
            "virtio=BC:24:11:00:00:01,bridge=vmbr0",
            "virtio=BC:24:11:00:00:01,bridge=vmbr0,tag=20,firewall=1",
        ] {
            assert!(!have.same(&net(other)), "{other}");
        }
    }

    #[test]
    fn a_nic_keeps_its_mac_unless_one_is_stated() {
        let have = net("virtio=BC:24:11:00:00:01,bridge=vmbr0,firewall=1");
        for (wanted, merged) in [
            (
                "bridge=vmbr1",
                "virtio=BC:24:11:00:00:01,bridge=vmbr1,firewall=1",
            ),
            (
                "virtio,tag=5",
                "virtio=BC:24:11:00:00:01,bridge=vmbr0,firewall=1,tag=5",
            ),
            (
                "e1000,bridge=vmbr0",
                "e1000=BC:24:11:00:00:01,bridge=vmbr0,firewall=1",
            ),
            (
                "virtio=02:00:00:00:00:09",
                "virtio=02:00:00:00:00:09,bridge=vmbr0,firewall=1",
            ),
        ] {
            assert_eq!(have.merge(&net(wanted)).to_string(), merged, "{wanted}");
        }
        assert!(have.same(&net("virtio,bridge=vmbr0,firewall=1")));
    }

    #[test]
    fn a_volume_that_answers_a_request_is_kept() {
        let have = disk("local-lvm:vm-101-disk-1,size=40G,ssd=1");
        let wanted = disk("local-lvm:32,ssd=1,format=raw");
        assert!(have.same(&wanted));
        assert!(have.same(&disk("local-lvm:40,ssd=1")));
        assert_eq!(
            have.merge(&disk("local-lvm:32,discard=on")).to_string(),
            "local-lvm:vm-101-disk-1,size=40G,ssd=1,discard=on"
        );
        for other in [
            "ceph:32,ssd=1",
            "local-lvm:64,ssd=1",
            "local-lvm:32",
            "local-lvm:vm-101-disk-2,ssd=1",
        ] {
            assert!(!have.same(&disk(other)), "{other}");
        }
    }

    #[test]
    fn what_the_server_adds_to_a_drive_makes_no_difference() {
        for (have, wanted) in [
            (
                "local:iso/d.iso,media=cdrom,size=600M",
                "local:iso/d.iso,media=cdrom",
            ),
            (
                "local:101/vm-101-cloudinit.qcow2,media=cdrom,size=4M",
                "local:cloudinit",
            ),
            (
                "local-lvm:vm-101-cloudinit,media=cdrom",
                "local-lvm:cloudinit,media=cdrom",
            ),
            (
                "ceph:base-9-disk-0/vm-101-disk-0,size=1024M",
                "file=ceph:base-9-disk-0/vm-101-disk-0,size=1G",
            ),
        ] {
            assert!(disk(have).same(&disk(wanted)), "{have} {wanted}");
        }
        let efi = |text| PropertyString::parse(Kind::STATE_DISK, text).unwrap();
        assert!(efi("ceph:vm-1-disk-1,efitype=4m,size=528K").same(&efi("ceph:1,efitype=4m")));
    }

    #[test]
    fn flags_are_a_set() {
        let cpu = |text| PropertyString::parse(Kind::CPU, text).unwrap();
        assert!(cpu("host,flags=+aes;-pcid").same(&cpu("cputype=host,flags=-pcid;+aes")));
        assert!(!cpu("host,flags=+aes").same(&cpu("host,flags=-aes")));
    }

    #[test]
    fn what_vanishes_with_a_synchronisation_is_a_set() {
        let sync = |text| PropertyString::parse(Kind::REALM_SYNC, text).unwrap();
        let have = sync("scope=both,remove-vanished=acl;entry,enable-new=1");
        assert!(have.same(&sync("remove-vanished=entry;acl,scope=both")));
        assert!(!have.same(&sync("remove-vanished=entry,scope=both")));
        assert!(!have.same(&sync("scope=both,remove-vanished=acl;entry,enable-new=0")));
        assert!(sync("scope=users,remove-vanished=none").same(&sync("scope=users")));
    }

    #[test]
    fn an_image_in_a_drive_is_no_answer_to_a_request() {
        let drive = disk("local:iso/d.iso,media=cdrom,size=4G");
        assert!(!drive.same(&disk("local:1,media=cdrom")));
        assert_eq!(
            drive.merge(&disk("local:1,media=disk")).get("file"),
            Some("local:1")
        );
    }

    proptest! {
        #[test]
        fn merging_settles_what_is_wanted(
            kind in prop::sample::select(vec![Kind::NET, Kind::DISK, Kind::MOUNT, Kind::CPU]), have in "[a-z0-9=,:.]{0,40}", want in "[a-z0-9=,:.]{0,40}",
        ) {
            if let (Ok(have), Ok(want)) = (PropertyString::parse(kind, &have), PropertyString::parse(kind, &want)) {
                let once = have.merge(&want);
                prop_assert_eq!(once.merge(&want), once);
            }
        }
    }
}
