//! What a module is told beside its arguments.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use secret::Secret;

use crate::mask::Mask;

/// What a module is told beside its arguments. `Context::default()` is that of
/// a task without check mode, diff mode and progress, as tests want it.
#[derive(Debug, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of Ansible's own"
)]
pub struct Context {
    /// Nothing may be written.
    pub check_mode: bool,
    /// The answer's `diff` is asked for.
    pub diff_mode: bool,
    /// How many `-v` the person gave.
    pub verbosity: u8,
    /// The module's name as the task says it.
    pub module_name: String,
    /// The options that the task stated, or an environment variable in its
    /// place: `vms`, `vms[0].name`.
    pub given: BTreeSet<String>,
    /// Those among them that an environment variable stated, in the task's place.
    pub from_environment: BTreeSet<String>,
    /// Whether progress lines are wanted.
    pub show_progress: bool,
    /// Options that are unknown are no error if nothing else is wrong.
    pub ignore_unknown: bool,
    /// The flag that SIGTERM and SIGINT raise.
    pub interrupted: Arc<AtomicBool>,
    /// Whether the module has begun to write.
    pub writing: Arc<AtomicBool>,
    /// Whether an abrupt end would leave less than there was, or a part of what is all or none.
    pub must_end: Arc<AtomicBool>,
    /// What the module has begun outside of this process, and whether it still
    /// goes on.
    pub begun: Arc<Mutex<BTreeMap<String, bool>>>,
    /// What is masked in all output.
    pub mask: Arc<Mutex<Mask>>,
}

impl Context {
    /// Whether the task stated the option (as opposed to a default having
    /// filled it). Options are named by their own name, never by an alias; a
    /// sub-option as `net.bridge` or `vms[0].name`. One that was given as
    /// `null` was not stated.
    pub fn given(&self, name: &str) -> bool {
        self.given.contains(name)
    }

    /// Whether the task itself stated the option, and no environment variable in its place.
    pub fn stated(&self, name: &str) -> bool {
        self.given(name) && !self.from_environment.contains(name)
    }

    /// The flag that SIGTERM and SIGINT raise, for whoever does the work.
    pub fn interrupted(&self) -> &Arc<AtomicBool> {
        &self.interrupted
    }

    /// Whether the run is to end in order.
    pub fn is_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::SeqCst)
    }

    /// Says that from here on an abrupt end leaves things half done: an
    /// interrupted run is then given time to end in order. Before that it ends
    /// almost at once, whatever it is waiting for. Whoever writes looks after
    /// this whether the run [is interrupted](Self::is_interrupted) already.
    pub fn begin_writing(&self) {
        self.writing.store(true, Ordering::SeqCst);
    }

    /// Says that an abrupt end would leave less than there was, or a part of what is all or none: the module is given
    /// as long as it takes to end in order, and looks after it that this is not for ever. A second signal ends it.
    pub fn must_end(&self) {
        self.must_end.store(true, Ordering::SeqCst);
    }

    /// Notes work that goes on outside of this process, whatever becomes of it
    /// here: a module that is cut off cannot tell of it any more.
    pub fn has_begun(&self, work: &str) {
        self.note(work, true);
    }

    /// Notes that this work does not go on any more.
    pub fn has_ended(&self, work: &str) {
        self.note(work, false);
    }

    fn note(&self, work: &str, goes_on: bool) {
        self.begun
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(work.to_owned(), goes_on);
    }

    /// Shows one line of progress on standard error, if the caller wants it;
    /// it is masked as all output is.
    pub fn progress(&self, line: &str) {
        if !self.show_progress {
            return;
        }
        let masked = self
            .mask
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .text(line);
        let mut line = masked.replace(['\n', '\r'], " ");
        line.push('\n');
        // One write per line, so that workers' lines do not mix. A reader that
        // went away is no reason to stop working.
        let _ = std::io::stderr().write_all(line.as_bytes());
    }

    /// Masks a secret that came up during the run in all output from here on.
    pub fn hide(&self, secret: &Secret) {
        self.mask
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .add(secret.expose());
    }
}
