//! Roles: what the modules that manage them share.

use std::collections::BTreeSet;

use ansible::{Args, Failure};
use pve::access::roles::{self, Role};
use pve::{Call, path};

use crate::resource::{Change, Emptied, Field, Fields, Resource, State, Wish};

/// The file that holds users, groups, roles, tokens and the access control list.
pub(crate) const USER_CFG: &str = "user.cfg";

/// A role.
pub(super) const ROLE: Resource = Resource {
    thing: "role",
    key: "name",
    file: USER_CFG,
    create: |id| Call::post(path!("access", "roles")).with("roleid", id),
    write: |verb, id| Call::new(verb, path!("access", "roles", id)),
    look: |_| Call::get(path!("access", "roles")),
    read: |answer, id| {
        let roles = roles::read(answer).ok()?;
        fields(&roles, id)
    },
    fresh: || Fields::from([("privs", Field::Set(BTreeSet::new()))]),
    emptied: Emptied::Empty,
};

fn fields(roles: &[Role], id: &str) -> Option<Fields> {
    let role = roles.iter().find(|role| role.roleid == id)?;
    Some(Fields::from([("privs", Field::from(&role.privs))]))
}

/// The options of a role, alone or in a list.
#[derive(Args, Clone, Debug)]
#[args(required_if(key = "append", value = true, all = ["privs"]))]
pub struct RoleOptions {
    /// The role's id.
    #[arg(required, aliases = ["roleid"])]
    pub name: String,
    /// The role's privileges: a list, or a text with commas or blanks in between, as `pveum` takes it.
    /// They replace those that the role has, unless O(append=true). An empty list empties the role; without
    /// this option the privileges of an existing role stay as they are.
    pub privs: Option<Vec<String>>,
    /// Add to the privileges that the role has, rather than replace them.
    #[arg(default = false)]
    pub append: bool,
    /// Whether the role is there.
    #[arg(default = "present")]
    pub state: State,
}

impl RoleOptions {
    /// The privileges that are wanted; `None` where no role is.
    pub(super) fn wanted(&self) -> Option<Privileges<'_>> {
        (self.state == State::Present).then_some(Privileges {
            stated: self.privs.as_deref(),
            append: self.append,
        })
    }
}

/// The privileges that a role shall have.
#[derive(Clone, Copy)]
pub(super) struct Privileges<'a> {
    /// As they are stated; otherwise an existing role keeps its own.
    pub stated: Option<&'a [String]>,
    /// Whether they are added to those that it has.
    pub append: bool,
}

/// What makes a role as it is wanted; `None` is a role that is not there. A
/// role that is built in is refused, even as it is.
pub(super) fn change(
    name: &str,
    roles: &[Role],
    wanted: Option<Privileges<'_>>,
) -> Result<Change, Failure> {
    refuse_built_in(name, roles, wanted)?;
    compare(name, roles, wanted)
}

/// Refuses a role that is built into the server, or whose name is kept for such.
pub(super) fn refuse_built_in(
    name: &str,
    roles: &[Role],
    wanted: Option<Privileges<'_>>,
) -> Result<(), Failure> {
    let special = roles.iter().any(|role| role.special && role.roleid == name);
    if !special && !is_reserved(name) {
        return Ok(());
    }
    Err(Failure::new(format!(
        "the role `{name}` is built into Proxmox VE and cannot be {}; make a role of another name \
         (names that begin with PVE are reserved)",
        wanted.map_or("removed", |_| "changed")
    )))
}

/// What makes a role as it is wanted, a built-in one too.
pub(super) fn compare(
    name: &str,
    roles: &[Role],
    wanted: Option<Privileges<'_>>,
) -> Result<Change, Failure> {
    let have = fields(roles, name);
    let wish = match wanted {
        None => Wish::Absent,
        Some(Privileges { stated: None, .. }) => Wish::Present(Fields::new()),
        Some(Privileges {
            stated: Some(stated),
            append,
        }) => {
            let mut privs = known(stated, &roles::privileges(roles))?;
            if append
                && let Some(Field::Set(have)) = have.as_ref().and_then(|have| have.get("privs"))
            {
                privs.extend(have.iter().cloned());
            }
            Wish::Present(Fields::from([("privs", Field::Set(privs))]))
        }
    };
    Ok(ROLE.change(name, have.as_ref(), &wish))
}

/// The names that the server keeps for itself, whether it has such a role or not.
fn is_reserved(name: &str) -> bool {
    name.get(..3)
        .is_some_and(|start| start.eq_ignore_ascii_case("PVE"))
}

/// The privileges that a list of texts names, all of which the server knows.
fn known(stated: &[String], known: &BTreeSet<String>) -> Result<BTreeSet<String>, Failure> {
    let privs: BTreeSet<String> = stated
        .iter()
        .flat_map(|text| pve::wire::lists::split(text))
        .map(str::to_owned)
        .collect();
    // A server that hides its roles from the caller still checks what it is sent.
    let unknown: Vec<String> = privs
        .difference(known)
        .filter(|_| !known.is_empty())
        .map(|privilege| unknown_privilege(privilege, known))
        .collect();
    if unknown.is_empty() {
        Ok(privs)
    } else {
        Err(Failure::new(unknown.join("; ")))
    }
}

/// Privileges that went away, with what took their place.
const SUCCESSORS: &[(&str, &[&str])] = &[(
    "VM.Monitor",
    &[
        "Sys.Audit",
        "VM.GuestAgent.Audit",
        "VM.GuestAgent.FileRead",
        "VM.GuestAgent.FileWrite",
        "VM.GuestAgent.FileSystemMgmt",
        "VM.GuestAgent.Unrestricted",
    ],
)];

/// What to say of a privilege that the server does not know.
pub(crate) fn unknown_privilege(privilege: &str, known: &BTreeSet<String>) -> String {
    let successors = SUCCESSORS
        .iter()
        .find(|(old, _)| *old == privilege)
        .map(|(_, successors)| *successors);
    let predecessor = SUCCESSORS
        .iter()
        .find(|(old, new)| known.contains(*old) && new.contains(&privilege))
        .map(|(old, _)| *old);
    let instead = match (successors, predecessor, near(privilege, known)) {
        (Some(successors), _, _) => format!(
            "; what it allowed is now split: use {}",
            successors.join(", ")
        ),
        (None, Some(predecessor), _) => format!("; on this version it is {predecessor}"),
        (None, None, Some(near)) => format!("; did you mean {near}?"),
        (None, None, None) => String::new(),
    };
    format!("this server knows no privilege `{privilege}`{instead}")
}

/// The known privilege that differs in case only.
fn near<'a>(privilege: &str, known: &'a BTreeSet<String>) -> Option<&'a String> {
    known
        .iter()
        .find(|candidate| candidate.eq_ignore_ascii_case(privilege))
}
