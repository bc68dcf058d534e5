//! `proxmox_domain`: a realm, by `/access/domains`.

use ansible::{Args, Choice, Failure};
use pve::access::domains::{BUILT_IN, Realm};
use pve::apply::Applied;
use pve::{Cluster, Plan, Planned, Step, Verb};
use secret::Secret;
use serde_json::{Value, json};

use super::realm::{self, REALM, RealmType, USERNAME_CLAIM};
use crate::connection::{Connection, DropIn};
use crate::fault;
use crate::job::{Job, Report, Task};
use crate::resource::{Change, Fate, Field, Fields, State, Wish};

/// The options of `proxmox_domain`.
#[expect(
    clippy::doc_markdown,
    reason = "option comments are Ansible's markup: they become the module's documentation"
)]
#[derive(Args, Debug)]
#[args(required_if(key = "state", value = "present", all = ["type"]))]
pub struct DomainArgs {
    /// Where the API is.
    #[arg(flatten)]
    pub connection: DropIn,
    /// The realm's name, which stands behind the `@` of its users.
    #[arg(required)]
    pub realm: String,
    /// Whether the realm is there.
    #[arg(required)]
    pub state: State,
    /// What kind of realm it is. An existing realm keeps its type: where this option names another one, a warning
    /// tells so, and only those settings are written that both types have.
    #[arg(rename = "type")]
    pub kind: Option<RealmType>,
    /// A note, which the login window shows as the realm's name.
    pub comment: Option<String>,
    /// Whether the login window offers this realm first. No other realm is offered first then.
    pub default: Option<bool>,
    /// When the bind password (O(ldap_password)) of an existing realm is written. The server tells it to nobody, so
    /// it cannot be compared: with V(on_change) it is written together with another change, with V(always) in each
    /// run, which then has always changed something. A new realm gets it in either case. The same holds for
    /// O(openid_client_key) where the server does not tell it. A realm of another type than O(type) keeps its secret.
    #[arg(default = "on_change", no_log = false)]
    pub update_password: UpdatePassword,
    /// The domain of the Active Directory, such as V(example.test).
    pub ad_domain: Option<String>,
    /// Whether user names of an Active Directory that differ only in case are different users.
    #[arg(default = true)]
    pub ad_case_sensitive: bool,
    /// The DN below which users are looked for.
    pub ldap_base_dn: Option<String>,
    /// The DN to bind as for a synchronisation. Without it the directory is read anonymously.
    #[arg(aliases = ["ad_bind_dn"])]
    pub ldap_bind_dn: Option<String>,
    /// The password of O(ldap_bind_dn). When it is written, O(update_password) says.
    #[arg(aliases = ["ad_password"])]
    pub ldap_password: Option<Secret>,
    /// The attribute that holds a user's name, such as V(uid).
    pub ldap_user_attr: Option<String>,
    /// The directory's server: a host name or an address.
    #[arg(aliases = ["ad_primary_server"])]
    pub ldap_primary_server: Option<String>,
    /// The server to turn to where the first one does not answer.
    #[arg(aliases = ["ad_secondary_server"])]
    pub ldap_secondary_server: Option<String>,
    /// The server's port. Otherwise it follows from O(ldap_mode).
    #[arg(aliases = ["ad_port"])]
    pub ldap_port: Option<u16>,
    /// How the server is spoken to.
    #[arg(aliases = ["ad_mode"])]
    pub ldap_mode: Option<LdapMode>,
    /// Whether the server's certificate must be trusted.
    #[arg(aliases = ["ad_validate_certs"])]
    pub ldap_validate_certs: Option<bool>,
    /// The filter for users to synchronise.
    #[arg(aliases = ["ad_filter"])]
    pub ldap_filter: Option<String>,
    /// The object classes of users, with commas in between.
    #[arg(aliases = ["ad_user_classes"])]
    pub ldap_user_classes: Option<String>,
    /// The filter for groups to synchronise.
    #[arg(aliases = ["ad_group_filter"])]
    pub ldap_group_filter: Option<String>,
    /// The object classes of groups, with commas in between.
    #[arg(aliases = ["ad_group_classes"])]
    pub ldap_group_classes: Option<String>,
    /// The attribute that holds a group's name. Otherwise it is the first part of the group's DN.
    #[arg(aliases = ["ad_group_name_attr"])]
    pub ldap_group_name_attr: Option<String>,
    /// How the realm is synchronised where the synchronisation itself does not say. What is stated replaces all that
    /// the realm has; an empty dictionary takes it away.
    #[arg(aliases = ["ad_sync_defaults_options"])]
    pub ldap_sync_defaults_options: Option<SyncDefaults>,
    /// The URL of the OpenID provider.
    pub openid_issuer_url: Option<String>,
    /// The name by which the provider knows this cluster.
    pub openid_client_id: Option<String>,
    /// The secret that goes with O(openid_client_id). It is compared where the server tells it; otherwise
    /// O(update_password) says when it is written.
    pub openid_client_key: Option<Secret>,
    /// The claim that becomes a user's name. It is chosen when the realm is made: another one later is not written,
    /// and a warning tells so.
    pub openid_username_claim: Option<String>,
    /// What the provider is asked to tell of a user, such as V(email profile).
    pub openid_scopes: Option<String>,
    /// Whether the provider asks the user to log in or to consent again, such as V(login).
    pub openid_prompt: Option<String>,
    /// The authentication context classes that the provider is asked for.
    pub openid_acr_values: Option<String>,
    /// Further audiences that are accepted in the provider's answer. Proxmox VE 8 does not know this setting.
    pub openid_audiences: Option<String>,
    /// Whether users that log in for the first time are made.
    pub openid_autocreate: Option<bool>,
    /// Whether the provider is asked for more claims than its answer holds.
    pub openid_query_userinfo: Option<bool>,
    /// The claim that names a user's groups.
    pub openid_groups_claim: Option<String>,
    /// Whether groups that O(openid_groups_claim) names are made where they are missing.
    pub openid_groups_autocreate: Option<bool>,
    /// Whether a login replaces all groups of the user, rather than add those that O(openid_groups_claim) names.
    pub openid_groups_overwrite: Option<bool>,
}

