//! What the honest nodes saw, and their conversation.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use zre_core::{
    Event, ExitReason,
    proto::{PeerId, curve::PublicKey},
};

/// What is known of the honest nodes, shared by all that watch them.
#[derive(Debug)]
pub(crate) struct Log {
    honest: [PeerId; 3],
    victim: PeerId,
    epoch: Instant,
    over: AtomicBool,
    facts: Mutex<Facts>,
    changed: Condvar,
}

#[derive(Debug, Default)]
pub(crate) struct Facts {
    /// Which honest node has seen which enter.
    met: BTreeSet<(PeerId, PeerId)>,
    /// Those who come when the attack is on, as honest as the others.
    pub(crate) newcomers: BTreeSet<PeerId>,
    /// What the victim's application heard of others than the honest.
    pub(crate) seen: Vec<Seen>,
    /// Those of whose whispers there are so many that they are not noted.
    pub(crate) unheard: BTreeSet<PeerId>,
    /// What honest nodes saw beside their talk: of each other, and alice and bob of strangers.
    pub(crate) strays: u64,
    /// How many of these were exits of honest nodes.
    pub(crate) honest_exits: u64,
    /// The keys that the victim was told it refuses.
    pub(crate) refused: Vec<PublicKey>,
    /// The whispers of newcomers to the victim.
    pub(crate) heard: Vec<String>,
    /// What came to an honest node of what the victim shouts to [`FEED`].
    pub(crate) feed: Feed,
    /// How many bytes the large whispers of honest nodes had.
    pub(crate) large: Vec<usize>,
    pub(crate) talk: BTreeMap<(PeerId, PeerId), Talk>,
    pub(crate) victim_is_held: bool,
    /// What was sent to the victim before this had to wait for its application.
    pub(crate) forgiven_until: Duration,
    pub(crate) complaints: Vec<String>,
}

/// The whispers from one honest node to another.
#[derive(Debug, Clone, Default)]
pub(crate) struct Talk {
    pub(crate) sent: u64,
    pub(crate) received: u64,
    pub(crate) worst: Duration,
}

/// The group to which the victim shouts in some attacks.
pub(crate) const FEED: &str = "FEED";
/// A whisper of so many bytes is no part of the talk.
pub(crate) const LARGE: usize = 1 << 20;

/// The shouts of the victim that an honest member of its group has got.
#[derive(Debug, Clone, Default)]
pub(crate) struct Feed {
    pub(crate) received: u64,
    /// The longest time between two of them, and when the last one came.
    worst_gap: Duration,
    last: Option<Duration>,
}

impl Feed {
    /// The longest time without a shout until now; nothing if there has been none.
    pub(crate) fn worst_gap(&self, now: Duration) -> Duration {
        let current = self
            .last
            .map_or(Duration::ZERO, |last| now.saturating_sub(last));
        current.max(self.worst_gap)
    }
}

/// An event without its content: frames and bytes are only counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Seen {
    Enter(PeerId),
    Exit(PeerId, ExitReason),
    Join(PeerId, String),
    Leave(PeerId, String),
    Whisper(PeerId, usize, usize),
    Shout(PeerId, usize, usize),
    Quiet(PeerId),
    Skipped(PeerId),
}

impl Facts {
    /// Notes what went wrong; of thousands, the first few tell enough.
    pub(crate) fn complain(&mut self, complaint: String) {
        const KEPT: usize = 20;
        if self.complaints.len() < KEPT {
            self.complaints.push(complaint);
        }
    }

    fn note(&mut self, peer: PeerId, seen: Seen) {
        let is_whisper = matches!(seen, Seen::Whisper(..));
        if !is_whisper || !self.unheard.contains(&peer) {
            self.seen.push(seen);
        }
    }

    pub(crate) fn all_have_met(&self) -> bool {
        self.met.len() == 6
    }

    pub(crate) fn saw(&self, wanted: &Seen) -> bool {
        self.seen.contains(wanted)
    }

