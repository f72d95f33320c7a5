//! What goes out over connections, and what happens when nobody takes it.

use core::time::Duration;

use bytes::Buf as _;
use zre_proto::{Body, Content, Message, PeerId};

use super::{
    Engine, LinkId, Output, Timer,
    connections::{Asked, Connection, End, Outgoing, Stuck},
};
use crate::{event::ExitReason, time::Instant};

/// How much may wait for a peer beyond the outbound limit: what nobody can be made to wait with,
/// such as answers and joins.
const UNREFUSABLE: usize = 1 << 20;

/// Whether a peer can be sent another message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Room {
    Enough,
    /// Not before something has been written to it, or before it is known whether it is there.
    Full,
    /// The connection to it is gone.
    Lost,
}

impl Connection {
    /// Whether something waits in its outbox that has not been told of; it is now.
    fn tell_writable(&mut self) -> bool {
        self.link.outbox().has_remaining() && !core::mem::replace(&mut self.writable_told, true)
    }
}

impl Engine {
    /// Queues a message for a peer.
    pub(super) fn send(&mut self, peer: PeerId, message: &Message) {
        let most = self
            .node
            .config()
            .limits
            .outbound
            .saturating_add(UNREFUSABLE);
        let refusable = matches!(message.body, Body::Whisper { .. } | Body::Shout { .. });
        if !refusable && self.queued(peer) > most {
            self.exit(peer, ExitReason::Overflow);
            return;
        }
        if matches!(message.body, Body::Ping) {
            self.note_question(peer);
        }
        self.header.clear();
        message.encode_header(&mut self.header);
        let Some(paths) = self.paths.get_mut(&peer) else {
            return;
        };
        let empty = Content::default();
        let content = message.body.content().unwrap_or(&empty);
        match &mut paths.to {
            Outgoing::Link { link, .. } => {
                let link = *link;
                let Some(connection) = self.connections.get_mut(&link) else {
                    return;
                };
                connection.link.send(&self.header, content);
                if connection.tell_writable() {
                    self.outputs.push_back(Output::Writable(link));
                }
                if paths.stuck.is_none() {
                    self.check_progress(peer);
                }
            }
            Outgoing::Waiting {
                failed: Some(failed),
                ..
            } => failed.send(&self.header, content),
            Outgoing::Waiting { failed: None, .. } | Outgoing::Unopened | Outgoing::Lost { .. } => {
            }
        }
    }

    /// How many octets wait for a peer.
    pub(super) fn queued(&self, peer: PeerId) -> usize {
        match self.paths.get(&peer).map(|paths| &paths.to) {
            Some(Outgoing::Link { link, .. }) => self.queued_on(*link),
            Some(Outgoing::Waiting { failed, .. }) => {
                failed.as_ref().map_or(0, |failed| failed.queued())
            }
            Some(Outgoing::Unopened | Outgoing::Lost { .. }) | None => 0,
        }
    }

    /// Whether there is room for another message to a peer.
    pub(super) fn room(&self, peer: PeerId) -> Room {
        let queued = match self.paths.get(&peer).map(|paths| &paths.to) {
            Some(Outgoing::Link { link, .. }) => self.queued_on(*link),
            Some(Outgoing::Lost { .. }) => return Room::Lost,
            Some(Outgoing::Waiting { .. }) => self.queued(peer),
            Some(Outgoing::Unopened) | None
                if self.node.awaits_endpoint(peer) && self.node.is_ready(peer) =>
            {
                return Room::Full;
            }
            Some(Outgoing::Unopened) | None => return Room::Enough,
        };
        match queued >= self.node.config().limits.outbound {
            true => Room::Full,
            false => Room::Enough,
        }
    }

    fn queued_on(&self, link: LinkId) -> usize {
        let connection = self.connections.get(&link);
        connection.map_or(0, |connection| connection.link.queued())
    }

    /// Whether stopping need not wait for a peer: it has taken everything, or it never presented itself.
    pub(super) fn is_drained(&self, peer: PeerId) -> bool {
        !self.node.is_ready(peer) || self.is_lost(peer) || self.queued(peer) == 0
    }

    /// Something waits in a connection's outbox: says so once, and watches that it moves.
    pub(super) fn tell_writable(&mut self, link: LinkId) {
        let Some(connection) = self.connections.get_mut(&link) else {
            return;
        };
        if connection.tell_writable() {
            self.outputs.push_back(Output::Writable(link));
        }
        if let End::Outgoing(peer) = connection.end
            && let Some(paths) = self.paths.get(&peer)
            && paths.stuck.is_none()
        {
            self.check_progress(peer);
        }
    }

