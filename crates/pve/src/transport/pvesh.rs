//! The API by `pvesh`, the command of a node: no network, no credentials, always as root@pam.
//!
//! Learnt from pve-manager's `PVE/CLI/pvesh.pm` and from pve-common:
//!
//! - Parameters go by the command line alone (`--key value`, repeated for a
//!   list), where every user of the node can read them: no secret goes this way.
//! - A task runs in the foreground. `pvesh` ends when it has ended, with its log
//!   on standard output and its UPID after it, and successfully even where the
//!   task failed: `apply` asks for the task's end as it does elsewhere.
//! - What belongs to another node is handed on by ssh, which loses empty
//!   values and garbles what is not ASCII.

mod said;

use std::fs;
use std::io;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{Transport, dial};
use crate::call::{Call, Param, Verb};
use crate::connection::Credentials;
use crate::error::{Error, Request, Unreached};

/// What to do about a request that cannot go by a command line.
const INSTEAD: &str = "set api_host (`localhost` on the node itself) and a token or a password";

/// An interruption and the end of a time are noticed within this.
const SLICE: Duration = Duration::from_millis(20);

/// How long an interrupted run waits for a request that is under way: most are
/// over by then, and what is not is a task.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// `pvesh` on this node: a process for each request.
#[derive(Debug)]
pub struct Pvesh {
    program: PathBuf,
    node: Option<String>,
    read_timeout: Duration,
    interrupted: Arc<AtomicBool>,
}

impl Pvesh {
    /// The node's own `pvesh`; a read may take so long. Of a run that is
    /// interrupted, no request is waited for any longer that is under way.
    pub fn new(read_timeout: Duration, interrupted: &Arc<AtomicBool>) -> Self {
        Self {
            program: "pvesh".into(),
            node: own_node(),
            read_timeout,
            interrupted: Arc::clone(interrupted),
        }
    }

    /// The same with this program in place of `pvesh`, on the node of this name.
    #[must_use]
    pub fn stand_in(mut self, program: impl Into<PathBuf>, node: &str) -> Self {
        self.program = program.into();
        self.node = Some(node.to_owned());
        self
    }

    fn start(&self, call: &Call) -> io::Result<Child> {
        let verb = match call.verb {
            Verb::Get => "get",
            Verb::Post => "create",
            Verb::Put => "set",
            Verb::Delete => "delete",
        };
        let mut command = Command::new(&self.program);
        command.args([verb, &call.path.plain(), "--output-format", "json"]);
        for (key, param) in &call.params {
            // In two words: `--key=` would lack a value.
            command.args([&format!("--{key}"), param.expose()]);
        }
        command
            // It reads its arguments in the encoding of its locale.
            .env("LC_ALL", "C.UTF-8")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
    }

    /// What a process said until its end.
    ///
    /// One that takes too long is left to itself: to kill it would leave its task
    /// half done and its locks held.
    fn listen(
        &self,
        told: &Receiver<io::Result<Output>>,
        limit: Option<Duration>,
    ) -> Result<Output, String> {
        let mut until = limit.and_then(|limit| Instant::now().checked_add(limit));
        // What is sent after an interruption is sent because of it.
        let mut heeds = !self.interrupted.load(Ordering::Relaxed);
        loop {
            match told.recv_timeout(SLICE) {
                Ok(output) => return output.map_err(|error| error.to_string()),
                Err(RecvTimeoutError::Disconnected) => return Err("nobody listened".to_owned()),
                Err(RecvTimeoutError::Timeout) => {}
            }
            let now = Instant::now();
            if heeds && self.interrupted.load(Ordering::Relaxed) {
                heeds = false;
                let last = now + LAST_WORDS;
                until = Some(until.map_or(last, |until| until.min(last)));
            }
            if until.is_some_and(|until| now >= until) {
                return Err("pvesh did not end in time".to_owned());
            }
        }
    }
}

impl Transport for Pvesh {
    fn send(&self, call: &Call, within: Option<Duration>) -> Result<Value, Error> {
        self.carries(call)?;
        let unknown = |cause| Error::Unknown {
            request: Request::from(call),
            cause,
        };
        let child = self
            .start(call)
            .map_err(|error| not_sent(call, not_started(&error)))?;
        let (tell, told) = mpsc::channel();
        thread::Builder::new()
            .spawn(move || {
                // Nobody listens any more where time was over.
                let _ = tell.send(child.wait_with_output());
            })
            .map_err(|error| unknown(error.to_string()))?;
        let limit = if call.writes() {
            within
        } else {
            Some(within.map_or(self.read_timeout, |within| within.min(self.read_timeout)))
        };
        let output = self.listen(&told, limit).map_err(unknown)?;
        match output.status.code() {
            Some(0) => said::data(call, &output.stdout),
            Some(_) => Err(said::error(call, &output)),
            None => Err(unknown(format!("pvesh was ended ({})", output.status))),
        }
    }

    fn carries(&self, call: &Call) -> Result<(), Error> {
        let refused = |why: String| Err(not_sent(call, format!("{why}: {INSTEAD}")));
        if call.upload.is_some() {
            return refused("pvesh, which is used without api_host, uploads no files".to_owned());
        }
        let elsewhere = call
            .path
            .node()
            .filter(|node| *node != "localhost" && Some(*node) != self.node.as_deref());
        for (key, param) in &call.params {
            let value = match param {
                Param::Secret(_) => {
                    return refused(format!(
                        "`{key}` is a secret, and pvesh, which is used without api_host, takes it on \
                         its command line only, which every user of the node can read"
                    ));
                }
                Param::Text(text) => text,
                Param::Bound(_) => continue,
            };
            if value.contains('\0') {
                return refused(format!("`{key}` cannot stand on the command line of pvesh"));
            }
            if let Some(node) = elsewhere.filter(|_| value.is_empty() || !value.is_ascii()) {
                let what = if value.is_empty() {
                    "empty, and gets lost"
                } else {
                    "not plain ASCII, and gets garbled"
                };
                return refused(format!(
                    "`{key}` is {what} where pvesh, which is used without api_host, hands it on to the node {node}"
                ));
            }
        }
        Ok(())
    }

    fn user(&self) -> &'static str {
        "root@pam"
    }

    fn accepts(&self, credentials: &Credentials) -> Result<bool, Error> {
        // The login that would tell, with the secret that cannot go this way.
        Err(not_sent(
            &Call::post(crate::path!("access", "ticket")),
            format!(
                "whether the secret of {} is the right one is found out by a login with it, which pvesh \
                 takes on its command line only: {INSTEAD}",
                credentials.name()
            ),
        ))
    }

    fn port_is_open(&self, address: &str, port: u16) -> bool {
        dial::port_is_open(address, port)
    }
}

fn not_sent(call: &Call, why: String) -> Error {
    Error::NotSent {
        request: Request::from(call),
        why: Unreached::Options(why),
    }
}

fn not_started(error: &io::Error) -> String {
    if error.kind() == io::ErrorKind::NotFound {
        "no Proxmox VE host was given: set api_host or the environment variable PROXMOX_HOST; without \
         them it is pvesh that is asked, which is not on this machine"
            .to_owned()
    } else {
        format!(
            "pvesh, which is used without api_host, cannot be run: {}",
            super::cause::plain(&error.to_string())
        )
    }
}

/// The name of this node as Proxmox VE has it: that of the machine, without its domain.
fn own_node() -> Option<String> {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    Some(name.trim().split('.').next()?.to_owned())
}
