//! The access control list: what the modules that manage it share.
//!
//! A wish names a path, roles and subjects; all wishes of a task are compared
//! with the whole list at once, and what differs is written in the fewest
//! requests.

mod own;
mod unseen;

use std::collections::{BTreeMap, BTreeSet};

use ansible::{Args, Failure};
use pve::access::acl::{Acl, Grant, Subject, SubjectKind, Write, writes};
use pve::access::{acl_path, tokens};
use pve::{Applied, Cluster, Plan, Step, Track};
use serde_json::{Map, Value, json};

pub(super) use own::Beside;

use super::role::USER_CFG;
use crate::fault;
use crate::resource::State;

/// What a track changes.
const THING: &str = "ACL path";

/// The stage of what is given …
pub(super) const GIVES: u32 = 0;
/// … and that of what is taken away.
const TAKES: u32 = 1;

/// The options that say what a path's entries shall be.
#[derive(Args, Clone, Debug)]
pub struct AclArgs {
    /// The path: `/`, `/vms`, `/vms/100`, `/storage/local`, `/sdn/zones/localnetwork/vmbr0/20`, `/pool/web`,
    /// `/nodes/pve1`, `/access/groups/ops`, `/mapping/pci/gpu`.
    #[arg(required)]
    pub path: String,
    /// The roles that are given, each of them to each of O(users), O(groups) and O(tokens). With
    /// O(state=absent) those that are taken away; any role where none are stated.
    #[arg(aliases = ["role", "roleid"])]
    pub roles: Option<Vec<String>>,
    /// The users, `name@realm`.
    pub users: Option<Vec<String>>,
    /// The groups.
    pub groups: Option<Vec<String>>,
    /// The API tokens, `name@realm!token`.
    #[arg(no_log = false)]
    pub tokens: Option<Vec<String>>,
    /// Whether the roles hold below the path too. An existing entry is changed to what is stated here.
    #[arg(default = true)]
    pub propagate: bool,
    /// Whether the entries are there. With `absent` and neither roles nor users, groups or tokens, all
    /// entries of the path are taken away.
    #[arg(default = "present")]
    pub state: State,
    /// Whether these are the only entries of the path. What is there beside them is taken away after they
    /// are there; the caller's own last right on the path is not.
    #[arg(default = false)]
    pub exclusive: bool,
}

/// A wish whose names are checked.
#[derive(Clone, Debug)]
pub(super) struct Wish {
    /// Where.
    pub path: String,
    /// Which roles; of entries that go, any where none are named.
    pub roles: BTreeSet<String>,
    /// To whom; entries go whoever has them where nobody is named.
    pub whom: Vec<Whom>,
    /// Whether the entries hold below the path too; those that go may be one or the other.
    pub propagate: Option<bool>,
    /// Whether the entries are there.
    pub state: State,
    /// Whether they are the only ones of the path.
    pub exclusive: bool,
}

/// Who is meant. For entries that go, a part of it is enough.
#[derive(Clone, Debug)]
pub(super) struct Whom {
    /// Which kind of name it is.
    pub kind: Option<SubjectKind>,
    /// The name.
    pub id: Option<String>,
}

impl Whom {
    fn is(&self, subject: &Subject) -> bool {
        self.kind.is_none_or(|kind| kind == subject.kind)
            && self.id.as_ref().is_none_or(|id| *id == subject.id)
    }
}

impl Wish {
    /// The wish of these options.
    pub(super) fn new(args: &AclArgs) -> Result<Self, Failure> {
        let path = acl_path::normal(&args.path).map_err(|error| Failure::new(error.to_string()))?;
        let wish = Self {
            roles: names(args.roles.as_deref()).collect(),
            whom: whom(args)?,
            propagate: (args.state == State::Present).then_some(args.propagate),
            state: args.state,
            exclusive: args.exclusive,
            path,
        };
        let says = |what: &str| Err(Failure::new(format!("{what} on `{}`", wish.path)));
        match wish.state {
            State::Absent if wish.exclusive => {
                says("exclusive says which entries there are, so it cannot go with state absent:")
            }
            State::Present if wish.roles.is_empty() != wish.whom.is_empty() => {
                says("an entry needs a role and a user, a group or a token: one of them is missing")
            }
            State::Present if wish.roles.is_empty() && !wish.exclusive => {
                says("state the roles, and the users, groups or tokens that are given them")
            }
            _ => Ok(wish),
        }
    }

    /// The entries that this wish names in full.
    fn grants(&self) -> impl Iterator<Item = Grant> {
        self.subjects().into_iter().flat_map(move |subject| {
            self.roles.iter().map(move |role| Grant {
                path: self.path.clone(),
                subject: subject.clone(),
                role: role.clone(),
            })
        })
    }

    /// Those who are named in full.
    fn subjects(&self) -> BTreeSet<Subject> {
        let named = self.whom.iter().filter_map(|whom| {
            Some(Subject {
                kind: whom.kind?,
                id: whom.id.clone()?,
            })
        });
        named.collect()
    }

    /// Whether it names every entry that it means.
    fn is_full(&self) -> bool {
        !self.roles.is_empty() && !self.whom.is_empty() && self.subjects().len() == self.whom.len()
    }

    /// Whether this wish takes that entry away.
    fn takes(&self, grant: &Grant, propagate: bool) -> bool {
        grant.path == self.path
            && self.propagate.is_none_or(|only| only == propagate)
            && (self.roles.is_empty() || self.roles.contains(&grant.role))
            && (self.whom.is_empty() || self.whom.iter().any(|whom| whom.is(&grant.subject)))
    }
}

fn names(stated: Option<&[String]>) -> impl Iterator<Item = String> {
    stated
        .unwrap_or_default()
        .iter()
        .flat_map(|text| pve::wire::lists::split(text))
        .map(str::to_owned)
}

fn whom(args: &AclArgs) -> Result<Vec<Whom>, Failure> {
    let kinds = [
        (SubjectKind::User, &args.users),
        (SubjectKind::Group, &args.groups),
        (SubjectKind::Token, &args.tokens),
    ];
    let mut whom = Vec::new();
    for (kind, stated) in kinds {
        for id in names(stated.as_deref()) {
            let wrong = match kind {
                SubjectKind::User if id.contains('!') => Some("is a token: it belongs to tokens"),
                SubjectKind::User if !id.contains('@') => Some("has no realm: write `user@realm`"),
                SubjectKind::Token if tokens::split(&id).is_none() => {
                    Some("is no full name of a token: write `user@realm!tokenid`")
                }
                _ => None,
            };
            if let Some(wrong) = wrong {
                return Err(Failure::new(format!("`{id}` {wrong}")));
            }
            whom.push(Whom {
                kind: Some(kind),
                id: Some(id),
            });
        }
    }
    Ok(whom)
}

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
