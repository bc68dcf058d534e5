//! Cloud-init's `ipconfigN`.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use super::kind::Kind;
use super::property::{PropertyError, PropertyString};

/// The addresses of one NIC: `ip=192.0.2.10/24,gw=192.0.2.1,ip6=auto`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IpConfig {
    /// IPv4; nothing means none (Proxmox VE takes that as DHCP where `ip6` is missing too).
    pub ip: Option<Addressing<Ipv4Addr>>,
    /// The IPv4 gateway.
    pub gw: Option<Ipv4Addr>,
    /// IPv6.
    pub ip6: Option<Addressing<Ipv6Addr>>,
    /// The IPv6 gateway.
    pub gw6: Option<Ipv6Addr>,
}

/// Where an address comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Addressing<A> {
    /// From DHCP.
    Dhcp,
    /// From router advertisements; IPv6 only.
    Auto,
    /// Left to the guest.
    Manual,
    /// This address, with the length of its prefix.
    Static(A, u8),
}

/// A text that is not an `ipconfigN`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IpConfigError {
    /// Not a property string.
    #[error(transparent)]
    Property(#[from] PropertyError),
    /// A key that it does not have.
    #[error("`{0}` is not a key of ipconfig: ip, gw, ip6 and gw6 are")]
    UnknownKey(String),
    /// Not an address.
    #[error("`{key}={value}`: expected {expected}")]
    NotAnAddress {
        /// The key.
        key: &'static str,
        /// Its value.
        value: String,
        /// What it can be.
        expected: &'static str,
    },
    /// A gateway without an address.
    #[error("`{0}` needs `{1}`")]
    GatewayAlone(&'static str, &'static str),
}

impl IpConfig {
    /// The static address without its prefix, IPv4 before IPv6: where the
    /// guest can be waited for without its agent.
    pub fn static_address(&self) -> Option<IpAddr> {
        match (self.ip, self.ip6) {
            (Some(Addressing::Static(address, _)), _) => Some(address.into()),
            (_, Some(Addressing::Static(address, _))) => Some(address.into()),
            _ => None,
        }
    }
}

impl FromStr for IpConfig {
    type Err = IpConfigError;

    fn from_str(text: &str) -> Result<Self, IpConfigError> {
        let pairs = PropertyString::parse(Kind::IPCONFIG, text)?;
        let known = ["ip", "gw", "ip6", "gw6"];
        if let Some((key, _)) = pairs.iter().find(|(key, _)| !known.contains(key)) {
            return Err(IpConfigError::UnknownKey(key.to_owned()));
        }
        let config = Self {
            ip: value_of(&pairs, "ip", IPV4, |text| {
                addressing(text, &["dhcp", "manual"], 32)
            })?,
            gw: value_of(&pairs, "gw", "an IPv4 address", |text| text.parse().ok())?,
            ip6: value_of(&pairs, "ip6", IPV6, |text| {
                addressing(text, &["dhcp", "auto", "manual"], 128)
            })?,
            gw6: value_of(&pairs, "gw6", "an IPv6 address", |text| text.parse().ok())?,
        };
        if config.gw.is_some() && config.ip.is_none() {
            return Err(IpConfigError::GatewayAlone("gw", "ip"));
        }
        if config.gw6.is_some() && config.ip6.is_none() {
            return Err(IpConfigError::GatewayAlone("gw6", "ip6"));
        }
        Ok(config)
    }
}

const IPV4: &str = "dhcp or an IPv4 address with its prefix, such as 192.0.2.10/24";
const IPV6: &str = "dhcp, auto or an IPv6 address with its prefix, such as 2001:db8::10/64";

fn value_of<T>(
    pairs: &PropertyString,
    key: &'static str,
    expected: &'static str,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>, IpConfigError> {
    let Some(value) = pairs.get(key) else {
        return Ok(None);
    };
    match parse(value) {
        Some(parsed) => Ok(Some(parsed)),
        None => Err(IpConfigError::NotAnAddress {
            key,
            value: value.to_owned(),
            expected,
        }),
    }
}

/// The shortest prefix that the server takes.
const SHORTEST_PREFIX: u8 = 8;

