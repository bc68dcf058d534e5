//! `/nodes/{node}/vzdump`: backups of a node's guests.

use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::call::Call;
use crate::path;
use crate::plan::{Lost, Probe, Verdict};
use crate::wire::Row;
use crate::wire::row;

/// What a node answers that has nothing to back up (`PVE::API2::VZDump`); any other answer is a UPID.
pub const NOTHING: &str = "OK";

/// How far the clocks of client and server may be apart for a task to be known as ours.
const SKEW: Duration = Duration::from_secs(5);

/// How long there must be no task of ours for the server not to have had the request.
const QUIET: Duration = Duration::from_secs(10);

/// The request that starts the backup of guests of a node.
pub fn start(node: &str) -> Call {
    Call::post(path!("nodes", node, "vzdump"))
}

/// Whether a request of `user` took effect whose answer was lost: a backup that began by now. To repeat it would
/// back up everything twice.
pub fn lost(node: &str, user: &str) -> Lost {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let since = now.unwrap_or_default().saturating_sub(SKEW).as_secs();
    let tasks = Call::get(path!("nodes", node, "tasks"))
        .with("source", "all")
        .with("typefilter", "vzdump")
        .with("since", since);
    let user = user.to_owned();
    let probe = Probe::get(tasks, move |answer| match answer {
        Ok(answer) => match ours(answer, &user) {
            Some(upid) => Verdict::Holds(Some(upid)),
            None => Verdict::Absent,
        },
        Err(error) => Verdict::NotYet(error.to_string()),
    });
    Lost::Look {
        probe,
        quiet: QUIET,
    }
}

/// The newest of these tasks that is the user's, or the token's.
fn ours(tasks: &Value, user: &str) -> Option<String> {
    let rows: Vec<Row> = serde_json::from_value(tasks.clone()).ok()?;
    let of_user = |task: &&Row| {
        let owner = row::text(task, "user").unwrap_or_default();
        match row::text(task, "tokenid") {
            Some(token) => user == format!("{owner}!{token}"),
            None => user == owner,
        }
    };
    rows.iter()
        .find(of_user)
        .and_then(|task| row::text(task, "upid"))
}

#[cfg(test)]
mod tests {
    use super::ours;
    use serde_json::json;

    #[test]
    fn a_task_is_ours_by_user_and_token() {
        let tasks = json!([
            {"upid": "c", "user": "a@pam", "tokenid": "t2"},
            {"upid": "b", "user": "a@pam", "tokenid": "t1"},
            {"upid": "a", "user": "a@pam"},
        ]);
        for (user, upid) in [
            ("a@pam!t1", Some("b")),
            ("a@pam", Some("a")),
            ("b@pam", None),
        ] {
            assert_eq!(ours(&tasks, user).as_deref(), upid, "{user}");
        }
    }
}
