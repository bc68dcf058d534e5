//! The whole picture: what becomes of each thing, in the order that works.

use std::collections::BTreeSet;

use ansible::Failure;
use pve::access::tokens;
use pve::plan::OnError;
use pve::{Cluster, Plan, Track};
use serde_json::{Map, Value};

use super::{AccessArgs, references};
use crate::access::acl::{self, Beside, Wish};
use crate::access::user::{self, Caller};
use crate::access::{group, pveum_token, role, token};
use crate::fault;
use crate::resource::State;

/// Paths of the access control list whose entries the caller does not see.
pub(super) type Unseen = BTreeSet<String>;

/// What there is of each kind, by id, as a diff shows it.
type Shown = Map<String, Value>;

/// A kind of thing. What is made is made in this order, and what goes, goes in
/// the opposite one: a thing never names what is not there yet, or not any more.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Roles,
    Groups,
    Users,
    Tokens,
    Acls,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Roles => "roles",
            Self::Groups => "groups",
            Self::Users => "users",
            Self::Tokens => "tokens",
            Self::Acls => "acls",
        }
    }

    fn stage(self, goes: bool) -> u32 {
        let place = self as u32;
        let last = Self::Acls as u32;
        if goes { 2 * last + 1 - place } else { place }
    }
}

/// The plan while it is made.
pub(super) struct Whole<'a> {
    pub(super) args: &'a AccessArgs,
    wishes: Vec<Wish>,
    pub(super) tokens: Vec<String>,
    tracks: Vec<Track>,
    before: Shown,
    after: Shown,
    pub(super) warnings: Vec<String>,
    unseen: Unseen,
}

impl<'a> Whole<'a> {
    /// Checks all that can be checked before anything is read.
    pub(super) fn new(args: &'a AccessArgs) -> Result<Self, Failure> {
        let users = args.users.as_deref().unwrap_or_default();
        for user in users {
            user.check()?;
        }
        let tokens = args.tokens.iter().flatten();
        let tokens: Vec<String> = tokens
            .map(|token| token::checked(&token.userid, token.tokenid.as_deref()))
            .collect::<Result<_, _>>()?;
        let wishes = args.acls.iter().flatten().map(Wish::new);
        let roles = args.roles.iter().flatten().map(|role| &role.name);
        let groups = args.groups.iter().flatten().map(|group| &group.groupid);
        once("role", roles)?;
        once("group", groups)?;
        once("user", users.iter().map(|user| &user.userid))?;
        once("token", tokens.iter())?;
        Ok(Self {
            wishes: wishes.collect::<Result<_, _>>()?,
            tokens,
            args,
            tracks: Vec::new(),
            before: Shown::new(),
            after: Shown::new(),
            warnings: Vec::new(),
            unseen: Unseen::new(),
        })
    }

    pub(super) fn roles(&mut self, cluster: &Cluster) -> Result<(), Failure> {
        let Some(wanted) = &self.args.roles else {
            return Ok(());
        };
        let roles = cluster
            .roles()
            .map_err(|error| fault::unable("read the roles", &error))?;
        for options in wanted {
            let mut change = role::change(&options.name, &roles, options.wanted())?;
            let track = change.track();
            self.add(
                Kind::Roles,
                &options.name,
                change.before,
                change.after,
                track,
            );
        }
        Ok(())
    }

    pub(super) fn groups(&mut self, cluster: &Cluster) -> Result<(), Failure> {
        let Some(wanted) = &self.args.groups else {
            return Ok(());
        };
        let groups = cluster
            .groups()
            .map_err(|error| fault::unable("read the groups", &error))?;
        for options in wanted {
            let id = &options.groupid;
            let comment = options.comment.as_deref();
            let mut change = group::change(id, &groups, comment, options.state)?;
            let track = change.track();
            self.add(Kind::Groups, id, change.before, change.after, track);
        }
        Ok(())
    }

    pub(super) fn users(&mut self, cluster: &Cluster) -> Result<(), Failure> {
        let Some(wanted) = &self.args.users else {
            return Ok(());
        };
        let users = cluster
            .users()
            .map_err(|error| fault::unable("read the users", &error))?;
        let caller = Caller {
            name: cluster.client().user(),
            password: self.args.connection.api_password.as_ref(),
        };
        for options in wanted {
            let have = users.iter().find(|user| user.userid == options.userid);
            let password = user::compare(options, have, cluster)?;
            let change = user::change(options, have, password, caller)?;
            self.warnings.extend(change.warnings);
            self.add(
                Kind::Users,
                &options.userid,
                change.before,
                change.after,
                change.track,
            );
        }
        Ok(())
    }