/// How the directory's server is spoken to.
#[derive(Choice, Clone, Copy, Debug, PartialEq, Eq)]
pub enum LdapMode {
    /// In clear.
    Ldap,
    /// By TLS.
    Ldaps,
    /// By TLS that begins in clear.
    #[choice(name = "ldap+starttls")]
    Starttls,
}

/// When a secret of an existing realm is written that cannot be compared.
#[derive(Choice, Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpdatePassword {
    /// With another change.
    OnChange,
    /// In each run.
    Always,
}

/// What is synchronised.
#[derive(Choice, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Users.
    Users,
    /// Groups.
    Groups,
    /// Users and groups.
    Both,
}

/// How a realm is synchronised.
#[derive(Args, Debug)]
pub struct SyncDefaults {
    /// What is synchronised.
    pub scope: Option<Scope>,
    /// Whether users that a synchronisation makes may log in at once.
    pub enable_new: Option<bool>,
    /// What is taken away when a user or a group is no longer in the directory, with semicolons in between: V(acl), its
    /// ACL entries; V(properties), settings of a user who still is there which the directory does not have; V(entry),
    /// the user or the group itself. V(none) takes nothing away.
    pub remove_vanished: Option<String>,
}

impl SyncDefaults {
    /// As the API takes them.
    pub(super) fn text(&self) -> String {
        let vanished = realm::vanished(self.remove_vanished.as_deref());
        let pairs = [
            (
                "enable-new",
                self.enable_new.map(|on| pve::wire::switch(on).to_owned()),
            ),
            ("remove-vanished", vanished.ok().flatten()),
            ("scope", self.scope.map(|scope| scope.name().to_owned())),
        ];
        let pairs: Vec<String> = pairs
            .into_iter()
            .filter_map(|(key, value)| Some(format!("{key}={}", value?)))
            .collect();
        pairs.join(",")
    }
}

/// The module.
pub struct ProxmoxDomain;

crate::module!(ProxmoxDomain, "proxmox_domain");

impl Job for ProxmoxDomain {
    type Args = DomainArgs;
    type Notes = Fate;

    fn connection(args: &DomainArgs) -> &Connection {
        &args.connection.connection
    }

    fn plan(task: &Task<'_, DomainArgs>, cluster: &Cluster) -> Result<Planned<Fate>, Failure> {
        let wanted = wanted(task.args)?;
        let name = &task.args.realm;
        let have = cluster
            .realm(name)
            .map_err(|error| fault::unable(&format!("read realm `{name}`"), &error))?;
        let (plan, fate) = plan(task.args, wanted, have.as_ref());
        Ok(Planned::Ready(plan, fate))
    }

    fn report(
        task: &Task<'_, DomainArgs>,
        fate: Fate,
        _plan: &Plan,
        _applied: Option<&Applied>,
        _cluster: &Cluster,
    ) -> Report {
        Report {
            msg: Some(said(&task.args.realm, fate, task.context.check_mode)),
            ..Report::default()
        }
    }
}

/// The type that the realm shall have, or none where it shall not be there. What is wrong with the
/// options is told before the server is asked.
fn wanted(args: &DomainArgs) -> Result<Option<RealmType>, Failure> {
    let name = &args.realm;
    let verb = match args.state {
        State::Present => "changed",
        State::Absent => "removed",
    };
    if BUILT_IN.contains(&name.as_str()) {
        return Err(Failure::new(format!(
            "the realm `{name}` is built into Proxmox VE and cannot be {verb}"
        )));
    }
    if args.state == State::Absent {
        return Ok(None);
    }
    let kind = args
        .kind
        .ok_or_else(|| missing("state", "present", "type"))?;
    for (option, value) in needs(args, kind) {
        match value.as_deref() {
            None => return Err(missing("type", kind.name(), option)),
            Some("") => {
                let kind = kind.name();
                let empty = format!("{option} is empty, and a realm of type {kind} needs it");
                return Err(Failure::new(empty));
            }
            Some(_) => {}
        }
    }
    let defaults = args.ldap_sync_defaults_options.as_ref();
    realm::vanished(defaults.and_then(|defaults| defaults.remove_vanished.as_deref()))?;
    Ok(Some(kind))
}

