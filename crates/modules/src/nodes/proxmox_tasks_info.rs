//! `proxmox_tasks_info`: the tasks of a node, by `/nodes/{node}/tasks`, and one that is not in that list by
//! `/nodes/{node}/tasks/{upid}/status`.

use ansible::{Args, Choice, Failure};
use pve::nodes::tasks::{self, RUNNING};
use pve::wire::{Row, row};
use pve::{Cluster, Upid};

use crate::connection::{Connection, DropIn};
use crate::fault;
use crate::job::Report;
use crate::reader::{self, Reader};

/// The options of `proxmox_tasks_info`.
#[derive(Args, Debug)]
pub struct TasksInfoArgs {
    /// Where the API is.
    #[arg(flatten)]
    pub connection: DropIn,
    /// The node whose tasks are told.
    #[arg(required)]
    pub node: String,
    /// The UPID of a task, to be told of this one alone. A task that is not there is a failure.
    #[arg(aliases = ["upid", "name"])]
    pub task: Option<String>,
    /// Tasks that have ended, those that run, or both.
    #[arg(default = "archive")]
    pub source: Source,
}

/// Which tasks.
#[derive(Choice, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Those that have ended.
    Archive,
    /// Those that run.
    Active,
    /// Both.
    All,
}

/// The module.
pub struct ProxmoxTasksInfo;

crate::module!(ProxmoxTasksInfo, "proxmox_tasks_info");

impl Reader for ProxmoxTasksInfo {
    type Args = TasksInfoArgs;

    fn connection(args: &TasksInfoArgs) -> &Connection {
        &args.connection.connection
    }

    fn read(args: &TasksInfoArgs, cluster: &Cluster) -> Result<Report, Failure> {
        let mut tasks = match &args.task {
            Some(task) => vec![one(args, task, cluster)?],
            None => cluster
                .tasks(&args.node, args.source.name())
                .map_err(|error| {
                    let to = format!("read the tasks of node `{}`", args.node);
                    fault::unable(&to, &error)
                })?,
        };
        for task in &mut tasks {
            // Where the peer has no such key, ours has none either: playbooks ask whether it is there.
            if let Some(status) = status(task).filter(|status| status != "OK") {
                task.insert("failed".to_owned(), tasks::has_failed(&status).into());
            }
        }
        Ok(reader::told("proxmox_tasks", tasks))
    }
}

fn one(args: &TasksInfoArgs, task: &str, cluster: &Cluster) -> Result<Row, Failure> {
    let missing = |hint: &str| {
        let node = &args.node;
        let sentence = format!("Task: {task} does not exist on node: {node}.");
        Failure::new(format!("{sentence} {hint}").trim_end())
    };
    let upid: Upid = task.parse().map_err(|_| missing("That is not a UPID."))?;
    if upid.node() != args.node {
        return Err(missing(&format!("It is one of node `{}`.", upid.node())));
    }
    let unable = |error| fault::unable(&format!("read task `{task}`"), &error);
    if let Some(task) = cluster.task(&upid, args.source.name()).map_err(unable)? {
        return Ok(task);
    }
    // The list leaves out without a word what the caller may not see, and what has moved to the other source.
    let task = match cluster.task_itself(&upid) {
        Ok(task) => task,
        Err(error) if error.status() == Some(400) => return Err(missing("")),
        Err(error) => return Err(unable(error)),
    };
    let runs = status(&task).as_deref() == Some(RUNNING);
    match (args.source, runs) {
        (Source::Archive, true) => Err(missing(
            "It is still running: source `active` or `all` shows it.",
        )),
        (Source::Active, false) => {
            Err(missing("It has ended: source `archive` or `all` shows it."))
        }
        _ => Ok(task),
    }
}

fn status(task: &Row) -> Option<String> {
    row::text(task, "status")
}

#[cfg(test)]
mod tests {
    use super::{ProxmoxTasksInfo, TasksInfoArgs};
    use crate::reader::Reader;
    use ansible::Args;
    use pve::canned::Canned;
    use serde_json::{Value, json};

    const UPID: &str = "UPID:pve1:0001ABCD:00FF00AA:68A1B2C3:qmclone:9000:root@pam:";

    /// What is said of a task that no list has and that answers this at its own URL.
    fn told(source: &str, answer: &Value) -> Result<Value, String> {
        let options = json!({"api_host": "pve1", "node": "pve1", "task": UPID, "source": source});
        let Value::Object(options) = options else {
            unreachable!()
        };
        let list = format!(
            "GET /nodes/pve1/tasks source={source} typefilter=qmclone limit=1000 since=1755427523 until=1755427524"
        );
        let cluster = Canned::new()
            .always(&list, json!([]))
            .always(
                &format!("GET /nodes/pve1/tasks/{UPID}/status"),
                answer.clone(),
            )
            .cluster();
        ProxmoxTasksInfo::read(&TasksInfoArgs::parse(options).unwrap(), &cluster)
            .map(|report| report.returns["proxmox_tasks"].clone())
            .map_err(|failure| failure.msg)
    }

    #[test]
    fn a_task_that_no_list_has_is_told_all_the_same() {
        let ended = json!({"upid": UPID, "status": "stopped", "exitstatus": "out of space"});
        let row = json!([{"upid": UPID, "status": "out of space", "failed": true}]);
        let runs = json!({"upid": UPID, "status": "running"});
        let running = json!([{"upid": UPID, "status": "RUNNING", "failed": false}]);
        for (source, answer, said) in [
            ("archive", &ended, Some(row.clone())),
            ("all", &ended, Some(row)),
            ("active", &ended, None),
            ("archive", &runs, None),
            ("all", &runs, Some(running.clone())),
            ("active", &runs, Some(running)),
        ] {
            assert_eq!(told(source, answer).ok(), said, "{source} {answer}");
        }
    }
}
