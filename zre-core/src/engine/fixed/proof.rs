//! How a peer shows that it is behind a fixed endpoint: it answers what was asked there.
//!
//! zyre and pyre do not say in the handshake who they are. So a PING follows our HELLO on such a
//! connection. Whoever gets both says HELLO and PING-OK, over a connection of its own, one right
//! behind the other. A peer whom nobody has asked anything, and whose HELLO is followed by a
//! PING-OK, is the one that was asked there.
//!
//! A HELLO that may be such an answer waits for a moment. What comes behind it is read and kept,
//! and is handled when the peer has entered.

use alloc::vec::Vec;
use core::time::Duration;

use zre_proto::{Body, Endpoint, Message, PeerId};

use crate::{
    engine::{Engine, context::Owner, output::LinkId, peer_links::PeerLinks},
    link::{Connection, LinkEvent},
    time::Instant,
};

/// How long a HELLO waits for the PING-OK behind it.
pub(in crate::engine) const WAIT: Duration = Duration::from_millis(300);
/// How long after a PING its answer may come from a peer that nobody asked otherwise.
const LATE: Duration = Duration::from_secs(60);
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
    /// Whether the answer to a question has come.
    pub(in crate::engine) fn has_answer(&self) -> bool {
        let last = self.messages.last();
        last.is_some_and(|message| matches!(message.body, Body::PingOk))
    }

    fn is_over(&self) -> bool {
        self.has_answer() || self.messages.len() >= MOST_BEHIND
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
        // Nothing is asked where the other side has said who it is, and nobody waits who says that
        // it is where a connection goes.
        let entries = &self.links.fixed.entries;
        !has_waited
            && (!is_open || self.node.is_ready(peer))
            && entries.iter().any(|entry| entry.awaits_answer(peer))
            && !entries
                .iter()
                .any(|entry| entry.may_be(peer) && entry.is_at(told))
    }

    /// Reads on behind the first message of a parked connection, if that may show whose it is.
    /// `false` if nothing is to be read, or nothing more has come.
    pub(in crate::engine) fn listen(&mut self, link: LinkId) -> bool {
        let entries = &self.links.fixed.entries;
        // Mostly there are none.
        if entries.is_empty() {
            return false;
        }
        let limits = self.node.config().limits.message();
        let Some(unclaimed) = self.links.unclaimed.get_mut(link) else {
            return false;
        };
        let said_peer = unclaimed.said_peer();
        let Some(peer) = said_peer.filter(|_| unclaimed.awaits_us() && !unclaimed.behind.is_over())
        else {
            return false;
        };
        if !entries.iter().any(|entry| entry.awaits_answer(peer)) {
            return false;
        }
        match unclaimed.state.connection.receive(&limits) {
            Ok(None | Some(LinkEvent::Open { .. })) => return false,
            Ok(Some(LinkEvent::Message(message))) => unclaimed.behind.messages.push(message),
            Err(fault) => {
                self.refuse_unclaimed(link, said_peer, fault);
                return true;
            }
        }
        if unclaimed.behind.has_answer() {
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

    /// Whether somebody may answer a question of a fixed connection whom nobody has asked
    /// otherwise: it went over a connection that is gone, or of which it is not known that it is
    /// the peer's.
    pub(in crate::engine) fn expects_late_answers(&self) -> bool {
        let asked_at: Option<Instant> = self.links.fixed.asked_at;
        asked_at.is_some_and(|asked_at| self.cx.now.since(asked_at) < LATE)
    }
}
