//! Property strings: `virtio=AA:BB:…,bridge=vmbr0,tag=20`.

mod compare;

use std::fmt;

use super::kind::Kind;
use super::parse_switch;
use super::size::Size;

/// A property string, taken apart.
///
/// Keys stand in the order they were given, aliases resolved and each once.
/// `virtio=AA:…` of a `netN` is held as `model` and `macaddr`. `==` compares
/// the texts; [`PropertyString::same`] compares what they mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PropertyString {
    kind: &'static Kind,
    pairs: Vec<(String, String)>,
}

/// A text that is not a property string of its kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PropertyError {
    /// A key twice, be it under an alias.
    #[error("the key `{0}` stands twice")]
    Duplicate(String),
    /// A value without a key where there is no default key.
    #[error("`{0}` has no key: expected key=value")]
    NoKey(String),
    /// A key without a value.
    #[error("the key `{0}` has no value")]
    NoValue(String),
    /// A key that cannot be one.
    #[error("`{0}` is not a key")]
    NotAKey(String),
    /// A value that would end early.
    #[error(
        "the value `{value}` of `{key}` holds a comma or a line break, which property strings cannot carry"
    )]
    Unwritable {
        /// The key.
        key: String,
        /// The value.
        value: String,
    },
}

impl PropertyString {
    /// One without keys.
    pub const fn empty(kind: &'static Kind) -> Self {
        Self {
            kind,
            pairs: Vec::new(),
        }
    }

    /// Takes a text apart as `PVE::JSONSchema::parse_property_string` does,
    /// without asking whether the keys are known.
    pub fn parse(kind: &'static Kind, text: &str) -> Result<Self, PropertyError> {
        let parts = text
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty());
        let mut parsed = Self::empty(kind);
        for part in parts {
            match (part.split_once('='), kind.default_key) {
                (Some((key, value)), _) => parsed.add(key.trim_end(), value.trim_start())?,
                (None, Some(key)) => parsed.add(key, part)?,
                (None, None) => return Err(PropertyError::NoKey(part.to_owned())),
            }
        }
        Ok(parsed)
    }

    /// Of keys and values as a user's dictionary gives them; aliases are
    /// resolved, a key twice is an error.
    pub fn from_pairs<K: AsRef<str>, V: AsRef<str>>(
        kind: &'static Kind,
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self, PropertyError> {
        let mut built = Self::empty(kind);
        for (key, value) in pairs {
            built.add(key.as_ref(), value.as_ref())?;
        }
        Ok(built)
    }

    /// Sets a key that is not there yet.
    fn add(&mut self, key: &str, value: &str) -> Result<(), PropertyError> {
        let held = match self.kind.default_key {
            Some(default_key) if self.kind.models.contains(&key) => {
                if self.get("macaddr").is_some() {
                    return Err(PropertyError::Duplicate("macaddr".to_owned()));
                }
                default_key
            }
            _ => self.kind.resolve(key),
        };
        if self.get(held).is_some() {
            return Err(PropertyError::Duplicate(held.to_owned()));
        }
        self.set(key, value)
    }

    /// Sets a key, in its place if it is there. The model of a NIC as a key
    /// sets model and MAC.
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), PropertyError> {
        if let (true, Some(default_key)) = (self.kind.models.contains(&key), self.kind.default_key)
        {
            self.set("macaddr", value)?;
            return self.set(default_key, key);
        }
        let key = self.kind.resolve(key);
        let letters = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if key.is_empty() || !key.bytes().all(letters) {
            return Err(PropertyError::NotAKey(key.to_owned()));
        }
        if value.trim().is_empty() {
            return Err(PropertyError::NoValue(key.to_owned()));
        }
        if value.contains([',', '\n', '\r']) {
            return Err(PropertyError::Unwritable {
                key: key.to_owned(),
                value: value.to_owned(),
            });
        }
        let value = value.trim().to_owned();
        match self.pairs.iter_mut().find(|(own, _)| own == key) {
            Some((_, own)) => *own = value,
            None => self.pairs.push((key.to_owned(), value)),
        }
        Ok(())
    }

    /// Takes a key out.
    pub fn remove(&mut self, key: &str) {
        let key = self.kind.resolve(key);
        self.pairs.retain(|(own, _)| own != key);
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&str> {
        let key = self.kind.resolve(key);
        self.iter()
            .find(|(own, _)| *own == key)
            .map(|(_, value)| value)
    }

    /// The value of a key as a switch.
    pub fn switch(&self, key: &str) -> Option<bool> {
        self.get(key).and_then(parse_switch)
    }

    /// The size of a disk, where it is told.
    pub fn size(&self) -> Option<Size> {
        self.get("size")?.parse().ok()
    }

    /// The storage that a disk's volume lies on: `local-lvm` of
    /// `local-lvm:vm-100-disk-0`. Nothing for a device of the node, an empty
    /// drive and what is no disk.
    pub fn storage(&self) -> Option<&str> {
        self.volume().map(|(storage, _)| storage)
    }

    /// Keys and values in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
    }
}