/// The options that a realm of this type cannot be without. They are no rules of the spec, as those would hold for a
/// realm that is to be removed too.
fn needs(args: &DomainArgs, kind: RealmType) -> Vec<(&'static str, &Option<String>)> {
    match kind {
        RealmType::Ldap => vec![
            ("ldap_base_dn", &args.ldap_base_dn),
            ("ldap_user_attr", &args.ldap_user_attr),
            ("ldap_primary_server", &args.ldap_primary_server),
        ],
        RealmType::Ad => vec![
            ("ldap_primary_server", &args.ldap_primary_server),
            ("ad_domain", &args.ad_domain),
        ],
        RealmType::Openid => vec![
            ("openid_issuer_url", &args.openid_issuer_url),
            ("openid_client_id", &args.openid_client_id),
        ],
    }
}

/// As Ansible says it of a rule.
fn missing(option: &str, value: &str, needed: &str) -> Failure {
    Failure::new(format!(
        "{option} is {value} but all of the following are missing: {needed}"
    ))
}

fn plan(args: &DomainArgs, wanted: Option<RealmType>, have: Option<&Realm>) -> (Plan, Fate) {
    let fields = have.map(realm::fields);
    let (wish, warnings) = match wanted {
        None => (Wish::Absent, Vec::new()),
        Some(kind) => wish(args, kind, have, fields.as_ref()),
    };
    let mut change = REALM.change(&args.realm, fields.as_ref(), &wish);
    if let Some((name, secret)) = wanted.and_then(|kind| secret(args, kind, have, change.fate)) {
        write_secret(&mut change, &args.realm, name, secret);
    }
    let fate = change.fate;
    let plan = Plan {
        warnings,
        ..change.plan()
    };
    (plan, fate)
}

/// A realm of this type, without what an existing one cannot become; that is told in warnings.
fn wish(
    args: &DomainArgs,
    kind: RealmType,
    have: Option<&Realm>,
    fields: Option<&Fields>,
) -> (Wish, Vec<String>) {
    let (name, kind) = (&args.realm, kind.name());
    let mut warnings = Vec::new();
    let own = have.map_or(kind, |have| have.kind.as_str());
    if own != kind {
        warnings.push(format!(
            "the realm `{name}` is of type {own}, and a realm keeps its type: settings that only a realm of type \
             {kind} has are not written"
        ));
    }
    let mut stated = realm::stated(args, [kind, own], fields);
    stated.insert("type", Field::from(own));
    if let Some(fields) = fields
        && let Some(claim) = stated.get(USERNAME_CLAIM)
        && fields.get(USERNAME_CLAIM) != Some(claim)
    {
        stated.remove(USERNAME_CLAIM);
        let own = have.and_then(|have| have.text(USERNAME_CLAIM));
        warnings.push(format!(
            "the realm `{name}` keeps the username claim that it was made with, {}",
            own.map_or_else(
                || "the provider's subject".to_owned(),
                |claim| format!("`{claim}`")
            )
        ));
    }
    (Wish::Present(stated), warnings)
}

/// The secret that is to be written, by the API's name.
fn secret<'a>(
    args: &'a DomainArgs,
    kind: RealmType,
    have: Option<&Realm>,
    fate: Fate,
) -> Option<(&'static str, &'a Secret)> {
    if have.is_some_and(|have| have.kind != kind.name()) {
        return None;
    }
    let (name, secret) = match kind {
        RealmType::Openid => ("client-key", args.openid_client_key.as_ref()?),
        RealmType::Ad | RealmType::Ldap => ("password", args.ldap_password.as_ref()?),
    };
    let due = match have.and_then(|have| have.client_key.as_ref()) {
        Some(told) => told != secret,
        None => fate != Fate::Kept || args.update_password == UpdatePassword::Always,
    };
    (due && !secret.is_empty()).then_some((name, secret))
}

/// Writes the secret with the other changes, or alone.
fn write_secret(change: &mut Change, realm: &str, name: &'static str, secret: &Secret) {
    let mut step = change.step.take().unwrap_or_else(|| {
        change.fate = Fate::Changed;
        Step::call("change", "changed", (REALM.write)(Verb::Put, realm)).claims(REALM.file, 1)
    });
    step.call = step.call.map(|call| call.with(name, secret.clone()));
    change.step = Some(step);
    if let Value::Object(after) = &mut change.after {
        after.insert(name.to_owned(), json!("********"));
    }
}

/// The sentence that tells what became of the realm, or would become.
fn said(realm: &str, fate: Fate, check_mode: bool) -> String {
    let done = match fate {
        Fate::Created => "added",
        Fate::Changed => "edited",
        Fate::Removed => "deleted",
        Fate::Kept => return format!("Domain {realm} already exists."),
        Fate::Missed => return format!("Domain {realm} not present."),
    };
    let would = if check_mode { "would be " } else { "" };
    format!("Domain {realm} {would}{done}.")
}

#[cfg(test)]
mod tests;
