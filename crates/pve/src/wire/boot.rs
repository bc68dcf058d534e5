//! The order in which a virtual machine tries its devices.

use std::fmt;
use std::str::FromStr;

use super::kind::Kind;
use super::lists;
use super::property::{PropertyError, PropertyString};

/// `boot`: `order=scsi0;net0`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BootOrder {
    /// The devices, the first one first.
    pub devices: Vec<String>,
}

/// A text that is not a boot order.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BootOrderError {
    /// Not a property string.
    #[error(transparent)]
    Property(#[from] PropertyError),
    /// Not a device that can be booted from, letters of the old form included.
    #[error("`{0}` is not a device to boot from: expected a list such as order=scsi0;net0")]
    NotADevice(String),
}

impl FromStr for BootOrder {
    type Err = BootOrderError;

    /// Takes `order=scsi0;net0`, and the list alone.
    fn from_str(text: &str) -> Result<Self, BootOrderError> {
        let pairs = PropertyString::parse(Kind::BOOT, text)?;
        let order = pairs.get("order").or_else(|| pairs.get("legacy"));
        let devices: Vec<_> = lists::split(order.unwrap_or_default())
            .map(str::to_owned)
            .collect();
        match devices.iter().find(|device| !is_device(device)) {
            Some(device) => Err(BootOrderError::NotADevice(device.clone())),
            None => Ok(Self { devices }),
        }
    }
}

fn is_device(text: &str) -> bool {
    let bus = text.trim_end_matches(|character: char| character.is_ascii_digit());
    bus.len() < text.len()
        && ["ide", "sata", "scsi", "virtio", "net", "usb", "hostpci"].contains(&bus)
}

impl fmt::Display for BootOrder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "order={}", self.devices.join(";"))
    }
}

#[cfg(test)]
mod tests {
    use super::BootOrder;

    #[test]
    fn a_list_is_read_with_and_without_its_key() {
        for text in ["order=scsi0;net0", "scsi0;net0", "scsi0 net0"] {
            let order: BootOrder = text.parse().unwrap();
            assert_eq!(order.devices, ["scsi0", "net0"], "{text}");
            assert_eq!(order.to_string(), "order=scsi0;net0");
        }
    }

    #[test]
    fn what_is_no_device_is_named() {
        for (text, named) in [
            ("cdn", "`cdn`"),
            ("order=scsi0;disk", "`disk`"),
            ("order=7", "`7`"),
        ] {
            let error = text.parse::<BootOrder>().unwrap_err().to_string();
            assert!(error.starts_with(named), "{error}");
        }
    }
}
