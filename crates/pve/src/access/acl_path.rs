//! The paths of the access control list: what may be named in it.

/// Words that stand below `/sdn`, beside `zones`.
const SDN: &[&str] = &[
    "controllers",
    "dns",
    "fabrics",
    "ipams",
    "prefix-lists",
    "route-maps",
    "vnets",
];

/// A path that the access control list cannot have, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{path}` is no path of the access control list: {why}")]
pub struct NoAclPath {
    path: String,
    why: &'static str,
}

/// A path in the one form that the server keeps it in: one slash before each
/// part and none at the end. Only paths that can exist are let through, as the
/// server does when a role is given (not when it is taken away).
///
/// Source: `PVE::AccessControl`, `normalize_path` and `check_path`.
pub fn normal(text: &str) -> Result<String, NoAclPath> {
    let parts: Vec<&str> = text
        .trim()
        .split('/')
        .filter(|part| !part.is_empty())
        .collect();
    let why = if text.trim().is_empty() {
        Some("write / for the whole datacenter")
    } else {
        fault(&parts)
    };
    match why {
        None => Ok(format!("/{}", parts.join("/"))),
        Some(why) => Err(NoAclPath {
            path: text.to_owned(),
            why,
        }),
    }
}

#[expect(
    clippy::unnested_or_patterns,
    reason = "one line for each form that a path has"
)]
fn fault(parts: &[&str]) -> Option<&'static str> {
    let is_plain = |character: char| character.is_ascii_alphanumeric() || "._-".contains(character);
    if !parts.iter().all(|part| part.chars().all(is_plain)) {
        return Some("letters, digits, `.`, `-` and `_` may stand between the slashes");
    }
    match parts {
        []
        | ["access" | "nodes" | "pool" | "sdn" | "storage" | "vms" | "mapping"]
        | ["nodes" | "storage", _]
        | ["access", "groups" | "realm"]
        | ["access", "groups" | "realm", _]
        | ["pool", _]
        | ["pool", _, _]
        | ["pool", _, _, _]
        | ["mapping", _]
        | ["mapping", _, _]
        | ["sdn", "zones"]
        | ["sdn", "zones", _]
        | ["sdn", "zones", _, _] => None,
        ["vms", vmid] if is_number(vmid) && vmid.len() >= 3 => None,
        ["vms", ..] => Some("below /vms stands a VMID, 100 or more"),
        ["sdn", "zones", _, _, vlan] if is_number(vlan) && vlan.len() <= 4 => None,
        ["sdn", "zones", _, _, _] => {
            Some("below the bridge stands a VLAN: /sdn/zones/{zone}/{bridge}/{vlan}")
        }
        ["sdn", "zones", ..] => Some("/sdn/zones/{zone}/{bridge}/{vlan} goes no deeper"),
        ["sdn", kind] | ["sdn", kind, _] if SDN.contains(kind) => None,
        ["sdn", ..] => Some("below /sdn stand zones, controllers, dns, fabrics and ipams"),
        ["access", ..] => {
            Some("below /access stand /access/groups/{group} and /access/realm/{realm}")
        }
        ["nodes", ..] => Some("/nodes/{node} goes no deeper"),
        ["storage", ..] => Some("/storage/{storage} goes no deeper"),
        ["pool", ..] => Some("pools are nested three deep at most"),
        ["mapping", ..] => Some("/mapping/{kind}/{id} goes no deeper"),
        _ => Some(
            "it begins with /access, /mapping, /nodes, /pool, /sdn, /storage or /vms, or is / alone",
        ),
    }
}

/// A number as a path has it: no zero in front.
fn is_number(text: &str) -> bool {
    !text.starts_with('0') && text.chars().all(|character| character.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::normal;

    #[test]
    fn every_place_that_can_have_an_entry_is_let_through() {
        for path in [
            "/",
            "/access",
            "/access/groups",
            "/access/groups/ops",
            "/access/realm/pve",
            "/nodes",
            "/nodes/pve-1.lab",
            "/pool/a/b/c",
            "/sdn",
            "/sdn/zones/localnetwork",
            "/sdn/zones/localnetwork/vmbr0",
            "/sdn/zones/localnetwork/vmbr0/4000",
            "/sdn/controllers/evpn",
            "/storage/local-lvm",
            "/vms/100",
            "/vms/999999",
            "/mapping/pci/gpu",
        ] {
            assert_eq!(normal(path).as_deref(), Ok(path));
        }
    }

    #[test]
    fn the_server_s_own_form_is_made() {
        for (text, path) in [
            ("/vms/", "/vms"),
            ("//storage//local/", "/storage/local"),
            ("vms/100", "/vms/100"),
            ("///", "/"),
            (" /vms ", "/vms"),
        ] {
            assert_eq!(normal(text).as_deref(), Ok(path));
        }
    }

    #[test]
    fn what_cannot_be_is_said_to_be_so() {
        for (text, why) in [
            ("", "write / for"),
            ("/bogus", "it begins with"),
            ("/vms/99", "a VMID"),
            ("/vms/web", "a VMID"),
            ("/vms/100/config", "a VMID"),
            ("/vms/0100", "a VMID"),
            ("/storage/a/b", "goes no deeper"),
            ("/sdn/zones/z/vmbr0/tag", "a VLAN"),
            ("/sdn/zones/z/vmbr0/10/1", "goes no deeper"),
            ("/sdn/bridges", "below /sdn"),
            ("/access/users", "below /access"),
            ("/pool/a/b/c/d", "nested three deep"),
            ("/storage/my storage", "letters, digits"),
            ("/vms/*", "letters, digits"),
        ] {
            let error = normal(text).unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
