//! What a task wants of the access control list: one path, roles, subjects.

use std::collections::BTreeSet;

use ansible::{Args, Failure};
use pve::access::acl::{Grant, Subject, SubjectKind};
use pve::access::{acl_path, tokens};

use crate::resource::State;

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
pub(in crate::access) struct Wish {
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
pub(in crate::access) struct Whom {
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
    pub(in crate::access) fn new(args: &AclArgs) -> Result<Self, Failure> {
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
    pub(super) fn grants(&self) -> impl Iterator<Item = Grant> {
        self.subjects().into_iter().flat_map(move |subject| {
            self.roles.iter().map(move |role| Grant {
                path: self.path.clone(),
                subject: subject.clone(),
                role: role.clone(),
            })
        })
    }

    /// Those who are named in full.
    pub(super) fn subjects(&self) -> BTreeSet<Subject> {
        let named = self.whom.iter().filter_map(|whom| {
            Some(Subject {
                kind: whom.kind?,
                id: whom.id.clone()?,
            })
        });
        named.collect()
    }

    /// Whether it names every entry that it means.
    pub(super) fn is_full(&self) -> bool {
        !self.roles.is_empty() && !self.whom.is_empty() && self.subjects().len() == self.whom.len()
    }

    /// Whether this wish takes that entry away.
    pub(super) fn takes(&self, grant: &Grant, propagate: bool) -> bool {
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
