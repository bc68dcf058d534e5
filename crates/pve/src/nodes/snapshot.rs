//! `/nodes/{node}/{qemu,lxc}/{vmid}/snapshot`: a guest's snapshots.

use crate::call::{Call, Path};
use crate::cluster::Cluster;
use crate::error::Error;
use crate::nodes::guest::Address;
use crate::wire::{Row, parse_switch, row};

/// What the list calls the guest as it is: no snapshot, though it stands among them.
pub const CURRENT: &str = "current";

/// The path of a guest's snapshots.
pub fn snapshots(guest: &Path) -> Path {
    guest.join("snapshot")
}

/// A snapshot, as the list tells of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Its name.
    pub name: String,
    /// What it is said to be, without the line feed that the server ends it with.
    pub description: String,
    /// Whether it holds the memory of a VM that ran.
    pub with_memory: bool,
    /// Of one that is not whole, what it is in: `prepare` while it is taken, `delete` while it is removed.
    pub unfinished: Option<String>,
}

impl From<&Row> for Snapshot {
    fn from(row: &Row) -> Self {
        let text = |key: &str| row::text(row, key).filter(|text| !text.is_empty());
        Self {
            name: name(row),
            description: text("description")
                .unwrap_or_default()
                .trim_end()
                .to_owned(),
            with_memory: text("vmstate").and_then(|switch| parse_switch(&switch)) == Some(true),
            unfinished: text("snapstate"),
        }
    }
}

impl Cluster {
    /// The snapshots of several guests, asked side by side: the oldest first, without `current`.
    pub fn snapshots_of_each(&self, guests: &[Address]) -> Vec<Result<Vec<Snapshot>, Error>> {
        let calls: Vec<Call> = guests
            .iter()
            .map(|guest| Call::get(snapshots(&guest.path())))
            .collect();
        self.get_each_as::<Vec<Row>>(&calls)
            .into_iter()
            .map(|rows| {
                let mut rows = rows?;
                rows.retain(|row| name(row) != CURRENT);
                sort(&mut rows);
                Ok(rows.iter().map(Snapshot::from).collect())
            })
            .collect()
    }

    /// A guest's snapshots, with all that the server tells of them: the oldest
    /// first, and last the guest as it is, as `current`.
    pub fn snapshots(&self, guest: &Address) -> Result<Vec<Row>, Error> {
        let mut rows: Vec<Row> = self.get_as(&Call::get(snapshots(&guest.path())))?;
        sort(&mut rows);
        Ok(rows)
    }
}

/// The oldest first, and last the guest as it is.
fn sort(rows: &mut [Row]) {
    rows.sort_by_cached_key(|row| (name(row) == CURRENT, taken(row), name(row)));
}

/// A snapshot's name.
pub fn name(row: &Row) -> String {
    row::text(row, "name").unwrap_or_default()
}

/// When a snapshot was taken, in seconds since 1970.
fn taken(row: &Row) -> u64 {
    row::text(row, "snaptime")
        .and_then(|time| time.parse().ok())
        .unwrap_or_default()
}
