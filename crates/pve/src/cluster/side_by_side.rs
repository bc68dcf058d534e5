//! Several questions at once.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use crate::call::Call;

/// How many of a node's guest agents are asked at once. Its API has three workers,
/// and one of them waits with us for an agent, for seconds where it is not there:
/// more would keep questions about other guests waiting beyond their time.
const AGENTS_OF_A_NODE: usize = 3;

/// Asks so many at once, in their order as far as their nodes allow it, and gives
/// the answers in that order.
pub(super) fn ask<T: Send>(
    calls: &[Call],
    parallel: usize,
    ask: impl Fn(&Call) -> T + Sync,
) -> Vec<T> {
    let workers = parallel.min(calls.len());
    if workers <= 1 {
        return calls.iter().map(ask).collect();
    }
    let queue = Mutex::new(Queue::new(calls));
    let lock = || queue.lock().unwrap_or_else(PoisonError::into_inner);
    let next = || lock().next();
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                // What waits when nothing can be asked waits for an agent that is being
                // asked already: whoever does that goes on with it.
                while let Some(question) = next() {
                    let answer = ask(question.call);
                    lock().done(&question, answer);
                }
            });
        }
    });
    let mut answers = std::mem::take(&mut lock().answers);
    answers.sort_unstable_by_key(|(index, _)| *index);
    answers.into_iter().map(|(_, answer)| answer).collect()
}

struct Question<'a> {
    index: usize,
    call: &'a Call,
    /// The node, where a guest agent is asked.
    agent_on: Option<&'a str>,
}

struct Queue<'a, T> {
    waiting: VecDeque<Question<'a>>,
    /// How many agents of a node are being asked.
    agents: HashMap<&'a str, usize>,
    answers: Vec<(usize, T)>,
}

impl<'a, T> Queue<'a, T> {
    fn new(calls: &'a [Call]) -> Self {
        let questions = calls.iter().enumerate().map(|(index, call)| Question {
            index,
            call,
            agent_on: agent_on(call),
        });
        Self {
            waiting: questions.collect(),
            agents: HashMap::new(),
            answers: Vec::with_capacity(calls.len()),
        }
    }

    fn next(&mut self) -> Option<Question<'a>> {
        let at = self.waiting.iter().position(|question| {
            let asked = question.agent_on.and_then(|node| self.agents.get(node));
            asked.is_none_or(|asked| *asked < AGENTS_OF_A_NODE)
        })?;
        let question = self.waiting.remove(at)?;
        if let Some(node) = question.agent_on {
            *self.agents.entry(node).or_default() += 1;
        }
        Some(question)
    }

    fn done(&mut self, question: &Question<'a>, answer: T) {
        let asked = question.agent_on.and_then(|node| self.agents.get_mut(node));
        if let Some(asked) = asked {
            *asked -= 1;
        }
        self.answers.push((question.index, answer));
    }
}

/// The node whose guest agent a question is for: `/nodes/{node}/qemu/{vmid}/agent/…`.
fn agent_on(call: &Call) -> Option<&str> {
    let agent = call.path.plain().split('/').nth(5) == Some("agent");
    agent.then(|| call.path.node()).flatten()
}

#[cfg(test)]
mod tests {
    use super::{Queue, ask};
    use crate::call::Call;
    use crate::nodes::guest::{Address, GuestKind};

    fn guest(node: &str, vmid: u32) -> Address {
        Address {
            node: node.to_owned(),
            kind: GuestKind::Qemu,
            vmid,
        }
    }

    #[test]
    fn answers_come_in_the_order_of_the_questions() {
        let calls: Vec<Call> = (100..150)
            .flat_map(|vmid| {
                let (one, other) = (guest("pve1", vmid), guest("pve2", vmid));
                [one.interfaces(), one.config(), other.interfaces()]
            })
            .collect();
        let asked: Vec<String> = calls.iter().map(Call::to_string).collect();
        for parallel in [1, 2, 7, 100] {
            assert_eq!(ask(&calls, parallel, Call::to_string), asked, "{parallel}");
        }
        assert!(ask(&[], 4, Call::to_string).is_empty());
    }

    #[test]
    fn an_agent_waits_for_a_worker_of_its_node_and_keeps_nothing_else_waiting() {
        let mut calls: Vec<Call> = (100..110)
            .map(|vmid| guest("pve1", vmid).interfaces())
            .collect();
        calls.push(guest("pve2", 200).interfaces());
        calls.push(guest("pve1", 100).config());
        let mut queue = Queue::new(&calls);
        let mut asked: Vec<_> = std::iter::from_fn(|| queue.next()).collect();
        let at_once: Vec<usize> = asked.iter().map(|question| question.index).collect();
        assert_eq!(at_once, [0, 1, 2, 10, 11]);

        // Another node's answer frees nothing here, one of its own one place.
        for (index, next) in [(11, None), (10, None), (1, Some(3)), (0, Some(4))] {
            let at = asked.iter().position(|question| question.index == index);
            queue.done(&asked.remove(at.unwrap()), ());
            assert_eq!(queue.next().map(|question| question.index), next, "{index}");
        }
    }
}
