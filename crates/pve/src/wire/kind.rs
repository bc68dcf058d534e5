//! What is known of each kind of property string.

/// How the values of a property are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    /// As text.
    Text,
    /// `1`, `on`, `yes`, `true` are one.
    Switch,
    /// `10` and `10.0` are one.
    Number,
    /// In bytes.
    Size,
    /// In either case.
    Mac,
    /// As an IP address, with or without a prefix, or a word.
    Address,
    /// A list whose order means nothing: `+aes;-pcid`.
    Set,
}

/// A property whose values are not plain text or that has a default.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Property {
    pub(super) key: &'static str,
    pub(super) kind: Type,
    /// The value that is as good as none.
    pub(super) default: Option<&'static str>,
}

/// What the server makes of a volume that is asked for, not named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Allocation {
    /// The kind has no volumes.
    None,
    /// `storage:32` makes a volume of 32 GiB.
    Sized,
    /// `storage:1` makes a volume of the size that it needs.
    Unsized,
}

/// A kind of property string: its default key, its aliases, its types.
#[derive(Debug, PartialEq, Eq)]
pub struct Kind {
    /// The key of the value that stands without one.
    pub(super) default_key: Option<&'static str>,
    /// Whether that key is written all the same, as Proxmox VE itself does.
    pub(super) writes_default_key: bool,
    /// Other names of keys.
    pub(super) aliases: &'static [(&'static str, &'static str)],
    /// Keys that are values of the default key at the same time:
    /// `virtio=AA:…` is `model=virtio,macaddr=AA:…`.
    pub(super) models: &'static [&'static str],
    pub(super) allocation: Allocation,
    properties: &'static [Property],
}

const fn typed(key: &'static str, kind: Type) -> Property {
    Property {
        key,
        kind,
        default: None,
    }
}

const fn switch(key: &'static str, default: &'static str) -> Property {
    Property {
        key,
        kind: Type::Switch,
        default: Some(default),
    }
}

const fn word(key: &'static str, default: &'static str) -> Property {
    Property {
        key,
        kind: Type::Text,
        default: Some(default),
    }
}

/// A kind without aliases, models and volumes.
const fn plain(default_key: Option<&'static str>, properties: &'static [Property]) -> Kind {
    Kind {
        default_key,
        writes_default_key: false,
        aliases: &[],
        models: &[],
        allocation: Allocation::None,
        properties,
    }
}

