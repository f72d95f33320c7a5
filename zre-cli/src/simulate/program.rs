//! What runs on the simulated nodes.

use std::time::Duration;

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{RngCore as _, SeedableRng as _},
};
use zre_sim::{
    App, Handle,
    core::{
        Event, Instant,
        proto::{Content, GroupName},
    },
};

/// A program that whispers and shouts at given rates, and counts what it sends.
#[derive(Debug)]
pub(super) struct Chatter {
    whispers: Rhythm,
    shouts: Rhythm,
    group: Option<GroupName>,
    size: usize,
    chance: ChaCha8Rng,
    /// How many messages it has sent; a shout counts once for each member.
    pub(super) sent: u64,
}

impl Chatter {
    pub(super) fn new(seed: u64, group: Option<GroupName>, rates: Rates) -> Self {
        Self {
            whispers: Rhythm::new(rates.whispers),
            shouts: Rhythm::new(rates.shouts),
            group,
            size: rates.size,
            chance: ChaCha8Rng::seed_from_u64(seed),
            sent: 0,
        }
    }

    /// Begins at a random moment within the first interval.
    pub(super) fn begin(&mut self, now: Instant) {
        for rhythm in [&mut self.whispers, &mut self.shouts] {
            rhythm.begin(now, &mut self.chance);
        }
    }

    fn whisper(&mut self, node: &mut Handle<'_>) {
        let peers = node.peers();
        let drawn = below(&mut self.chance, peers.len());
        if let Some(peer) = peers.get(drawn) {
            let content = self.content();
            // A peer that reads too slowly does not get this one.
            self.sent += u64::from(node.whisper(*peer, content).is_ok());
        }
    }

    fn shout(&mut self, node: &mut Handle<'_>) {
        if let Some(group) = self.group.clone() {
            let content = self.content();
            self.sent += node.shout(&group, content).unwrap_or(0) as u64;
        }
    }

    /// A message that differs from all others.
    fn content(&mut self) -> Content {
        let mut bytes = vec![b'.'; self.size];
        // Otherwise the checks could not see whether a message arrives twice.
        let mark = self.chance.next_u64().to_le_bytes();
        if let Some(head) = bytes.first_chunk_mut() {
            *head = mark;
        }
        bytes.into()
    }
}

impl App for Chatter {
    fn handle_event(&mut self, _: Event, _: &mut Handle<'_>) {}

    fn poll_timeout(&self) -> Option<Instant> {
        self.whispers.next.into_iter().chain(self.shouts.next).min()
    }

    fn handle_timeout(&mut self, node: &mut Handle<'_>) {
        let now = node.now();
        if self.whispers.is_due(now, &mut self.chance) {
            self.whisper(node);
        }
        if self.shouts.is_due(now, &mut self.chance) {
            self.shout(node);
        }
    }
}

/// How much it talks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rates {
    /// Per second.
    pub(super) whispers: f64,
    /// Per second.
    pub(super) shouts: f64,
    /// Bytes of a message; at least 8.
    pub(super) size: usize,
}

/// Something that is done again and again, at irregular intervals.
#[derive(Debug)]
struct Rhythm {
    interval: Option<Duration>,
    next: Option<Instant>,
}

impl Rhythm {
    fn new(rate: f64) -> Self {
        let interval = Duration::try_from_secs_f64(1.0 / rate).ok();
        Self {
            // With a rate of 0, or so low that the interval does not fit, it never happens.
            interval,
            next: None,
        }
    }

    fn begin(&mut self, now: Instant, chance: &mut ChaCha8Rng) {
        self.next = self.interval.map(|interval| now + up_to(interval, chance));
    }

    /// Whether it is time; then the next time is set, half an interval to one and a half from now.
    fn is_due(&mut self, now: Instant, chance: &mut ChaCha8Rng) -> bool {
        let is_due = self.next.is_some_and(|next| next <= now);
        if is_due {
            let next = |interval| now + interval / 2 + up_to(interval, chance);
            self.next = self.interval.map(next);
        }
        is_due
    }
}

/// A time that is not zero, and not much longer than the interval.
fn up_to(interval: Duration, chance: &mut ChaCha8Rng) -> Duration {
    let micros = u64::try_from(interval.as_micros()).unwrap_or(u64::MAX);
    Duration::from_micros(chance.next_u64() % micros.max(1) + 1)
}

/// A number below `bound`, or 0.
pub(super) fn below(chance: &mut ChaCha8Rng, bound: usize) -> usize {
    let drawn = chance.next_u64() % (bound.max(1) as u64);
    usize::try_from(drawn).unwrap_or(0)
}
