//! `proxmox_domain_sync`: the users and groups of a realm, out of its directory, by
//! `/access/domains/{realm}/sync`.

use std::collections::BTreeMap;
use std::time::Duration;

use ansible::{Args, Choice, Failure};
use pve::access::acl::{Acl, SubjectKind};
use pve::access::groups::Group;
use pve::access::users::User;
use pve::apply::Applied;
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

/// What there is of a realm, or why it could not be seen; nothing where nobody asks.
pub type Notes = Option<Result<Seen, Error>>;

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
        let realms = cluster
            .realms()
            .map_err(|error| fault::unable("list the realms", &error))?;
        let realm = realms.iter().find(|realm| realm.realm == *name);
        let kind = match realm {
            None => return Err(Failure::new(format!("Domain {name} not present."))),
            Some(realm) => realm.kind.as_str(),
        };
        if !matches!(kind, "ldap" | "ad") {
            return Err(Failure::new(format!(
                "the realm `{name}` is of type {kind}: only realms of type ldap and ad can be synchronised"
            )));
        }
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
        let before = (!task.context.check_mode).then(|| Seen::of(args, cluster));
        if let Some(Err(error)) = &before
            && error.status() != Some(403)
        {
            let what = format!("read the users and groups of realm `{name}`");
            return Err(fault::unable(&what, error));
        }
        Ok(Planned::Ready(plan, before))
    }

    fn report(
        task: &Task<'_, SyncArgs>,
        before: Notes,
        _plan: &Plan,
        applied: Option<&Applied>,
        cluster: &Cluster,
    ) -> Report {
        let args = task.args;
        let name = &args.realm;
        let (Some(before), Some(applied)) = (before, applied) else {
            return said(format!("Domain {name} would be synced."));
        };
        let mut report = said(format!("Domain {name} synced."));
        if applied.tracks.iter().any(|track| !track.succeeded()) {
            return report;
        }
        match changed(args, before, cluster) {
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

/// What a synchronisation of a realm may change, as far as it is asked for.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Seen {
    users: BTreeMap<String, User>,
    groups: BTreeMap<String, Group>,
    acl: Acl,
}

impl Seen {
    /// The realm's users end in `@realm`, its groups in `-realm`: that is how the server tells them.
    fn of(args: &SyncArgs, cluster: &Cluster) -> Result<Self, Error> {
        let (user, group) = (format!("@{}", args.realm), format!("-{}", args.realm));
        let mut seen = Self::default();
        if args.scope != Some(Scope::Groups) {
            let users = cluster.users()?.into_iter();
            let of_realm = users.filter(|row| row.userid.ends_with(&user));
            seen.users = of_realm.map(|row| (row.userid.clone(), row)).collect();
        }
        if args.scope != Some(Scope::Users) {
            let groups = cluster.groups()?.into_iter();
            let of_realm = groups.filter(|row| row.groupid.ends_with(&group));
            seen.groups = of_realm.map(|row| (row.groupid.clone(), row)).collect();
        }
        if args.acl_may_vanish() {
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

impl SyncArgs {
    /// Whether ACL entries may be taken away: so it is said, or left to the realm.
    fn acl_may_vanish(&self) -> bool {
        self.remove_vanished
            .as_deref()
            .is_none_or(|words| words.contains("acl"))
    }
}

/// Whether the realm is another one than before, or a sentence that says why that cannot be told.
fn changed(
    args: &SyncArgs,
    before: Result<Seen, Error>,
    cluster: &Cluster,
) -> Result<bool, String> {
    let before = before.map_err(|error| error.to_string())?;
    let after = Seen::of(args, cluster).map_err(|error| error.to_string())?;
    if before != after {
        return Ok(true);
    }
    if args.remove_vanished.is_some() && args.acl_may_vanish() {
        let mine = cluster
            .permissions_on("/access")
            .map_err(|error| error.to_string())?;
        if !mine.contains("Sys.Audit") {
            return Err("users and groups are as they were, but ACL entries may have been removed, which the caller \
                        does not see without Sys.Audit on /access"
                .to_owned());
        }
    }
    Ok(false)
}
