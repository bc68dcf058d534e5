//! The options of devices that are no disks.

use ansible::Args;

use super::stated::{Numbered, Stated};
use crate::guests::config::Unwantable;

/// Devices by key.
#[derive(Args, Debug, Default)]
pub struct Devices {
    /// Sound devices by key, V(audio0), such as V(device=ich9-intel-hda,driver=spice).
    pub audio: Option<Numbered>,
    /// PCI devices of the node by key, V(hostpci0) and so on, such as V(0000:01:00.0,pcie=1) or V(mapping=gpu).
    /// Such a VM cannot be migrated while it runs.
    pub hostpci: Option<Numbered>,
    /// Network cards by key, V(net0) and so on, such as V(virtio,bridge=vmbr0,tag=20); a dictionary of these keys
    /// is taken too. With O(update=true), what is not stated is kept, the MAC above all.
    pub net: Option<Numbered>,
    /// Parallel ports by key, V(parallel0) and so on, each with a device of the node.
    pub parallel: Option<Numbered>,
    /// The source of randomness, such as V(/dev/urandom).
    pub rng0: Option<String>,
    /// The SCSI controller.
    #[arg(choices = ["lsi", "lsi53c810", "virtio-scsi-pci", "virtio-scsi-single", "megasas", "pvscsi"])]
    pub scsihw: Option<String>,
    /// Serial ports by key, V(serial0) and so on: V(socket), or a device of the node.
    pub serial: Option<Numbered>,
    /// Enhancements of SPICE, such as V(foldersharing=1,videostreaming=filter).
    pub spice_enhancements: Option<String>,
    /// USB devices by key, V(usb0) and so on, such as V(host=1234:5678,usb3=1), V(spice) or V(mapping=key).
    pub usb: Option<Numbered>,
    /// The graphics card, such as V(std), V(serial0) or V(virtio,memory=64).
    pub vga: Option<String>,
    /// The watchdog, such as V(model=i6300esb,action=reset).
    pub watchdog: Option<String>,
}

impl Devices {
    /// The keys of the configuration that are stated.
    pub fn state(&self, stated: &mut Stated) -> Result<(), Unwantable> {
        for (key, text) in [
            ("rng0", &self.rng0),
            ("scsihw", &self.scsihw),
            ("spice_enhancements", &self.spice_enhancements),
            ("vga", &self.vga),
            ("watchdog", &self.watchdog),
        ] {
            stated.text(key, text.as_ref());
        }
        for (option, keys) in [
            ("audio", &self.audio),
            ("hostpci", &self.hostpci),
            ("net", &self.net),
            ("parallel", &self.parallel),
            ("serial", &self.serial),
            ("usb", &self.usb),
        ] {
            stated.numbered(option, keys.as_ref())?;
        }
        Ok(())
    }
}
