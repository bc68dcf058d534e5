//! SIGTERM and SIGINT end a run in order.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

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

/// One that must come to its end says so at once, and so often that it is still at it: whoever started it knows that it
/// lives.
const SIGN_OF_LIFE: Duration = Duration::from_secs(30);

const STILL_AT_IT: &str = "interrupted: what is half done is brought to an end or taken back; a second signal ends this at once\n";

/// One Ctrl-C comes from the terminal and from Ansible: what follows within this time is the same.
const ECHO: Duration = Duration::from_secs(1);

/// Raises the flag at the first signal. If the module has not answered by the
/// end of the grace period, answers in its place and ends the process. Should
/// the system refuse any of this, the module runs without.
pub(super) fn watch(desk: &Arc<Desk>, context: &Context) {
    let Ok(mut signals) = listen(&context.interrupted) else {
        return;
    };
    let desk = Arc::clone(desk);
    let writing = Arc::clone(&context.writing);
    let must_end = Arc::clone(&context.must_end);
    let begun = Arc::clone(&context.begun);
    let _ = std::thread::Builder::new().spawn(move || {
        if signals.read_exact(&mut [0]).is_err() {
            return;
        }
        let mut failure = if writing.load(Ordering::SeqCst) {
            let why = out_of_patience(&mut signals, must_end.load(Ordering::SeqCst));
            cut_off(&why, &begun.lock().unwrap_or_else(PoisonError::into_inner))
        } else {
            std::thread::sleep(GRACE_OF_A_READER);
            Failure::new("interrupted before anything was written")
        };
        failure.details.insert("kind".into(), json!("interrupted"));
        desk.last_word(failure);
    });
}

/// Returns when a module that writes has to end, and says why: at a second signal, or when its time is over. One that
/// must come to its end has the time that it takes.
fn out_of_patience(signals: &mut UnixStream, must_end: bool) -> String {
    let first = Instant::now();
    let mut next = if must_end { first } else { first + GRACE };
    loop {
        let mut wait = next.saturating_duration_since(Instant::now());
        if wait.is_zero() {
            if !must_end {
                let seconds = GRACE.as_secs();
                return format!(
                    "interrupted, and the module did not come to an end within {seconds} s"
                );
            }
            // A reader that went away is no reason to end.
            let _ = std::io::stderr().write_all(STILL_AT_IT.as_bytes());
            wait = SIGN_OF_LIFE;
            next = Instant::now() + wait;
        }
        let _ = signals.set_read_timeout(Some(wait));
        let signal = signals.read_exact(&mut [0]).is_ok();
        if signal && first.elapsed() >= ECHO {
            return "interrupted a second time".to_owned();
        }
    }
}

/// What is said in place of a module that writes and does not come to its end.
fn cut_off(why: &str, begun: &BTreeMap<String, bool>) -> Failure {
    let running: Vec<&str> = begun
        .iter()
        .filter_map(|(work, goes_on)| goes_on.then_some(work.as_str()))
        .collect();
    let mut msg = format!("{why}: what it has done by then is not known");
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
