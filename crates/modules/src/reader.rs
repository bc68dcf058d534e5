//! Modules that only read: some questions, and what is said of the answers.

use ansible::{Args, Failure};
use pve::apply::Applied;
use pve::{Cluster, Plan, Planned};
use serde::Serialize;
use serde_json::{Map, json};

use crate::connection::Connection;
use crate::job::{Job, Report, Task};

/// What a module that only reads is beside its options. It is a [`Job`] with
/// nothing to do, the same in check mode as otherwise.
pub trait Reader {
    /// Its options.
    type Args: Args;

    /// The connection options among its options.
    fn connection(args: &Self::Args) -> &Connection;

    /// What the result says.
    fn read(args: &Self::Args, cluster: &Cluster) -> Result<Report, Failure>;
}

impl<R: Reader> Job for R {
    type Args = R::Args;
    type Notes = Report;

    fn connection(args: &R::Args) -> &Connection {
        R::connection(args)
    }

    fn plan(task: &Task<'_, R::Args>, cluster: &Cluster) -> Result<Planned<Report>, Failure> {
        let report = R::read(task.args, cluster)?;
        Ok(Planned::Ready(Plan::default(), report))
    }

    fn report(
        _task: &Task<'_, R::Args>,
        report: Report,
        _plan: &Plan,
        _applied: Option<&Applied>,
        _cluster: &Cluster,
    ) -> Report {
        report
    }
}

/// A result of one key.
pub fn told(key: &str, value: impl Serialize) -> Report {
    Report {
        returns: Map::from_iter([(key.to_owned(), json!(value))]),
        ..Report::default()
    }
}
