//! SIGTERM and SIGINT end a run in order.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use serde_json::{Map, json};
use signal_hook::consts::{SIGINT, SIGTERM};

use super::desk::Desk;
use crate::context::Context;
use crate::outcome::{Failure, Outcome};

/// How long a module that writes has to come to an end by itself.
const GRACE: Duration = Duration::from_secs(10);

/// How long one has that only reads: it may hang in a question, and nothing is
/// lost with it.
const GRACE_OF_A_READER: Duration = Duration::from_millis(500);

/// Raises the flag at the first signal. If the module has not answered by the
/// end of the grace period, answers in its place and ends the process. Should
/// the system refuse any of this, the module runs without.
pub(super) fn watch(desk: &Arc<Desk>, context: &Context) {
    let Ok(mut signals) = listen(&context.interrupted) else {
        return;
    };
    let desk = Arc::clone(desk);
    let writing = Arc::clone(&context.writing);
    let begun = Arc::clone(&context.begun);
    let _ = std::thread::Builder::new().spawn(move || {
        if signals.read_exact(&mut [0]).is_err() {
            return;
        }
        let mut failure = if writing.load(Ordering::SeqCst) {
            std::thread::sleep(GRACE);
            cut_off(&begun.lock().unwrap_or_else(PoisonError::into_inner))
        } else {
            std::thread::sleep(GRACE_OF_A_READER);
            Failure::new("interrupted before anything was written")
        };
        failure.details.insert("kind".into(), json!("interrupted"));
        desk.last_word(failure);
    });
}

/// What is said in place of a module that writes and does not come to its end.
fn cut_off(begun: &BTreeMap<String, bool>) -> Failure {
    let running: Vec<&str> = begun
        .iter()
        .filter_map(|(work, goes_on)| goes_on.then_some(work.as_str()))
        .collect();
    let mut msg = format!(
        "interrupted, and the module did not come to an end within {} s: what it has done by then is not known",
        GRACE.as_secs()
    );
    let mut details = Map::new();
    if !running.is_empty() {
        msg = format!("{msg}; left running: {}", running.join(", "));
        details.insert("running".into(), json!(running));
    }
    Failure {
        msg,
        details,
        outcome: Box::new(Outcome::new(!begun.is_empty(), Map::new())),
    }
}

/// A stream that yields a byte for each signal.
fn listen(interrupted: &Arc<AtomicBool>) -> std::io::Result<UnixStream> {
    let (signals, sender) = UnixStream::pair()?;
    for signal in [SIGTERM, SIGINT] {
        signal_hook::flag::register(signal, Arc::clone(interrupted))?;
        signal_hook::low_level::pipe::register(signal, sender.try_clone()?)?;
    }
    Ok(signals)
}