impl Kind {
    /// `netN` of virtual machines and of containers.
    pub const NET: &'static Self = &Self {
        default_key: Some("model"),
        writes_default_key: false,
        aliases: &[],
        models: &[
            "e1000",
            "e1000-82540em",
            "e1000-82544gc",
            "e1000-82545em",
            "e1000e",
            "i82551",
            "i82557b",
            "i82559er",
            "ne2k_isa",
            "ne2k_pci",
            "pcnet",
            "rtl8139",
            "virtio",
            "vmxnet3",
        ],
        allocation: Allocation::None,
        properties: &[
            typed("macaddr", Type::Mac),
            typed("hwaddr", Type::Mac),
            switch("firewall", "0"),
            switch("link_down", "0"),
            switch("host-managed", "0"),
            typed("host-tunnel", Type::Switch),
            typed("rate", Type::Number),
            typed("mtu", Type::Number),
            typed("queues", Type::Number),
            typed("tag", Type::Number),
            typed("trunks", Type::Set),
            typed("ip", Type::Address),
            typed("ip6", Type::Address),
            typed("gw", Type::Address),
            typed("gw6", Type::Address),
        ],
    };

    /// `ideN`, `sataN`, `scsiN`, `virtioN`, `unusedN`.
    pub const DISK: &'static Self = &Self {
        default_key: Some("file"),
        writes_default_key: false,
        aliases: &[
            ("volume", "file"),
            ("bps_rd_length", "bps_rd_max_length"),
            ("bps_wr_length", "bps_wr_max_length"),
            ("iops_rd_length", "iops_rd_max_length"),
            ("iops_wr_length", "iops_wr_max_length"),
        ],
        models: &[],
        allocation: Allocation::Sized,
        properties: &[
            typed("size", Type::Size),
            word("media", "disk"),
            word("discard", "ignore"),
            switch("backup", "1"),
            switch("replicate", "1"),
            switch("iothread", "0"),
            switch("ssd", "0"),
            switch("ro", "0"),
            switch("shared", "0"),
            switch("snapshot", "0"),
            switch("scsiblock", "0"),
            typed("detect_zeroes", Type::Switch),
            typed("mbps", Type::Number),
            typed("mbps_rd", Type::Number),
            typed("mbps_wr", Type::Number),
            typed("mbps_max", Type::Number),
            typed("mbps_rd_max", Type::Number),
            typed("mbps_wr_max", Type::Number),
        ],
    };

    /// `efidisk0`, `tpmstate0`.
    pub const STATE_DISK: &'static Self = &Self {
        default_key: Some("file"),
        writes_default_key: false,
        aliases: &[("volume", "file")],
        models: &[],
        allocation: Allocation::Unsized,
        properties: &[
            typed("size", Type::Size),
            word("efitype", "2m"),
            switch("pre-enrolled-keys", "0"),
            word("version", "v1.2"),
        ],
    };

    /// `rootfs`, `mpN` of containers. A container's mount point is backed up
    /// only when it says so; its root always is.
    pub const MOUNT: &'static Self = &Self {
        default_key: Some("volume"),
        writes_default_key: false,
        aliases: &[],
        models: &[],
        allocation: Allocation::Sized,
        properties: &[
            typed("size", Type::Size),
            typed("mountoptions", Type::Set),
            typed("acl", Type::Switch),
            switch("backup", "0"),
            switch("keepattrs", "0"),
            switch("quota", "0"),
            switch("replicate", "1"),
            switch("ro", "0"),
            switch("shared", "0"),
        ],
    };

    /// `ipconfigN`.
    pub const IPCONFIG: &'static Self = &plain(
        None,
        &[
            typed("ip", Type::Address),
            typed("ip6", Type::Address),
            typed("gw", Type::Address),
            typed("gw6", Type::Address),
        ],
    );

    /// `agent`.
    pub const AGENT: &'static Self = &Self {
        aliases: &[
            ("freeze-fs-on-backup", "freeze-fs"),
            ("guest-fsfreeze", "freeze-fs"),
        ],
        ..plain(
            Some("enabled"),
            &[
                switch("enabled", "0"),
                switch("freeze-fs", "1"),
                switch("fstrim_cloned_disks", "0"),
                word("type", "virtio"),
            ],
        )
    };

    /// `boot`; what stands without a key is the order of old: `cdn`.
    pub const BOOT: &'static Self = &plain(Some("legacy"), &[]);

    /// `startup`; a number alone is the order.
    pub const STARTUP: &'static Self = &Self {
        writes_default_key: true,
        ..plain(
            Some("order"),
            &[
                typed("order", Type::Number),
                typed("up", Type::Number),
                typed("down", Type::Number),
            ],
        )
    };

    /// `cpu`.
    pub const CPU: &'static Self = &plain(
        Some("cputype"),
        &[typed("flags", Type::Set), switch("hidden", "0")],
    );

    /// `memory` of virtual machines, a plain number for containers.
    pub const MEMORY: &'static Self = &plain(Some("current"), &[typed("current", Type::Number)]);

    /// `sync-defaults-options` of a realm; what is not told has the default of the synchronisation.
    pub const REALM_SYNC: &'static Self = &plain(
        None,
        &[
            switch("enable-new", "1"),
            Property {
                key: "remove-vanished",
                kind: Type::Set,
                default: Some("none"),
            },
        ],
    );

    const MACHINE: &'static Self = &plain(
        Some("type"),
        &[
            typed("enable-s3", Type::Switch),
            typed("enable-s4", Type::Switch),
            typed("aw-bits", Type::Number),
        ],
    );
    const VGA: &'static Self = &plain(
        Some("type"),
        &[word("type", "std"), typed("memory", Type::Number)],
    );
    const USB: &'static Self = &plain(Some("host"), &[switch("usb3", "0")]);
    const HOSTPCI: &'static Self = &plain(
        Some("host"),
        &[
            switch("rombar", "1"),
            switch("pcie", "0"),
            switch("x-vga", "0"),
            switch("legacy-igd", "0"),
        ],
    );
    const VIRTIOFS: &'static Self = &plain(
        Some("dirid"),
        &[
            word("cache", "auto"),
            switch("direct-io", "0"),
            switch("expose-acl", "0"),
            switch("expose-xattr", "0"),
        ],
    );
    const NUMA_NODE: &'static Self = &plain(
        None,
        &[
            typed("cpus", Type::Set),
            typed("hostnodes", Type::Set),
            typed("memory", Type::Number),
        ],
    );
    const FEATURES: &'static Self = &plain(
        None,
        &[
            typed("mount", Type::Set),
            switch("force_rw_sys", "0"),
            switch("fuse", "0"),
            switch("keyctl", "0"),
            switch("mknod", "0"),
            switch("nesting", "0"),
        ],
    );
    const DEVICE: &'static Self = &plain(Some("path"), &[switch("deny-write", "0")]);
    const RNG: &'static Self = &plain(
        Some("source"),
        &[
            typed("max_bytes", Type::Number),
            typed("period", Type::Number),
        ],
    );
    const WATCHDOG: &'static Self = &plain(Some("model"), &[]);
    const MEMORY_ENCRYPTION: &'static Self = &plain(Some("type"), &[]);
    const SMBIOS: &'static Self = &plain(None, &[switch("base64", "0")]);
    const SPICE: &'static Self = &plain(
        None,
        &[switch("foldersharing", "0"), word("videostreaming", "off")],
    );
    /// `cicustom`, `audio0`, `ivshmem`: keys and texts.
    const KEYED: &'static Self = &plain(None, &[]);

    /// The kind of a key of a guest's configuration, `net0` or `agent`;
    /// nothing where the value is no property string.
    pub fn of(key: &str) -> Option<&'static Self> {
        let base = key.trim_end_matches(|character: char| character.is_ascii_digit());
        Some(match (base, base.len() < key.len()) {
            ("net", true) => Self::NET,
            ("ide" | "sata" | "scsi" | "virtio" | "unused", true) => Self::DISK,
            ("efidisk" | "tpmstate", true) => Self::STATE_DISK,
            ("mp", true) | ("rootfs", false) => Self::MOUNT,
            ("ipconfig", true) => Self::IPCONFIG,
            ("agent", false) => Self::AGENT,
            ("boot", false) => Self::BOOT,
            ("startup", false) => Self::STARTUP,
            ("cpu", false) => Self::CPU,
            ("memory", false) => Self::MEMORY,
            ("machine", false) => Self::MACHINE,
            ("vga", false) => Self::VGA,
            ("usb", true) => Self::USB,
            ("hostpci", true) => Self::HOSTPCI,
            ("virtiofs", true) => Self::VIRTIOFS,
            ("numa", true) => Self::NUMA_NODE,
            ("features", false) => Self::FEATURES,
            ("dev", true) => Self::DEVICE,
            ("rng", true) => Self::RNG,
            ("watchdog", false) => Self::WATCHDOG,
            ("amd-sev" | "intel-tdx", false) => Self::MEMORY_ENCRYPTION,
            ("smbios", true) => Self::SMBIOS,
            ("spice_enhancements", false) => Self::SPICE,
            ("cicustom" | "ivshmem", false) | ("audio", true) => Self::KEYED,
            _ => return None,
        })
    }

    /// The key that an alias stands for.
    pub(super) fn resolve<'a>(&self, key: &'a str) -> &'a str {
        self.aliases
            .iter()
            .find(|(alias, _)| *alias == key)
            .map_or(key, |(_, resolved)| resolved)
    }

    pub(super) fn property(&self, key: &str) -> Option<&'static Property> {
        self.properties.iter().find(|property| property.key == key)
    }
}

#[cfg(test)]
mod tests {
    use super::Kind;

    #[test]
    fn a_numbered_key_and_its_plain_namesake_are_told_apart() {
        assert_eq!(Kind::of("net0"), Some(Kind::NET));
        assert_eq!(Kind::of("scsi30"), Some(Kind::DISK));
        assert_eq!(Kind::of("mp255"), Some(Kind::MOUNT));
        assert!(Kind::of("numa0").is_some());
        for key in ["numa", "net", "scsihw", "smp", "description", "", "7"] {
            assert_eq!(Kind::of(key), None, "{key}");
        }
    }
}
