//! `pveum_token`: an API token, by `/access/users/{userid}/token/{tokenid}`.

mod renew;
mod store;

use ansible::{Args, Choice, Failure};
use pve::access::tokens;
use pve::apply::Applied;
use pve::{Cluster, Error, Plan, Planned};
use secret::Secret;
use serde_json::{Map, Value, json};

use super::token;
use crate::connection::Connection;
use crate::fault;
use crate::job::{Job, Report, Task};
use crate::resource::{Fate, Field, Fields, State, or_empty, stated};

/// The options of `pveum_token`.
#[derive(Args, Debug)]
pub struct TokenArgs {
    /// Where the API is.
    #[arg(flatten)]
    pub connection: Connection,
    /// The token.
    #[arg(flatten)]
    pub token: TokenOptions,
    /// Whether an existing token is given a new secret; the old one ends at once. `if_invalid` does so
    /// where `secret` (or what the file `secret_file` holds) is not the token's, or is not given at all.
    #[arg(default = "never")]
    pub regenerate: Regenerate,
    /// Regenerate on a server that cannot do so in place (before Proxmox VE 9.1): the token is removed, made
    /// again and given its ACL entries back. The entries are shown as `pveum` lines first: a run that is
    /// killed in between leaves the token without them. With `no_log` on the task nothing is shown, these lines
    /// neither: use `secret_file` instead of it.
    #[arg(default = false)]
    pub regenerate_fallback: bool,
    /// The secret that is to be tested, with `regenerate` set to `if_invalid`. Where it is empty, what the file
    /// `secret_file` holds is tested.
    pub secret: Option<Secret>,
    /// A file that the secret is written to, with mode 0600, in place of the result. Its folder must exist.
    /// It is written only when a secret was made; where it cannot be, the new token is taken back.
    #[arg(kind = "path", no_log = false)]
    pub secret_file: Option<String>,
}

/// The options of a token, alone or in a list.
#[derive(Args, Clone, Debug)]
pub struct TokenOptions {
    /// The user of the token, `name@realm`; or the whole token, `name@realm!tokenid`.
    #[arg(required)]
    pub userid: String,
    /// The name of the token, the part after `!`: two characters at least.
    #[arg(no_log = false)]
    pub tokenid: Option<String>,
    /// Whether the token has only those of its user's rights that it is given itself, by ACL entries. A new
    /// token is separate unless this says otherwise; without it an existing one is left as it is.
    pub privsep: Option<bool>,
    /// When the token ends, in seconds since 1970; 0 for never. A new token ends with its user unless this
    /// says otherwise.
    pub expire: Option<i64>,
    /// A note.
    pub comment: Option<String>,
    /// Whether the token is there. With the token its ACL entries go.
    #[arg(default = "present")]
    pub state: State,
}

/// Whether an existing token is given a new secret.
#[derive(Choice, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Regenerate {
    /// It is not.
    Never,
    /// It is, each time.
    Always,
    /// It is where the secret that one has is not the right one.
    IfInvalid,
}

/// The module.
pub struct PveumToken;

crate::module!(PveumToken, "pveum_token");

/// The token's id and fields as they will be.
type Notes = (String, Value);

impl Job for PveumToken {
    type Args = TokenArgs;
    type Notes = Notes;

    fn connection(args: &TokenArgs) -> &Connection {
        &args.connection
    }

    fn plan(task: &Task<'_, TokenArgs>, cluster: &Cluster) -> Result<Planned<Notes>, Failure> {
        let args = task.args;
        let id = token::checked(&args.token.userid, args.token.tokenid.as_deref())?;
        let (user, name) = tokens::split(&id).unwrap_or_default();
        let of_user = cluster
            .tokens(user)
            .map_err(|error| unreadable(user, &error))?;
        let mut missing = Vec::new();
        let have = match (of_user, args.token.state) {
            (Some(mut tokens), _) => tokens.remove(name),
            (None, State::Absent) => None,
            // Another task may make the user, which in check mode it does not.
            (None, State::Present) if task.context.check_mode => {
                missing.push(format!(
                    "there is no user `{user}` yet, who is to have a token"
                ));
                None
            }
            (None, State::Present) => return Err(no_user(user)),
        };
        let wish = args.token.state.wish(wish(&args.token));
        let place = args.secret_file.as_deref().map(store::place);
        let mut change = token::change(&id, have.as_ref(), &wish, place.clone());
        let after = change.after.clone();
        let mut plan = Plan {
            warnings: missing
                .into_iter()
                .chain(token::privsep_warning(cluster, &id, &change))
                .collect(),
            ..Plan::default()
        };
        if matches!(change.fate, Fate::Kept | Fate::Changed)
            && let Some(have) = &have
            && renew::is_due(args, &id, have, cluster, &mut plan.warnings)?
        {
            let allowed = args.regenerate_fallback;
            let place = place.as_ref();
            renew::renew(&id, have, &mut change, cluster, allowed, place, &mut plan)?;
        }
        plan.tracks.extend(change.track());
        plan.before = or_empty(change.before);
        plan.after = or_empty(change.after);
        Ok(Planned::Ready(plan, (id, after)))
    }

    fn report(
        task: &Task<'_, TokenArgs>,
        (id, after): Notes,
        plan: &Plan,
        applied: Option<&Applied>,
        _cluster: &Cluster,
    ) -> Report {
        let (user, name) = tokens::split(&id).unwrap_or_default();
        let mut returns = Map::from_iter([
            ("userid".to_owned(), json!(user)),
            ("tokenid".to_owned(), json!(name)),
            ("full_tokenid".to_owned(), json!(id)),
        ]);
        for key in ["privsep", "expire", "comment"] {
            if let Some(value) = after.get(key) {
                returns.insert(key.to_owned(), value.clone());
            }
        }
        let made = token::made(plan, applied).next().map(|(_, secret)| secret);
        let mut report = Report {
            returns,
            ..Report::default()
        };
        match (made, &task.args.secret_file) {
            (Some(_), Some(file)) => {
                report.returns.insert("secret_file".to_owned(), json!(file));
            }
            (Some(secret), None) => report.reveals.push(("/secret".to_owned(), secret.clone())),
            (None, _) => {}
        }
        report
    }
}

/// The server's refusal does not name what is missing.
fn unreadable(user: &str, error: &Error) -> Failure {
    let mut failure = fault::unable(&format!("read the tokens of `{user}`"), error);
    if error.status() == Some(403) {
        failure.msg.push_str(
            ". The caller needs User.Modify on /access/groups, or on a group of the user; only the user itself, and \
             none of its tokens, needs no right for its own",
        );
    }
    failure
}

fn no_user(user: &str) -> Failure {
    Failure::new(format!(
        "there is no user `{user}` that could have a token: make it first, with pveum_user"
    ))
}

/// The fields that are stated.
pub(super) fn wish(options: &TokenOptions) -> Fields {
    stated([
        ("comment", options.comment.as_deref().map(Field::from)),
        ("expire", options.expire.map(Field::from)),
        ("privsep", options.privsep.map(Field::from)),
    ])
}
