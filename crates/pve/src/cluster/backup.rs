//! `/cluster/backup`: the backup jobs, which the cluster runs by a schedule.

use super::Cluster;
use crate::call::Call;
use crate::error::Error;
use crate::path;
use crate::wire::{Row, lists, parse_switch, row};

/// A backup job.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// Its id.
    pub id: String,
    /// Which guests it takes.
    pub guests: Guests,
    /// The one node whose guests it takes; all nodes where none is stated.
    pub node: Option<String>,
    /// All that the server tells of it.
    pub row: Row,
}

/// Which guests a backup job takes. VMIDs are texts, as a list that is written
/// back must lose nothing of what stood in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Guests {
    /// These VMIDs, whether there are such guests or not.
    Listed(Vec<String>),
    /// All guests but these.
    All {
        /// The VMIDs that are left out.
        exclude: Vec<String>,
    },
    /// The guests of this pool, not those of pools in it.
    Pool(String),
}

impl From<Row> for Job {
    fn from(row: Row) -> Self {
        let listed = |key: &str| {
            let text = row::text(&row, key).unwrap_or_default();
            lists::split(&text).map(str::to_owned).collect()
        };
        let all = row::text(&row, "all").and_then(|text| parse_switch(&text));
        let guests = match row::text(&row, "pool") {
            Some(pool) => Guests::Pool(pool),
            None if all == Some(true) => Guests::All {
                exclude: listed("exclude"),
            },
            None => Guests::Listed(listed("vmid")),
        };
        Self {
            id: row::text(&row, "id").unwrap_or_default(),
            guests,
            node: row::text(&row, "node"),
            row,
        }
    }
}

impl Cluster {
    /// The backup jobs, in the order in which the server has them. `next-run`
    /// is told here alone. Needs Sys.Audit on `/`.
    pub fn backup_jobs(&self) -> Result<Vec<Job>, Error> {
        let rows: Vec<Row> = self.get_as(&Call::get(path!("cluster", "backup")))?;
        Ok(rows.into_iter().map(Job::from).collect())
    }

    /// One backup job, if it is there. Needs Sys.Audit on `/`.
    pub fn backup_job(&self, id: &str) -> Result<Option<Job>, Error> {
        match self.get_as::<Row>(&Call::get(path!("cluster", "backup", id))) {
            Ok(row) => Ok(Some(Job::from(row))),
            // 400, errors.id: "No such job 'x'" (PVE::API2::Backup).
            Err(Error::Refused(refusal)) if refusal.errors.contains_key("id") => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// The request that changes a backup job.
pub fn change(id: &str) -> Call {
    Call::put(path!("cluster", "backup", id))
}

#[cfg(test)]
mod tests {
    use super::{Guests, Job};
    use serde_json::{Value, json};

    fn guests(job: Value) -> Guests {
        let Value::Object(row) = job else {
            unreachable!()
        };
        Job::from(row).guests
    }

    #[test]
    fn a_job_takes_a_list_all_guests_or_a_pool() {
        let texts = |vmids: &[&str]| vmids.iter().map(|vmid| (*vmid).to_owned()).collect();
        for (job, taken) in [
            (
                json!({"vmid": "102, 101;7x"}),
                Guests::Listed(texts(&["102", "101", "7x"])),
            ),
            (
                json!({"vmid": 101, "all": 0}),
                Guests::Listed(texts(&["101"])),
            ),
            (
                json!({"all": 1, "exclude": "104"}),
                Guests::All {
                    exclude: texts(&["104"]),
                },
            ),
            (json!({"all": "1"}), Guests::All { exclude: vec![] }),
            (json!({"pool": "web"}), Guests::Pool("web".to_owned())),
            (json!({}), Guests::Listed(vec![])),
        ] {
            assert_eq!(guests(job.clone()), taken, "{job}");
        }
    }
}
