//! Rules that hold in every simulation, checked while it runs.

use std::{
    collections::{BTreeMap, VecDeque},
    hash::Hasher as _,
};

use xxhash_rust::xxh3::Xxh3;
use zre_core::{
    Event,
    proto::{Content, PeerId},
};

/// Watches what applications are told, and compares messages sent with messages delivered.
#[derive(Debug, Default)]
pub(crate) struct Audit {
    /// By node and by peer.
    views: BTreeMap<PeerId, BTreeMap<PeerId, View>>,
    /// What was sent and has not arrived, by sender and receiver.
    undelivered: BTreeMap<(PeerId, PeerId), VecDeque<Sent>>,
    /// How many of the views have a peer that is there.
    entered: u64,
    broken: Vec<String>,
}

/// How one node sees another.
#[derive(Debug, Default, Clone, Copy)]
struct View {
    entered: bool,
    /// How many sessions there have been, with this one.
    sessions: u32,
}

impl View {
    /// The number of the session in which a message is sent now. Before `Enter` it is the next
    /// one: the node may have met the peer, and the program not have been told yet.
    fn session(self) -> u32 {
        self.sessions + u32::from(!self.entered)
    }
}

/// A message that was sent and has not been delivered.
#[derive(Debug, Clone, Copy)]
struct Sent {
    hash: u64,
    sender_session: u32,
    /// The receiver's session in which it should arrive.
    receiver_session: u32,
}

impl Audit {
    /// How many broken rules are kept at most.
    const MOST: usize = 100;

    /// How many pairs of a node and a peer that has entered its view there are.
    pub(crate) fn entered(&self) -> u64 {
        self.entered
    }

    pub(crate) fn broken(&self) -> &[String] {
        &self.broken
    }

    /// The process is gone, with all that it knew.
    pub(crate) fn ended(&mut self, node: PeerId) {
        // The counts of sessions stay: what was sent in the last one is compared with them.
        for view in self.views.entry(node).or_default().values_mut() {
            self.entered -= u64::from(std::mem::take(&mut view.entered));
        }
    }

    pub(crate) fn sent(&mut self, from: PeerId, to: PeerId, content: &Content) {
        if is_correspondence(content) {
            return;
        }
        let sent = Sent {
            hash: hash(content),
            sender_session: self.view(from, to).session(),
            receiver_session: self.view(to, from).session(),
        };
        let undelivered = self.undelivered.entry((from, to)).or_default();
        undelivered.push_back(sent);
    }

    /// An application has been told.
    pub(crate) fn heard(&mut self, node: PeerId, event: &Event) {
        // Of one with another key it may come at any time, also while the peer is there. The node
        // itself never enters.
        if let Event::Refused { .. } | Event::Leader { is_self: true, .. } = event {
            return;
        }
        let Some(peer) = event.peer() else {
            return;
        };
        let view = self.views.entry(node).or_default().entry(peer).or_default();
        match event {
            // The order of these arms matters: the second needs a peer that was not there.
            Event::Enter { .. } if view.entered => self.breaks(node, event, "entered twice"),
            Event::Enter { .. } => {
                view.entered = true;
                view.sessions += 1;
                self.entered += 1;
            }
            _ if !view.entered => self.breaks(node, event, "has not entered"),
            Event::Exit { .. } => {
                view.entered = false;
                self.entered -= 1;
            }
            Event::Whisper { content, .. } if is_correspondence(content) => {}
            Event::Whisper { content, .. } | Event::Shout { content, .. } => {
                self.arrived(node, peer, event, content);
            }
            _ => {}
        }
    }

    /// Messages that should have arrived once the network is idle: those that were sent in a
    /// session that both sides still have. For each pair, how many.
    pub(crate) fn missing(&self) -> impl Iterator<Item = (PeerId, PeerId, usize)> {
        self.undelivered.iter().filter_map(|((from, to), sent)| {
            let (ours, theirs) = (self.view(*from, *to), self.view(*to, *from));
            let is_due = |sent: &&Sent| {
                ours.entered
                    && theirs.entered
                    && sent.sender_session == ours.sessions
                    && sent.receiver_session == theirs.sessions
            };
            let count = sent.iter().filter(is_due).count();
            (count > 0).then_some((*from, *to, count))
        })
    }

    fn view(&self, node: PeerId, peer: PeerId) -> View {
        let views = self.views.get(&node);
        let view = views.and_then(|views| views.get(&peer));
        view.copied().unwrap_or_default()
    }

    /// Within a session, messages arrive in order and once. Messages of an earlier session may be
    /// lost.
    fn arrived(&mut self, node: PeerId, peer: PeerId, event: &Event, content: &Content) {
        let session = self.view(node, peer).sessions;
        let undelivered = self.undelivered.entry((peer, node)).or_default();
        // Messages are compared by hash, so that the audit does not hold all their bytes.
        let hash = hash(content);
        let Some(place) = undelivered.iter().position(|sent| sent.hash == hash) else {
            return self.breaks(node, event, "was not sent, or has come already");
        };
        let sender_session = undelivered[place].sender_session;
        let is_gap =
            |sent: &Sent| sent.sender_session == sender_session && sent.receiver_session == session;
        // A message of an earlier session that was passed over was lost with its session.
        let gap = undelivered.iter().take(place).any(is_gap);
        undelivered.drain(..=place);
        if gap {
            self.breaks(node, event, "came before an earlier one");
        }
    }

    fn breaks(&mut self, node: PeerId, event: &Event, what: &str) {
        if self.broken.len() < Self::MOST {
            let event = crate::in_short(event);
            self.broken.push(format!("at {node:.6}, {event:?}: {what}"));
        }
    }
}

/// Whether this is, or looks like, a request or an answer. These are not compared: which of them
/// become events depends on what the receiver asks and serves.
fn is_correspondence(content: &Content) -> bool {
    let lead = content.frame(0).unwrap_or_default();
    lead.starts_with(b"zre-")
}

fn hash(content: &Content) -> u64 {
    let mut hash = Xxh3::new();
    for frame in content.frames() {
        // The lengths keep "ab", "c" apart from "a", "bc".
        hash.write_usize(frame.len());
        hash.update(frame);
    }
    hash.digest()
}
