//! The work of the dealer programs: requests, answers, and who has which request.
//!
//! This is a small state machine in the manner of the core: it is told what happened and what time it is,
//! and says what to send. So the dealer on threads and the dealer on tasks share it, and it is tested with neither.

use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use zre_core::proto::{Content, PeerId};

/// The group whose members take requests.
pub const GROUP: &str = "ADDERS";

/// The header by which clients know a dealer.
pub const ROLE: (&str, &str) = ("X-ROLE", "dealer");

/// Numbers to add, as a dealer sends them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Comes back in the answer.
    pub id: u64,
    /// What to add.
    pub numbers: Vec<i64>,
}

/// Their sum, as a client sends it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The request's.
    pub id: u64,
    /// The sum of its numbers.
    pub sum: i64,
}

impl Request {
    /// What to whisper to a client: one frame of JSON.
    pub fn to_content(&self) -> Content {
        serde_json::to_vec(self).unwrap_or_default().into()
    }

    /// Reads a whisper; `None` if it is no request. Anybody on the network can send anything.
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
    /// What to whisper to the dealer: one frame of JSON.
    pub fn to_content(&self) -> Content {
        serde_json::to_vec(self).unwrap_or_default().into()
    }

    /// Reads a whisper; `None` if it is no answer.
    pub fn from_content(content: &Content) -> Option<Self> {
        serde_json::from_slice(content.frame(0)?).ok()
    }
}

/// A request that is to be sent to a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hand {
    /// The client whose turn it is.
    pub client: PeerId,
    /// What it gets.
    pub request: Request,
}

/// Hands requests to clients in turn, and again to others when one dies or does not answer in time.
#[derive(Debug)]
pub struct Dealing {
    patience: Duration,
    /// Begins with the client whose turn it is.
    clients: VecDeque<PeerId>,
    waiting: VecDeque<Request>,
    handed: BTreeMap<u64, Handed>,
    answers: BTreeMap<u64, Answer>,
}

#[derive(Debug)]
struct Handed {
    to: PeerId,
    until: Instant,
    request: Request,
}

impl Dealing {
    /// So many requests, for each of which a client has so much time.
    pub fn new(count: u64, patience: Duration) -> Self {
        let request = |id: u64| Request {
            id,
            numbers: (0..=id.cast_signed()).collect(),
        };
        Self {
            patience,
            clients: VecDeque::new(),
            waiting: (1..=count).map(request).collect(),
            handed: BTreeMap::new(),
            answers: BTreeMap::new(),
        }
    }

    /// A client has joined the group. It gets requests from now on.
    pub fn client_came(&mut self, client: PeerId) {
        if !self.clients.contains(&client) {
            self.clients.push_back(client);
        }
    }

    /// A peer has left the group, or is gone. What it had not answered is for others.
    ///
    /// Says how many requests that were; `None` if it was no client.
    pub fn client_left(&mut self, peer: PeerId) -> Option<usize> {
        let place = self.clients.iter().position(|client| *client == peer)?;
        self.clients.remove(place);
        Some(self.take_back(|handed| handed.to == peer))
    }

    /// Takes back the requests whose time has passed, for others; says how many they are.
    pub fn handle_timeout(&mut self, now: Instant) -> usize {
        self.take_back(|handed| handed.until <= now)
    }

    /// When [`handle_timeout`](Self::handle_timeout) has something to do.
    pub fn next_timeout(&self) -> Option<Instant> {
        self.handed.values().map(|handed| handed.until).min()
    }

    /// Takes the next request to send, as long as there are requests and clients.
    pub fn next_hand(&mut self, now: Instant) -> Option<Hand> {
        let client = *self.clients.front()?;
        let request = self.waiting.pop_front()?;
        self.clients.rotate_left(1);
        let handed = Handed {
            to: client,
            until: now + self.patience,
            request: request.clone(),
        };
        self.handed.insert(request.id, handed);
        Some(Hand { client, request })
    }

    /// An answer came. The first counts; `false` for one that nobody waits for any more.
    pub fn answered(&mut self, answer: Answer) -> bool {
        let id = answer.id;
        // One whose time was over may still be answered while it waits for another client.
        let was_waiting = self.waiting.iter().position(|request| request.id == id);
        let waited = was_waiting.and_then(|place| self.waiting.remove(place));
        let is_wanted = self.handed.remove(&id).is_some() || waited.is_some();
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
        self.waiting.len() + self.handed.len()
    }

    fn take_back(&mut self, is_taken: impl Fn(&Handed) -> bool) -> usize {
        let (taken, kept): (BTreeMap<_, _>, BTreeMap<_, _>) = std::mem::take(&mut self.handed)
            .into_iter()
            .partition(|(_, handed)| is_taken(handed));
        self.handed = kept;
        let count = taken.len();
        for handed in taken.into_values().rev() {
            self.waiting.push_front(handed.request);
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

    fn hands(dealing: &mut Dealing, now: Instant) -> Vec<(PeerId, u64)> {
        std::iter::from_fn(|| dealing.next_hand(now))
            .map(|hand| (hand.client, hand.request.id))
            .collect()
    }

    #[test]
    fn clients_take_turns() {
        let mut dealing = Dealing::new(3, PATIENCE);
        let now = Instant::now();
        assert_eq!(hands(&mut dealing, now), []);
        dealing.client_came(client(1));
        dealing.client_came(client(2));
        let expected = [(client(1), 1), (client(2), 2), (client(1), 3)];
        assert_eq!(hands(&mut dealing, now), expected);
    }

    #[test]
    fn what_a_dead_client_had_goes_to_the_others() {
        let mut dealing = Dealing::new(4, PATIENCE);
        let now = Instant::now();
        dealing.client_came(client(1));
        dealing.client_came(client(2));
        hands(&mut dealing, now);
        assert!(dealing.answered(Answer { id: 1, sum: 1 }));
        assert_eq!(dealing.client_left(client(1)), Some(1));
        assert_eq!(dealing.client_left(client(1)), None);
        assert_eq!(hands(&mut dealing, now), [(client(2), 3)]);
        assert_eq!(dealing.unanswered(), 3);
    }

    #[test]
    fn a_late_answer_counts_once() {
        let mut dealing = Dealing::new(1, PATIENCE);
        let now = Instant::now();
        dealing.client_came(client(1));
        hands(&mut dealing, now);
        assert_eq!(dealing.next_timeout(), Some(now + PATIENCE));
        assert_eq!(dealing.handle_timeout(now + PATIENCE), 1);
        assert!(dealing.answered(Answer { id: 1, sum: 1 }));
        assert!(!dealing.answered(Answer { id: 1, sum: 1 }));
        assert_eq!(dealing.unanswered(), 0);
    }

    #[test]
    fn requests_cross_as_json() {
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
