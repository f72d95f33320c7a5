//! The work of the dealer programs: requests, answers, and which client has which request.
//!
//! [`WorkQueue`] is a small state machine in the style of the core. The caller tells it what
//! happened and what time it is, and it says what to send. So the blocking and the async dealer
//! share it, and its tests need no network.

use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use zre_core::proto::{Content, PeerId};

/// The group of the clients.
pub const GROUP: &str = "ADDERS";

/// The header by which clients recognise a dealer.
pub const ROLE: (&str, &str) = ("X-ROLE", "dealer");

/// Numbers to add. A dealer sends it to a client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// The answer has the same id.
    pub id: u64,
    /// The numbers to add.
    pub numbers: Vec<i64>,
}

/// The sum. A client sends it to the dealer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The id of the request.
    pub id: u64,
    /// The sum of its numbers.
    pub sum: i64,
}

impl Request {
    /// The message to a client: one frame of JSON.
    pub fn to_content(&self) -> Content {
        serde_json::to_vec(self).unwrap_or_default().into()
    }

    /// Reads a whisper; `None` if it is not a request. Any peer can send anything.
    pub fn from_content(content: &Content) -> Option<Self> {
        serde_json::from_slice(content.frame(0)?).ok()
    }

    /// Does the work.
    pub fn answer(&self) -> Answer {
        let sum = self
            .numbers
            .iter()
            .fold(0_i64, |sum, number| sum.saturating_add(*number));
        Answer { id: self.id, sum }
    }
}

impl Answer {
    /// The message to the dealer: one frame of JSON.
    pub fn to_content(&self) -> Content {
        serde_json::to_vec(self).unwrap_or_default().into()
    }

    /// Reads a whisper; `None` if it is not an answer.
    pub fn from_content(content: &Content) -> Option<Self> {
        serde_json::from_slice(content.frame(0)?).ok()
    }
}

/// A request that is to be sent to a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// The client whose turn it is.
    pub client: PeerId,
    /// The request.
    pub request: Request,
}

/// Assigns requests to clients in turn, and to others when a client dies or does not answer in
/// time.
#[derive(Debug)]
pub struct WorkQueue {
    patience: Duration,
    /// The client whose turn it is comes first.
    clients: VecDeque<PeerId>,
    waiting: VecDeque<Request>,
    assigned: BTreeMap<u64, Assigned>,
    answers: BTreeMap<u64, Answer>,
}

#[derive(Debug)]
struct Assigned {
    to: PeerId,
    until: Instant,
    request: Request,
}

impl WorkQueue {
    /// Makes this many requests. A client has `patience` to answer one.
    pub fn new(count: u64, patience: Duration) -> Self {
        let request = |id: u64| Request {
            id,
            numbers: (0..=id.cast_signed()).collect(),
        };
        Self {
            patience,
            clients: VecDeque::new(),
            waiting: (1..=count).map(request).collect(),
            assigned: BTreeMap::new(),
            answers: BTreeMap::new(),
        }
    }

    /// Adds a client that has joined the group.
    pub fn add_client(&mut self, client: PeerId) {
        if !self.clients.contains(&client) {
            self.clients.push_back(client);
        }
    }

    /// Removes a peer that has left the group or is gone. Its unanswered requests go to others.
    ///
    /// Returns how many requests these are; `None` if the peer was not a client.
    pub fn remove_client(&mut self, peer: PeerId) -> Option<usize> {
        let place = self.clients.iter().position(|client| *client == peer)?;
        self.clients.remove(place);
        Some(self.take_back(|assigned| assigned.to == peer))
    }

    /// Takes back the requests whose time is over, for other clients. Returns how many these are.
    pub fn handle_timeout(&mut self, now: Instant) -> usize {
        self.take_back(|assigned| assigned.until <= now)
    }

    /// When [`handle_timeout`](Self::handle_timeout) has something to do.
    pub fn next_timeout(&self) -> Option<Instant> {
        self.assigned.values().map(|assigned| assigned.until).min()
    }

