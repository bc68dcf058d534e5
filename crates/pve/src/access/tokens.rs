//! `/access/users/{userid}/token`: API tokens.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::call::{Call, Path};
use crate::client::decode;
use crate::cluster::Cluster;
use crate::error::Error;
use crate::path;
use crate::wire::tolerant;

/// An API token, as far as the server tells: its secret is never told again.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Token {
    /// A note.
    #[serde(deserialize_with = "tolerant::nullable")]
    pub comment: String,
    /// When it ends, in seconds since 1970; 0 for never.
    #[serde(deserialize_with = "tolerant::integer")]
    pub expire: i64,
    /// Whether it has only those rights of its user that it was given itself.
    #[serde(deserialize_with = "tolerant::switch")]
    pub privsep: bool,
}

/// What the server leaves out.
impl Default for Token {
    fn default() -> Self {
        Self {
            comment: String::new(),
            expire: 0,
            privsep: true,
        }
    }
}

/// A token's user and its own name, out of `user@realm!name`.
pub fn split(full: &str) -> Option<(&str, &str)> {
    full.split_once('!')
        .filter(|(user, name)| !user.is_empty() && !name.is_empty())
}

/// Where the token `user@realm!name` is; `None` where the text names none.
pub fn path_of(full: &str) -> Option<Path> {
    let (user, name) = split(full)?;
    Some(path!("access", "users", user, "token", name))
}

/// The question for the tokens of a user: the user itself may ask it, too.
pub fn of(userid: &str) -> Call {
    Call::get(path!("access", "users", userid, "token"))
}

#[derive(Deserialize)]
struct Row {
    tokenid: String,
    #[serde(flatten)]
    token: Token,
}

/// Tokens by name, out of a list.
pub fn read(answer: &Value) -> Result<BTreeMap<String, Token>, serde_json::Error> {
    let rows = Vec::<Row>::deserialize(answer)?;
    Ok(rows
        .into_iter()
        .map(|row| (row.tokenid, row.token))
        .collect())
}

impl Cluster {
    /// The tokens of a user by name, if there is such a user.
    pub fn tokens(&self, userid: &str) -> Result<Option<BTreeMap<String, Token>>, Error> {
        let call = of(userid);
        match self.get(&call) {
            Ok(answer) => {
                let rows: Vec<Row> = decode(&call, &answer)?;
                let tokens = rows.into_iter().map(|row| (row.tokenid, row.token));
                Ok(Some(tokens.collect()))
            }
            Err(error) if error.is_not_found() => Ok(None),
            // So it answers all but root@pam where there is no such user; about the user itself it
            // tells. Source: `PVE::RPCEnvironment::exec_api2_perm_check`.
            Err(error) if error.status() == Some(403) => match self.user(userid) {
                Ok(None) => Ok(None),
                _ => Err(error),
            },
            Err(error) => Err(error),
        }
    }
}
