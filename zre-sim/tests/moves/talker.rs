//! A program that whispers numbers to everybody, and the account of what was said and heard.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc, time::Duration};

use zre_sim::{
    App, Handle,
    core::{
        Event, Instant,
        proto::{Content, PeerId},
    },
};

/// How often each peer is told the next number.
const INTERVAL: Duration = Duration::from_millis(250);

/// Tells each peer 0, 1, 2 and so on, until it is to be quiet.
pub(crate) struct Talker {
    name: String,
    ledger: Ledger,
    peers: BTreeMap<PeerId, String>,
    next_at: Instant,
}

/// What all have said and heard, by who said it to whom.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ledger(Rc<RefCell<Accounts>>);

#[derive(Debug, Default)]
struct Accounts {
    by_pair: BTreeMap<(String, String), Account>,
    is_quiet: bool,
}

/// What one said to another.
#[derive(Debug, Default)]
pub(crate) struct Account {
    /// When each number was accepted.
    said: Vec<Instant>,
    heard: Vec<usize>,
    /// The sessions that the one who says it has had, in order.
    pub(crate) sessions: Vec<Session>,
}

#[derive(Debug)]
pub(crate) struct Session {
    first: usize,
    /// The number behind the last one, and how many the end of the session says were not confirmed.
    end: Option<(usize, u64)>,
}

impl Talker {
    pub(crate) fn new(name: &str, ledger: &Ledger) -> Self {
        Self {
            name: name.into(),
            ledger: ledger.clone(),
            peers: BTreeMap::new(),
            next_at: Instant::default(),
        }
    }
}

impl App for Talker {
    fn handle_event(&mut self, event: Event, _: &mut Handle<'_>) {
        let other = |name: &[u8]| String::from_utf8_lossy(name).into_owned();
        match event {
            Event::Enter { peer, name, .. } => {
                let name = other(name.as_bytes());
                self.ledger.account(&self.name, &name, Account::begin);
                self.peers.insert(peer, name);
            }
            Event::Exit {
                peer, unconfirmed, ..
            } => {
                let name = self.peers.remove(&peer).unwrap();
                let end = |account: &mut Account| account.end(unconfirmed);
                self.ledger.account(&self.name, &name, end);
            }
            Event::Whisper { name, content, .. } => {
                let number = content.to_string_lossy().parse().unwrap();
                let hear = |account: &mut Account| account.heard.push(number);
                self.ledger
                    .account(&other(name.as_bytes()), &self.name, hear);
            }
            _ => {}
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        (!self.ledger.0.borrow().is_quiet).then_some(self.next_at)
    }

    fn handle_timeout(&mut self, node: &mut Handle<'_>) {
        for (peer, name) in &self.peers {
            let next = self
                .ledger
                .account(&self.name, name, |account| account.said.len());
            // It may be full, or the node may wait for its answer: then it was not accepted.
            if node.whisper(*peer, Content::from(next.to_string())).is_ok() {
                let at = node.now();
                self.ledger
                    .account(&self.name, name, |account| account.said.push(at));
            }
        }
        self.next_at = node.now() + INTERVAL;
    }
}

impl Ledger {
    /// From now on nobody says anything.
    pub(crate) fn be_quiet(&self) {
        self.0.borrow_mut().is_quiet = true;
    }

    /// Does something with what one says to another.
    pub(crate) fn account<T>(
        &self,
        from: &str,
        to: &str,
        act: impl FnOnce(&mut Account) -> T,
    ) -> T {
        let pair = (from.to_owned(), to.to_owned());
        act(self.0.borrow_mut().by_pair.entry(pair).or_default())
    }

    /// Does something with everything that anybody said.
    pub(crate) fn for_each(&self, mut act: impl FnMut(&str, &str, &Account)) {
        for ((from, to), account) in &self.0.borrow().by_pair {
            act(from, to, account);
        }
    }
}

impl Account {
    fn begin(&mut self) {
        let first = self.said.len();
        self.sessions.push(Session { first, end: None });
    }

    fn end(&mut self, unconfirmed: u64) {
        let end = self.said.len();
        self.sessions.last_mut().unwrap().end = Some((end, unconfirmed));
    }

    /// Whether something was heard that was said at this time or later.
    pub(crate) fn is_heard_since(&self, at: Instant) -> bool {
        self.heard.iter().any(|number| self.said[*number] >= at)
    }

    /// The sessions in which something was lost that nobody was told of.
    pub(crate) fn losses(&self) -> Vec<String> {
        let losses = self.sessions.iter().filter_map(|session| {
            let (end, told) = session.end.unwrap_or((self.said.len(), 0));
            let heard = self.heard.iter();
            let heard = heard.filter(|number| (session.first..end).contains(number));
            let lost = (end - session.first - heard.count()) as u64;
            (lost > told).then(|| format!("of {session:?}, {lost} are lost"))
        });
        losses.collect()
    }
}
