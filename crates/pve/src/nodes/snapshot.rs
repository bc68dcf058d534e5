//! `/nodes/{node}/{qemu,lxc}/{vmid}/snapshot`: a guest's snapshots.

use crate::call::{Call, Path};
use crate::cluster::Cluster;
use crate::error::Error;
use crate::nodes::guest::Address;
use crate::wire::{Row, row};

/// What the list calls the guest as it is: no snapshot, though it stands among them.
pub const CURRENT: &str = "current";

/// The path of a guest's snapshots.
pub fn snapshots(guest: &Path) -> Path {
    guest.join("snapshot")
}

impl Cluster {
    /// A guest's snapshots, with all that the server tells of them: the oldest
    /// first, and last the guest as it is, as `current`.
    pub fn snapshots(&self, guest: &Address) -> Result<Vec<Row>, Error> {
        let mut rows: Vec<Row> = self.get_as(&Call::get(snapshots(&guest.path())))?;
        rows.sort_by_cached_key(|row| (name(row) == CURRENT, taken(row), name(row)));
        Ok(rows)
    }
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
