//! The access control list: what the modules that manage it share.
//!
//! A wish names a path, roles and subjects; all wishes of a task are compared
//! with the whole list at once, and what differs is written in the fewest
//! requests.

mod own;
mod unseen;
mod wish;

use std::collections::{BTreeMap, BTreeSet};

use ansible::Failure;
use pve::access::acl::{Acl, Grant, Subject, Write, writes};
use pve::{Applied, Cluster, Plan, Step, Track};
use serde_json::{Map, Value, json};

pub(super) use own::Beside;
pub(super) use wish::AclArgs;
pub(super) use wish::{Whom, Wish};

use super::role::USER_CFG;
use crate::fault;
use crate::resource::State;

/// What a track changes.
const THING: &str = "ACL path";

/// The stage of what is given …
pub(super) const GIVES: u32 = 0;
/// … and that of what is taken away.
const TAKES: u32 = 1;

/// What becomes of the access control list.
#[derive(Debug)]
pub(super) struct Change {
    /// One for each path, in the order of the wishes' stages.
    pub tracks: Vec<Track>,
    /// The entries of the paths that are spoken of.
    pub before: Value,
    /// The same afterwards.
    pub after: Value,
    /// What the user should know.
    pub warnings: Vec<String>,
    /// The whole list as it is …
    pub have: Acl,
    /// … and as it will be.
    pub want: Acl,
    writes: Vec<Write>,
    exclusive: BTreeSet<String>,
    /// Paths on which the caller sees nothing, so that nobody can tell whether a write changes anything.
    pub unseen: BTreeSet<String>,
}

/// What makes the list as the wishes want it.
pub(super) fn change(
    wishes: &[Wish],
    cluster: &Cluster,
    check_mode: bool,
) -> Result<Change, Failure> {
    let have = cluster
        .acl()
        .map_err(|error| fault::unable("read the access control list", &error))?;
    let paths: BTreeSet<&str> = wishes.iter().map(|wish| wish.path.as_str()).collect();
    // Who gives what he cannot see is refused by the server; all else would be taken for unchanged.
    let doubtful = wishes
        .iter()
        .filter(|wish| check_mode || wish.exclusive || wish.state == State::Absent)
        .map(|wish| wish.path.as_str())
        .collect();
    let unseen = unseen::paths(cluster, &have, &doubtful)?;
    let want = wanted(wishes, &have)?;
    let writes = writes(&have, &want);
    let mut tracks = tracks(&writes);
    tracks.extend(blind_removals(wishes, &unseen));
    let exclusive = wishes.iter().filter(|wish| wish.exclusive);
    Ok(Change {
        tracks,
        before: shown(&have, &paths, &unseen),
        after: shown(&want, &paths, &unseen),
        warnings: unseen::warnings(&unseen, wishes),
        have,
        want,
        writes,
        exclusive: exclusive.map(|wish| wish.path.clone()).collect(),
        unseen,
    })
}

impl Change {
    /// Refuses a change that would take the caller's own last right on a path,
    /// with what else becomes another by the same task.
    pub(super) fn spares_the_caller(
        self,
        cluster: &Cluster,
        beside: &Beside,
    ) -> Result<Self, Failure> {
        own::keep(cluster, &self, beside)?;
        Ok(self)
    }

    /// Those who are given a role that they have not got yet.
    pub(super) fn given_to(&self) -> BTreeSet<&Subject> {
        let gives = self.writes.iter().filter(|write| write.gives.is_some());
        gives.flat_map(|write| &write.subjects).collect()
    }

    /// The roles that are given to somebody who has not got them yet.
    pub(super) fn given_roles(&self) -> BTreeSet<&str> {
        let gives = self.writes.iter().filter(|write| write.gives.is_some());
        gives
            .flat_map(|write| write.roles.iter().map(String::as_str))
            .collect()
    }

    /// The entries of one path, as they will be.
    pub(super) fn entries(&self, path: &str) -> Value {
        rows(self.want.iter().filter(|(grant, _)| grant.path == path))
    }
}

/// The whole list, for those who must not miss an entry.
pub(super) fn all(cluster: &Cluster) -> Result<Acl, Failure> {
    let unable = |error| fault::unable("read the access control list", &error);
    let sees_all = cluster.client().user() == "root@pam"
        || cluster
            .permissions_on("/access")
            .map_err(unable)?
            .contains("Sys.Audit");
    if sees_all {
        return cluster.acl().map_err(unable);
    }
    Err(Failure::new(
        "the caller does not see all of the access control list: it needs Sys.Audit on /access",
    ))
}

