//! Which wanted privileges are missing, and the commands that grant them.

use std::collections::{BTreeMap, BTreeSet};

use pve::access::permissions::Permissions;
use pve::access::roles::privileges as known_privileges;
use pve::diagnose::Identity;
use pve::wire::lists;
use pve::{Cluster, Error};
use serde_json::{Value, json};

use super::judge::Finding;
use crate::access::role::unknown_privilege;

type Privileges = BTreeSet<String>;

/// The option `privileges`.
#[derive(Debug)]
pub(super) struct Wanted(BTreeMap<String, Privileges>);

/// What is missing on one path.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Missing {
    path: String,
    privileges: Privileges,
    /// Those that the server does not know, each with what is said of it.
    unknown: BTreeMap<String, String>,
    commands: Vec<String>,
    /// The user whose own privileges could not be read.
    unseen: Option<String>,
}

impl Wanted {
    /// Lists or texts by ACL path; an error is the sentence for the user.
    pub(super) fn read(option: &BTreeMap<String, Value>) -> Result<Self, String> {
        let mut wanted: BTreeMap<String, Privileges> = BTreeMap::new();
        for (path, value) in option {
            if !path.starts_with('/') {
                return Err(format!(
                    "privileges: `{path}` is not an ACL path, which begins with a slash"
                ));
            }
            // The server knows a path without the slash at its end.
            let normal = match path.trim_end_matches('/') {
                "" => "/",
                path => path,
            };
            let of_path = wanted.entry(normal.to_owned()).or_default();
            let texts = match value {
                Value::Array(items) => items.iter().map(Value::as_str).collect(),
                Value::Null => Some(Vec::new()),
                single => single.as_str().map(|text| vec![text]),
            };
            let texts = texts.ok_or_else(|| {
                format!(
                    "privileges: what `{path}` holds is neither a list of privileges nor a text"
                )
            })?;
            of_path.extend(texts.into_iter().flat_map(lists::split).map(str::to_owned));
        }
        Ok(Self(wanted))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What the caller has on these paths, and what it lacks.
    pub(super) fn missing(
        &self,
        cluster: &Cluster,
        identity: &Identity,
    ) -> Result<(Permissions, Vec<Missing>), Error> {
        let (user, token) = holders(identity);
        let mut has = Permissions::new();
        let mut all = Vec::new();
        for (path, wanted) in &self.0 {
            let have = cluster.permissions_on(path)?;
            has.insert(path.clone(), have.clone());
            if wanted.is_subset(&have) {
                continue;
            }
            let known = known_privileges(&cluster.roles()?);
            // Without separation a token is its user.
            let separate = token.filter(|_| identity.privilege_separation != Some(false));
            let of_user = separate.map(|_| cluster.permissions_of(user, path).ok());
            all.push(
                Case {
                    path,
                    wanted,
                    have,
                    known,
                }
                .missing(user, separate, of_user.as_ref()),
            );
        }
        Ok((has, all))
    }
}

/// Who has to hold a privilege: the user, and the token if it is one.
pub(super) fn holders(identity: &Identity) -> (&str, Option<&str>) {
    match identity.user.split_once('!') {
        Some((user, token)) => (user, Some(token)),
        None => (&identity.user, None),
    }
}

/// One path and what was read about it.
struct Case<'a> {
    path: &'a str,
    wanted: &'a Privileges,
    have: Privileges,
    known: Privileges,
}

