//! `proxmox_domain_info`: realms as they are, by `/access/domains`.

use ansible::{Args, Failure};
use pve::access::domains::Realm;
use pve::apply::Applied;
use pve::{Cluster, Plan, Planned};
use serde_json::{Map, Value, json};

use crate::connection::{Connection, DropIn};
use crate::fault;
use crate::job::{Job, Report, Task};

/// The options of `proxmox_domain_info`.
#[derive(Args, Debug)]
pub struct DomainInfoArgs {
    /// Where the API is.
    #[arg(flatten)]
    pub connection: DropIn,
    /// The realm to look at, with all its settings. Without it all realms are listed, in short.
    #[arg(aliases = ["realm", "name"])]
    pub domain: Option<String>,
}

/// The module.
pub struct ProxmoxDomainInfo;

crate::module!(ProxmoxDomainInfo, "proxmox_domain_info");

impl Job for ProxmoxDomainInfo {
    type Args = DomainInfoArgs;
    type Notes = Vec<Realm>;

    fn connection(args: &DomainInfoArgs) -> &Connection {
        &args.connection.connection
    }

    fn plan(
        task: &Task<'_, DomainInfoArgs>,
        cluster: &Cluster,
    ) -> Result<Planned<Vec<Realm>>, Failure> {
        let realms = match task.args.domain.as_deref().filter(|name| !name.is_empty()) {
            None => cluster
                .realms()
                .map_err(|error| fault::unable("list the realms", &error))?,
            Some(name) => {
                let realm = cluster
                    .realm(name)
                    .map_err(|error| fault::unable(&format!("read realm `{name}`"), &error))?;
                let missing = || Failure::new(format!("Domain '{name}' does not exist"));
                vec![realm.ok_or_else(missing)?]
            }
        };
        Ok(Planned::Ready(Plan::default(), realms))
    }

    fn report(
        _task: &Task<'_, DomainInfoArgs>,
        mut realms: Vec<Realm>,
        _plan: &Plan,
        _applied: Option<&Applied>,
        _cluster: &Cluster,
    ) -> Report {
        realms.sort_by(|one, other| one.realm.cmp(&other.realm));
        let realms: Vec<Value> = realms.into_iter().map(shown).collect();
        Report {
            returns: Map::from_iter([("proxmox_domains".to_owned(), json!(realms))]),
            ..Report::default()
        }
    }
}

/// A realm as it is answered, without the secret that it may have.
fn shown(realm: Realm) -> Value {
    let mut shown = realm.settings;
    shown.insert("realm".to_owned(), json!(realm.realm));
    shown.insert("type".to_owned(), json!(realm.kind));
    Value::Object(shown)
}

#[cfg(test)]
mod tests {
    use super::shown;
    use serde_json::json;

    #[test]
    fn a_realm_is_shown_as_it_is_answered_but_for_its_secret() {
        let answer = json!({"realm": "sso", "type": "openid", "client-id": "i", "autocreate": 1});
        let mut told = answer.clone();
        told["client-key"] = json!("hush");
        assert_eq!(shown(serde_json::from_value(told).unwrap()), answer);
    }
}
