//! `/access/users`: users and their tokens.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::tokens::Token;
use crate::call::Call;
use crate::cluster::Cluster;
use crate::error::Error;
use crate::path;
use crate::wire::tolerant;

/// A user.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct User {
    /// `name@realm`; the answer about one user leaves it out.
    pub userid: String,
    /// Whether it may log in.
    #[serde(deserialize_with = "tolerant::switch")]
    pub enable: bool,
    /// When it ends, in seconds since 1970; 0 for never.
    #[serde(deserialize_with = "tolerant::integer")]
    pub expire: i64,
    /// First name.
    #[serde(deserialize_with = "tolerant::nullable")]
    pub firstname: String,
    /// Last name.
    #[serde(deserialize_with = "tolerant::nullable")]
    pub lastname: String,
    /// Mail address.
    #[serde(deserialize_with = "tolerant::nullable")]
    pub email: String,
    /// A note.
    #[serde(deserialize_with = "tolerant::nullable")]
    pub comment: String,
    /// Keys of a second factor (`YubiKey`), as a text.
    #[serde(deserialize_with = "tolerant::nullable")]
    pub keys: String,
    /// Its groups; the list of all users writes them with commas in between.
    #[serde(deserialize_with = "groups")]
    pub groups: BTreeSet<String>,
    /// Its tokens by name: an object about one user, a list in the list of all users.
    #[serde(deserialize_with = "tokens")]
    pub tokens: BTreeMap<String, Token>,
}

/// What the server leaves out.
impl Default for User {
    fn default() -> Self {
        Self {
            userid: String::new(),
            enable: true,
            expire: 0,
            firstname: String::new(),
            lastname: String::new(),
            email: String::new(),
            comment: String::new(),
            keys: String::new(),
            groups: BTreeSet::new(),
            tokens: BTreeMap::new(),
        }
    }
}

fn groups<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeSet<String>, D::Error> {
    Ok(tolerant::list(from)?.into_iter().collect())
}

fn tokens<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<String, Token>, D::Error> {
    let read = serde::de::Error::custom::<serde_json::Error>;
    match Value::deserialize(from)? {
        Value::Null => Ok(BTreeMap::new()),
        rows @ Value::Array(_) => super::tokens::read(&rows).map_err(read),
        object => serde_json::from_value(object).map_err(read),
    }
}

/// The question about one user, its groups and tokens included.
pub fn of(userid: &str) -> Call {
    Call::get(path!("access", "users", userid))
}

/// The question about all users that the caller may see, with their groups and tokens.
pub fn all() -> Call {
    Call::get(path!("access", "users")).with("full", true)
}

impl Cluster {
    /// All users that the caller may see, with their groups and tokens.
    pub fn users(&self) -> Result<Vec<User>, Error> {
        self.get_as(&all())
    }

    /// A user, if it is there.
    pub fn user(&self, userid: &str) -> Result<Option<User>, Error> {
        match self.get_as::<User>(&of(userid)) {
            Ok(user) => Ok(Some(User {
                userid: userid.to_owned(),
                ..user
            })),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::User;
    use serde_json::json;

    #[test]
    fn one_user_and_a_row_of_the_list_read_the_same() {
        let of_one = json!({
            "email": "", "enable": 1, "expire": 0, "groups": ["ops", "admins"],
            "tokens": {"mms": {"expire": 0, "privsep": 0, "comment": "clones"}, "t2": {"expire": 5, "privsep": 1}},
        });
        let of_list = json!({
            "userid": "", "email": "", "enable": "1", "expire": 0, "groups": "admins,ops", "realm-type": "pve",
            "tokens": [{"tokenid": "t2", "expire": "5", "privsep": 1},
                       {"tokenid": "mms", "expire": 0, "privsep": "0", "comment": "clones"}],
        });
        let one: User = serde_json::from_value(of_one).unwrap();
        let row: User = serde_json::from_value(of_list).unwrap();
        assert_eq!(one, row);
        assert!(!one.tokens["mms"].privsep && one.tokens["t2"].privsep);

        let bare: User = serde_json::from_value(json!({"tokens": null})).unwrap();
        assert_eq!(bare, User::default());
    }
}
