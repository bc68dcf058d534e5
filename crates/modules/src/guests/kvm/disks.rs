//! The options of disks and drives, and of directories of the node.

use ansible::Args;

use super::stated::{Numbered, Stated};
use crate::guests::config::Unwantable;

/// Disks and drives by key.
#[derive(Args, Debug, Default)]
pub struct Disks {
    /// The disk that keeps the variables of O(bios=ovmf), which a new VM must state with it.
    pub efidisk0: Option<EfiDisk>,
    /// IDE disks and drives by key, V(ide0) to V(ide3): V(STORAGE:SIZE) in GiB makes a disk,
    /// V(STORAGE:cloudinit) the drive of cloud-init, V(STORAGE:iso/debian.iso,media=cdrom) puts an image into a drive.
    pub ide: Option<Numbered>,
    /// SATA disks and drives by key, V(sata0) to V(sata5), as O(ide).
    pub sata: Option<Numbered>,
    /// SCSI disks and drives by key, V(scsi0) to V(scsi30), as O(ide).
    pub scsi: Option<Numbered>,
    /// The disk that keeps the state of a TPM.
    pub tpmstate0: Option<TpmState>,
    /// Disks of the bus virtio by key, V(virtio0) to V(virtio15), as O(ide).
    pub virtio: Option<Numbered>,
    /// Directories of the node by key, V(virtiofs0) and so on, such as V(dirid=share,cache=auto).
    pub virtiofs: Option<Numbered>,
}

/// The EFI disk.
#[derive(Args, Debug)]
pub struct EfiDisk {
    /// Its size: V(4m) has room for the keys of Secure Boot.
    #[arg(choices = ["2m", "4m"])]
    pub efitype: Option<String>,
    /// The format of its volume, on a storage that has formats.
    pub format: Option<String>,
    /// Whether the keys of Secure Boot are enrolled when it is made, which turns Secure Boot on.
    pub pre_enrolled_keys: Option<bool>,
    /// The storage of its volume. Needed to make one.
    pub storage: Option<String>,
}

/// The disk of a TPM.
#[derive(Args, Debug)]
pub struct TpmState {
    /// The storage of its volume.
    #[arg(required)]
    pub storage: String,
    /// The version of the TPM.
    #[arg(default = "2.0", choices = ["2.0", "1.2"])]
    pub version: String,
}

impl Disks {
    /// The keys of the configuration that are stated.
    pub fn state(&self, stated: &mut Stated) -> Result<(), Unwantable> {
        stated.put("efidisk0", self.efidisk0.as_ref().map(EfiDisk::property));
        stated.put("tpmstate0", self.tpmstate0.as_ref().map(TpmState::property));
        for (option, keys) in [
            ("ide", &self.ide),
            ("sata", &self.sata),
            ("scsi", &self.scsi),
            ("virtio", &self.virtio),
            ("virtiofs", &self.virtiofs),
        ] {
            stated.numbered(option, keys.as_ref())?;
        }
        Ok(())
    }
}

impl EfiDisk {
    /// As the API takes it. Without a storage it says something of a disk that is there.
    fn property(&self) -> String {
        let volume = self.storage.as_ref().map(|storage| format!("{storage}:1"));
        let keys = self.pre_enrolled_keys.map(pve::wire::switch);
        let parts = [
            volume,
            self.efitype.as_ref().map(|size| format!("efitype={size}")),
            self.format
                .as_ref()
                .map(|format| format!("format={format}")),
            keys.map(|keys| format!("pre-enrolled-keys={keys}")),
        ];
        parts.into_iter().flatten().collect::<Vec<_>>().join(",")
    }
}

impl TpmState {
    fn property(&self) -> String {
        format!("{}:1,version=v{}", self.storage, self.version)
    }
}
