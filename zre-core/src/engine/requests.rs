//! Requests to peers, and answers to theirs.

use alloc::collections::BTreeSet;
use core::time::Duration;

use zre_proto::{Content, GroupName, PeerId};

use super::{Engine, backpressure::SendCapacity};
use crate::{
    error::Error,
    link::Connection,
    requests::{Choice, IncomingRequest, RequestId},
    time::Instant,
};

/// Requests of this node.
///
/// A request is a whisper that the peer is to answer. Each has exactly one outcome: the answer,
/// [`Error::Gone`], [`Error::Refused`], [`Error::TimedOut`] or [`Error::Stopped`].
/// [`poll_settled`](Engine::poll_settled) says which have got theirs, and
/// [`take_outcome`](Engine::take_outcome) gives it.
impl<C: Connection> Engine<C> {
    /// Sends a request to one peer, which has this long to answer; without a time, until it is
    /// gone.
    ///
    /// # Errors
    ///
    /// As [`whisper`](Engine::whisper).
    pub fn request(
        &mut self,
        peer: PeerId,
        mut content: Content,
        timeout: Option<Duration>,
        now: Instant,
    ) -> Result<RequestId, Error> {
        self.request_from(peer, &mut content, timeout, now)
    }

    /// Sends a request to one peer, as [`request`](Engine::request), and leaves the content where
    /// it is while the peer is full.
    ///
    /// # Errors
    ///
    /// As [`whisper`](Engine::whisper).
    pub fn request_from(
        &mut self,
        peer: PeerId,
        content: &mut Content,
        timeout: Option<Duration>,
        now: Instant,
    ) -> Result<RequestId, Error> {
        self.send_prepared(peer, now, |node, now| {
            let content = core::mem::take(content);
            node.prepare_request(peer, content, timeout, now)
        })
    }

    /// Sends a request to one of the members of a group that have room for it, and says to which.
    ///
    /// The content stays where it is while all members are full.
    ///
    /// # Errors
    ///
    /// [`Error::NoMembers`] if there is no member that can be reached, [`Error::Full`] with one of
    /// them if all are full; as [`whisper`](Engine::whisper).
    pub fn request_any(
        &mut self,
        group: &GroupName,
        content: &mut Content,
        choice: Choice,
        timeout: Option<Duration>,
        now: Instant,
    ) -> Result<(PeerId, RequestId), Error> {
        self.command(now)?;
        let members = self.node.peers_by_group(group);
        let has_room = |peer: &PeerId| self.capacity(*peer) == SendCapacity::Available;
        let usable: BTreeSet<_> = members.filter(has_room).collect();
        let is_usable = |peer| usable.contains(&peer);
        let chosen = self.node.choose_member(group, choice, is_usable);
        let peer = chosen.map_err(|error| match error {
            // A member whose connection is lost is about to be removed.
            Error::Full(_) => match self.full_member(group) {
                Some(full) => Error::Full(full),
                None => Error::NoMembers(group.clone()),
            },
            error => error,
        })?;
        let id = self.request_from(peer, content, timeout, now)?;
        Ok((peer, id))
    }

    /// Takes a request that has got its outcome, once each.
    pub fn poll_settled(&mut self) -> Option<RequestId> {
        self.node.poll_settled()
    }

    /// Takes the outcome of a request; `None` as long as there is none, and when it has been taken.
    /// [`Output::Resume`](crate::Output::Resume) may come of it.
    ///
    /// Outcomes that are not taken stay, and the answers among them count in
    /// [`Limits::event_bytes`](crate::Limits#structfield.event_bytes).
    pub fn take_outcome(&mut self, id: RequestId) -> Option<Result<Content, Error>> {
        self.node.take_outcome(id)
    }

    /// Nobody waits for the outcome of a request any more: it is dropped when it comes. The peer
    /// may handle the request all the same.
    pub fn forget_request(&mut self, id: RequestId) {
        self.node.forget_request(id);
    }
}

/// Requests of peers.
impl<C: Connection> Engine<C> {
    /// From now on requests of peers are given by [`poll_request`](Engine::poll_request). Before,
    /// they are whispers like any other.
    pub fn serve_requests(&mut self) {
        self.node.serve_requests();
    }

    /// Takes the next request of a peer. Answer or refuse each: until then, or until the peer is
    /// gone, it is remembered. The peers that have sent some take turns.
    /// [`Output::Resume`](crate::Output::Resume) may come of it.
    ///
    /// Requests that are not taken count in the [`Limits`](crate::Limits) on events. Those of a
    /// peer that is gone are dropped.
    pub fn poll_request(&mut self) -> Option<IncomingRequest> {
        self.node.poll_request()
    }

    /// Answers a request of a peer, once. The content stays where it is while the peer is full.
    ///
    /// # Errors
    ///
    /// As [`whisper`](Engine::whisper); [`Error::UnknownPeer`] also if the peer has gone, or begun
    /// a new session, since it asked, and if the request has been answered or refused.
    pub fn answer(
        &mut self,
        request: &IncomingRequest,
        content: &mut Content,
        now: Instant,
    ) -> Result<(), Error> {
        self.send_prepared(request.peer, now, |node, now| {
            let content = core::mem::take(content);
            let message = node.prepare_answer(request, content, now)?;
            Ok(((), message))
        })
    }

    /// Tells a peer that its request will not be answered, as soon as there is room. Until then it
    /// counts like a request that has not been taken, so a peer that asks and does not read is not
    /// read either.
    ///
    /// # Errors
    ///
    /// As [`answer`](Engine::answer), but for [`Error::Full`].
    pub fn refuse(&mut self, request: &IncomingRequest, now: Instant) -> Result<(), Error> {
        let refused = self.send_prepared(request.peer, now, |node, now| {
            Ok(((), node.prepare_refusal(request, now)?))
        });
        match refused {
            Err(Error::Full(_)) => self.node.owe_refusal(request),
            refused => refused,
        }
    }

    /// Sends the refusals for which there was no room, as far as there is now.
    #[inline(never)] // Hardly any node owes one.
    pub(super) fn send_owed_refusals(&mut self) {
        for peer in self.node.owed_refusals() {
            while self.capacity(peer) == SendCapacity::Available
                && self.node.send_owed_refusal(peer)
            {
                self.carry_out();
            }
        }
    }
}
