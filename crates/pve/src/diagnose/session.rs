//! From the first answer to a known caller.

use serde_json::Value;

use super::{By, Check, DAEMONS, Fault, Identity, Run, Version};
use crate::call::Call;
use crate::connection::Credentials;
use crate::error::{Error, Request};
use crate::path;
use crate::transport::{Https, Transport};

/// Clocks that are further apart are worth a look: a code of a second factor
/// lives for 30 seconds.
const SKEW: f64 = 30.0;

impl Run {
    /// Examines login, version and clock.
    pub(super) fn log_in(&mut self, https: &Https) -> Option<()> {
        let answer = self.stage("login", |report| {
            let answer = https
                .send(&version_call(), None)
                .map_err(|error| refused(https, error))?;
            let identity = identity(https);
            let detail = told(&identity);
            report.identity = Some(identity);
            Ok((answer, detail))
        })?;
        self.version(&answer)?;
        self.report.checks.extend(self.report.clock_skew.map(clock));
        Some(())
    }

    /// Examines the answer to [`version_call`].
    pub(super) fn version(&mut self, answer: &Value) -> Option<()> {
        self.stage("version", |report| {
            let text = |key: &str| Some(answer.get(key)?.as_str()?.to_owned());
            let version = text("version").ok_or_else(|| {
                let error = Error::Unexpected {
                    request: Request::from(&version_call()),
                    what: "no `version`".to_owned(),
                };
                Fault::new(error, DAEMONS, false)
            })?;
            let detail = format!("Proxmox VE {version}");
            report.version = Some(Version {
                version,
                release: text("release").unwrap_or_default(),
                repoid: text("repoid").unwrap_or_default(),
            });
            Ok(((), detail))
        })
    }
}

/// What a caller may ask who may do nothing.
pub(super) fn version_call() -> Call {
    Call::get(path!("version"))
}

fn refused(https: &Https, error: Error) -> Fault {
    let hint = match (error.status(), &https.connection().credentials) {
        (Some(401), Credentials::Token { user, token_id, .. }) => format!(
            "the server does not say which of user, token and secret is wrong or expired: \
             `pveum user token list {user}` on a node must show `{token_id}`"
        ),
        (Some(401), Credentials::Password { user, .. }) => {
            format!("check the password, and that `{user}` exists in that realm and is enabled")
        }
        _ => DAEMONS.to_owned(),
    };
    let passes = error.status() != Some(401) && !matches!(error, Error::Unexpected { .. });
    Fault::new(error, &hint, passes)
}

fn identity(https: &Https) -> Identity {
    let (by, privilege_separation) = match &https.connection().credentials {
        Credentials::Password { .. } => (By::Password, None),
        Credentials::Token { user, token_id, .. } => {
            // Whoever may not read this keeps the question open.
            let call = Call::get(path!("access", "users", user, "token", token_id));
            let token = https.send(&call, None).ok();
            (
                By::Token,
                token.and_then(|token| flag(token.get("privsep")?)),
            )
        }
    };
    Identity {
        user: https.user().to_owned(),
        by,
        privilege_separation,
    }
}

fn flag(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(flag) => Some(*flag),
        Value::Number(number) => Some(number.as_i64()? != 0),
        Value::String(text) => Some(!matches!(text.as_str(), "" | "0")),
        _ => None,
    }
}

fn told(identity: &Identity) -> String {
    let Identity {
        user,
        by,
        privilege_separation,
    } = identity;
    match (by, privilege_separation) {
        (By::Password | By::Pvesh, _) => format!("{user}, by {}", by.as_str()),
        (By::Token, Some(true)) => format!(
            "token {user}, with privilege separation: it has only privileges that both it and \
             its user have"
        ),
        (By::Token, Some(false)) => format!("token {user}, with all privileges of its user"),
        (By::Token, None) => format!("token {user}"),
    }
}

fn clock(skew: f64) -> Check {
    let off = skew.abs() > SKEW;
    let direction = if skew < 0.0 { "behind" } else { "ahead of" };
    Check {
        name: "clock",
        ok: (!off).then_some(true),
        detail: format!("the server's clock is {:.1} s {direction} ours", skew.abs()),
        hint: off.then(|| "set both clocks by NTP (`systemctl status chrony`)".to_owned()),
        ms: 0.0,
    }
}
