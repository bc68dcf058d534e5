//! What an update may write: disks and directories of the node only where the
//! task says so, and never in place of another.

use std::collections::BTreeMap;

use pve::wire::Size;
use pve::wire::password::Compared;

use crate::guests::config::{Config, Unwantable, Want, Wanted, change, is_disk};
use crate::guests::disks::{Fitted, fitted};
use crate::guests::values::unwantable;

/// What is wanted, brought together with what is there.
#[derive(Debug, Default)]
pub struct Settled {
    /// What is wanted of the configuration.
    pub wanted: Wanted,
    /// The sizes that disks grow to.
    pub sizes: BTreeMap<String, Size>,
    /// What is wanted otherwise than it is, and is not written without `update_unsafe`.
    left: Vec<String>,
    /// What is wanted of a volume that is there, and cannot be had.
    warnings: Vec<String>,
}

impl Settled {
    /// Of all that is wanted; `unsafe_too` as `update_unsafe` says.
    pub fn of(have: &Config, wanted: Wanted, unsafe_too: bool) -> Result<Self, Unwantable> {
        let mut settled = Self::default();
        for (key, want) in wanted {
            match want {
                Want::Text(text) if is_guarded(&key) => {
                    if unsafe_too {
                        settled.take(have, key, &text)?;
                    } else if differs(have, &key, &text) {
                        settled.left.push(told(have, &key, &text));
                    }
                }
                want => {
                    settled.wanted.insert(key, want);
                }
            }
        }
        Ok(settled)
    }

    fn take(&mut self, have: &Config, key: String, text: &str) -> Result<(), Unwantable> {
        let Fitted { value, grows, left } = fit(have, &key, text)?;
        let warnings = left
            .iter()
            .map(|why| format!("{key} is left as it is: {why}"));
        self.warnings.extend(warnings);
        if let Some(size) = grows {
            self.sizes.insert(key.clone(), size);
        }
        self.wanted.insert(key, Want::Text(value));
        Ok(())
    }

    /// The warnings about what is not written.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = self.warnings.clone();
        if !self.left.is_empty() {
            warnings.push(format!(
                "update_unsafe is false, so that these are left as they are: {}",
                self.left.join("; ")
            ));
        }
        warnings
    }
}

/// What an update writes only with `update_unsafe`.
fn is_guarded(key: &str) -> bool {
    is_disk(key) || key.starts_with("virtiofs")
}

fn fit(have: &Config, key: &str, text: &str) -> Result<Fitted, Unwantable> {
    if is_disk(key) && text.is_empty() {
        let why = "an empty text is no disk; to detach one, name it under delete";
        return Err(unwantable(key, why));
    }
    match have.get(key).filter(|_| is_disk(key)) {
        Some(have) => fitted(key, have, text),
        None => Ok(Fitted {
            value: text.to_owned(),
            ..Fitted::default()
        }),
    }
}

fn differs(have: &Config, key: &str, text: &str) -> bool {
    let Ok(Fitted { value, grows, left }) = fit(have, key, text) else {
        return true;
    };
    let wanted = Wanted::from([(key.to_owned(), Want::Text(value))]);
    grows.is_some()
        || !left.is_empty()
        || change(have, &wanted, Compared::Same).map_or(true, |change| !change.is_empty())
}

fn told(have: &Config, key: &str, text: &str) -> String {
    match have.get(key) {
        Some(have) => format!("{key} is `{have}`, `{text}` is wanted"),
        None => format!("there is no {key}, `{text}` is wanted"),
    }
}

#[cfg(test)]
mod tests {
    use super::Settled;
    use crate::guests::config::{Config, Want, Wanted, change};
    use pve::path;
    use pve::wire::password::Compared;
    use serde_json::json;

    fn have() -> Config {
        Config::from_config(&json!({
            "cores": 2, "net0": "virtio=BC:24:11:00:00:01,bridge=vmbr0", "ide2": "none,media=cdrom",
            "scsi0": "local-lvm:vm-101-disk-0,size=32G,ssd=1", "virtiofs0": "share",
        }))
    }

