//! Which proxy stands in between, after the environment as Python requests
//! reads it: people's playbooks have been run that way for years.

use std::fmt;
use std::net::Ipv4Addr;

use percent_encoding::percent_decode_str;
use reqwest::Url;
use secret::Secret;

use crate::connection::Host;
use crate::error::Unreached;

/// The variables of an environment, in their order. Their values may be
/// secret, as a password in the URL of a proxy is.
pub(crate) struct Environment(Vec<(String, String)>);

impl Environment {
    /// The environment of this process; what is not UTF-8 is not meant for us.
    pub(crate) fn of_this_process() -> Self {
        Self(
            std::env::vars_os()
                .filter_map(|(name, value)| {
                    Some((name.into_string().ok()?, value.into_string().ok()?))
                })
                .collect(),
        )
    }

    /// The value of a variable that is not empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(variable, value)| variable == name && !value.is_empty())
            .map(|(_, value)| value.as_str())
    }
}

impl From<Vec<(String, String)>> for Environment {
    fn from(variables: Vec<(String, String)>) -> Self {
        Self(variables)
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Environment(…)")
    }
}

/// A proxy that is asked to CONNECT.
pub(crate) struct Http {
    /// Where it is, with the credentials that its URL may hold.
    pub(crate) url: Url,
    /// `host:port`, for errors.
    pub(crate) shown: String,
}

impl Http {
    /// Where the proxy is.
    pub(crate) fn host(&self) -> Host {
        Host {
            name: self
                .url
                .host_str()
                .unwrap_or_default()
                .trim_matches(['[', ']'])
                .to_owned(),
            port: self.url.port_or_known_default().unwrap_or(80),
        }
    }

    /// `user:password`, if its URL holds them.
    pub(crate) fn credentials(&self) -> Option<Secret> {
        let decoded = |text| percent_decode_str(text).decode_utf8_lossy();
        let user = self.url.username();
        let password = self.url.password().unwrap_or_default();
        (!user.is_empty() || !password.is_empty())
            .then(|| Secret::new(format!("{}:{}", decoded(user), decoded(password))))
    }
}

/// The proxy for this host, or none for a direct connection.
pub(crate) fn of(host: &Host, environment: &Environment) -> Result<Option<Http>, Unreached> {
    let Some(text) = named(host, environment) else {
        return Ok(None);
    };
    let url = if text.contains("://") {
        Url::parse(text)
    } else {
        Url::parse(&format!("http://{text}"))
    };
    // The URL may hold a password: an error says only where it stands.
    let wrong =
        |what: &str| Unreached::Options(format!("the proxy in https_proxy or all_proxy {what}"));
    let url = url.map_err(|error| wrong(&format!("is not a URL: {error}")))?;
    if url.scheme() != "http" {
        return Err(wrong(&format!(
            "is of the kind `{}`: only http proxies are supported (no_proxy excepts a host)",
            url.scheme()
        )));
    }
    let name = url.host_str().ok_or_else(|| wrong("names no host"))?;
    let shown = format!("{name}:{}", url.port_or_known_default().unwrap_or(80));
    Ok(Some(Http { url, shown }))
}

fn named<'a>(host: &Host, environment: &'a Environment) -> Option<&'a str> {
    if is_bypassed(host, environment) {
        return None;
    }
    variable("https", environment).or_else(|| variable("all", environment))
}

/// The value of `<name>_proxy`: lower case wins, and empty in lower case
/// switches off what upper case says.
fn variable<'a>(name: &str, environment: &'a Environment) -> Option<&'a str> {
    let mut found = None;
    let mut final_word = false;
    for (variable, value) in &environment.0 {
        let Some(at) = variable.len().checked_sub("_proxy".len()) else {
            continue;
        };
        let (Some(prefix), Some(suffix)) = (variable.get(..at), variable.get(at..)) else {
            continue;
        };
        if !prefix.eq_ignore_ascii_case(name) || !suffix.eq_ignore_ascii_case("_proxy") {
            continue;
        }
        if suffix == "_proxy" {
            found = Some(value.as_str()).filter(|value| !value.is_empty());
            final_word = true;
        } else if !final_word && !value.is_empty() {
            found = Some(value.as_str());
        }
    }
    found
}

fn is_bypassed(host: &Host, environment: &Environment) -> bool {
    // requests looks itself, then asks urllib, which has rules of its own.
    let listed = environment
        .get("no_proxy")
        .or_else(|| environment.get("NO_PROXY"));
    listed.is_some_and(|list| requests_bypasses(host, list))
        || variable("no", environment).is_some_and(|list| urllib_bypasses(&host.name, list))
}

fn requests_bypasses(host: &Host, list: &str) -> bool {
    let list = list.replace(' ', "");
    let mut entries = list.split(',').filter(|entry| !entry.is_empty());
    if let Ok(address) = host.name.parse::<Ipv4Addr>() {
        entries.any(|entry| match network(entry) {
            Some((network, mask)) => u32::from(address) & mask == u32::from(network) & mask,
            None => entry == host.name,
        })
    } else {
        let with_port = format!("{}:{}", host.name, host.port);
        entries.any(|entry| is_within(&host.name, entry) || is_within(&with_port, entry))
    }
}

/// Whether a name is this domain or one below it.
fn is_within(name: &str, domain: &str) -> bool {
    name.strip_suffix(domain.trim_start_matches('.'))
        .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// `10.0.0.0/8` as address and mask.
fn network(text: &str) -> Option<(Ipv4Addr, u32)> {
    let (address, bits) = text.split_once('/')?;
    let bits: u32 = bits.parse().ok().filter(|bits| (1..=32).contains(bits))?;
    Some((address.parse().ok()?, u32::MAX << (32 - bits)))
}

fn urllib_bypasses(name: &str, list: &str) -> bool {
    list == "*"
        || list
            .split(',')
            .map(|entry| entry.trim().to_lowercase())
            .filter(|entry| !entry.is_empty())
            .any(|entry| is_within(name, &entry))
}

#[cfg(test)]
mod tests;
