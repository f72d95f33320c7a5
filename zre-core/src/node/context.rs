//! Everything that a rule may touch besides its peer.

use alloc::{collections::VecDeque, vec::Vec};
use core::{num::NonZeroU16, time::Duration};

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{RngCore as _, SeedableRng as _},
};
use zre_proto::{Beacon, Content, Endpoint, Hello, PeerId, ShortText};

use super::{
    answered::Answered, networks::Networks, output::NodeOutput, place::is_link_local,
    refusals::Refusals, strangers::Strangers, told::Told, tuples::Changes,
};
use crate::{
    backlog::{Backlog, Patience},
    config::{Beacons, Config},
    deadlines::Deadlines,
    error::Error,
    event::{Event, ExitReason},
    interfaces::NetworkId,
    notice::Notices,
    requests::Requests,
    seed::Seed,
    time::Instant,
};

/// How often a peer that may be gone is asked (PING), and how long it usually has for an answer.
pub(super) const PING_INTERVAL: Duration = Duration::from_secs(1);

/// The shortest time of a timer: no setting makes one spin.
pub(super) const MIN_INTERVAL: Duration = Duration::from_millis(1);

/// So many beacons follow soon on the first on a network that has come while the node runs.
const QUICK_BEACONS: u8 = 3;
/// How soon.
const QUICK: Duration = Duration::from_millis(250);

/// The node's own state, its clock and its queues.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub(super) struct NodeContext {
    pub(super) config: Config,
    pub(super) id: PeerId,
    /// What the node says of itself to each peer that it meets.
    /// Its endpoint is that of [`networks`](Self::networks).
    pub(super) own: Hello,
    pub(super) networks: Networks,
    pub(super) now: Instant,
    pub(super) deadlines: Deadlines<NodeTimer>,
    pub(super) outputs: VecDeque<NodeOutput>,
    pub(super) events: Backlog,
    pub(super) requests: Requests,
    pub(super) notices: Notices,
    /// What all peers have told of themselves.
    pub(super) told: Told,
    /// The highest number of a PING to any peer so far.
    pub(super) last_ping: u64,
    /// What was answered in sessions that are over.
    pub(super) answered: Answered,
    pub(super) refusals: Refusals,
    pub(super) strangers: Strangers,
    /// Whether the timer to ask for confirmations runs.
    pub(super) awaits_confirmation: bool,
    /// How many of the next beacons come sooner than others.
    quick_beacons: u8,
    /// When a timer came late: this node slept, and what came meanwhile may lie unread.
    woke_at: Option<Instant>,
    /// Which peers have come and gone, if anybody wants to know.
    pub(super) changes: Option<Changes>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum NodeTimer {
    Beacon,
    /// Looks for silence among the peers that have no timer of their own.
    Silence,
    Peer(PeerId),
    /// Asks the peers that have been sent something whether it has come.
    Confirmation,
    /// Goes on with elections in which somebody does not answer.
    Election,
    /// Ends the requests that have not been answered in time.
    Request,
}

impl NodeContext {
    pub(super) fn new(config: Config, seed: &Seed, now: Instant) -> Self {
        let id = config.id.unwrap_or_else(|| random_id(seed));
        let own = Hello {
            name: config.name.clone().unwrap_or_else(|| default_name(id)),
            ..config.hello()
        };
        Self {
            id,
            own,
            networks: Networks::new(&config),
            now,
            deadlines: Deadlines::new(),
            outputs: VecDeque::new(),
            events: Backlog::new(&config.limits),
            requests: Requests::new(random_start(seed)),
            notices: Notices::default(),
            told: Told::default(),
            last_ping: 0,
            answered: Answered::default(),
            refusals: Refusals::default(),
            strangers: Strangers::default(),
            awaits_confirmation: false,
            quick_beacons: 0,
            woke_at: None,
            changes: None,
            config,
        }
    }

    /// Time does not go backwards.
    pub(super) fn advance(&mut self, now: Instant) {
        self.now = self.now.max(now);
    }

    /// Timers are about to fire.
    pub(super) fn note_timeout(&mut self) {
        let next = self.deadlines.next();
        if next.is_some_and(|next| self.now.since(next) >= PING_INTERVAL) {
            self.woke_at = Some(self.now);
        }
    }

    /// Until when what came while this node slept may lie unread, if it has just slept.
    pub(super) fn unread_until(&self) -> Option<Instant> {
        let until = self.woke_at? + PING_INTERVAL;
        (self.now < until).then_some(until)
    }

    /// Broadcasts the node's beacon and sets the timer for the next.
    pub(super) fn announce(&mut self) {
        self.announce_on(|_| true);
        // This comes once a second, often enough to give back what a burst of events took.
        self.events.release_memory();
        let mut interval = self.config.beacon_interval.max(MIN_INTERVAL);
        if self.quick_beacons > 0 {
            self.quick_beacons -= 1;
            interval = interval.min(QUICK);
        }
        // From now on and not from when it was due: beacons that were slept over are not sent.
        self.deadlines.set(NodeTimer::Beacon, self.now + interval);
    }

    /// Sends the node's beacon on some networks.
    pub(super) fn announce_on(&mut self, is_meant: impl Fn(NetworkId) -> bool) {
        let announced: Vec<_> = self.networks.announced().collect();
        for (network, port) in announced {
            if is_meant(network) {
                self.send_beacon(network, Some(port));
            }
        }
    }

