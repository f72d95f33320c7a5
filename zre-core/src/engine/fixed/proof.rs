//! How a peer shows that it is behind a fixed endpoint: it answers what was asked there.
//!
//! PINGs follow our HELLO at a fixed endpoint. Whoever gets them says HELLO and PING-OK, over a
//! connection of its own, one right behind the other. A peer whom nobody has asked anything, and
//! whose HELLO is followed by PING-OKs, is the one that was asked there. PING-OK carries no number,
//! so another number of PINGs is sent at each endpoint of which it is not known yet who is there.
//!
//! A HELLO that may be such an answer waits for a moment. What comes behind it is read and kept,
//! and is handled when the peer has entered.

use alloc::vec::Vec;
use core::time::Duration;

use zre_proto::{Body, Endpoint, Message, PeerId};

use super::{FixedPeers, entry::Fixed};
use crate::{
    engine::{Engine, context::Owner, output::LinkId, peer_links::PeerLinks},
    link::{Connection, LinkEvent},
    security::Security,
    time::Instant,
};

/// How long a HELLO waits for the PING-OK behind it.
pub(in crate::engine) const WAIT: Duration = Duration::from_millis(300);
/// How long after a PING its answer may come from a peer that nobody asked otherwise.
const LATE: Duration = Duration::from_secs(60);
/// So many PINGs are sent to one endpoint at most.
const MOST_ASKED: usize = 8;
/// So many messages are kept that stand between a HELLO and the PING-OK.
const MOST_BEHIND: usize = 16;

/// The messages that have come behind the first message of a parked connection.
#[derive(Debug, Default)]
#[cfg_attr(test, derive(Clone))]
pub(in crate::engine) struct Behind {
    pub(in crate::engine) messages: Vec<Message>,
    /// Whether the first message has waited for them.
    pub(in crate::engine) has_waited: bool,
}

impl Behind {
    /// How many PINGs have been answered.
    pub(in crate::engine) fn answers(&self) -> usize {
        let is_answer = |message: &&Message| matches!(message.body, Body::PingOk);
        self.messages.iter().filter(is_answer).count()
    }
}

impl<C: Connection> FixedPeers<C> {
    /// A number of PINGs that is not under way to anybody else of whom it is not known who it is; 0
    /// if there is none.
    pub(super) fn unused_count(&self) -> usize {
        let is_unused = |count: &usize| self.entries.iter().all(|entry| entry.asked() != *count);
        (1..=MOST_ASKED).find(is_unused).unwrap_or_default()
    }

    /// The most PINGs that were sent to anybody who may be this peer; 0 if nobody may be.
    fn most_asked(&self, peer: PeerId) -> usize {
        let may_be = self.entries.iter().filter(|entry| entry.may_be(peer));
        may_be.map(Fixed::asked).max().unwrap_or_default()
    }
}

impl<C: Connection> Engine<C> {
    /// Whether a HELLO may be the answer to ours at a fixed endpoint, and has not waited yet for
    /// what shows it.
    pub(in crate::engine) fn may_be_answer(
        &self,
        link: LinkId,
        peer: PeerId,
        told: &Endpoint,
    ) -> bool {
        let behind = self.links.unclaimed.behind(link);
        let has_waited = behind.is_none_or(|behind| behind.has_waited);
        let is_open = self.links.of_peer(peer).is_some_and(PeerLinks::is_open);
        // Its key tells.
        let key = self.links.unclaimed.key(link);
        if key.is_some() && !self.node.security().is_some_and(Security::is_shared) {
            return false;
        }
        // Nobody waits who says that it is where a connection goes.
        let entries = &self.links.fixed.entries;
        !has_waited
            && (!is_open || self.node.is_ready(peer))
            && self.links.fixed.most_asked(peer) > 0
            && !entries
                .iter()
                .any(|entry| entry.may_be(peer) && entry.is_at(told))
    }

    /// Reads on behind the first message of a parked connection, if that may show whose it is.
    /// `false` if nothing is to be read, or nothing more has come.
    pub(in crate::engine) fn listen(&mut self, link: LinkId) -> bool {
        // Mostly there are none.
        if self.links.fixed.entries.is_empty() {
            return false;
        }
        let limits = self.node.config().limits.message();
        let Some(unclaimed) = self.links.unclaimed.get_mut(link) else {
            return false;
        };
        let said_peer = unclaimed.said_peer();
        let (Some(peer), true) = (said_peer, unclaimed.awaits_us()) else {
            return false;
        };
        let behind = &unclaimed.behind;
        let is_full = behind.messages.len() >= MOST_BEHIND;
        if is_full || behind.answers() >= self.links.fixed.most_asked(peer) {
            return false;
        }
        match unclaimed.state.connection.receive(&limits) {
            Ok(None | Some(LinkEvent::Open { .. } | LinkEvent::Refused { .. })) => return false,
            Ok(Some(LinkEvent::Message(message))) => unclaimed.behind.messages.push(message),
            Err(fault) => {
                self.refuse_unclaimed(link, said_peer, fault);
                return true;
            }
        }
        if self.is_answered(link, peer) {
            self.links.unclaimed.note_change();
            self.adopt_answering(peer);
        }
        true
    }

    /// As [`listen`](Self::listen), for a connection that has just been parked and of which more
    /// may have been read before.
    pub(in crate::engine) fn listen_to_rest(&mut self, link: LinkId) {
        if self.links.fixed.entries.is_empty() {
            return;
        }
        if let Some(unclaimed) = self.links.unclaimed.get_mut(link) {
            unclaimed.state.connection.borrow_memory(&mut self.memory);
            while self.listen(link) {}
            let owner = self
                .cx
                .owner(link)
                .filter(|owner| *owner == Owner::Unclaimed);
            self.count_unfinished(link, owner);
        }
    }

    /// Whether nothing more can show that a peer is behind a fixed endpoint, now that so much has
    /// come behind its HELLO.
    pub(in crate::engine) fn is_answered(&self, link: LinkId, peer: PeerId) -> bool {
        let behind = self.links.unclaimed.behind(link);
        let most = self.links.fixed.most_asked(peer);
        most == 0 || behind.is_none_or(|behind| behind.answers() >= most)
    }

    /// How many questions somebody may answer whom nobody has asked otherwise: they went over a
    /// connection that is gone, or of which it is not known that it is the peer's.
    pub(super) fn late_answers(&self) -> usize {
        let asked_at: Option<Instant> = self.links.fixed.asked_at;
        let is_late = |asked_at: Instant| self.cx.now.since(asked_at) < LATE;
        if asked_at.is_some_and(is_late) {
            MOST_ASKED
        } else {
            0
        }
    }
}
