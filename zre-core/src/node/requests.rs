//! Requests to peers, and requests of peers.

use alloc::{collections::BTreeSet, vec::Vec};
use core::time::Duration;

use zre_proto::{Body, Content, GroupName, Message, PeerId, ShortText};

use super::{
    Node,
    context::{NodeContext, NodeTimer},
    output::NodeOutput,
};
use crate::{
    error::Error,
    event::Event,
    notice::Notice,
    requests::{Choice, IncomingRequest, RequestId, Sorted},
    time::Instant,
};

/// Requests of this node.
///
/// A request is a whisper that the peer is to answer. Each has exactly one outcome: the answer,
/// [`Error::Gone`], [`Error::Refused`], [`Error::TimedOut`] or [`Error::Stopped`].
impl Node {
    /// Sends a request to one peer, which has this long to answer; without a time, until it is
    /// gone.
    ///
    /// # Errors
    ///
    /// As [`whisper`](Node::whisper).
    pub fn request(
        &mut self,
        peer: PeerId,
        content: Content,
        timeout: Option<Duration>,
        now: Instant,
    ) -> Result<RequestId, Error> {
        let (id, message) = self.prepare_request(peer, content, timeout, now)?;
        self.send(peer, message);
        Ok(id)
    }

    /// The message that [`request`](Node::request) sends, to be sent as that of
    /// [`prepare_whisper`](Node::prepare_whisper).
    ///
    /// # Errors
    ///
    /// As [`whisper`](Node::whisper).
    pub fn prepare_request(
        &mut self,
        peer: PeerId,
        content: Content,
        timeout: Option<Duration>,
        now: Instant,
    ) -> Result<(RequestId, Message), Error> {
        let framed = self.context.requests.asked().next(content);
        let message = self.prepare_whisper(peer, framed, now)?;
        let now = self.context.now;
        let id = self.context.requests.asked_mut().open(peer, timeout, now);
        self.context.watch_requests();
        Ok((id, message))
    }

    /// The member of a group that is next to be sent a request, of those that are `usable`.
    ///
    /// # Errors
    ///
    /// [`Error::NoMembers`] if there is no member; [`Error::Full`] if none is usable.
    pub fn choose_member(
        &mut self,
        group: &GroupName,
        choice: Choice,
        usable: impl Fn(PeerId) -> bool,
    ) -> Result<PeerId, Error> {
        let members: BTreeSet<_> = self.peers_by_group(group).collect();
        let any = members.first().copied();
        let any = any.ok_or_else(|| Error::NoMembers(group.clone()))?;
        let usable = members.into_iter().filter(|peer| usable(*peer)).collect();
        let asked = self.context.requests.asked_mut();
        let chosen = asked.choose(group, &usable, choice);
        chosen.ok_or(Error::Full(any))
    }

    /// How many requests to a peer have no outcome yet.
    pub fn open_requests(&self, peer: PeerId) -> usize {
        self.context.requests.asked().open_at(peer)
    }

    /// Takes a request that has got its outcome, once each.
    pub fn poll_settled(&mut self) -> Option<RequestId> {
        self.context.requests.asked_mut().poll_settled()
    }

    /// Whether [`poll_settled`](Node::poll_settled) has something to give.
    pub fn has_settled(&self) -> bool {
        self.context.requests.asked().has_untold()
    }

    /// Takes the outcome of a request; `None` as long as there is none, and when it has been taken.
    ///
    /// Outcomes that are not taken stay, and the answers among them count in
    /// [`Limits::event_bytes`](crate::Limits#structfield.event_bytes).
    pub fn take_outcome(&mut self, id: RequestId) -> Option<Result<Content, Error>> {
        let NodeContext {
            requests, events, ..
        } = &mut self.context;
        requests.asked_mut().take_outcome(id, events)
    }

    /// Whether the outcome of a request can be taken.
    pub fn has_outcome(&self, id: RequestId) -> bool {
        self.context.requests.asked().has_outcome(id)
    }

    /// Nobody waits for the outcome of a request any more: it is dropped when it comes. The peer
    /// may handle the request all the same.
    pub fn forget_request(&mut self, id: RequestId) {
        let NodeContext {
            requests, events, ..
        } = &mut self.context;
        requests.asked_mut().forget(id, events);
    }
}

/// Requests of peers.
impl Node {
    /// From now on requests of peers are given by [`poll_request`](Node::poll_request). Before,
    /// they are whispers like any other.
    pub fn serve_requests(&mut self) {
        self.context.requests.served_mut().turn_on();
    }

    /// Takes the next request of a peer. Answer or refuse each: until then, or until the peer is
    /// gone, it is remembered. The peers that have sent some take turns.
    ///
    /// Requests that are not taken count in the [`Limits`](crate::Limits) on events. Those of a
    /// peer that is gone are dropped.
    pub fn poll_request(&mut self) -> Option<IncomingRequest> {
        let NodeContext {
            requests, events, ..
        } = &mut self.context;
        requests.served_mut().poll(events)
    }

    /// Whether a request of a peer waits.
    pub fn has_requests(&self) -> bool {
        self.context.requests.served().has_requests()
    }

