//! Which connections are read while the application is behind.

use alloc::collections::BTreeSet;
use core::time::Duration;

use zre_proto::PeerId;

use super::{
    Engine,
    context::{EngineTimer, Owner},
    output::LinkId,
};
use crate::{backlog::ReliefWatch, link::Connection};

/// After so long, an application that takes its events slowly gets more although little room is
/// free. While it takes none at all, the time doubles up to [`MAX_PAUSE`].
const MIN_PAUSE: Duration = Duration::from_millis(50);
const MAX_PAUSE: Duration = Duration::from_secs(1);

/// What is to be read later.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub(super) struct Reading {
    /// Notices that something may be read again.
    relief: ReliefWatch,
    /// The peers of whose messages the last may be read, but not decoded.
    undecoded: BTreeSet<PeerId>,
    pause: Duration,
}

impl Default for Reading {
    fn default() -> Self {
        Self {
            relief: ReliefWatch::default(),
            undecoded: BTreeSet::new(),
            pause: MIN_PAUSE,
        }
    }
}

impl Reading {
    /// There is no room for more events of this peer, and more may have been read.
    pub(super) fn leave_rest_of(&mut self, peer: PeerId) {
        self.undecoded.insert(peer);
    }
}

impl<C: Connection> Engine<C> {
    /// Whether a connection should be read now. If not, [`Output::Resume`](crate::Output::Resume)
    /// comes when it may be.
    ///
    /// While the application is behind with what a peer has sent, that peer's connection is not
    /// read, and when it is behind with as much as [`Limits`](crate::Limits) allow, none is. Nor is
    /// one of which it is not known yet whether the other side is who it says.
    /// Datagrams are to be handled all the same.
    pub fn may_read(&self, link: LinkId) -> bool {
        match self.cx.owner(link) {
            // What has been read before comes first: the end of the connection must not overtake
            // it.
            Some(Owner::Incoming(peer)) => {
                self.node.may_take(peer) && !self.reading.undecoded.contains(&peer)
            }
            // No events come over the connection to a peer, but that it is gone shows there.
            Some(Owner::Outgoing(_) | Owner::Fixed(_)) | None => !self.node.is_congested(),
            Some(Owner::Unclaimed) => {
                !self.node.is_congested() && self.links.unclaimed.may_read(link)
            }
            // No events come of it at once, and a hub waits for nobody.
            Some(Owner::GossipClient | Owner::GossipHub(_)) => true,
        }
    }

    /// Whether so many events wait for the application that no connection is read. Ask
    /// [`may_read`](Engine::may_read) before reading.
    pub fn is_congested(&self) -> bool {
        self.node.is_congested()
    }

    /// Whether [`poll_output`](Engine::poll_output) will give
    /// [`Output::Resume`](crate::Output::Resume): to be asked when an event has been taken.
    #[inline]
    pub fn has_resumed(&self) -> bool {
        self.reading.relief.has_news(self.node.backlog())
    }

    /// Notices that somebody is not read, to look for room later.
    pub(super) fn watch_for_relief(&mut self) {
        if self.node.backlog().is_holding() {
            let at = self.cx.now + self.reading.pause;
            self.cx.deadlines.set_earlier(EngineTimer::Relief, at);
        }
    }

    /// Somebody has not been read for a while: goes on if there is any room.
    pub(super) fn look_for_relief(&mut self) {
        self.node.relieve();
        self.reading.pause = (self.reading.pause * 2).min(MAX_PAUSE);
        self.watch_for_relief();
    }

    /// Something may be read again: decodes what was left of the last reads.
    #[inline(never)] // It is rare, and asked for with each message.
    pub(super) fn resume(&mut self) {
        self.reading.relief.see(self.node.backlog());
        self.reading.pause = MIN_PAUSE;
        for peer in core::mem::take(&mut self.reading.undecoded) {
            // Decoding what others left may have taken the room.
            match self.node.may_take(peer) {
                true => self.decode_rest(peer),
                false => self.reading.leave_rest_of(peer),
            }
        }
    }

    fn decode_rest(&mut self, peer: PeerId) {
        let links = self.links.of_peer_mut(peer);
        if let Some(incoming) = links.and_then(|links| links.incoming_mut()) {
            let link = incoming.id;
            incoming.connection.borrow_memory(&mut self.memory);
            self.receive(link, Owner::Incoming(peer));
        }
    }
}