    fn settled(pairs: &[(&str, &str)], unsafe_too: bool) -> Result<Settled, String> {
        let wanted: Wanted = pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), Want::Text((*value).to_owned())))
            .collect();
        Settled::of(&have(), wanted, unsafe_too).map_err(|error| error.to_string())
    }

    fn call(settled: &Settled) -> String {
        let change = change(&have(), &settled.wanted, Compared::Same).unwrap();
        if change.is_empty() {
            return String::new();
        }
        change.call(&path!("vm")).to_string()
    }

    #[test]
    fn without_update_unsafe_disks_are_left_and_named() {
        let settled = settled(
            &[
                ("cores", "4"),
                ("net0", "virtio,bridge=vmbr0,tag=20"),
                ("scsi0", "local-lvm:64"),
                ("ide2", "none,media=cdrom"),
                ("virtiofs0", "share"),
                ("virtiofs1", "other"),
            ],
            false,
        )
        .unwrap();
        assert_eq!(
            call(&settled),
            "PUT /vm/config cores=4 net0=virtio=BC:24:11:00:00:01,bridge=vmbr0,tag=20"
        );
        assert_eq!(
            settled.warnings(),
            [
                "update_unsafe is false, so that these are left as they are: scsi0 is \
             `local-lvm:vm-101-disk-0,size=32G,ssd=1`, `local-lvm:64` is wanted; there is no virtiofs1, \
             `other` is wanted"
            ]
        );
    }

    #[test]
    fn what_is_as_it_is_wanted_is_no_warning() {
        for (key, value) in [
            ("scsi0", "local-lvm:32"),
            ("scsi0", "local-lvm:32,ssd=on"),
            ("scsi0", "local-lvm:vm-101-disk-0"),
            ("virtiofs0", "dirid=share,cache=auto"),
        ] {
            let settled = settled(&[(key, value)], false).unwrap();
            assert_eq!(settled.warnings(), [""; 0], "{value}");
        }
    }

    #[test]
    fn with_update_unsafe_disks_are_changed_and_grow() {
        for (key, value, expected, size) in [
            ("scsi0", "local-lvm:32", "", None),
            ("scsi0", "local-lvm:64", "", Some("64G")),
            (
                "scsi0",
                "local-lvm:64,discard=on",
                "PUT /vm/config scsi0=local-lvm:vm-101-disk-0,size=32G,ssd=1,discard=on",
                Some("64G"),
            ),
            (
                "scsi1",
                "local-lvm:8",
                "PUT /vm/config scsi1=local-lvm:8",
                None,
            ),
            (
                "ide2",
                "local:iso/a.iso,media=cdrom",
                "PUT /vm/config ide2=local:iso/a.iso,media=cdrom",
                None,
            ),
            ("virtiofs0", "other", "PUT /vm/config virtiofs0=other", None),
        ] {
            let settled = settled(&[(key, value)], true).unwrap();
            assert_eq!(call(&settled), expected, "{value}");
            let grown = settled.sizes.get(key).map(ToString::to_string);
            assert_eq!(grown.as_deref(), size, "{value}");
            assert_eq!(settled.warnings(), [""; 0]);
        }
    }

    #[test]
    fn a_disk_is_not_replaced_and_not_taken_away() {
        let other = settled(&[("scsi0", "ceph:32")], true).unwrap();
        assert_eq!(
            change(&have(), &other.wanted, Compared::Same)
                .unwrap_err()
                .to_string(),
            "scsi0: there is a disk already (local-lvm:vm-101-disk-0); it would be replaced by another"
        );
        assert_eq!(
            settled(&[("scsi0", "")], true).unwrap_err(),
            "scsi0: an empty text is no disk; to detach one, name it under delete"
        );
    }
}