impl Case<'_> {
    /// `of_user`: what the token's user has, where there is a token with privileges of its own and the server
    /// tells.
    fn missing(
        &self,
        user: &str,
        token: Option<&str>,
        of_user: Option<&Option<Privileges>>,
    ) -> Missing {
        let privileges: Privileges = self.wanted.difference(&self.have).cloned().collect();
        let is_unknown =
            |privilege: &&String| !self.known.is_empty() && !self.known.contains(*privilege);
        let (unknown, known): (Vec<_>, Vec<_>) = privileges.iter().partition(is_unknown);
        let lacks = |have: &Privileges| known.iter().any(|privilege| !have.contains(*privilege));
        let mut commands = Vec::new();
        let of_user = of_user.map_or(Some(&self.have), Option::as_ref);
        if of_user.is_none_or(lacks) {
            let have = of_user.unwrap_or(&self.have);
            commands.extend(self.grant("user", user, &known, have));
        }
        if let Some(token) = token {
            let token = format!("{user}!{token}");
            commands.extend(self.grant("token", &token, &known, &self.have));
        }
        Missing {
            path: self.path.to_owned(),
            unknown: unknown
                .into_iter()
                .map(|privilege| (privilege.clone(), unknown_privilege(privilege, &self.known)))
                .collect(),
            commands,
            privileges,
            unseen: of_user.is_none().then(|| user.to_owned()),
        }
    }

    /// A role and the entry that grants it. An entry takes the place of those that are inherited from the paths
    /// above, so the role holds what is there already too. The role may be there from an earlier grant; it is its
    /// holder's alone, so that nobody else gains by what is added to it.
    fn grant(
        &self,
        kind: &str,
        holder: &str,
        lacking: &[&String],
        have: &Privileges,
    ) -> Option<String> {
        if lacking.is_empty() {
            return None;
        }
        let all: BTreeSet<&str> = have
            .iter()
            .chain(lacking.iter().copied())
            .map(String::as_str)
            .collect();
        let privileges = all.into_iter().collect::<Vec<_>>().join(" ");
        let path = self.path;
        let role = role(path, holder);
        Some(format!(
            "{{ pveum role modify {role} --privs \"{privileges}\" --append 1 || \
             pveum role add {role} --privs \"{privileges}\"; }} && \
             pveum acl modify {path} --roles {role} --{kind}s '{holder}'"
        ))
    }
}

/// The name of a holder's role, in the letters that Proxmox VE takes in one.
fn role(path: &str, holder: &str) -> String {
    let path = path.trim_end_matches('/').replace('/', "-");
    let taken = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-' | '_');
    format!("Ferrox{path}-{holder}").replace(|letter| !taken(letter), "_")
}

impl Missing {
    /// What can be granted, and where.
    fn told(&self) -> Option<String> {
        let lacking: Vec<&str> = self
            .privileges
            .iter()
            .filter(|privilege| !self.unknown.contains_key(*privilege))
            .map(String::as_str)
            .collect();
        (!lacking.is_empty()).then(|| format!("{} on {}", lacking.join(", "), self.path))
    }

    pub(super) fn shown(&self) -> Value {
        json!({"path": self.path, "privileges": self.privileges, "commands": self.commands})
    }
}

pub(super) fn judge(missing: &[Missing]) -> Finding {
    if missing.is_empty() {
        return Finding::good("the caller has all privileges that are asked for");
    }
    let lacking = missing.iter().filter_map(Missing::told).collect::<Vec<_>>();
    let lacking = (!lacking.is_empty()).then(|| format!("the caller lacks {}", lacking.join("; ")));
    let unknown: BTreeMap<_, _> = missing
        .iter()
        .flat_map(|missing| &missing.unknown)
        .collect();
    let details: Vec<String> = lacking
        .into_iter()
        .chain(unknown.into_values().cloned())
        .collect();
    let finding = Finding::bad(details.join("; "));
    let commands: Vec<&str> = missing
        .iter()
        .flat_map(|missing| &missing.commands)
        .map(String::as_str)
        .collect();
    if commands.is_empty() {
        return finding;
    }
    let looks: Vec<String> = missing
        .iter()
        .filter_map(|missing| {
            let user = missing.unseen.as_ref()?;
            Some(format!(
                "`pveum user permissions {user} --path {}`",
                missing.path
            ))
        })
        .collect();
    let caution = if looks.is_empty() {
        String::new()
    } else {
        format!(
            "; what the user has already is not shown to this token: see {} first, as an entry takes the \
             place of those inherited from the paths above",
            looks.join(", ")
        )
    };
    finding.hint(format!("on a node: {}{caution}", commands.join("; ")))
}

#[cfg(test)]
mod tests;