    pub(crate) fn count(&self, wanted: &Seen) -> usize {
        self.seen.iter().filter(|seen| *seen == wanted).count()
    }

    pub(crate) fn enters(&self) -> usize {
        let is_enter = |seen: &&Seen| matches!(seen, Seen::Enter(_));
        self.seen.iter().filter(is_enter).count()
    }

    pub(crate) fn all_exits(&self) -> usize {
        let is_exit = |seen: &&Seen| matches!(seen, Seen::Exit(..));
        self.seen.iter().filter(is_exit).count()
    }

    pub(crate) fn exits(&self, peer: PeerId) -> Vec<ExitReason> {
        let exit = |seen: &Seen| match seen {
            Seen::Exit(id, reason) if *id == peer => Some(reason.clone()),
            _ => None,
        };
        self.seen.iter().filter_map(exit).collect()
    }
}

impl Log {
    pub(crate) fn new(honest: [PeerId; 3]) -> Self {
        let [victim, ..] = honest;
        Self {
            honest,
            victim,
            epoch: Instant::now(),
            over: AtomicBool::new(false),
            facts: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    pub(crate) fn facts(&self) -> MutexGuard<'_, Facts> {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until it is so; says whether it is in time.
    pub(crate) fn wait(&self, within: Duration, condition: impl Fn(&Facts) -> bool) -> bool {
        let waited = self
            .changed
            .wait_timeout_while(self.facts(), within, |facts| !condition(facts));
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    /// Ends the talk.
    pub(crate) fn end(&self) {
        self.over.store(true, Ordering::SeqCst);
    }

    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    /// The time since the beginning, which whispers carry.
    pub(crate) fn now(&self) -> Duration {
        self.epoch.elapsed()
    }

    pub(crate) fn complain(&self, complaint: String) {
        self.change(|facts| facts.complain(complaint));
    }

    /// The text of the next whisper from one to the other.
    pub(crate) fn next_whisper(&self, number: u64) -> String {
        format!("{number} {}", self.now().as_micros())
    }

    pub(crate) fn whispered(&self, pair: (PeerId, PeerId), number: u64) {
        self.change(|facts| facts.talk.entry(pair).or_default().sent = number);
    }

    /// Takes an event of the honest node `at`.
    pub(crate) fn take(&self, at: PeerId, event: &Event) {
        if let Event::Refused { key, .. } = event {
            let is_victim = at == self.victim;
            return self.change(|facts| facts.refused.extend(is_victim.then_some(*key)));
        }
        let Some(peer) = peer_of(event) else {
            return;
        };
        let is_honest = self.honest.contains(&peer);
        match event {
            Event::Enter { .. } if is_honest => self.take_meeting(at, peer),
            Event::Join { group, .. } if is_honest && group.as_str() == Some(FEED) => {}
            Event::Shout { group, .. } if peer == self.victim && group.as_str() == Some(FEED) => {
                self.take_feed();
            }
            Event::Whisper { content, .. } if is_honest && content.byte_len() >= LARGE => {
                self.change(|facts| facts.large.push(content.byte_len()));
            }
            Event::Whisper { content, .. } if is_honest => {
                self.take_talk((peer, at), &content.to_string_lossy());
            }
            _ if !is_honest && at == self.victim => {
                if let Some(seen) = condense(peer, event) {
                    self.change(|facts| {
                        if let Event::Whisper { content, .. } = event
                            && facts.newcomers.contains(&peer)
                        {
                            facts.heard.push(content.to_string_lossy().into());
                        }
                        facts.note(peer, seen);
                    });
                }
            }
            _ => self.change(|facts| {
                if !facts.newcomers.contains(&peer) {
                    facts.strays += 1;
                    facts.honest_exits += u64::from(matches!(event, Event::Exit { .. }));
                    let (at, peer) = (self.name(at), self.name(peer));
                    let complaint = format!("{at} saw of {peer}: {event:?}");
                    facts.complain(complaint);
                }
            }),
        }
    }

    /// The slowest whisper of all, and whose it was.
    pub(crate) fn worst_delay(&self) -> (Duration, String) {
        let facts = self.facts();
        let worst = facts.talk.iter().max_by_key(|(_, talk)| talk.worst);
        let Some(((from, to), talk)) = worst else {
            return Default::default();
        };
        let (from, to) = (self.name(*from), self.name(*to));
        (talk.worst, format!("from {from} to {to}"))
    }

    pub(crate) fn name(&self, id: PeerId) -> &'static str {
        let names = ["victim", "alice", "bob"];
        let mut known = self.honest.iter().zip(names);
        let known = known.find(|(known, _)| **known == id);
        known.map_or("a stranger", |(_, name)| name)
    }

    fn take_meeting(&self, at: PeerId, peer: PeerId) {
        self.change(|facts| {
            if !facts.met.insert((at, peer)) {
                facts.strays += 1;
                let (at, peer) = (self.name(at), self.name(peer));
                let complaint = format!("{at} saw {peer} enter once more");
                facts.complain(complaint);
            }
        });
    }

    fn take_feed(&self) {
        let now = self.now();
        self.change(|facts| {
            let feed = &mut facts.feed;
            feed.received += 1;
            let before = feed.last.replace(now).unwrap_or(now);
            feed.worst_gap = feed.worst_gap.max(now.saturating_sub(before));
        });
    }

    fn take_talk(&self, pair: (PeerId, PeerId), text: &str) {
        let mut parts = text.split(' ').map(str::parse::<u64>);
        let (Some(Ok(number)), Some(Ok(sent_at))) = (parts.next(), parts.next()) else {
            return self.complain(format!("a whisper that nobody sent: {text:?}"));
        };
        let sent_at = Duration::from_micros(sent_at);
        let delay = self.now().saturating_sub(sent_at);
        let names = (self.name(pair.0), self.name(pair.1));
        self.change(|facts| {
            let forgiven = pair.1 == self.victim && sent_at <= facts.forgiven_until;
            let talk = facts.talk.entry(pair).or_default();
            let received = std::mem::replace(&mut talk.received, number);
            if number != received + 1 {
                let complaint = format!("{names:?}: whisper {number} came behind {received}");
                facts.complain(complaint);
            } else if !forgiven {
                talk.worst = talk.worst.max(delay);
            }
        });
    }

    fn change(&self, change: impl FnOnce(&mut Facts)) {
        change(&mut self.facts());
        self.changed.notify_all();
    }
}

pub(crate) fn peer_of(event: &Event) -> Option<PeerId> {
    match event {
        Event::Enter { peer, .. }
        | Event::Exit { peer, .. }
        | Event::Join { peer, .. }
        | Event::Leave { peer, .. }
        | Event::Whisper { peer, .. }
        | Event::Shout { peer, .. }
        | Event::Evasive { peer, .. }
        | Event::Silent { peer, .. }
        | Event::Skipped { peer, .. } => Some(*peer),
        _ => None,
    }
}

fn condense(peer: PeerId, event: &Event) -> Option<Seen> {
    Some(match event {
        Event::Enter { .. } => Seen::Enter(peer),
        Event::Exit { reason, .. } => Seen::Exit(peer, reason.clone()),
        Event::Join { group, .. } => Seen::Join(peer, group.to_string()),
        Event::Leave { group, .. } => Seen::Leave(peer, group.to_string()),
        Event::Whisper { content, .. } => Seen::Whisper(peer, content.len(), content.byte_len()),
        Event::Shout { content, .. } => Seen::Shout(peer, content.len(), content.byte_len()),
        Event::Evasive { .. } | Event::Silent { .. } => Seen::Quiet(peer),
        Event::Skipped { .. } => Seen::Skipped(peer),
        _ => return None,
    })
}
