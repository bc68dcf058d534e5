//! A new secret for a token that is there.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use ansible::Failure;
use pve::access::acl::{self, Acl, Subject, SubjectKind};
use pve::access::tokens::{self, Token};
use pve::connection::Credentials;
use pve::plan::{Ending, Follow, Place};
use pve::texts::Matched;
use pve::{Cluster, Plan, Step, Track, Verb};

use super::{Regenerate, TokenArgs, store};
use crate::access::acl as entries;
use crate::access::role::USER_CFG;
use crate::access::token::{self, TOKEN, keep};
use crate::fault;
use crate::resource::{Change, Wish};

const REGENERATE: &str = "regenerate the secret of";

/// The first version that gives a token a new secret in place.
const IN_PLACE_SINCE: (u32, u32) = (9, 1);

/// Whether the token is to be given a new secret.
pub(super) fn is_due(
    args: &TokenArgs,
    id: &str,
    have: &Token,
    cluster: &Cluster,
    warnings: &mut Vec<String>,
) -> Result<bool, Failure> {
    let file = args.secret_file.as_deref();
    match (args.regenerate, file) {
        (Regenerate::Always, _) => return Ok(true),
        (Regenerate::Never, Some(file)) if !std::path::Path::new(file).exists() => {
            warnings.push(format!(
                "the token `{id}` is there already, and its secret, which the server does not tell a second time, \
                 is not in `{file}`: regenerate gives it a new one"
            ));
            return Ok(false);
        }
        (Regenerate::Never, _) => return Ok(false),
        (Regenerate::IfInvalid, _) => {}
    }
    let secret = match (&args.secret, file) {
        (Some(secret), _) => Some(secret.clone()),
        (None, Some(file)) => store::read(file).map_err(Failure::new)?,
        (None, None) => None,
    };
    let Some(secret) = secret.filter(|secret| !secret.is_empty()) else {
        return Ok(true);
    };
    if has_ended(have) {
        warnings.push(format!(
            "the token `{id}` has expired, so whether its secret is the right one cannot be told"
        ));
        return Ok(false);
    }
    let (user, name) = tokens::split(id).unwrap_or_default();
    let credentials = Credentials::Token {
        user: user.to_owned(),
        token_id: name.to_owned(),
        secret,
    };
    cluster
        .client()
        .accepts(&credentials)
        .map(|accepted| !accepted)
        .map_err(|error| fault::unable(&format!("test the secret of token `{id}`"), &error))
}

fn has_ended(token: &Token) -> bool {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    token.expire > 0 && u64::try_from(token.expire).is_ok_and(|expire| expire <= now)
}

/// Adds a new secret to what becomes of the token, which is `have` by now and
/// will have these fields.
pub(super) fn renew(
    id: &str,
    have: &Token,
    change: &mut Change,
    cluster: &Cluster,
    fallback_allowed: bool,
    place: Option<&Arc<Place>>,
    plan: &mut Plan,
) -> Result<(), Failure> {
    let version = cluster
        .version()
        .map_err(|error| fault::unable("read the version of Proxmox VE", &error))?;
    let may_be_in_place = version >= IN_PLACE_SINCE;
    let too_old = "this server cannot give a token a new secret in place (Proxmox VE 9.1 can): with \
                   regenerate_fallback the token is removed and made again, with its ACL entries";
    let instead = match (fallback_allowed, may_be_in_place) {
        (true, _) => anew(id, have, change, cluster, place, plan)?,
        (false, true) => vec![Step::cannot(REGENERATE, too_old)],
        (false, false) => {
            return Err(Failure::new(format!(
                "unable to {REGENERATE} token `{id}`: {too_old}"
            )));
        }
    };
    let steps = if may_be_in_place {
        let update = change.step.take().and_then(|step| step.call);
        let call = update.unwrap_or_else(|| (TOKEN.write)(Verb::Put, id));
        let in_place = Step::call(
            REGENERATE,
            "secret regenerated",
            call.with("regenerate", true),
        )
        .claims(USER_CFG, 1)
        .keeps(keep(place.cloned()))
        .on(
            Ending::Text(Matched::UnknownParameter),
            Follow::Steps(instead),
        );
        vec![in_place]
    } else {
        // Whoever reads the result finds the entries there, too.
        plan.warnings.extend(plan.notices.iter().cloned());
        instead
    };
    change.step = None;
    let mut track = Track::new(TOKEN.thing, id, steps);
    track.whole = true;
    plan.tracks.push(track);
    if let Some(after) = change.after.as_object_mut() {
        after.insert("secret".to_owned(), "(new)".into());
    }
    Ok(())
}

/// Removes the token and makes it again, with what it has and is to have. What
/// a run that is killed in between could not put back is told before it begins.
fn anew(
    id: &str,
    have: &Token,
    change: &Change,
    cluster: &Cluster,
    place: Option<&Arc<Place>>,
    plan: &mut Plan,
) -> Result<Vec<Step>, Failure> {
    let subject = Subject {
        kind: SubjectKind::Token,
        id: id.to_owned(),
    };
    let mut own = entries::all(cluster)?;
    own.retain(|grant, _| grant.subject == subject);
    let restores = acl::writes(&Acl::new(), &own);
    if !restores.is_empty() {
        let lines: Vec<String> = restores.iter().map(ToString::to_string).collect();
        plan.notices.push(format!(
            "where the token `{id}` has to be removed and made again, its ACL entries go and are put back; they are: {}",
            lines.join("; ")
        ));
    }
    let mut fields = token::fields(have);
    fields.extend(change.stated.clone());
    let remove = TOKEN.change(id, Some(&token::fields(have)), &Wish::Absent);
    let mut make = token::change(id, None, &Wish::Present(fields), place.cloned());
    // What cannot be put where it belongs stays all the same: the old one is gone already.
    let make = make.step.take().map(|step| Step { undo: None, ..step });
    let restores = restores.iter().map(|write| {
        Step::call(
            "give the ACL entries back to",
            "ACL entries given back",
            write.call(),
        )
        .claims(USER_CFG, 1)
    });
    Ok(remove
        .step
        .into_iter()
        .chain(make)
        .chain(restores)
        .collect())
}
