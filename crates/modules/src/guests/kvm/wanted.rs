//! From the options to the keys of the API's configuration.

use ansible::Args;

use super::cloud_init::CloudInit;
use super::conduct::Conduct;
use super::devices::Devices;
use super::disks::Disks;
use super::hardware::Hardware;
use super::stated::Stated;
use crate::guests::config::{Unwantable, Wanted};

/// What may be stated of a VM's configuration.
#[derive(Args, Debug, Default)]
pub struct Configuration {
    /// The machine.
    #[arg(flatten)]
    pub hardware: Hardware,
    /// Devices.
    #[arg(flatten)]
    pub devices: Devices,
    /// Disks.
    #[arg(flatten)]
    pub disks: Disks,
    /// Cloud-init.
    #[arg(flatten)]
    pub cloud_init: CloudInit,
    /// How it is handled.
    #[arg(flatten)]
    pub conduct: Conduct,
}

impl Configuration {
    /// The keys that are stated.
    pub fn wanted(&self) -> Result<Wanted, Unwantable> {
        let mut stated = Stated::default();
        self.hardware.state(&mut stated)?;
        self.devices.state(&mut stated)?;
        self.disks.state(&mut stated)?;
        self.cloud_init.state(&mut stated)?;
        self.conduct.state(&mut stated)?;
        Ok(stated.wanted())
    }
}

#[cfg(test)]
mod tests;