/// The list as the wishes want it. Two wishes that contradict each other are
/// refused: no order of writing would fulfil both.
fn wanted(wishes: &[Wish], have: &Acl) -> Result<Acl, Failure> {
    let mut stated: BTreeMap<Grant, bool> = BTreeMap::new();
    for wish in wishes.iter().filter(|wish| wish.state == State::Present) {
        let propagate = wish.propagate.unwrap_or(true);
        for grant in wish.grants() {
            if stated.insert(grant.clone(), propagate) == Some(!propagate) {
                return Err(contradiction(&grant, "propagated and not"));
            }
        }
    }
    let mut want = have.clone();
    for wish in wishes {
        match wish.state {
            State::Present if wish.exclusive => want.retain(|grant, _| grant.path != wish.path),
            State::Present => {}
            State::Absent => {
                let taken = |(grant, propagate): &(&Grant, &bool)| wish.takes(grant, **propagate);
                if let Some((grant, _)) = stated.iter().find(taken) {
                    return Err(contradiction(grant, "present and absent"));
                }
                want.retain(|grant, propagate| !wish.takes(grant, *propagate));
            }
        }
    }
    want.extend(stated);
    Ok(want)
}

fn contradiction(grant: &Grant, both: &str) -> Failure {
    let Grant {
        path,
        subject,
        role,
    } = grant;
    Failure::new(format!(
        "the role `{role}` of {subject} on `{path}` is wanted both {both}"
    ))
}

/// Tracks for each path: what is given, and in a later stage what is taken
/// away. So nothing is taken away anywhere before all is given everywhere.
fn tracks(writes: &[Write]) -> Vec<Track> {
    let mut steps: BTreeMap<(u32, &str), Vec<Step>> = BTreeMap::new();
    for write in writes {
        let stage = if write.gives.is_some() { GIVES } else { TAKES };
        steps
            .entry((stage, &write.path))
            .or_default()
            .push(step(write));
    }
    steps
        .into_iter()
        .map(|((stage, path), steps)| Track {
            stage,
            ..Track::new(THING, path, steps)
        })
        .collect()
}

/// Writing an entry a second time changes nothing, so a lost answer is asked for again.
fn step(write: &Write) -> Step {
    let (verb, done) = match write.gives {
        Some(_) => ("give roles on", "roles given"),
        None => ("take roles away on", "roles taken away"),
    };
    Step::call(verb, done, write.call()).claims(USER_CFG, 1)
}

/// What cannot be seen can still be taken away where it is named in full.
fn blind_removals(wishes: &[Wish], unseen: &BTreeSet<String>) -> Vec<Track> {
    let blind = wishes.iter().filter(|wish| {
        wish.state == State::Absent && unseen.contains(&wish.path) && wish.is_full()
    });
    let writes = blind.map(|wish| Write {
        path: wish.path.clone(),
        roles: wish.roles.clone(),
        subjects: wish.subjects(),
        gives: None,
    });
    tracks(&writes.collect::<Vec<_>>())
}

/// The entries of some paths, as a person reads them.
fn shown(acl: &Acl, paths: &BTreeSet<&str>, unseen: &BTreeSet<String>) -> Value {
    let mut shown: Map<String, Value> = Map::new();
    for path in paths.iter().filter(|path| !unseen.contains(**path)) {
        let of_path = acl.iter().filter(|(grant, _)| grant.path == *path);
        let lines: Vec<String> = of_path
            .map(|(grant, propagate)| {
                let only = if *propagate { "" } else { " (this path only)" };
                format!("{}: {}{only}", grant.subject, grant.role)
            })
            .collect();
        shown.insert((*path).to_owned(), json!(lines));
    }
    Value::Object(shown)
}

/// The entries as the API tells them.
pub(super) fn rows<'a>(acl: impl IntoIterator<Item = (&'a Grant, &'a bool)>) -> Value {
    let rows = acl.into_iter().map(|(grant, propagate)| {
        json!({
            "path": grant.path,
            "type": grant.subject.kind.as_str(),
            "ugid": grant.subject.id,
            "roleid": grant.role,
            "propagate": u8::from(*propagate),
        })
    });
    Value::Array(rows.collect())
}

/// Whether an entry was written, or would be, of which it can be told that it
/// was not there before. Tracks of other things count as they do elsewhere.
pub(super) fn changed(plan: &Plan, applied: Option<&Applied>, unseen: &BTreeSet<String>) -> bool {
    plan.tracks.iter().enumerate().any(|(index, track)| {
        let wrote = match applied {
            Some(applied) => applied.tracks[index].changed(),
            None => track.changes(),
        };
        wrote && !(track.thing == THING && unseen.contains(&track.id))
    })
}

#[cfg(test)]
mod tests;
