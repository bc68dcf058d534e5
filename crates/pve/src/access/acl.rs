//! `/access/acl`: who is given which role, and where.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Deserialize;

use crate::call::Call;
use crate::cluster::Cluster;
use crate::error::Error;
use crate::path;
use crate::wire::lists::joined;
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

/// A role that is given: where, to whom, which. The access control list has at
/// most one row for each (measured on 9.2.11).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Grant {
    /// Where: `/vms/100`.
    pub path: String,
    /// To whom.
    pub subject: Subject,
    /// The role's id.
    pub role: String,
}

/// The access control list: each grant, and whether it holds below its path too.
pub type Acl = BTreeMap<Grant, bool>;

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
    pub fn acl(&self) -> Result<Acl, Error> {
        let rows: Vec<Row> = self.get_as(&Call::get(path!("access", "acl")))?;
        let grants = rows.into_iter().map(|row| {
            let subject = Subject {
                kind: row.kind,
                id: row.ugid,
            };
            let grant = Grant {
                path: row.path,
                subject,
                role: row.roleid,
            };
            (grant, row.propagate)
        });
        Ok(grants.collect())
    }
}

/// One write to the list: each of these roles to each of these subjects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// Where.
    pub path: String,
    /// Which roles.
    pub roles: BTreeSet<String>,
    /// To whom, or from whom.
    pub subjects: BTreeSet<Subject>,
    /// Whether they are given, and then whether below the path too; `None` takes them away.
    pub gives: Option<bool>,
}

impl Write {
    /// The request.
    pub fn call(&self) -> Call {
        let mut call = Call::put(path!("access", "acl"))
            .with("path", &self.path)
            .with("roles", joined(self.roles.iter()));
        for kind in [SubjectKind::User, SubjectKind::Group, SubjectKind::Token] {
            let of_kind = self.subjects.iter().filter(|subject| subject.kind == kind);
            let names = joined(of_kind.map(|subject| &subject.id));
            if !names.is_empty() {
                call = call.with(kind.parameter(), names);
            }
        }
        match self.gives {
            Some(propagate) => call.with("propagate", propagate),
            None => call.with("delete", true),
        }
    }
}

/// The same as `pveum` on a node takes it.
impl fmt::Display for Write {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = self.gives.map_or("delete", |_| "modify");
        let roles = joined(self.roles.iter());
        write!(formatter, "pveum acl {verb} {} --roles {roles}", self.path)?;
        for kind in [SubjectKind::User, SubjectKind::Group, SubjectKind::Token] {
            let of_kind = self.subjects.iter().filter(|subject| subject.kind == kind);
            let names = joined(of_kind.map(|subject| &subject.id));
            if !names.is_empty() {
                // A name may hold what ends a quotation of the shell.
                let names = names.replace('\'', r"'\''");
                write!(formatter, " --{} '{names}'", kind.parameter())?;
            }
        }
        match self.gives {
            Some(propagate) => write!(formatter, " --propagate {}", u8::from(propagate)),
            None => Ok(()),
        }
    }
}

/// The fewest writes that lead from one list to the other: those that give
/// come first, so that nobody is without a right in between that he has before and after.
///
/// A write gives all its roles to all its subjects, so subjects share one only
/// where they miss the same roles on the same path.
pub fn writes(have: &Acl, want: &Acl) -> Vec<Write> {
    let missing = want
        .iter()
        .filter(|(grant, propagate)| have.get(*grant) != Some(*propagate))
        .map(|(grant, propagate)| (grant, Some(*propagate)));
    let excess = have
        .keys()
        .filter(|grant| !want.contains_key(*grant))
        .map(|grant| (grant, None));
    let mut writes = merged(missing);
    writes.extend(merged(excess));
    writes
}

/// What a write is for, but for its roles: path, effect, subject.
type Share<'a> = (&'a str, Option<bool>, &'a Subject);

fn merged<'a>(changes: impl Iterator<Item = (&'a Grant, Option<bool>)>) -> Vec<Write> {
    let mut roles: BTreeMap<Share<'_>, BTreeSet<&str>> = BTreeMap::new();
    for (grant, gives) in changes {
        roles
            .entry((&grant.path, gives, &grant.subject))
            .or_default()
            .insert(&grant.role);
    }
    let mut subjects: BTreeMap<_, BTreeSet<&Subject>> = BTreeMap::new();
    for ((path, gives, subject), roles) in roles {
        subjects
            .entry((path, gives, roles))
            .or_default()
            .insert(subject);
    }
    let writes = subjects
        .into_iter()
        .map(|((path, gives, roles), subjects)| Write {
            path: path.to_owned(),
            roles: roles.into_iter().map(str::to_owned).collect(),
            subjects: subjects.into_iter().cloned().collect(),
            gives,
        });
    writes.collect()
}

#[cfg(test)]
mod tests {
    use super::{Acl, Grant, Subject, SubjectKind, Write, writes};
    use proptest::prelude::*;

