//! What a caller may do with a guest: what root@pam alone may, and whose bridges a network card may be on.

use ansible::Failure;
use pve::access::permissions::Held;
use pve::wire::PropertyString;
use serde_json::json;

/// Only the user root@pam itself, no token of it, may set some things.
pub fn hold_root(user: &str, keys: &[&str]) -> Result<(), Failure> {
    if user == "root@pam" || keys.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!(
        "{}: only root@pam may set this, logged in with its password; the server takes us for {user}",
        keys.join(", ")
    )))
}

/// Fails where privileges are missing, each with its path. `failure` takes "the caller lacks VM.Clone on /vms/9000, …".
pub fn hold_all<P: AsRef<str>>(
    missing: &[(P, String)],
    failure: impl FnOnce(&str) -> Failure,
) -> Result<(), Failure> {
    let Some((privilege, path)) = missing.first() else {
        return Ok(());
    };
    let listed: Vec<String> = missing
        .iter()
        .map(|(privilege, path)| format!("{} on {path}", privilege.as_ref()))
        .collect();
    let mut failure = failure(&format!("the caller lacks {}", listed.join(", ")));
    let details = &mut failure.details;
    details.insert("privilege".to_owned(), json!(privilege.as_ref()));
    details.insert("acl_path".to_owned(), json!(path));
    Err(failure)
}

/// The first path on which a network card takes SDN.Use and the caller has none: those of its VLANs, of which `trunks`
/// names some, or that of its bridge where it has no VLANs. The zone of a virtual network is not known from here; the
/// server tells.
pub fn lacks_network(held: &Held, card: &PropertyString) -> Option<String> {
    let bridge = card
        .get("bridge")
        .filter(|bridge| bridge.starts_with("vmbr"))?;
    let bridge = format!("/sdn/zones/localnetwork/{bridge}");
    let trunks = card.get("trunks").unwrap_or_default();
    let vlans = card
        .get("tag")
        .into_iter()
        .filter_map(|tag| tag.parse().ok());
    let mut vlans = vlans.chain(trunks.split(';').flat_map(vlans_of)).peekable();
    let lacks = |path: &String| !held.on(path).contains("SDN.Use");
    if vlans.peek().is_none() {
        return Some(bridge).filter(|path| trunks.is_empty() && lacks(path));
    }
    vlans.map(|vlan| format!("{bridge}/{vlan}")).find(lacks)
}

/// The VLANs of a part of `trunks`, `10` or `20-29`; none where it is neither, which the server refuses.
fn vlans_of(part: &str) -> impl Iterator<Item = u16> + use<> {
    let (first, last) = part.split_once('-').unwrap_or((part, part));
    let range = first.parse().ok().zip(last.parse().ok());
    range.into_iter().flat_map(|(first, last)| first..=last)
}

#[cfg(test)]
mod tests {
    use pve::canned::Canned;
    use pve::wire::{Kind, PropertyString};
    use serde_json::json;

    use super::lacks_network;

    #[test]
    fn a_card_takes_the_vlans_that_it_has_or_else_its_bridge() {
        let local = |path: &str| format!("/sdn/zones/localnetwork/{path}");
        let mut answer = json!({});
        for path in ["vmbr0/10", "vmbr0/20", "vmbr0/21", "vmbr1"] {
            answer[local(path)] = json!({"SDN.Use": 1});
        }
        let cluster = Canned::new()
            .always("GET /access/permissions", answer)
            .cluster();
        let held = cluster.held().unwrap();
        for (card, lacking) in [
            ("bridge=vmbr0", Some("vmbr0")),
            ("bridge=vmbr0,tag=10", None),
            ("bridge=vmbr0,tag=30", Some("vmbr0/30")),
            ("bridge=vmbr0,trunks=10;20-21", None),
            ("bridge=vmbr0,trunks=10;21-23", Some("vmbr0/22")),
            ("bridge=vmbr0,tag=30,trunks=10", Some("vmbr0/30")),
            ("bridge=vmbr1,trunks=2-4094", None),
            ("bridge=vnet0", None),
            ("model=virtio", None),
        ] {
            let parsed = PropertyString::parse(Kind::NET, card).unwrap();
            assert_eq!(lacks_network(&held, &parsed), lacking.map(local), "{card}");
        }
    }
}
