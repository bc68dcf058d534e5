//! One host of `api_host`.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use super::OptionsError;

/// A host and its port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Host {
    /// A name or an address, without brackets.
    pub name: String,
    /// The port.
    pub port: u16,
}

impl Host {
    /// Hosts from a list with commas; a host that names no port gets this one.
    pub fn parse_list(text: &str, port: u16) -> Result<Vec<Self>, OptionsError> {
        let hosts: Vec<Self> = text
            .split(',')
            .map(str::trim)
            .filter(|host| !host.is_empty())
            .map(|host| Self::parse(host, port))
            .collect::<Result<_, _>>()?;
        if hosts.is_empty() {
            return Err(OptionsError::NoHost);
        }
        Ok(hosts)
    }

    /// `host`, `host:port`, `[v6]`, `[v6]:port` or a bare IPv6 address.
    pub fn parse(text: &str, port: u16) -> Result<Self, OptionsError> {
        let wrong = |why| OptionsError::Host {
            text: text.to_owned(),
            why,
        };
        if text.contains("://") || text.contains('/') {
            return Err(wrong("give the host alone, not a URL"));
        }
        let (name, port_text) = if let Some(rest) = text.strip_prefix('[') {
            let (name, rest) = rest
                .split_once(']')
                .ok_or_else(|| wrong("`]` is missing"))?;
            name.parse::<Ipv6Addr>()
                .map_err(|_| wrong("what stands in brackets is not an IPv6 address"))?;
            match rest.strip_prefix(':') {
                Some(port) => (name, Some(port)),
                None if rest.is_empty() => (name, None),
                None => return Err(wrong("after `]` only `:port` may follow")),
            }
        } else if text.parse::<Ipv6Addr>().is_ok() {
            (text, None)
        } else {
            match text.split_once(':') {
                Some((name, port)) => (name, Some(port)),
                None => (text, None),
            }
        };
        let port = match port_text {
            Some(port) => port
                .parse()
                .ok()
                .filter(|port| *port > 0)
                .ok_or_else(|| wrong("the port is not a number from 1 to 65535"))?,
            None => port,
        };
        let host = Self {
            name: name.to_ascii_lowercase(),
            port,
        };
        // What cannot stand in a URL (blanks, `@`, `#` …) would change its meaning.
        reqwest::Url::parse(&format!("https://{host}/"))
            .ok()
            .filter(|url| url.username().is_empty() && url.path() == "/" && url.query().is_none())
            .filter(|url| url.fragment().is_none())
            .ok_or_else(|| wrong("this is neither a host name nor an address"))?;
        Ok(host)
    }

    /// The address, where the host is given by one.
    pub(crate) fn address(&self) -> Option<IpAddr> {
        self.name.parse().ok()
    }
}

/// `host:port`, with an IPv6 address in brackets.
impl fmt::Display for Host {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.name.contains(':') {
            write!(formatter, "[{}]:{}", self.name, self.port)
        } else {
            write!(formatter, "{}:{}", self.name, self.port)
        }
    }
}