fn addressing<A: FromStr>(text: &str, words: &[&str], longest_prefix: u8) -> Option<Addressing<A>> {
    if words.contains(&text) {
        return match text {
            "dhcp" => Some(Addressing::Dhcp),
            "auto" => Some(Addressing::Auto),
            _ => Some(Addressing::Manual),
        };
    }
    let (address, prefix) = text.split_once('/')?;
    let prefix = prefix
        .parse()
        .ok()
        .filter(|prefix| (SHORTEST_PREFIX..=longest_prefix).contains(prefix))?;
    Some(Addressing::Static(address.parse().ok()?, prefix))
}

impl<A: fmt::Display> fmt::Display for Addressing<A> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dhcp => formatter.write_str("dhcp"),
            Self::Auto => formatter.write_str("auto"),
            Self::Manual => formatter.write_str("manual"),
            Self::Static(address, prefix) => write!(formatter, "{address}/{prefix}"),
        }
    }
}

impl fmt::Display for IpConfig {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            self.ip.map(|ip| format!("ip={ip}")),
            self.gw.map(|gateway| format!("gw={gateway}")),
            self.ip6.map(|ip| format!("ip6={ip}")),
            self.gw6.map(|gateway| format!("gw6={gateway}")),
        ];
        formatter.write_str(&parts.into_iter().flatten().collect::<Vec<_>>().join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::IpConfig;
    use proptest::prelude::*;

    fn parse(text: &str) -> IpConfig {
        text.parse().unwrap()
    }

    #[test]
    fn a_static_address_is_told_without_its_prefix() {
        for (text, address) in [
            ("gw=192.0.2.1,ip=192.0.2.10/24", Some("192.0.2.10")),
            (
                "ip=dhcp,ip6=2001:DB8:0::10/64,gw6=2001:db8::1",
                Some("2001:db8::10"),
            ),
            ("ip=192.0.2.10/24,ip6=2001:db8::10/64", Some("192.0.2.10")),
            ("ip=dhcp,ip6=auto", None),
            ("", None),
        ] {
            let told = parse(text)
                .static_address()
                .map(|address| address.to_string());
            assert_eq!(told.as_deref(), address, "{text}");
        }
    }

    #[test]
    fn order_and_spelling_make_no_difference() {
        assert_eq!(
            parse("gw6=2001:db8::1, ip6=2001:DB8::10/64"),
            parse("ip6=2001:db8:0:0::10/64,gw6=2001:db8::1")
        );
        assert_eq!(
            parse("gw=192.0.2.1,ip=192.0.2.10/24").to_string(),
            "ip=192.0.2.10/24,gw=192.0.2.1"
        );
    }

    #[test]
    fn faults_are_named() {
        for (text, message) in [
            ("dhcp", "`dhcp` has no key: expected key=value"),
            (
                "ip=192.0.2.10",
                "`ip=192.0.2.10`: expected dhcp or an IPv4 address with its prefix, such as 192.0.2.10/24",
            ),
            (
                "ip=192.0.2.10/33",
                "`ip=192.0.2.10/33`: expected dhcp or an IPv4 address with its prefix, such as 192.0.2.10/24",
            ),
            (
                "ip=2001:db8::1/64",
                "`ip=2001:db8::1/64`: expected dhcp or an IPv4 address with its prefix, such as 192.0.2.10/24",
            ),
            (
                "ip=auto",
                "`ip=auto`: expected dhcp or an IPv4 address with its prefix, such as 192.0.2.10/24",
            ),
            (
                "ip=192.0.2.10/24,gw=router",
                "`gw=router`: expected an IPv4 address",
            ),
            ("ip6=auto,gw=192.0.2.1", "`gw` needs `ip`"),
            ("gw6=2001:db8::1", "`gw6` needs `ip6`"),
            (
                "dns=192.0.2.1",
                "`dns` is not a key of ipconfig: ip, gw, ip6 and gw6 are",
            ),
        ] {
            assert_eq!(text.parse::<IpConfig>().unwrap_err().to_string(), message);
        }
    }

    proptest! {
        #[test]
        fn it_survives_being_written_and_read(v4: [u8; 4], v6: u128, prefix in 8u8..=32) {
            let (v4, v6) = (std::net::Ipv4Addr::from(v4), std::net::Ipv6Addr::from(v6));
            let config = parse(&format!("ip={v4}/{prefix},gw={v4},ip6={v6}/{prefix},gw6={v6}"));
            prop_assert_eq!(config.to_string().parse(), Ok(config));
        }

        #[test]
        fn no_text_makes_it_panic(text in "[ipgw6=,/.:a-f0-9]{0,40}") {
            let _ = text.parse::<IpConfig>();
        }
    }
}
