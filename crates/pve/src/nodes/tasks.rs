//! `/nodes/{node}/tasks`: what runs on a node, and what has ended there.

use crate::call::Call;
use crate::cluster::Cluster;
use crate::error::Error;
use crate::path;
use crate::task::{self, is_warnings};
use crate::upid::Upid;
use crate::wire::{Row, row};

/// The status of a task that runs, in lists.
pub const RUNNING: &str = "RUNNING";

/// More tasks of one kind than begin in one second on one node.
const AT_ONCE: u32 = 1000;

impl Cluster {
    /// The tasks of a node that the caller may see, the newest 50, newest
    /// first, with all that the server tells of them. `source` is `archive`
    /// (those that have ended), `active` or `all`.
    pub fn tasks(&self, node: &str, source: &str) -> Result<Vec<Row>, Error> {
        self.get_as(&list(node, source))
    }

    /// As [`Cluster::tasks`], the one of this name, however long ago it was:
    /// the server is told when it began and of which kind it is.
    pub fn task(&self, upid: &Upid, source: &str) -> Result<Option<Row>, Error> {
        let mut call = list(upid.node(), source)
            .with("typefilter", upid.kind())
            .with("limit", AT_ONCE);
        if let Some(began) = began(upid) {
            // Nothing says whether the last second counts.
            call = call.with("since", began).with("until", began + 1);
        }
        let rows: Vec<Row> = self.get_as(&call)?;
        Ok(rows
            .into_iter()
            .find(|row| row::text(row, "upid").as_deref() == Some(upid.as_str())))
    }

    /// A task by its own URL, in the form of [`Cluster::tasks`], but that it
    /// does not tell when it ended. A task of somebody else needs Sys.Audit on
    /// `/nodes/{node}`, where lists leave it out without a word.
    pub fn task_itself(&self, upid: &Upid) -> Result<Row, Error> {
        let call = Call::get(path!(
            "nodes",
            upid.node(),
            "tasks",
            upid.as_str(),
            "status"
        ));
        let mut row: Row = self.get_as(&call)?;
        let ended = row.remove("exitstatus");
        row.insert("status".to_owned(), ended.unwrap_or_else(|| RUNNING.into()));
        Ok(row)
    }

    /// The lines of the logs of several tasks, asked side by side.
    pub fn task_logs(&self, upids: &[&Upid]) -> Vec<Result<Vec<String>, Error>> {
        let calls: Vec<Call> = upids.iter().map(|upid| task::log_of(upid)).collect();
        self.get_each_as::<Vec<task::Line>>(&calls)
            .into_iter()
            .map(|lines| Ok(lines?.into_iter().map(|line| line.t).collect()))
            .collect()
    }
}

fn list(node: &str, source: &str) -> Call {
    Call::get(path!("nodes", node, "tasks")).with("source", source)
}

/// The second in which a task began, since 1970.
fn began(upid: &Upid) -> Option<u64> {
    let digits = upid.as_str().split(':').nth(4)?;
    u64::from_str_radix(digits, 16).ok()
}

/// Whether a status in a list, or an exit status, is that of a task that ended
/// with an error. Warnings are none, and a task that runs has not ended.
pub fn has_failed(status: &str) -> bool {
    status != "OK" && status != RUNNING && !is_warnings(status)
}

#[cfg(test)]
mod tests {
    use super::has_failed;
    use crate::canned::Canned;
    use crate::upid::Upid;
    use serde_json::json;

    const UPID: &str = "UPID:pve1:0001ABCD:00FF00AA:68A1B2C3:qmclone:9000:ansible@pam!mms:";

    #[test]
    fn only_an_error_is_a_failure() {
        for (status, failed) in [
            ("OK", false),
            ("RUNNING", false),
            ("WARNINGS: 2", false),
            ("WARNINGS: disk full", true),
            ("VM 100 already running", true),
            ("unexpected status", true),
            ("interrupted by signal", true),
        ] {
            assert_eq!(has_failed(status), failed, "{status}");
        }
    }

    #[test]
    fn a_task_is_looked_for_in_the_second_in_which_it_began() {
        let upid: Upid = UPID.parse().unwrap();
        let question = "GET /nodes/pve1/tasks source=all typefilter=qmclone limit=1000 \
                        since=1755427523 until=1755427524";
        let other = UPID.replace("0001ABCD", "0001ABCE");
        let cluster = Canned::new()
            .always(
                question,
                json!([{"upid": other}, {"upid": UPID, "status": "OK"}]),
            )
            .cluster();
        let task = cluster.task(&upid, "all").unwrap().unwrap();
        assert_eq!(
            (&task["upid"], &task["status"]),
            (&json!(UPID), &json!("OK"))
        );
    }

    #[test]
    fn a_tasks_own_answer_reads_as_a_list_does() {
        let upid: Upid = UPID.parse().unwrap();
        for (answer, status) in [
            (json!({"upid": UPID, "status": "running"}), "RUNNING"),
            (
                json!({"upid": UPID, "status": "stopped", "exitstatus": "WARNINGS: 1"}),
                "WARNINGS: 1",
            ),
        ] {
            let cluster = Canned::new()
                .always(&format!("GET /nodes/pve1/tasks/{UPID}/status"), answer)
                .cluster();
            let task = cluster.task_itself(&upid).unwrap();
            assert_eq!(json!(task), json!({"upid": UPID, "status": status}));
        }
    }
}
