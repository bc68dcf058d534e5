//! The one place that writes to standard output, once.

use std::io::{BufWriter, Write as _};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use secret::Secret;
use serde_json::{Map, Value, json};

use crate::mask::Mask;
use crate::outcome::Failure;

/// Who answers, answers here: the module's end, a panic, or the end of the
/// patience after a signal. Whoever comes first is heard; nobody else.
#[derive(Debug, Default)]
pub(super) struct Desk {
    pub(super) mask: Arc<Mutex<Mask>>,
    answered: AtomicBool,
}

impl Desk {
    /// Writes a text for a person or a tool.
    pub(super) fn say(&self, text: &str) -> ExitCode {
        self.answered.store(true, Ordering::SeqCst);
        match write_line(text.as_bytes()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        }
    }

    /// Writes the answer. If another thread has just written the last word,
    /// that one ends the process.
    pub(super) fn answer(
        &self,
        mut answer: Map<String, Value>,
        reveals: &[(String, Secret)],
    ) -> ExitCode {
        let failed = answer.get("failed") == Some(&Value::Bool(true));
        self.mask(&mut answer, reveals);
        if self.answered.swap(true, Ordering::SeqCst) {
            wait_for_the_end();
        }
        // An answer may be large: it is not made a text first.
        let written = write_json(&answer);
        if failed || written.is_err() {
            ExitCode::FAILURE
        } else {
            ExitCode::SUCCESS
        }
    }

    /// Writes a failure and ends the process, from whatever thread; or, if the
    /// answer is being written already, waits for the process to end. The
    /// module's thread is beyond reach: it panicked or does not return.
    pub(super) fn last_word(&self, failure: Failure) -> ! {
        let mut answer = failure.into_map(false);
        self.mask(&mut answer, &[]);
        let text = Value::Object(answer).to_string();
        if self.answered.swap(true, Ordering::SeqCst) {
            wait_for_the_end();
        }
        // Nobody is left to be told that this failed.
        let _ = write_line(text.as_bytes());
        std::process::exit(1)
    }

    /// From here on a panic, in any thread, is an answer.
    pub(super) fn answer_panics(self: &Arc<Self>) {
        let desk = Arc::clone(self);
        std::panic::set_hook(Box::new(move |panic| {
            let payload = panic.payload();
            let what = payload
                .downcast_ref::<&str>()
                .copied()
                .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
                .unwrap_or("a panic without a text");
            let place = panic.location().map_or_else(String::new, |place| {
                format!(" ({}:{})", place.file(), place.line())
            });
            let mut failure = Failure::new(format!("internal error: {what}{place}"));
            failure.details.insert("kind".into(), json!("internal"));
            desk.last_word(failure);
        }));
    }

    pub(super) fn mask(&self, answer: &mut Map<String, Value>, reveals: &[(String, Secret)]) {
        let mut mask = self.mask.lock().unwrap_or_else(PoisonError::into_inner);
        for (_, secret) in reveals {
            mask.add(secret.expose());
        }
        mask.answer(answer);
        let mut whole = Value::Object(std::mem::take(answer));
        for (pointer, secret) in reveals {
            reveal(&mut whole, pointer, secret);
        }
        if let Value::Object(map) = whole {
            *answer = map;
        }
    }
}

/// Writes a secret where a JSON pointer says; a pointer into nowhere is
/// ignored, since failing here would lose the whole answer.
fn reveal(whole: &mut Value, pointer: &str, secret: &Secret) {
    let Some((parent, key)) = pointer.rsplit_once('/') else {
        return;
    };
    let text = Value::from(secret.expose());
    match whole.pointer_mut(parent) {
        Some(Value::Object(map)) => {
            map.insert(key.replace("~1", "/").replace("~0", "~"), text);
        }
        Some(Value::Array(elements)) => {
            if let Some(slot) = key.parse().ok().and_then(|at: usize| elements.get_mut(at)) {
                *slot = text;
            }
        }
        _ => {}
    }
}

fn write_json(answer: &Map<String, Value>) -> std::io::Result<()> {
    let mut out = BufWriter::new(std::io::stdout().lock());
    serde_json::to_writer(&mut out, answer)?;
    out.write_all(b"\n")?;
    out.flush()
}

fn write_line(text: &[u8]) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text)?;
    out.write_all(b"\n")?;
    out.flush()
}

/// Another thread ends the process.
fn wait_for_the_end() -> ! {
    loop {
        std::thread::park();
    }
}
