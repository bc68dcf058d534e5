//! Secrets that an answer tells once.

use std::fmt;
use std::sync::Arc;

use secret::Secret;

/// A secret of an answer, which is told only this once.
#[derive(Clone)]
pub struct Keep {
    /// The name it is bound to, among [`TrackEnd::secrets`](crate::apply::TrackEnd::secrets).
    pub name: &'static str,
    /// Where it stands in the answer, as a JSON pointer.
    pub pointer: &'static str,
    /// Where it is put, beside being bound.
    pub place: Option<Arc<Place>>,
}

/// Makes sure of a place for a secret, before the request that makes one, and
/// hands over what puts it there. Both say in a sentence why they cannot.
pub type Place = dyn Fn() -> Result<Put, String> + Send + Sync;

/// Puts a secret where it belongs.
pub type Put = Box<dyn FnOnce(&Secret) -> Result<(), String>>;

impl fmt::Debug for Keep {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Keep")
            .field("name", &self.name)
            .field("pointer", &self.pointer)
            .finish_non_exhaustive()
    }
}
