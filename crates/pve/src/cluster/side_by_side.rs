//! Several questions at once.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use crate::call::Call;

/// How many of a node's guest agents are asked at once. Its API has three workers,
/// and one of them waits with us for an agent, for seconds where it is not there:
/// more would keep questions about other guests waiting beyond their time.
const AGENTS_OF_A_NODE: usize = 3;

/// Asks so many at once, in their order as far as their nodes allow it, and gives
/// the answers in that order. `agent_on` is [`agent_on`] of a question's call.
pub(super) fn ask<Q: Sync, T: Send>(
    questions: &[Q],
    parallel: usize,
    agent_on: impl Fn(&Q) -> Option<String>,
    ask: impl Fn(&Q) -> T + Sync,
) -> Vec<T> {
    let workers = parallel.min(questions.len());
    if workers <= 1 {
        return questions.iter().map(ask).collect();
    }
    let queue = Mutex::new(Queue::new(questions.iter().map(agent_on)));
    let lock = || queue.lock().unwrap_or_else(PoisonError::into_inner);
    let next = || lock().next();
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                // What waits when nothing can be asked waits for an agent that is being
                // asked already: whoever does that goes on with it.
                while let Some(question) = next() {
                    let answer = ask(&questions[question.index]);
                    lock().done(&question, answer);
                }
            });
        }
    });
    let mut answers = std::mem::take(&mut lock().answers);
    answers.sort_unstable_by_key(|(index, _)| *index);
    answers.into_iter().map(|(_, answer)| answer).collect()
}

struct Question {
    index: usize,
    agent_on: Option<String>,
}

struct Queue<T> {
    waiting: VecDeque<Question>,
    /// How many agents of a node are being asked.
    agents: HashMap<String, usize>,
    answers: Vec<(usize, T)>,
}

impl<T> Queue<T> {
    /// Of questions for the guest agents of these nodes, or for none.
    fn new(agents_on: impl Iterator<Item = Option<String>>) -> Self {
        let waiting: VecDeque<Question> = agents_on
            .enumerate()
            .map(|(index, agent_on)| Question { index, agent_on })
            .collect();
        Self {
            agents: HashMap::new(),
            answers: Vec::with_capacity(waiting.len()),
            waiting,
        }
    }

    fn next(&mut self) -> Option<Question> {
        let at = self.waiting.iter().position(|question| {
            let agent_on = question.agent_on.as_ref();
            let asked = agent_on.and_then(|node| self.agents.get(node));
            asked.is_none_or(|asked| *asked < AGENTS_OF_A_NODE)
        })?;
        let question = self.waiting.remove(at)?;
        if let Some(node) = &question.agent_on {
            *self.agents.entry(node.clone()).or_default() += 1;
        }
        Some(question)
    }

    fn done(&mut self, question: &Question, answer: T) {
        let agent_on = question.agent_on.as_ref();
        if let Some(asked) = agent_on.and_then(|node| self.agents.get_mut(node)) {
            *asked -= 1;
        }
        self.answers.push((question.index, answer));
    }
}

/// The node whose guest agent a call is for: `/nodes/{node}/qemu/{vmid}/agent/…`.
pub(super) fn agent_on(call: &Call) -> Option<String> {
    let agent = call.path.plain().split('/').nth(5) == Some("agent");
    agent.then(|| call.path.node().map(str::to_owned)).flatten()
}

#[cfg(test)]
mod tests {
    use super::{Queue, agent_on, ask};
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
            let answers = ask(&calls, parallel, agent_on, Call::to_string);
            assert_eq!(answers, asked, "{parallel}");
        }
        assert!(ask(&[], 4, agent_on, Call::to_string).is_empty());
    }

    #[test]
    fn an_agent_waits_for_a_worker_of_its_node_and_keeps_nothing_else_waiting() {
        let mut calls: Vec<Call> = (100..110)
            .map(|vmid| guest("pve1", vmid).interfaces())
            .collect();
        calls.push(guest("pve2", 200).interfaces());
        calls.push(guest("pve1", 100).config());
        let mut queue = Queue::new(calls.iter().map(agent_on));
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
