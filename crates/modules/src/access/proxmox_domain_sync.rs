//! `proxmox_domain_sync`: the users and groups of a realm, out of its directory, by
//! `/access/domains/{realm}/sync`.

use std::collections::BTreeMap;
use std::time::Duration;

use ansible::{Args, Choice, Failure};
use pve::access::acl::{Acl, SubjectKind};
use pve::access::domains::Realm;
use pve::access::groups::Group;
use pve::access::users::User;
use pve::apply::Applied;
use pve::wire::{Kind, PropertyString};
use pve::{Call, Cluster, Error, Plan, Planned, Step, Track, path};

use super::proxmox_domain::Scope;
use super::realm;
use crate::connection::{Connection, DropIn};
use crate::fault;
use crate::job::{Job, Report, Task};

/// A directory may be large, and slow.
const LIMIT: Duration = Duration::from_secs(3600);

/// The options of `proxmox_domain_sync`.
#[derive(Args, Debug)]
pub struct SyncArgs {
    /// Where the API is.
    #[arg(flatten)]
    pub connection: DropIn,
    /// The realm, of type V(ldap) or V(ad).
    #[arg(required)]
    pub realm: String,
    /// What is synchronised. The realm's own setting holds where this option is not stated; so with the others.
    pub scope: Option<Scope>,
    /// Whether users that are new may log in at once.
    pub enable_new: Option<bool>,
    /// What is taken away when a user or a group is no longer in the directory, with semicolons in between: V(acl), its
    /// ACL entries; V(properties), settings of a user who still is there which the directory does not have; V(entry),
    /// the user or the group itself. V(none) takes nothing away.
    pub remove_vanished: Option<String>,
}

/// The module.
pub struct ProxmoxDomainSync;

crate::module!(ProxmoxDomainSync, "proxmox_domain_sync");

/// What is synchronised, and what of it there is, or why that could not be seen; nothing in check mode.
pub type Notes = Option<(Sync, Result<Seen, Error>)>;

impl Job for ProxmoxDomainSync {
    type Args = SyncArgs;
    type Notes = Notes;

    fn connection(args: &SyncArgs) -> &Connection {
        &args.connection.connection
    }

    fn plan(task: &Task<'_, SyncArgs>, cluster: &Cluster) -> Result<Planned<Notes>, Failure> {
        let args = task.args;
        let name = &args.realm;
        let vanished = realm::vanished(args.remove_vanished.as_deref())?;
        let sync = Sync::of(args, &find(name, cluster)?)?;
        let call = Call::post(path!("access", "domains", name, "sync"))
            .with_some("scope", args.scope.map(|scope| scope.name()))
            .with_some("enable-new", args.enable_new)
            .with_some("remove-vanished", vanished);
        let track = Track {
            limit: Some(LIMIT),
            ..Track::new("realm", name, vec![Step::task("sync", "synced", call)])
        };
        let plan = Plan {
            tracks: vec![track],
            ..Plan::default()
        };
        let before = (!task.context.check_mode).then(|| Seen::of(&sync, cluster));
        if let Some(Err(error)) = &before
            && error.status() != Some(403)
        {
            let what = format!("read the users and groups of realm `{name}`");
            return Err(fault::unable(&what, error));
        }
        Ok(Planned::Ready(plan, before.map(|before| (sync, before))))
    }

    fn report(
        task: &Task<'_, SyncArgs>,
        before: Notes,
        _plan: &Plan,
        applied: Option<&Applied>,
        cluster: &Cluster,
    ) -> Report {
        let name = &task.args.realm;
        let (Some((sync, before)), Some(applied)) = (before, applied) else {
            return said(format!("Domain {name} would be synced."));
        };
        let mut report = said(format!("Domain {name} synced."));
        if !applied.succeeded() {
            return report;
        }
        match changed(&sync, before, cluster) {
            Ok(changed) => report.changed = Some(changed),
            Err(why) => report.warnings.push(format!(
                "whether the synchronisation of realm `{name}` changed anything is not known: {why}"
            )),
        }
        report
    }
}

fn said(msg: String) -> Report {
    Report {
        msg: Some(msg),
        ..Report::default()
    }
}

