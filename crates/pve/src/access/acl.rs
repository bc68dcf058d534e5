//! `/access/acl`: which role whom is given, and where.

use std::fmt;

use serde::Deserialize;

use crate::call::Call;
use crate::cluster::Cluster;
use crate::error::Error;
use crate::path;
use crate::wire::tolerant;

/// Who is given a role.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject {
    /// Which kind of name it is.
    pub kind: SubjectKind,
    /// `user@realm`, a group's id, `user@realm!token`.
    pub id: String,
}

/// The kinds of names that a role is given to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubjectKind {
    /// A user.
    User,
    /// A group of users.
    Group,
    /// An API token.
    Token,
}

impl SubjectKind {
    /// The kind as the API writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Group => "group",
            Self::Token => "token",
        }
    }

    /// The parameter that lists names of this kind.
    pub fn parameter(self) -> &'static str {
        match self {
            Self::User => "users",
            Self::Group => "groups",
            Self::Token => "tokens",
        }
    }
}

/// As `pveum` writes it: `user ops@pve`.
impl fmt::Display for Subject {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.kind.as_str(), self.id)
    }
}

/// A row of the access control list. Path, subject and role tell a row from all
/// others; writing it with another `propagate` replaces it (measured on 9.2.11).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// Where: `/vms/100`.
    pub path: String,
    /// Who.
    pub subject: Subject,
    /// The role's id.
    pub role: String,
    /// Whether it holds below the path too.
    pub propagate: bool,
}

#[derive(Deserialize)]
struct Row {
    path: String,
    #[serde(rename = "type")]
    kind: SubjectKind,
    #[serde(deserialize_with = "tolerant::text")]
    ugid: String,
    #[serde(deserialize_with = "tolerant::text")]
    roleid: String,
    #[serde(default = "on", deserialize_with = "tolerant::switch")]
    propagate: bool,
}

fn on() -> bool {
    true
}

impl Cluster {
    /// The access control list, as far as the caller may see it: without
    /// Sys.Audit on `/access` only paths on which it has Permissions.Modify.
    pub fn acl(&self) -> Result<Vec<Entry>, Error> {
        let rows: Vec<Row> = self.get_as(&Call::get(path!("access", "acl")))?;
        let entries = rows.into_iter().map(|row| Entry {
            path: row.path,
            subject: Subject {
                kind: row.kind,
                id: row.ugid,
            },
            role: row.roleid,
            propagate: row.propagate,
        });
        Ok(entries.collect())
    }
}
