//! From errors of Proxmox VE to failures of a task, in one form for all modules.

use ansible::Failure;
use pve::apply::Trouble;
use pve::diagnose::ca_path_hint;
use pve::guests::NotOne;
use pve::texts::Matched;
use pve::{Error, Refusal};
use serde_json::{Map, Value, json};

/// `unable to <verb> <thing>: <cause>`, with all that is known in `failure`.
pub fn unable(to: &str, error: &Error) -> Failure {
    Failure {
        msg: with_hint(format!("unable to {to}: {error}"), error),
        details: details(error),
        ..Failure::default()
    }
}

/// The failure of a track.
pub fn trouble(trouble: &Trouble) -> Failure {
    Failure {
        msg: with_hint(trouble.to_string(), &trouble.error),
        details: details(&trouble.error),
        ..Failure::default()
    }
}

/// A guest that could not be told.
pub fn not_one(not_one: &NotOne) -> Failure {
    match not_one {
        NotOne::Error(error) => unable("look for guests", error),
        _ => Failure::new(not_one.to_string()),
    }
}

/// What is known about an error: the result key `failure`.
pub fn details(error: &Error) -> Map<String, Value> {
    let mut details = Map::new();
    let mut put = |key: &str, value: Value| {
        details.insert(key.to_owned(), value);
    };
    put("kind", json!(kind(error)));
    match error {
        Error::NotSent { request, .. }
        | Error::Unknown { request, .. }
        | Error::Unexpected { request, .. } => {
            put("method", json!(request.verb.as_str()));
            put("path", json!(request.path));
        }
        Error::Refused(refusal) => {
            put("method", json!(refusal.request.verb.as_str()));
            put("path", json!(refusal.request.path));
            put("status", json!(refusal.status));
            if !refusal.errors.is_empty() {
                put("errors", json!(refusal.errors));
            }
            if let Some((acl_path, privileges)) = missing_right(refusal) {
                put("acl_path", json!(acl_path));
                put("privilege", json!(privileges.join("|")));
            }
        }
        Error::TaskFailed(failure) => {
            put("upid", json!(failure.upid.as_str()));
            put("log", json!(failure.log));
        }
        Error::Deadline { .. } | Error::Interrupted { .. } => {
            if let Some(upid) = error.running_task() {
                put("upid", json!(upid.as_str()));
            }
        }
        _ => {}
    }
    if let Some(hint) = hint(error) {
        put("hint", json!(hint));
    }
    details
}

fn kind(error: &Error) -> &'static str {
    match error {
        Error::NotSent { .. } => "not_sent",
        Error::Refused(_) => "refused",
        Error::Unknown { .. } => "unknown",
        Error::TaskFailed(_) => "task_failed",
        Error::Deadline { .. } => "deadline",
        Error::Interrupted { .. } => "interrupted",
        Error::Unexpected { .. } => "unexpected",
        _ => "impossible",
    }
}

fn with_hint(text: String, error: &Error) -> String {
    match hint(error) {
        Some(hint) => advised(&text, &hint),
        None => text,
    }
}

/// What went wrong, and what may be done about it, in a sentence of its own.
pub fn advised(text: &str, hint: &str) -> String {
    let stop = if text.ends_with(['.', '!', '?']) {
        ""
    } else {
        "."
    };
    let mut letters = hint.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    let hint: String = first.into_iter().chain(letters).collect();
    format!("{text}{stop} {hint}")
}

/// What the person may do about it.
fn hint(error: &Error) -> Option<String> {
    match error {
        Error::Refused(refusal) => refusal_hint(refusal),
        Error::NotSent { why, .. } => ca_path_hint(why).map(str::to_owned),
        Error::TaskFailed(failure) if failure.matched() == Some(Matched::ShutdownTimeout) => Some(
            "The guest did not shut down in the time it was given; with force: true or on_timeout: stop, whichever \
             the module has, its power is cut"
                .to_owned(),
        ),
        _ => None,
    }
}

fn refusal_hint(refusal: &Refusal) -> Option<String> {
    if let Some((acl_path, privileges)) = missing_right(refusal) {
        return Some(format!(
            "The caller lacks {} on {acl_path}; a token with privilege separation needs it itself, \
             beside its user",
            privileges.join(" or "),
        ));
    }
    match refusal.status {
        401 => Some(
            "Check user, realm and password, or the token's name and secret, and that neither has expired"
                .to_owned(),
        ),
        595 => Some("The node is offline or unreachable from the one that was asked".to_owned()),
        _ => None,
    }
}

/// The ACL path and the privileges that are missing. A clone is refused without
/// either when the new VM may not be allocated (measured on 9.2.11).
fn missing_right(refusal: &Refusal) -> Option<(String, Vec<String>)> {
    let bare_clone = refusal.is_bare_403() && refusal.request.path.ends_with("/clone");
    refusal.missing_right().or_else(|| {
        bare_clone.then(|| {
            (
                "/vms/{new VMID} (or on its pool)".to_owned(),
                vec!["VM.Allocate".to_owned()],
            )
        })
    })
}

#[cfg(test)]
mod tests {
    use super::{advised, unable};
    use pve::canned::refused;
    use pve::error::TaskFailure;
    use pve::{Call, Error, path};
    use serde_json::json;

    #[test]
    fn a_403_names_privilege_and_path() {
        let call = Call::post(path!("nodes", "pve1", "qemu", 9000u32, "clone"));
        let error = refused(
            &call,
            403,
            "Permission check failed (/vms/9000, VM.Clone)\n",
        );
        let failure = unable("clone VM `web-1`", &error);
        assert_eq!(
            failure.msg,
            "unable to clone VM `web-1`: POST /nodes/pve1/qemu/9000/clone answered 403: \
             Permission check failed (/vms/9000, VM.Clone). The caller lacks VM.Clone on /vms/9000; \
             a token with privilege separation needs it itself, beside its user"
        );
        assert_eq!(failure.details["privilege"], json!("VM.Clone"));
        assert_eq!(failure.details["acl_path"], json!("/vms/9000"));

        let bare = refused(&call, 403, "Permission check failed\n");
        let failure = unable("clone VM `web-1`", &bare);
        assert_eq!(failure.details["privilege"], json!("VM.Allocate"));
    }

    #[test]
    fn a_guest_that_did_not_shut_down_may_have_its_power_cut() {
        let failed = |exit_status: &str| {
            let upid = "UPID:pve1:0000C0DE:00001234:65A1B2C3:qmshutdown:103:root@pam:";
            let failure = TaskFailure {
                upid: upid.parse().unwrap(),
                exit_status: exit_status.to_owned(),
                log: Vec::new(),
            };
            unable("shut down VM `db`", &Error::TaskFailed(Box::new(failure)))
        };
        let in_vain = failed("VM quit/powerdown failed - got timeout");
        let hint = "The guest did not shut down in the time it was given; with force: true or on_timeout: stop, \
                    whichever the module has, its power is cut";
        assert_eq!(in_vain.details["hint"], json!(hint));
        assert!(
            in_vain.msg.ends_with(&format!("got timeout. {hint}")),
            "{}",
            in_vain.msg
        );
        assert!(!failed("out of memory").details.contains_key("hint"));
    }

    #[test]
    fn what_to_do_is_a_sentence_of_its_own() {
        for (text, told) in [
            ("port closed", "port closed. Check api_port"),
            ("denied!", "denied! Check api_port"),
        ] {
            assert_eq!(advised(text, "check api_port"), told);
        }
    }
}