/// The realm, with its settings where the caller may read them.
fn find(name: &str, cluster: &Cluster) -> Result<Realm, Failure> {
    let found = match cluster.realm(name) {
        // To synchronise a realm takes other privileges than to read its settings; its type anyone may know.
        Err(error) if error.status() == Some(403) => cluster
            .realms()
            .map(|realms| realms.into_iter().find(|realm| realm.realm == name)),
        found => found,
    };
    found
        .map_err(|error| fault::unable(&format!("read realm `{name}`"), &error))?
        .ok_or_else(|| Failure::new(format!("Domain {name} not present.")))
}

/// What a synchronisation touches, by its options and by those that the realm has.
#[derive(Debug)]
pub struct Sync {
    realm: String,
    users: bool,
    groups: bool,
    acl: bool,
}

impl Sync {
    fn of(args: &SyncArgs, realm: &Realm) -> Result<Self, Failure> {
        let (name, kind) = (&args.realm, &realm.kind);
        if !matches!(kind.as_str(), "ldap" | "ad") {
            return Err(Failure::new(format!(
                "the realm `{name}` is of type {kind}: only realms of type ldap and ad can be synchronised"
            )));
        }
        let defaults = realm.text("sync-defaults-options").unwrap_or_default();
        let defaults = PropertyString::parse(Kind::REALM_SYNC, &defaults)
            .unwrap_or(PropertyString::empty(Kind::REALM_SYNC));
        let scope = args.scope.map(|scope| scope.name());
        let scope = scope.or(defaults.get("scope"));
        if scope.is_none() && realm.has_settings() {
            return Err(Failure::new(format!(
                "the realm `{name}` does not say what is synchronised: state `scope`"
            )));
        }
        let vanished = args.remove_vanished.as_deref();
        let vanished = vanished.or(defaults.get("remove-vanished"));
        Ok(Self {
            realm: name.clone(),
            users: scope != Some(Scope::Groups.name()),
            groups: scope != Some(Scope::Users.name()),
            acl: vanished.is_some_and(|words| words.contains("acl")),
        })
    }
}

/// What a synchronisation may change.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Seen {
    users: BTreeMap<String, User>,
    groups: BTreeMap<String, Group>,
    acl: Acl,
}

impl Seen {
    /// The realm's users end in `@realm`, its groups in `-realm`: that is how the server tells them.
    fn of(sync: &Sync, cluster: &Cluster) -> Result<Self, Error> {
        let (user, group) = (format!("@{}", sync.realm), format!("-{}", sync.realm));
        let mut seen = Self::default();
        if sync.users {
            let users = cluster.users()?.into_iter();
            let of_realm = users.filter(|row| row.userid.ends_with(&user));
            seen.users = of_realm.map(|row| (row.userid.clone(), row)).collect();
        }
        if sync.groups {
            let groups = cluster.groups()?.into_iter();
            let of_realm = groups.filter(|row| row.groupid.ends_with(&group));
            seen.groups = of_realm.map(|row| (row.groupid.clone(), row)).collect();
        }
        if sync.acl {
            seen.acl = cluster.acl()?;
            seen.acl.retain(|grant, _| match grant.subject.kind {
                SubjectKind::User => grant.subject.id.ends_with(&user),
                SubjectKind::Group => grant.subject.id.ends_with(&group),
                SubjectKind::Token => false,
            });
        }
        Ok(seen)
    }
}

/// Whether the realm is another one than before, or a sentence that says why that cannot be told.
fn changed(sync: &Sync, before: Result<Seen, Error>, cluster: &Cluster) -> Result<bool, String> {
    let told = |error: Error| error.to_string();
    if before.map_err(told)? != Seen::of(sync, cluster).map_err(told)? {
        return Ok(true);
    }
    if sync.acl {
        let mine = cluster.permissions_on("/access").map_err(told)?;
        if !mine.contains("Sys.Audit") {
            return Err("users and groups are as they were, but ACL entries may have been removed, which the caller \
                        does not see without Sys.Audit on /access"
                .to_owned());
        }
    }
    Ok(false)
}