    /// What the server does with a write.
    fn done(acl: &mut Acl, write: &Write) {
        for role in &write.roles {
            for subject in &write.subjects {
                let grant = Grant {
                    path: write.path.clone(),
                    subject: subject.clone(),
                    role: role.clone(),
                };
                match write.gives {
                    Some(propagate) => acl.insert(grant, propagate),
                    None => acl.remove(&grant),
                };
            }
        }
    }

    fn grant(path: &str, subject: &str, role: &str) -> Grant {
        let (kind, id) = match subject.strip_prefix('@') {
            Some(group) => (SubjectKind::Group, group),
            None if subject.contains('!') => (SubjectKind::Token, subject),
            None => (SubjectKind::User, subject),
        };
        Grant {
            path: path.to_owned(),
            subject: Subject {
                kind,
                id: id.to_owned(),
            },
            role: role.to_owned(),
        }
    }

    fn acls() -> impl Strategy<Value = Acl> {
        let grants = (
            prop::sample::select(vec!["/", "/vms", "/vms/100", "/storage/local"]),
            prop::sample::select(vec![
                "a@pve",
                "b@pve",
                "@ops",
                "@dev",
                "a@pve!one",
                "b@pve!two",
            ]),
            prop::sample::select(vec!["PVEAdmin", "PVEAuditor", "NoAccess", "Ops"]),
        )
            .prop_map(|(path, subject, role)| grant(path, subject, role));
        prop::collection::btree_map(grants, any::<bool>(), 0..30)
    }

    proptest! {
        /// The end is exactly what was wanted, and on the way nobody has what
        /// he had neither before nor shall have, nor lacks what he has in both.
        #[test]
        fn writes_lead_to_exactly_what_is_wanted(have in acls(), want in acls()) {
            let mut now = have.clone();
            for write in writes(&have, &want) {
                done(&mut now, &write);
                for (grant, propagate) in &now {
                    prop_assert!(
                        have.get(grant) == Some(propagate) || want.get(grant) == Some(propagate)
                    );
                }
                for grant in have.keys().filter(|grant| want.contains_key(*grant)) {
                    prop_assert!(now.contains_key(grant));
                }
            }
            prop_assert_eq!(now, want);
        }

        /// No two writes could have been one.
        #[test]
        fn no_two_writes_could_be_one(have in acls(), want in acls()) {
            let writes = writes(&have, &want);
            for (index, one) in writes.iter().enumerate() {
                for other in &writes[index + 1..] {
                    let same_place = one.path == other.path && one.gives == other.gives;
                    prop_assert!(!same_place || one.roles != other.roles);
                    prop_assert!(!same_place || one.subjects.is_disjoint(&other.subjects));
                }
            }
        }
    }

    #[test]
    fn two_hundred_grants_on_twenty_paths_are_twenty_writes() {
        let want: Acl = (0..20)
            .flat_map(|path| (0..10).map(move |user| (path, user)))
            .map(|(path, user)| {
                let path = format!("/vms/{}", 100 + path);
                (grant(&path, &format!("u{user}@pve"), "PVEVMUser"), true)
            })
            .collect();
        assert_eq!(want.len(), 200);
        assert_eq!(writes(&Acl::new(), &want).len(), 20);
        assert_eq!(writes(&want, &want), []);
    }

    #[test]
    fn a_line_of_pveum_runs_nothing_that_a_name_says() {
        let want: Acl = [(grant("/vms", "o'brien@ldap", "PVEAuditor"), true)].into();
        assert_eq!(
            writes(&Acl::new(), &want)[0].to_string(),
            r"pveum acl modify /vms --roles PVEAuditor --users 'o'\''brien@ldap' --propagate 1"
        );
    }

    #[test]
    fn a_write_is_one_request_and_one_line_of_pveum() {
        let want: Acl = [
            (grant("/vms", "a@pve", "PVEAuditor"), false),
            (grant("/vms", "@ops", "PVEAuditor"), false),
            (grant("/vms", "a@pve!one", "PVEAuditor"), false),
        ]
        .into();
        let [write] = &writes(&Acl::new(), &want)[..] else {
            panic!("not one write")
        };
        assert_eq!(
            write.call().to_string(),
            "PUT /access/acl path=/vms roles=PVEAuditor users=a@pve groups=ops tokens=a@pve!one propagate=0"
        );
        assert_eq!(
            write.to_string(),
            "pveum acl modify /vms --roles PVEAuditor --users 'a@pve' --groups 'ops' --tokens 'a@pve!one' --propagate 0"
        );
        let [write] = &writes(&want, &Acl::new())[..] else {
            panic!("not one write")
        };
        assert_eq!(
            write.call().to_string(),
            "PUT /access/acl path=/vms roles=PVEAuditor users=a@pve groups=ops tokens=a@pve!one delete=1"
        );
    }
}