    /// Answers a request of a peer, once.
    ///
    /// # Errors
    ///
    /// As [`whisper`](Node::whisper); [`Error::UnknownPeer`] also if the peer has gone, or begun a
    /// new session, since it asked, and if the request has been answered or refused.
    pub fn answer(
        &mut self,
        request: &IncomingRequest,
        content: Content,
        now: Instant,
    ) -> Result<(), Error> {
        let message = self.prepare_answer(request, content, now)?;
        self.send(request.peer, message);
        Ok(())
    }

    /// Tells a peer that its request will not be answered. If it cannot be told, it will not be
    /// answered either: the request is over.
    ///
    /// # Errors
    ///
    /// As [`answer`](Node::answer).
    pub fn refuse(&mut self, request: &IncomingRequest, now: Instant) -> Result<(), Error> {
        let prepared = self.prepare_refusal(request, now);
        self.forget_incoming(request);
        self.send(request.peer, prepared?);
        Ok(())
    }

    /// The message that [`answer`](Node::answer) sends, to be sent as that of
    /// [`prepare_whisper`](Node::prepare_whisper).
    ///
    /// # Errors
    ///
    /// As [`answer`](Node::answer).
    pub fn prepare_answer(
        &mut self,
        request: &IncomingRequest,
        content: Content,
        now: Instant,
    ) -> Result<Message, Error> {
        self.prepare_reply(request, request.answer(content), now)
    }

    /// The message that [`refuse`](Node::refuse) sends, to be sent as that of
    /// [`prepare_whisper`](Node::prepare_whisper).
    ///
    /// # Errors
    ///
    /// As [`answer`](Node::answer).
    pub fn prepare_refusal(
        &mut self,
        request: &IncomingRequest,
        now: Instant,
    ) -> Result<Message, Error> {
        self.prepare_reply(request, request.refusal(), now)
    }

    /// How many whispers were requests that came to [`poll_request`](Node::poll_request), or
    /// answers or refusals, also those that answered nothing. There is no event of these.
    pub fn request_count(&self) -> u64 {
        self.context.requests.received()
    }

    /// A peer has no room to be told that its request will not be answered.
    pub(crate) fn owe_refusal(&mut self, request: &IncomingRequest) -> Result<(), Error> {
        let NodeContext {
            requests, events, ..
        } = &mut self.context;
        match requests.served_mut().owe(request, events) {
            true => Ok(()),
            false => Err(Error::UnknownPeer(request.peer)),
        }
    }

    /// Whether any peer is still to be told that a request will not be answered.
    #[inline]
    pub(crate) fn owes_refusals(&self) -> bool {
        self.context.requests.served().owes()
    }

    /// The peers that are still to be told so.
    pub(crate) fn owed_refusals(&self) -> Vec<PeerId> {
        self.context.requests.served().owed_to()
    }

    /// Sends the next refusal that a peer is owed. False if there is none, or it cannot be sent.
    pub(crate) fn send_owed_refusal(&mut self, peer: PeerId) -> bool {
        let Some(content) = self.context.requests.served().owed(peer) else {
            return false;
        };
        let Ok(asker) = self.peers.ready_mut(&peer) else {
            return false;
        };
        let refusal = Body::Whisper { content };
        asker.channel.send(refusal, &mut self.context);
        let NodeContext {
            requests, events, ..
        } = &mut self.context;
        requests.served_mut().pay(peer, events)
    }

    /// A request of a peer will not be answered.
    pub(crate) fn forget_incoming(&mut self, request: &IncomingRequest) {
        self.context.requests.served_mut().close(request);
    }

    /// How many requests of peers have been neither answered nor refused.
    #[cfg(test)]
    pub(crate) fn unanswered(&self) -> usize {
        self.context.requests.served().unanswered()
    }

    fn prepare_reply(
        &mut self,
        request: &IncomingRequest,
        framed: Content,
        now: Instant,
    ) -> Result<Message, Error> {
        self.command(now)?;
        if !self.context.requests.served().is_open(request) {
            return Err(Error::UnknownPeer(request.peer));
        }
        let message = self.prepare_whisper(request.peer, framed, now)?;
        self.context.requests.served_mut().close(request);
        Ok(message)
    }

    fn send(&mut self, peer: PeerId, message: Message) {
        let output = NodeOutput::Send { peer, message };
        self.context.outputs.push_back(output);
    }
}

impl NodeContext {
    /// A whisper has come that may be a request or an answer.
    #[inline(never)] // What is no whisper is not to make whispers slow.
    pub(super) fn take_request(&mut self, peer: PeerId, name: &ShortText, content: Content) {
        let sorted = self.requests.sort(peer, name, content, &mut self.events);
        match sorted {
            Sorted::Taken => {}
            Sorted::Stray => self.notices.push(Notice::StrayAnswer { peer }),
            Sorted::Plain(content) => {
                let name = name.clone();
                self.events.push(Event::Whisper {
                    peer,
                    name,
                    content,
                });
            }
        }
    }

    /// Ends the requests that have not been answered in time.
    pub(super) fn time_out_requests(&mut self) {
        self.requests.asked_mut().time_out(self.now);
        self.watch_requests();
    }

    /// Sets the timer for the first request that is due.
    fn watch_requests(&mut self) {
        if let Some(at) = self.requests.asked().next_due() {
            self.deadlines.set_earlier(NodeTimer::Request, at);
        }
    }
}