    pub(super) fn tokens(&mut self, cluster: &Cluster, check_mode: bool) -> Result<(), Failure> {
        let Some(wanted) = &self.args.tokens else {
            return Ok(());
        };
        let users = cluster
            .users()
            .map_err(|error| fault::unable("read the tokens", &error))?;
        let ids = self.tokens.clone();
        for (id, options) in ids.iter().zip(wanted) {
            let (user, name) = tokens::split(id).unwrap_or_default();
            let of_user = users.iter().find(|row| row.userid == user);
            let have = of_user.and_then(|user| user.tokens.get(name));
            if options.state == State::Present {
                let missing = references::owner(self.args, &users, user, id);
                references::told(self, missing, check_mode)?;
            }
            let wish = options.state.wish(pveum_token::wish(options));
            let mut change = token::change(id, have, &wish, None);
            self.warnings
                .extend(token::privsep_warning(cluster, id, &change));
            let track = change.track();
            self.add(Kind::Tokens, id, change.before, change.after, track);
        }
        Ok(())
    }

    pub(super) fn acls(&mut self, cluster: &Cluster, check_mode: bool) -> Result<(), Failure> {
        if self.args.acls.is_none() {
            return Ok(());
        }
        let change = acl::change(&self.wishes, cluster, check_mode)?
            .spares_the_caller(cluster, &self.beside())?;
        references::check(self, &change, cluster, check_mode)?;
        let tracks = change.tracks.into_iter().map(|track| Track {
            stage: Kind::Acls.stage(track.stage != acl::GIVES),
            ..track
        });
        self.tracks.extend(tracks);
        self.before
            .insert(Kind::Acls.name().to_owned(), change.before);
        self.after
            .insert(Kind::Acls.name().to_owned(), change.after);
        self.warnings.extend(change.warnings);
        self.unseen = change.unseen;
        Ok(())
    }

    fn add(&mut self, kind: Kind, id: &str, before: Value, after: Value, track: Option<Track>) {
        let stage = kind.stage(after.is_null());
        self.tracks
            .extend(track.map(|track| Track { stage, ..track }));
        for (side, value) in [(&mut self.before, before), (&mut self.after, after)] {
            let of_kind = side
                .entry(kind.name())
                .or_insert_with(|| Value::Object(Shown::new()));
            of_kind[id] = value;
        }
    }

    /// What becomes of roles, and of the groups that users are in.
    fn beside(&self) -> Beside {
        let names = |of: &Value| -> BTreeSet<String> {
            let names = of.as_array().into_iter().flatten();
            names
                .filter_map(|name| Some(name.as_str()?.to_owned()))
                .collect()
        };
        let of_kind = |kind: Kind| {
            let of_kind = self.after.get(kind.name()).and_then(Value::as_object);
            of_kind.into_iter().flatten()
        };
        Beside {
            roles: of_kind(Kind::Roles)
                .map(|(role, after)| (role.clone(), after.get("privs").map(names)))
                .collect(),
            groups: of_kind(Kind::Users)
                .filter_map(|(user, after)| Some((user.clone(), names(after.get("groups")?))))
                .collect(),
        }
    }

    /// The plan, and what of it nobody can tell.
    pub(super) fn plan(mut self) -> (Plan, Unseen) {
        // The result tells of them in the order in which they are written.
        self.tracks.sort_by_key(|track| track.stage);
        let plan = Plan {
            tracks: self.tracks,
            // All writes wait for the same lock, so more than one connection would only wait.
            parallel: 1,
            before: Value::Object(self.before),
            after: Value::Object(self.after),
            warnings: self.warnings,
            // What follows mostly names what came before.
            on_error: OnError::Stop,
            ..Plan::default()
        };
        (plan, self.unseen)
    }
}

/// Refuses a list that speaks of one thing twice.
fn once<'a>(thing: &str, ids: impl Iterator<Item = &'a String>) -> Result<(), Failure> {
    let mut seen = BTreeSet::new();
    let mut ids = ids;
    match ids.find(|id| !seen.insert(id.as_str())) {
        Some(id) => Err(Failure::new(format!("the {thing} `{id}` is stated twice"))),
        None => Ok(()),
    }
}