    /// Assigns the next request; `None` if no request waits or there is no client.
    pub fn next_assignment(&mut self, now: Instant) -> Option<Assignment> {
        let client = *self.clients.front()?;
        let request = self.waiting.pop_front()?;
        self.clients.rotate_left(1);
        let assigned = Assigned {
            to: client,
            until: now + self.patience,
            request: request.clone(),
        };
        self.assigned.insert(request.id, assigned);
        Some(Assignment { client, request })
    }

    /// Takes an answer. Only the first answer to a request counts; returns `false` for any other.
    pub fn answered(&mut self, answer: Answer) -> bool {
        let id = answer.id;
        // A request that was taken back can still be answered while it waits for another client.
        let was_waiting = self.waiting.iter().position(|request| request.id == id);
        let waited = was_waiting.and_then(|place| self.waiting.remove(place));
        let is_wanted = self.assigned.remove(&id).is_some() || waited.is_some();
        if is_wanted {
            self.answers.insert(id, answer);
        }
        is_wanted
    }

    /// The answers so far, in the order of the requests.
    pub fn answers(&self) -> impl Iterator<Item = &Answer> {
        self.answers.values()
    }

    /// How many clients there are.
    pub fn clients(&self) -> usize {
        self.clients.len()
    }

    /// How many requests have no answer yet.
    pub fn unanswered(&self) -> usize {
        self.waiting.len() + self.assigned.len()
    }

    fn take_back(&mut self, is_taken: impl Fn(&Assigned) -> bool) -> usize {
        let (taken, kept): (BTreeMap<_, _>, BTreeMap<_, _>) = std::mem::take(&mut self.assigned)
            .into_iter()
            .partition(|(_, assigned)| is_taken(assigned));
        self.assigned = kept;
        let count = taken.len();
        for assigned in taken.into_values().rev() {
            self.waiting.push_front(assigned.request);
        }
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(1);

    fn client(number: u8) -> PeerId {
        [number; 16].into()
    }

    fn assignments(work: &mut WorkQueue, now: Instant) -> Vec<(PeerId, u64)> {
        std::iter::from_fn(|| work.next_assignment(now))
            .map(|assignment| (assignment.client, assignment.request.id))
            .collect()
    }

    #[test]
    fn clients_take_turns() {
        let mut work = WorkQueue::new(3, PATIENCE);
        let now = Instant::now();
        assert_eq!(assignments(&mut work, now), []);
        work.add_client(client(1));
        work.add_client(client(2));
        let expected = [(client(1), 1), (client(2), 2), (client(1), 3)];
        assert_eq!(assignments(&mut work, now), expected);
    }

    #[test]
    fn the_requests_of_a_dead_client_go_to_the_others() {
        let mut work = WorkQueue::new(4, PATIENCE);
        let now = Instant::now();
        work.add_client(client(1));
        work.add_client(client(2));
        assignments(&mut work, now);
        assert!(work.answered(Answer { id: 1, sum: 1 }));
        assert_eq!(work.remove_client(client(1)), Some(1));
        assert_eq!(work.remove_client(client(1)), None);
        assert_eq!(assignments(&mut work, now), [(client(2), 3)]);
        assert_eq!(work.unanswered(), 3);
    }

    #[test]
    fn a_late_answer_counts_once() {
        let mut work = WorkQueue::new(1, PATIENCE);
        let now = Instant::now();
        work.add_client(client(1));
        assignments(&mut work, now);
        assert_eq!(work.next_timeout(), Some(now + PATIENCE));
        assert_eq!(work.handle_timeout(now + PATIENCE), 1);
        assert!(work.answered(Answer { id: 1, sum: 1 }));
        assert!(!work.answered(Answer { id: 1, sum: 1 }));
        assert_eq!(work.unanswered(), 0);
    }

    #[test]
    fn requests_are_sent_as_json() {
        let request = Request {
            id: 7,
            numbers: vec![1, -2],
        };
        let content = request.to_content();
        assert_eq!(content.to_string_lossy(), r#"{"id":7,"numbers":[1,-2]}"#);
        assert_eq!(Request::from_content(&content), Some(request));
        assert_eq!(Request::from_content(&"hello".into()), None);
    }
}