    /// A network has come. What is sent first on it may be lost, as while a switch learns of a host
    /// whose link has just come up. So the next beacons come soon.
    pub(super) fn hurry_beacons(&mut self) {
        self.quick_beacons = QUICK_BEACONS;
        self.deadlines
            .set_earlier(NodeTimer::Beacon, self.now + QUICK);
    }

    /// Says goodbye on all networks.
    pub(super) fn say_goodbye(&mut self) {
        let announced: Vec<_> = self.networks.announced().collect();
        for (network, _) in announced {
            self.send_beacon(network, None);
        }
    }

    /// Sends a beacon; one without a port is a goodbye (RFC 36, "Node Discovery").
    fn send_beacon(&mut self, network: NetworkId, port: Option<NonZeroU16>) {
        if self.config.beacons == Beacons::Off {
            return;
        }
        let security = self.config.security.as_ref();
        let beacon = Beacon {
            peer: self.id,
            port,
            // Without a key it is a beacon of version 1, which every implementation reads.
            public_key: security.map(|security| security.keypair.public()),
        };
        let output = NodeOutput::Beacon { network, beacon };
        self.outputs.push_back(output);
    }

    /// What the node says of itself to a peer at this place.
    pub(super) fn hello_for(&self, place: &Endpoint) -> Hello {
        Hello {
            endpoint: self.networks.endpoint_for(place).clone(),
            ..self.own.clone()
        }
    }

    /// A deadline in this time, which stands still while the peer is not read.
    pub(super) fn patience(&self, time: Duration) -> Patience {
        Patience::until(self.now + time, &self.events)
    }

    /// Whether a peer's deadline is over. If the peer was not read meanwhile, it is extended by a
    /// second.
    pub(super) fn is_over(&self, patience: &mut Patience, peer: PeerId) -> bool {
        patience.is_over(self.now, PING_INTERVAL, Some(peer), &self.events)
    }

    /// A message of the application is sent, so its peer is asked within a second whether it has
    /// come.
    pub(super) fn await_confirmation(&mut self) {
        // While the timer runs, further messages have nothing to do.
        if !core::mem::replace(&mut self.awaits_confirmation, true) {
            let at = self.now + PING_INTERVAL;
            self.deadlines.set(NodeTimer::Confirmation, at);
        }
    }

    /// A peer has entered, has gone or cannot be reached.
    pub(super) fn note_change(&mut self, peer: PeerId, is_final: bool) {
        if let Some(changes) = &mut self.changes {
            changes.insert(peer, is_final);
        }
    }

    /// A session is over: the application is told, and requests to and from the peer end.
    pub(super) fn tell_exit(
        &mut self,
        peer: PeerId,
        name: ShortText,
        reason: ExitReason,
        unconfirmed: u64,
    ) {
        self.requests.end_session(peer, &mut self.events);
        self.events.push(Event::Exit {
            peer,
            name,
            reason,
            unconfirmed,
        });
    }

    /// Queues an event, or drops it while its peer is not read: that a peer is evasive is no news
    /// to an application that has many older events of it to take.
    pub(super) fn push_unless_unread(&mut self, event: Event) {
        if event.peer().is_some_and(|peer| self.events.may_take(peer)) {
            self.events.push(event);
        }
    }

    /// What in a HELLO is this node's own, if anything. Then the sender is misconfigured, or it is
    /// this node itself that was reached.
    pub(super) fn names_ourselves(&self, peer: PeerId, hello: &Hello) -> Option<&'static str> {
        if peer == self.id {
            Some("identity")
        } else if !is_link_local(&hello.endpoint) && self.networks.is_own(&hello.endpoint) {
            // A link-local address may be another host's on another link, which is looked at later.
            Some("endpoint")
        } else {
            None
        }
    }

    /// Checks content against the limits, and adds a frame if there is none.
    pub(super) fn sendable(&self, mut content: Content) -> Result<Content, Error> {
        let limits = &self.config.limits;
        let (size, frames) = (content.byte_len(), content.len());
        if size > limits.message_size || frames > limits.message_frames {
            return Err(Error::MessageTooLarge {
                size,
                frames,
                size_limit: limits.message_size,
                frames_limit: limits.message_frames,
            });
        }
        // pyre dies of a WHISPER or SHOUT without content.
        if content.is_empty() {
            content.push(bytes::Bytes::new());
        }
        Ok(content)
    }
}

fn random_id(seed: &Seed) -> PeerId {
    let mut bytes = [0; 16];
    ChaCha8Rng::from_seed(*seed.expose()).fill_bytes(&mut bytes);
    uuid::Builder::from_random_bytes(bytes).into_uuid().into()
}

/// A number that differs at each start, whether the identity does or not.
fn random_start(seed: &Seed) -> u64 {
    let mut generator = ChaCha8Rng::from_seed(*seed.expose());
    // What comes first is the identity.
    generator.fill_bytes(&mut [0; 16]);
    generator.next_u64()
}

fn default_name(id: PeerId) -> ShortText {
    let digits = alloc::format!("{id:.6}");
    digits.try_into().unwrap_or_default()
}
