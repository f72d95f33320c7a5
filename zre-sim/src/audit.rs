//! What must hold in every simulation, checked while it runs.

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
    mail: BTreeMap<(PeerId, PeerId), VecDeque<Letter>>,
    /// How many of the views are open.
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
    /// The session that is, or the next: one that a program uses without having heard of it.
    fn session(self) -> u32 {
        self.sessions + u32::from(!self.entered)
    }
}

/// A message that was sent and has not been delivered.
#[derive(Debug, Clone, Copy)]
struct Letter {
    hash: u64,
    sender_session: u32,
    /// The receiver's session in which it should arrive.
    receiver_session: u32,
}

impl Audit {
    /// The most broken rules that are kept.
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
        for view in self.views.entry(node).or_default().values_mut() {
            self.entered -= u64::from(std::mem::take(&mut view.entered));
        }
    }

    pub(crate) fn sent(&mut self, from: PeerId, to: PeerId, content: &Content) {
        let letter = Letter {
            hash: hash(content),
            sender_session: self.view(from, to).session(),
            receiver_session: self.view(to, from).session(),
        };
        self.mail.entry((from, to)).or_default().push_back(letter);
    }

    /// An application has been told.
    pub(crate) fn heard(&mut self, node: PeerId, event: &Event) {
        let Some(peer) = event.peer() else {
            return;
        };
        let view = self.views.entry(node).or_default().entry(peer).or_default();
        match event {
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
            Event::Whisper { content, .. } | Event::Shout { content, .. } => {
                self.arrived(node, peer, event, content);
            }
            _ => {}
        }
    }

    /// Messages that should have arrived when nothing is under way any more: sent in a session that both sides still
    /// hold.
    pub(crate) fn missing(&self) -> impl Iterator<Item = (PeerId, PeerId, usize)> {
        self.mail.iter().filter_map(|((from, to), letters)| {
            let (ours, theirs) = (self.view(*from, *to), self.view(*to, *from));
            let is_due = |letter: &&Letter| {
                ours.entered
                    && theirs.entered
                    && letter.sender_session == ours.sessions
                    && letter.receiver_session == theirs.sessions
            };
            let count = letters.iter().filter(is_due).count();
            (count > 0).then_some((*from, *to, count))
        })
    }

    fn view(&self, node: PeerId, peer: PeerId) -> View {
        let views = self.views.get(&node);
        let view = views.and_then(|views| views.get(&peer));
        view.copied().unwrap_or_default()
    }

    /// Within a session messages arrive in order and once. Those before it may be lost with their session.
    fn arrived(&mut self, node: PeerId, peer: PeerId, event: &Event, content: &Content) {
        let session = self.view(node, peer).sessions;
        let letters = self.mail.entry((peer, node)).or_default();
        let hash = hash(content);
        let Some(place) = letters.iter().position(|letter| letter.hash == hash) else {
            return self.breaks(node, event, "was not sent, or has come already");
        };
        let sender_session = letters.get(place).map_or(0, |letter| letter.sender_session);
        let is_gap = |letter: &Letter| {
            letter.sender_session == sender_session && letter.receiver_session == session
        };
        let gap = letters.iter().take(place).any(is_gap);
        letters.drain(..=place);
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

fn hash(content: &Content) -> u64 {
    let mut hash = Xxh3::new();
    for frame in content.frames() {
        hash.write_usize(frame.len());
        hash.update(frame);
    }
    hash.digest()
}
