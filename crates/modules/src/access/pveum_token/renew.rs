//! A new secret for a token that is there.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use ansible::Failure;
use pve::access::acl::{self, Acl, Subject, SubjectKind, Write};
use pve::access::tokens::{self, Token};
use pve::connection::Credentials;
use pve::plan::{Ending, Follow, Place, Probe, Verdict};
use pve::texts::Matched;
use pve::{Cluster, Error, Plan, Step, Track, Verb};
use secret::Secret;

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
    let stated = args.secret.as_ref().filter(|secret| !secret.is_empty());
    let secret = match (stated, file) {
        (Some(secret), _) => Some(secret.clone()),
        (None, Some(file)) => store::read(file).map_err(Failure::new)?,
        (None, None) => None,
    };
    let may_be_one = |secret: &Secret| {
        let text = secret.expose();
        !text.is_empty() && text.chars().all(|character| character.is_ascii_graphic())
    };
    let Some(secret) = secret.filter(may_be_one) else {
        return Ok(true);
    };
    if has_ended(have.expire) {
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
    let is_right = cluster
        .client()
        .accepts(&credentials)
        .map_err(|error| fault::unable(&format!("test the secret of token `{id}`"), &error))?;
    // Who may not read the user is the user itself, who has just logged in.
    if !is_right
        && let Ok(Some(row)) = cluster.user(user)
        && (!row.enable || has_ended(row.expire))
    {
        warnings.push(format!(
            "the user `{user}` is disabled or has expired, so whether the secret of the token `{id}` is the right one \
             cannot be told"
        ));
        return Ok(false);
    }
    Ok(!is_right)
}

/// Whether this time, in seconds since 1970 or 0 for never, is over.
fn has_ended(expire: i64) -> bool {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    expire > 0 && u64::try_from(expire).is_ok_and(|expire| expire <= now)
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
    let place = place.map(without_return);
    let place = place.as_ref();
    let version = cluster
        .version()
        .map_err(|error| fault::unable("read the version of Proxmox VE", &error))?;
    let may_be_in_place = version >= IN_PLACE_SINCE;
    let too_old = "this server cannot give a token a new secret in place (Proxmox VE 9.1 can): with \
                   regenerate_fallback the token is removed and made again, with its ACL entries";
    let instead = if fallback_allowed {
        anew(id, have, change, cluster, place, plan)
    } else {
        Err(Failure::new(too_old))
    };
    let instead = match instead {
        Ok(steps) => steps,
        // It may not come to that.
        Err(failure) if may_be_in_place => vec![Step::cannot(REGENERATE, failure.msg)],
        Err(failure) => {
            return Err(Failure {
                msg: format!("unable to {REGENERATE} token `{id}`: {}", failure.msg),
                ..failure
            });
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

/// Removes the token and makes it again, with what it has and is to have.
/// Nothing is removed that this caller could not bring back; what a run that is
/// killed in between could not put back is told before it begins.
fn anew(
    id: &str,
    have: &Token,
    change: &Change,
    cluster: &Cluster,
    place: Option<&Arc<Place>>,
    plan: &mut Plan,
) -> Result<Vec<Step>, Failure> {
    if cluster.client().user() == id {
        return Err(Failure::new(
            "the task runs with this token, which could not be made again once it is removed: do it as another user",
        ));
    }
    let subject = Subject {
        kind: SubjectKind::Token,
        id: id.to_owned(),
    };
    let mut own = entries::all(cluster)?;
    own.retain(|grant, _| grant.subject == subject);
    let restores = acl::writes(&Acl::new(), &own);
    can_restore(&restores, cluster)?;
    if !restores.is_empty() {
        let lines: Vec<String> = restores.iter().map(ToString::to_string).collect();
        plan.notices.push(format!(
            "where the token `{id}` has to be removed and made again, its ACL entries go and are put back; they are: {}",
            lines.join("; ")
        ));
    }
    let mut fields = token::fields(have);
    fields.extend(change.stated.clone());
    let fields = Wish::Present(fields);
    let remove = || TOKEN.change(id, Some(&token::fields(have)), &Wish::Absent);
    // What cannot be put where it belongs stays all the same: the old one is gone already.
    let make = || {
        let make = token::change(id, None, &fields, place.cloned());
        make.step.map(|step| Step { undo: None, ..step })
    };
    // One that is there by now was made by a request whose answer, and with it the secret, was lost.
    let lost = remove().step.into_iter().chain(make()).collect();
    let make =
        make().map(|step| step.on(Ending::Text(Matched::AlreadyExists), Follow::Steps(lost)));
    let restores = restores.iter().map(|write| {
        Step::call(
            "give the ACL entries back to",
            "ACL entries given back",
            write.call(),
        )
        .claims(USER_CFG, 1)
    });
    Ok(place
        .map(has_place)
        .into_iter()
        .chain(remove().step)
        .chain(make)
        .chain(restores)
        .collect())
}

/// Whether the caller may give these entries.
fn can_restore(restores: &[Write], cluster: &Cluster) -> Result<(), Failure> {
    if cluster.client().user() == "root@pam" {
        return Ok(());
    }
    for write in restores {
        let held = cluster
            .permissions_on(&write.path)
            .map_err(|error| fault::unable("read the caller's own rights", &error))?;
        if !held.contains("Permissions.Modify") {
            return Err(Failure::new(format!(
                "its ACL entries could not be put back: the caller lacks Permissions.Modify on {}",
                write.path
            )));
        }
    }
    Ok(())
}

/// A place that says what it means where it fails: the old secret is gone by then.
fn without_return(place: &Arc<Place>) -> Arc<Place> {
    let place = Arc::clone(place);
    Arc::new(move || {
        let put = place()?;
        Ok(Box::new(move |secret: &Secret| {
            put(secret).map_err(|why| {
                format!("{why}; the old secret holds no more, and the new one is lost: regenerate it once more")
            })
        }))
    })
}

/// Makes sure of the place for the secret before the old token goes.
fn has_place(place: &Arc<Place>) -> Step {
    let place = Arc::clone(place);
    let probe = Probe::new(Vec::new(), move |_| match place() {
        Ok(_) => Verdict::Holds(None),
        Err(why) => Verdict::Never(Error::Never(why)),
    });
    Step::wait(
        "keep the new secret of",
        "place for the secret found",
        probe,
    )
}
