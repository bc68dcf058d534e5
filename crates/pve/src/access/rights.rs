//! What a caller may do by the access control list: the server's own rules,
//! for a list that is not there yet.

use std::collections::BTreeSet;

use super::acl::{Acl, Subject, SubjectKind};
use super::roles::Role;

/// Takes every right away, whatever else is given on the same path.
const NO_ACCESS: &str = "NoAccess";

/// Whose rights are asked for.
#[derive(Clone, Debug, Default)]
pub struct Caller {
    /// `user@realm`.
    pub user: String,
    /// The groups that it is in.
    pub groups: BTreeSet<String>,
    /// `user@realm!token` of a token with privilege separation; any other token has its user's rights.
    pub token: Option<String>,
}

/// The privileges of a caller on a path. Entries by way of a pool are not
/// counted.
///
/// Source: `PVE::AccessControl::roles` and `PVE::RPCEnvironment::permissions`.
pub fn on_path(acl: &Acl, roles: &[Role], caller: &Caller, path: &str) -> BTreeSet<String> {
    let of_user = || privileges(roles, &user_roles(acl, caller, path));
    match &caller.token {
        None => of_user(),
        Some(token) => {
            let ids = BTreeSet::from([token.as_str()]);
            let of_token = deepest(path, &|depth| {
                given(acl, depth, path, SubjectKind::Token, &ids)
            });
            let of_token = privileges(roles, &of_token);
            if caller.user == "root@pam" {
                return of_token;
            }
            of_token.intersection(&of_user()).cloned().collect()
        }
    }
}

fn user_roles(acl: &Acl, caller: &Caller, path: &str) -> BTreeSet<String> {
    if caller.user == "root@pam" {
        return BTreeSet::from(["Administrator".to_owned()]);
    }
    let user = BTreeSet::from([caller.user.as_str()]);
    let groups: BTreeSet<&str> = caller.groups.iter().map(String::as_str).collect();
    deepest(path, &|depth| {
        // On one path the user's own entries stand before those of groups.
        let own = given(acl, depth, path, SubjectKind::User, &user);
        if own.is_empty() {
            given(acl, depth, path, SubjectKind::Group, &groups)
        } else {
            own
        }
    })
}

/// The roles that are given on the deepest of the paths that lead to `path`.
fn deepest(path: &str, given: &dyn Fn(&str) -> BTreeSet<String>) -> BTreeSet<String> {
    let ends = path
        .match_indices('/')
        .map(|(at, _)| at)
        .filter(|at| *at > 0);
    let mut prefixes: Vec<&str> = ends.map(|at| &path[..at]).collect();
    prefixes.insert(0, "/");
    if path != "/" {
        prefixes.push(path);
    }
    let mut found = prefixes
        .into_iter()
        .rev()
        .map(given)
        .filter(|roles| !roles.is_empty());
    found.next().unwrap_or_default()
}

/// The roles that are given to one of `ids` at `place` and hold on `path`.
fn given(
    acl: &Acl,
    place: &str,
    path: &str,
    kind: SubjectKind,
    ids: &BTreeSet<&str>,
) -> BTreeSet<String> {
    acl.iter()
        .filter(|(grant, propagate)| {
            let Subject { kind: of, id } = &grant.subject;
            grant.path == place
                && *of == kind
                && ids.contains(id.as_str())
                && (**propagate || place == path)
        })
        .map(|(grant, _)| grant.role.clone())
        .collect()
}

fn privileges(roles: &[Role], given: &BTreeSet<String>) -> BTreeSet<String> {
    if given.contains(NO_ACCESS) {
        return BTreeSet::new();
    }
    roles
        .iter()
        .filter(|role| given.contains(&role.roleid))
        .flat_map(|role| role.privs.iter().cloned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{Caller, on_path};
    use crate::access::acl::{Acl, Grant, Subject, SubjectKind};
    use crate::access::roles::Role;

    fn roles() -> Vec<Role> {
        [
            (
                "Administrator",
                vec!["Permissions.Modify", "VM.Audit", "VM.Clone"],
            ),
            ("Auditor", vec!["VM.Audit"]),
            ("Cloner", vec!["VM.Clone"]),
            ("NoAccess", vec![]),
        ]
        .into_iter()
        .map(|(roleid, privs)| Role {
            roleid: roleid.to_owned(),
            privs: privs.into_iter().map(str::to_owned).collect(),
            special: true,
        })
        .collect()
    }

    fn acl(rows: &[(&str, SubjectKind, &str, &str, bool)]) -> Acl {
        rows.iter()
            .map(|(path, kind, id, role, propagate)| {
                let subject = Subject {
                    kind: *kind,
                    id: (*id).to_owned(),
                };
                let grant = Grant {
                    path: (*path).to_owned(),
                    subject,
                    role: (*role).to_owned(),
                };
                (grant, *propagate)
            })
            .collect()
    }

    fn caller(token: Option<&str>) -> Caller {
        Caller {
            user: "a@pve".to_owned(),
            groups: ["ops".to_owned()].into(),
            token: token.map(str::to_owned),
        }
    }

    #[test]
    fn the_deepest_path_decides_and_there_the_user_before_its_groups() {
        use SubjectKind::{Group, Token, User};
        let cases = [
            (acl(&[]), "/vms", ""),
            (
                acl(&[("/", User, "a@pve", "Auditor", true)]),
                "/vms/100",
                "VM.Audit",
            ),
            (
                acl(&[("/", User, "a@pve", "Auditor", false)]),
                "/vms/100",
                "",
            ),
            (
                acl(&[("/", User, "a@pve", "Auditor", false)]),
                "/",
                "VM.Audit",
            ),
            (
                acl(&[
                    ("/", User, "a@pve", "Administrator", true),
                    ("/vms", Group, "ops", "Cloner", true),
                ]),
                "/vms/100",
                "VM.Clone",
            ),
            (
                acl(&[
                    ("/vms", User, "a@pve", "Auditor", true),
                    ("/vms", Group, "ops", "Cloner", true),
                ]),
                "/vms",
                "VM.Audit",
            ),
            (
                acl(&[
                    ("/vms", User, "a@pve", "NoAccess", true),
                    ("/vms", User, "a@pve", "Auditor", true),
                ]),
                "/vms",
                "",
            ),
            (
                acl(&[
                    ("/vms", User, "b@pve", "Auditor", true),
                    ("/vms", Group, "dev", "Auditor", true),
                    ("/vms", Token, "a@pve!t1", "Auditor", true),
                ]),
                "/vms",
                "",
            ),
        ];
        for (acl, path, privileges) in cases {
            let found: Vec<String> = on_path(&acl, &roles(), &caller(None), path)
                .into_iter()
                .collect();
            assert_eq!(found.join(","), privileges, "{acl:?} on {path}");
        }
    }

    #[test]
    fn a_separate_token_has_what_both_it_and_its_user_have() {
        use SubjectKind::{Token, User};
        let both = acl(&[
            ("/", User, "a@pve", "Administrator", true),
            ("/vms", Token, "a@pve!t1", "Cloner", true),
        ]);
        let own = |path| on_path(&both, &roles(), &caller(Some("a@pve!t1")), path);
        assert_eq!(own("/vms/100"), ["VM.Clone".to_owned()].into());
        assert!(own("/").is_empty());
    }
}
