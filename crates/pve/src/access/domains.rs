//! `/access/domains`: realms, which know users and let them log in.

use secret::Secret;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use crate::call::Call;
use crate::cluster::Cluster;
use crate::error::Error;
use crate::path;
use crate::wire::tolerant;

/// The realms that every server has: Linux's users and its own.
pub const BUILT_IN: [&str; 2] = ["pam", "pve"];

/// A realm.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Realm {
    /// Its id; the answer about one realm leaves it out.
    #[serde(default)]
    pub realm: String,
    /// `pam`, `pve`, `ldap`, `ad` or `openid`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The secret that it shares with an `OpenID` provider, which the server tells to those who may
    /// read its settings. The password of an LDAP realm is told to nobody.
    #[serde(rename = "client-key", default, deserialize_with = "secret")]
    pub client_key: Option<Secret>,
    /// All its other settings, as they are answered; the list of all realms has a few of them.
    #[serde(flatten)]
    pub settings: Map<String, Value>,
}

fn secret<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Secret>, D::Error> {
    Ok(tolerant::optional_text(from)?.map(Secret::new))
}

impl Realm {
    /// A setting as a text, where there is one.
    pub fn text(&self, name: &str) -> Option<String> {
        self.settings.get(name).and_then(crate::wire::text_of)
    }

    /// Whether it is told with all its settings, as the digest then is.
    pub fn has_settings(&self) -> bool {
        self.settings.contains_key("digest")
    }
}

/// The question about one realm.
pub fn of(realm: &str) -> Call {
    Call::get(path!("access", "domains", realm))
}

impl Cluster {
    /// All realms, in short; anyone may ask.
    pub fn realms(&self) -> Result<Vec<Realm>, Error> {
        self.get_as(&Call::get(path!("access", "domains")))
    }

    /// A realm with its settings, if it is there.
    pub fn realm(&self, realm: &str) -> Result<Option<Realm>, Error> {
        match self.get_as::<Realm>(&of(realm)) {
            Ok(settings) => Ok(Some(Realm {
                realm: realm.to_owned(),
                ..settings
            })),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Realm;
    use serde_json::json;

    #[test]
    fn settings_are_kept_and_the_secret_is_set_apart() {
        let answer = json!({
            "type": "openid", "client-id": "ferrox", "client-key": "hush", "autocreate": 1, "digest": "ab",
        });
        let realm: Realm = serde_json::from_value(answer).unwrap();
        assert_eq!(realm.kind, "openid");
        assert_eq!(realm.text("autocreate").as_deref(), Some("1"));
        assert_eq!(realm.text("client-key"), None);
        assert!(!format!("{realm:?}").contains("hush"));
        assert_eq!(realm.client_key.unwrap().expose(), "hush");
    }
}