    /// Octets have been taken from a connection's outbox and written.
    pub fn handle_written(&mut self, now: Instant) {
        self.advance(now);
        self.continue_stop();
    }

    /// A peer that reads nothing while something waits for it is given up in the end.
    pub(super) fn check_progress(&mut self, peer: PeerId) {
        let now = self.now;
        let patience = self.node.config().expired_after;
        let written = self.waiting_at(peer);
        let Some(paths) = self.paths.get_mut(&peer) else {
            return;
        };
        let Some(written) = written else {
            paths.stuck = None;
            return;
        };
        let stuck = match paths.stuck {
            Some(stuck) if stuck.written == written => stuck,
            _ => Stuck {
                written,
                since: now,
            },
        };
        paths.stuck = Some(stuck);
        if now.since(stuck.since) >= patience {
            self.exit(peer, ExitReason::Stalled);
        } else {
            let again = now + (patience / 6).max(Duration::from_millis(1));
            self.deadlines.set(Timer::Progress(peer), again);
        }
    }

    /// Gives peers that have not answered in time whether they are there more of it, while their connections move: if
    /// something stands before the PING, or comes over the peer's own connection, the answer cannot be here yet.
    ///
    /// The connections may then be still for the evasive timeout, or for as long again as they have moved, but never for
    /// longer than the expired timeout. As long again, because a peer that is slow to take what stood before the PING is
    /// slow with what the system's buffers hold, too, and nobody knows how much that is. There is no other bound: what
    /// stands before the PING does not grow, octets behind it count for nothing, and a peer whose own connection goes on
    /// is there.
    pub(super) fn wait_for_overdue(&mut self) {
        for peer in self.node.overdue_suspects(self.now) {
            let config = self.node.config();
            let (evasive_after, expired_after) = (config.evasive_after, config.expired_after);
            let Some((asked_at, moved_at)) = self.last_moved(peer) else {
                continue;
            };
            let as_long_again = moved_at.since(asked_at);
            let patience = as_long_again.max(evasive_after).min(expired_after);
            if self.now.since(moved_at) < patience {
                self.node.extend_suspicion(peer, self.now);
            }
        }
    }

    /// When a doubted peer was asked, and when its connections last moved in a way that puts the answer off.
    fn last_moved(&mut self, peer: PeerId) -> Option<(Instant, Instant)> {
        let written = self.written(peer);
        let paths = self.paths.get_mut(&peer)?;
        let asked = paths.asked.as_mut()?;
        let written = written.min(asked.before);
        if written > asked.written {
            asked.written = written;
            asked.moved_at = Some(self.now);
        }
        let from = paths.from.and_then(|link| self.connections.get(&link));
        let read_at = from.map(|from| from.read_at).filter(|at| *at > asked.at);
        Some((asked.at, asked.moved_at.max(read_at)?))
    }

    /// A PING is about to be queued. If a suspicion depends on it, notes what stands before it.
    fn note_question(&mut self, peer: PeerId) {
        let Some(ping) = self.node.suspicion_ping(peer) else {
            return;
        };
        let (at, written, queued) = (self.now, self.written(peer), self.queued(peer));
        let Some(paths) = self.paths.get_mut(&peer) else {
            return;
        };
        if paths.asked.is_none_or(|asked| asked.ping != ping) {
            paths.asked = Some(Asked {
                ping,
                at,
                before: written + queued as u64,
                written,
                moved_at: (queued > 0).then_some(at),
            });
        }
    }

    /// How many octets have been written to a peer on the connection to it.
    fn written(&mut self, peer: PeerId) -> u64 {
        match self.paths.get(&peer).map(|paths| &paths.to) {
            Some(Outgoing::Link { link, .. }) => self
                .connections
                .get_mut(link)
                .map_or(0, |connection| connection.link.outbox().written()),
            _ => 0,
        }
    }

    /// How much has been written to a peer, if more waits.
    fn waiting_at(&mut self, peer: PeerId) -> Option<u64> {
        let Outgoing::Link { link, .. } = self.paths.get(&peer)?.to else {
            return None;
        };
        let outbox = self.connections.get_mut(&link)?.link.outbox();
        outbox.has_remaining().then(|| outbox.written())
    }
}
