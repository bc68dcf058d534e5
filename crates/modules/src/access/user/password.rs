//! The password of a user: whether it is the wanted one, and who may write it.

use std::time::SystemTime;

use ansible::Failure;
use pve::access::users::User;
use pve::connection::Credentials;
use pve::{Call, Cluster, Step, path};
use secret::Secret;

use super::{ROOT, UpdatePassword, UserOptions};
use crate::connection::Connection;
use crate::fault;
use crate::resource::State;

/// What became of comparing the password of a user who is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::access) enum Password {
    /// It stays: it is the wanted one, or none is to be written.
    Kept,
    /// It is another one.
    Differs,
    /// The user may not log in, disabled or expired, and so cannot be compared.
    Unknown,
}

/// Compares the password by a login as the user, where the options ask for it.
pub(in crate::access) fn compare(
    options: &UserOptions,
    have: Option<&User>,
    cluster: &Cluster,
) -> Result<Password, Failure> {
    let (Some(have), Some(password), State::Present, UpdatePassword::Always) = (
        have,
        &options.password,
        options.state,
        options.update_password,
    ) else {
        return Ok(Password::Kept);
    };
    if !may_log_in(have) {
        return Ok(Password::Unknown);
    }
    let credentials = Credentials::Password {
        user: options.userid.clone(),
        password: password.clone(),
        otp: None,
    };
    let verb = format!("compare the password of user `{}`", options.userid);
    let same = cluster
        .client()
        .accepts(&credentials)
        .map_err(|error| fault::unable(&verb, &error))?;
    Ok(if same {
        Password::Kept
    } else {
        Password::Differs
    })
}

fn may_log_in(user: &User) -> bool {
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    user.enable && (user.expire == 0 || u64::try_from(user.expire).is_ok_and(|end| end > now))
}

/// Who asks for a change.
#[derive(Clone, Copy)]
pub(in crate::access) struct Caller<'a> {
    /// `user@realm` or `user@realm!token`.
    pub name: &'a str,
    /// The password that the caller has logged in with.
    pub password: Option<&'a Secret>,
}

impl<'a> Caller<'a> {
    /// Who asks, by these options.
    pub(in crate::access) fn of(cluster: &'a Cluster, options: &'a Connection) -> Self {
        Self {
            name: cluster.client().user(),
            password: options.api_password.as_ref(),
        }
    }

    /// Whether it is a token, which may not change passwords.
    pub(in crate::access) fn is_token(&self) -> bool {
        self.name.contains('!')
    }
}

/// How long a password may be, in characters.
const LENGTH: std::ops::RangeInclusive<usize> = 8..=64;

/// A password that the server would take.
pub(super) fn checked<'a>(userid: &str, password: &'a Secret) -> Result<&'a Secret, Failure> {
    if LENGTH.contains(&password.expose().chars().count()) {
        return Ok(password);
    }
    Err(Failure::new(format!(
        "the password of user `{userid}` must have {} to {} characters",
        LENGTH.start(),
        LENGTH.end()
    )))
}

/// The write of another password, where the caller may write it.
pub(super) fn write(userid: &str, password: &Secret, caller: Caller<'_>) -> Result<Step, Failure> {
    if caller.is_token() {
        return Err(Failure::new(format!(
            "unable to change the password of user `{userid}`: the server lets nobody change passwords but a user \
             who has logged in with one, and the caller is the token `{}`. Set api_password in place of the token",
            caller.name
        )));
    }
    let mut call = Call::put(path!("access", "password"))
        .with("userid", userid)
        .with("password", checked(userid, password)?.clone());
    // The server wants everybody but root to confirm who they are.
    if let Some(own) = caller.password.filter(|_| caller.name != ROOT) {
        call = call.with("confirmation-password", own.clone());
    }
    let step = Step::call("change the password of", "password changed", call);
    Ok(step.claims("shadow.cfg", 1))
}
