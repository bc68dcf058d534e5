use std::collections::BTreeSet;

use proptest::prelude::*;
use pve::access::acl::{Acl, Grant, Subject, SubjectKind};
use pve::canned::Canned;
use pve::{Call, Param, Track};
use serde_json::{Value, json};

use super::{Whom, Wish, change};
use crate::resource::State;

const PATHS: [&str; 3] = ["/", "/vms", "/vms/100"];
const ROLES: [&str; 3] = ["PVEAuditor", "PVEVMUser", "NoAccess"];

fn subjects() -> Vec<Subject> {
    [
        (SubjectKind::User, "a@pve"),
        (SubjectKind::User, "b@pve"),
        (SubjectKind::Group, "ops"),
        (SubjectKind::Token, "a@pve!one"),
    ]
    .map(|(kind, id)| Subject {
        kind,
        id: id.to_owned(),
    })
    .into()
}

/// Every entry that there could be.
fn universe() -> Vec<Grant> {
    let mut universe = Vec::new();
    for path in PATHS {
        for subject in subjects() {
            for role in ROLES {
                universe.push(Grant {
                    path: path.to_owned(),
                    subject: subject.clone(),
                    role: role.to_owned(),
                });
            }
        }
    }
    universe
}

fn starts() -> impl Strategy<Value = Acl> {
    let entries = (prop::sample::select(universe()), any::<bool>());
    prop::collection::vec(entries, 0..20).prop_map(|entries| entries.into_iter().collect())
}

fn wishes() -> impl Strategy<Value = Vec<Wish>> {
    let roles = prop::sample::subsequence(ROLES.to_vec(), 0..=3);
    let whom = prop::sample::subsequence(subjects(), 0..=4);
    let wish = (
        prop::sample::select(PATHS.to_vec()),
        roles,
        whom,
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(|(path, roles, whom, propagate, present, exclusive)| Wish {
            path: path.to_owned(),
            roles: roles.into_iter().map(str::to_owned).collect(),
            whom: whom
                .into_iter()
                .map(|subject| Whom {
                    kind: Some(subject.kind),
                    id: Some(subject.id),
                })
                .collect(),
            propagate: present.then_some(propagate),
            state: if present {
                State::Present
            } else {
                State::Absent
            },
            exclusive: present && exclusive,
        });
    prop::collection::vec(wish, 1..4)
}

/// Whether the wish speaks of this entry by its names.
fn names(wish: &Wish, grant: &Grant, nobody_is_all: bool) -> bool {
    let is_named = |named: bool, none: bool| named || (nobody_is_all && none);
    let mut ids = wish.whom.iter().map(|whom| whom.id.as_deref());
    wish.path == grant.path
        && is_named(wish.roles.contains(&grant.role), wish.roles.is_empty())
        && is_named(
            ids.any(|id| id == Some(grant.subject.id.as_str())),
            wish.whom.is_empty(),
        )
}

/// What the entry shall be in the end, by the meaning of the wishes alone;
/// `Err` where they contradict each other.
fn wanted(wishes: &[Wish], grant: &Grant, before: Option<bool>) -> Result<Option<bool>, ()> {
    let present = |wish: &&Wish| wish.state == State::Present;
    let given: BTreeSet<bool> = wishes
        .iter()
        .filter(present)
        .filter(|wish| names(wish, grant, false))
        .filter_map(|wish| wish.propagate)
        .collect();
    let goes = wishes
        .iter()
        .any(|wish| wish.state == State::Absent && names(wish, grant, true));
    let alone = wishes
        .iter()
        .any(|wish| wish.exclusive && wish.path == grant.path);
    match (given.len(), goes) {
        (2, _) | (1, true) => Err(()),
        (1, false) => Ok(given.first().copied()),
        (_, true) => Ok(None),
        (_, false) if alone => Ok(None),
        _ => Ok(before),
    }
}

fn rows(acl: &Acl) -> Value {
    let rows = acl.iter().map(|(grant, propagate)| {
        json!({
            "path": grant.path, "type": grant.subject.kind.as_str(), "ugid": grant.subject.id,
            "roleid": grant.role, "propagate": u8::from(*propagate),
        })
    });
    rows.collect()
}

/// What the server makes of a request: read from its parameters alone.
fn done(acl: &mut Acl, call: &Call) {
    let of = |key: &str| {
        let found = call.params.iter().find(|(name, _)| name == key);
        found.map(|(_, param)| match param {
            Param::Text(text) => text.clone(),
            _ => panic!("{key} is no text"),
        })
    };
    let list = |key: &str| {
        let text = of(key).unwrap_or_default();
        let items: Vec<String> = text.split(',').map(str::to_owned).collect();
        items.into_iter().filter(|item| !item.is_empty())
    };
    let path = of("path").unwrap();
    for kind in [SubjectKind::User, SubjectKind::Group, SubjectKind::Token] {
        for id in list(kind.parameter()) {
            for role in list("roles") {
                let grant = Grant {
                    path: path.clone(),
                    subject: Subject {
                        kind,
                        id: id.clone(),
                    },
                    role,
                };
                if of("delete").as_deref() == Some("1") {
                    acl.remove(&grant);
                } else {
                    acl.insert(grant, of("propagate").as_deref() != Some("0"));
                }
            }
        }
    }
}

fn calls(tracks: &[Track]) -> Vec<Call> {
    let mut tracks: Vec<&Track> = tracks.iter().collect();
    tracks.sort_by_key(|track| track.stage);
    let steps = tracks.into_iter().flat_map(|track| &track.steps);
    steps.filter_map(|step| step.call.clone()).collect()
}

proptest! {
    /// From any start the requests lead to exactly what the wishes mean, and
    /// nothing is taken away before all is given.
    #[test]
    fn a_plan_leads_from_any_start_to_exactly_what_is_wanted(start in starts(), wishes in wishes()) {
        let cluster = Canned::new().always("GET /access/acl", rows(&start)).cluster();
        let wanted: Result<Vec<(Grant, bool)>, ()> = universe()
            .into_iter()
            .filter_map(|grant| {
                let wanted = wanted(&wishes, &grant, start.get(&grant).copied()).transpose()?;
                Some(wanted.map(|propagate| (grant, propagate)))
            })
            .collect();
        let planned = change(&wishes, &cluster, false);
        prop_assert_eq!(planned.is_ok(), wanted.is_ok());
        if let (Ok(planned), Ok(wanted)) = (planned, wanted) {
            let mut now = start;
            let mut takes = false;
            for call in calls(&planned.tracks) {
                let is_removal = call.params.iter().any(|(name, _)| name == "delete");
                prop_assert!(is_removal || !takes, "{call} comes after a removal");
                takes |= is_removal;
                done(&mut now, &call);
            }
            prop_assert_eq!(now, wanted.into_iter().collect::<Acl>());
        }
    }
}