impl fmt::Display for PropertyString {
    /// As Proxmox VE writes it: the default key's value first and, with most kinds, without its
    /// key, a NIC's model and MAC as one, the others in their order.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let default_key = self.kind.default_key;
        let first = default_key.and_then(|key| self.get(key));
        let mac = first
            .filter(|model| self.kind.models.contains(model))
            .and_then(|_| self.get("macaddr"));
        let mut separator = "";
        if let Some(value) = first {
            match (mac, default_key) {
                (Some(mac), _) => write!(formatter, "{value}={mac}")?,
                // Only with its key is such a value not taken for another key's.
                (None, Some(key)) if self.kind.writes_default_key || value.contains('=') => {
                    write!(formatter, "{key}={value}")?;
                }
                (None, _) => formatter.write_str(value)?,
            }
            separator = ",";
        }
        for (key, value) in self.iter() {
            if Some(key) == default_key || (mac.is_some() && key == "macaddr") {
                continue;
            }
            write!(formatter, "{separator}{key}={value}")?;
            separator = ",";
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Kind, PropertyError, PropertyString};
    use proptest::prelude::*;

    fn net(text: &str) -> PropertyString {
        PropertyString::parse(Kind::NET, text).unwrap()
    }

    fn disk(text: &str) -> PropertyString {
        PropertyString::parse(Kind::DISK, text).unwrap()
    }

    #[test]
    fn a_nic_is_model_and_mac_however_it_is_written() {
        let forms = [
            "virtio=BC:24:11:00:00:01,bridge=vmbr0,tag=20",
            "model=virtio,macaddr=bc:24:11:00:00:01,tag=20,bridge=vmbr0",
            "virtio,bridge=vmbr0,tag=20.0,macaddr=BC:24:11:00:00:01,firewall=off",
            " bridge=vmbr0, tag=20 ,virtio=bc:24:11:00:00:01,",
        ];
        for form in forms {
            let parsed = net(form);
            assert_eq!(parsed.get("model"), Some("virtio"), "{form}");
            assert!(net(forms[0]).same(&parsed), "{form}");
        }
        assert_eq!(
            net(forms[1]).to_string(),
            "virtio=bc:24:11:00:00:01,tag=20,bridge=vmbr0"
        );
    }

    #[test]
    fn the_order_of_a_start_up_is_written_with_its_key() {
        for text in ["2,up=30", "up=30,order=2"] {
            let startup = PropertyString::parse(Kind::STARTUP, text).unwrap();
            assert_eq!(startup.to_string(), "order=2,up=30");
        }
    }

    #[test]
    fn a_disk_names_its_storage() {
        assert_eq!(
            disk("local-lvm:vm-101-disk-1,size=4G").storage(),
            Some("local-lvm")
        );
        for text in ["none,media=cdrom", "/dev/disk/by-id/ata-1:2", "size=4G"] {
            assert_eq!(disk(text).storage(), None, "{text}");
        }
        assert_eq!(net("virtio=BC:24:11:00:00:01").storage(), None);
    }

    #[test]
    fn faults_are_named() {
        let parse = PropertyString::parse;
        assert_eq!(
            parse(Kind::NET, "virtio,model=e1000"),
            Err(PropertyError::Duplicate("model".into()))
        );
        assert_eq!(
            parse(Kind::DISK, "a:1,volume=b:2"),
            Err(PropertyError::Duplicate("file".into()))
        );
        assert_eq!(
            parse(Kind::IPCONFIG, "dhcp"),
            Err(PropertyError::NoKey("dhcp".into()))
        );
        assert_eq!(
            parse(Kind::NET, "virtio,bridge="),
            Err(PropertyError::NoValue("bridge".into()))
        );
        assert_eq!(
            parse(Kind::NET, "=x"),
            Err(PropertyError::NotAKey(String::new()))
        );
        let error = PropertyString::from_pairs(Kind::NET, [("bridge", "a,b")]).unwrap_err();
        assert!(error.to_string().contains("`a,b` of `bridge`"), "{error}");
    }

    #[test]
    fn a_dictionary_gives_the_same_as_a_text() {
        let built = PropertyString::from_pairs(
            Kind::NET,
            [
                ("bridge", "vmbr0"),
                ("virtio", "BC:24:11:00:00:01"),
                ("firewall", "yes"),
            ],
        );
        assert!(
            built
                .unwrap()
                .same(&net("virtio=BC:24:11:00:00:01,bridge=vmbr0,firewall=1"))
        );
    }

    fn kinds() -> impl Strategy<Value = &'static Kind> {
        prop::sample::select(vec![
            Kind::NET,
            Kind::DISK,
            Kind::STATE_DISK,
            Kind::MOUNT,
            Kind::IPCONFIG,
            Kind::AGENT,
            Kind::CPU,
            Kind::STARTUP,
        ])
    }

    proptest! {
        #[test]
        fn what_is_written_reads_the_same(kind in kinds(), text in "[a-zA-Z0-9=,:;/ ._+-]{0,60}") {
            if let Ok(parsed) = PropertyString::parse(kind, &text) {
                let again = PropertyString::parse(kind, &parsed.to_string());
                prop_assert!(again.is_ok_and(|again| again.same(&parsed) && parsed.same(&again)));
            }
        }

        #[test]
        fn a_written_string_is_written_the_same(
            kind in kinds(),
            pairs in prop::collection::btree_map("[a-z][a-z0-9_-]{0,8}", "[a-zA-Z0-9:;/._+=-]{1,12}", 0..6),
        ) {
            if let Ok(built) = PropertyString::from_pairs(kind, &pairs) {
                let text = built.to_string();
                let again = PropertyString::parse(kind, &text).map(|again| again.to_string());
                prop_assert_eq!(again, Ok(text));
            }
        }

        #[test]
        fn no_text_makes_it_panic(kind in kinds(), text: String) {
            let _ = PropertyString::parse(kind, &text).map(|parsed| parsed.same(&parsed));
        }
    }
}
