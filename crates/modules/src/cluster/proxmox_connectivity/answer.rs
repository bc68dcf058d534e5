//! What the task answers.

use ansible::{Failure, Outcome};
use pve::Error;
use pve::diagnose::{Check, Identity};
use serde_json::{Map, Value, json};

use super::Examination;
use super::privileges::{self, Missing};
use crate::fault;

impl Examination<'_> {
    pub(super) fn answer(self) -> Result<Outcome, Failure> {
        let msg = self.msg();
        let mut outcome = Outcome::default();
        outcome.returns.extend(self.returns());
        if self.report.passed() || !self.args.fail {
            outcome.msg = Some(msg);
            return Ok(outcome);
        }
        Err(Failure {
            msg,
            details: self.details(),
            outcome: Box::new(outcome),
        })
    }

    fn details(&self) -> Map<String, Value> {
        let error = self.report.error.as_ref();
        let mut details = error.map(fault::details).unwrap_or_default();
        if self.report.host.is_none() && matches!(error, Some(Error::NotSent { .. })) {
            // No host was reached, so nothing was asked for yet.
            details.remove("method");
            details.remove("path");
        }
        details
    }

    fn msg(&self) -> String {
        let checks = self.report.checks.iter();
        let failed: Vec<&Check> = checks.filter(|check| check.ok == Some(false)).collect();
        match failed.as_slice() {
            [] => {}
            [check] => {
                let told = format!("{} failed: {}", check.name, check.detail);
                return match &check.hint {
                    Some(hint) => fault::advised(&told, hint),
                    None => told,
                };
            }
            several => {
                let told = several
                    .iter()
                    .map(|check| format!("{}: {}", check.name, check.detail));
                let told = told.collect::<Vec<_>>().join("; ");
                let told = format!("{} checks failed: {told}", several.len());
                return if several.iter().any(|check| check.hint.is_some()) {
                    fault::advised(&told, "what to do about each is in checks[].hint")
                } else {
                    told
                };
            }
        }
        let version = self
            .report
            .version
            .as_ref()
            .map(|version| version.version.as_str());
        let user = self
            .report
            .identity
            .as_ref()
            .map(|identity| identity.user.as_str());
        format!(
            "Proxmox VE {} answers {}{}",
            version.unwrap_or_default(),
            user.unwrap_or_default(),
            self.report
                .host
                .as_ref()
                .map_or_else(String::new, |host| format!(" at {host}")),
        )
    }

    fn returns(&self) -> Map<String, Value> {
        let report = &self.report;
        let checks: Vec<Value> = report
            .checks
            .iter()
            .map(|check| {
                json!({"name": check.name, "ok": check.ok, "detail": check.detail, "hint": check.hint, "ms": check.ms})
            })
            .collect();
        let certificate = report.certificate.as_ref().map(|shown| {
            json!({
                "fingerprint": shown.certificate.fingerprint.to_string(),
                "subject": shown.certificate.subject,
                "issuer": shown.certificate.issuer,
                "expires": shown.certificate.expires,
                "trusted": shown.distrust.is_none(),
                "distrust": shown.distrust,
            })
        });
        let nodes = self.found.resources.as_ref().map(|resources| {
            let rows = resources.nodes.iter();
            rows.map(|node| json!({"node": node.node, "online": node.online}))
                .collect::<Vec<_>>()
        });
        let missing: Vec<Value> = self.found.missing.iter().map(Missing::shown).collect();
        let returns = json!({
            "passed": report.passed(),
            "checks": checks,
            "host": report.host.as_ref().map(ToString::to_string),
            "version": report.version.as_ref().map(|version| &version.version),
            "certificate": certificate,
            "auth": report.identity.as_ref().map(auth),
            "clock_skew": report.clock_skew,
            "permissions": self.found.permissions,
            "missing_privileges": missing,
            "nodes": nodes,
            "quorate": self.found.quorate,
            "latency_ms": report.latency_ms,
        });
        match returns {
            Value::Object(returns) => returns,
            _ => Map::new(),
        }
    }
}

fn auth(identity: &Identity) -> Value {
    let (user, token) = privileges::holders(identity);
    json!({
        "method": identity.by.as_str(),
        "user": user,
        "token": token,
        "privilege_separation": identity.privilege_separation,
    })
}
