//! Files that are streamed to the server.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A file of this machine that is streamed to the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upload {
    /// The field that carries it; `/storage/{storage}/upload` wants `filename`.
    pub field: &'static str,
    /// Its name on the server.
    pub name: String,
    /// Where it is.
    pub source: PathBuf,
    /// Ends the sending before its time.
    pub stop: Stop,
}

/// A flag that is raised where a file shall not be sent to its end. It is no
/// part of what a call says: any two are equal.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Whether the sending shall end.
    pub fn is_raised(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl From<&Arc<AtomicBool>> for Stop {
    fn from(flag: &Arc<AtomicBool>) -> Self {
        Self(Arc::clone(flag))
    }
}

impl PartialEq for Stop {
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}

impl Eq for Stop {}
