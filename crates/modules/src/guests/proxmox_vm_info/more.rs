//! What is told of guests on wish: their configurations and network interfaces.

use std::collections::BTreeMap;

use pve::plan::PARALLEL;
use pve::texts::Matched;
use pve::{Call, Cluster, Error};
use serde_json::Value;

use super::{ConfigWanted, Guest, VmInfoArgs};
use crate::fault;

/// To open a connection takes two ways to the server and back: it pays where it then
/// serves for more than that …
const QUESTIONS_OF_A_CONNECTION: usize = 4;
/// … and each has a client and its thread, which cost memory.
const CONNECTIONS: usize = 13;

/// One thing more that is told of a guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum More {
    Config,
    Network,
}

impl More {
    fn key(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Network => "network",
        }
    }

    fn call(self, guest: &Guest, config: ConfigWanted) -> Call {
        let current = config == ConfigWanted::Current;
        match self {
            Self::Config => guest.address.config().with("current", current),
            Self::Network => guest.address.interfaces(),
        }
    }

    /// What counts of an answer: the guest agent wraps what it says.
    fn of(self, mut answer: Value) -> Value {
        match answer.get_mut("result") {
            Some(result) if self == Self::Network => result.take(),
            _ => answer,
        }
    }
}

/// Reads the configurations and interfaces that are asked for, side by side. What cannot be read is null, and a
/// warning says why.
pub(super) fn read(args: &VmInfoArgs, guests: &mut [Guest], cluster: &Cluster) -> Vec<String> {
    let mut untold = Untold::default();
    let mut questions: Vec<(usize, More)> = Vec::new();
    let wanted = [
        (More::Config, args.config != ConfigWanted::None),
        (More::Network, args.network),
    ];
    for (index, guest) in guests.iter_mut().enumerate() {
        for (more, _) in wanted.iter().filter(|(_, wanted)| *wanted) {
            guest.row.insert(more.key().to_owned(), Value::Null);
            match more {
                _ if !guest.reads => {}
                More::Network if !guest.runs() => untold.network("it does not run", guest),
                _ => questions.push((index, *more)),
            }
        }
    }
    let connections = questions.len() / QUESTIONS_OF_A_CONNECTION;
    cluster.ask_side_by_side(connections.clamp(PARALLEL, CONNECTIONS));
    let answers = cluster.take_each(&questions, |(index, more)| {
        more.call(&guests[*index], args.config)
    });
    for ((index, more), answer) in questions.into_iter().zip(answers) {
        let guest = &mut guests[index];
        match answer {
            Ok(answer) => {
                guest.row.insert(more.key().to_owned(), more.of(answer));
            }
            Err(error) => untold.error(more, &error, guest),
        }
    }
    untold.warnings()
}

/// What could not be told: guests without an agent may be many, and are one warning.
#[derive(Default)]
struct Untold {
    networks: BTreeMap<&'static str, Vec<String>>,
    errors: Vec<String>,
}

impl Untold {
    fn network(&mut self, why: &'static str, guest: &Guest) {
        self.networks.entry(why).or_default().push(guest.title());
    }

    fn error(&mut self, more: More, error: &Error, guest: &Guest) {
        match (more, error.matched()) {
            (More::Network, Some(Matched::AgentNotConfigured)) => {
                self.network("its guest agent is not enabled", guest);
            }
            (More::Network, Some(Matched::AgentNotRunning | Matched::AgentTimeout)) => {
                self.network("its guest agent does not answer", guest);
            }
            (More::Network, Some(Matched::NotRunning)) => self.network("it does not run", guest),
            _ => {
                let what = format!(
                    "read the {} of {} `{}`",
                    more.key(),
                    guest.address.kind.noun(),
                    guest.title()
                );
                self.errors.push(fault::unable(&what, error).msg);
            }
        }
    }

    fn warnings(self) -> Vec<String> {
        self.networks
            .into_iter()
            .map(|(why, guests)| format!("no network is told where {why}: {}", guests.join(", ")))
            .chain(self.errors)
            .collect()
    }
}
