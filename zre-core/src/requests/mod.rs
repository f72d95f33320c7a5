//! Requests of this node and their outcomes, and requests of peers.
//!
//! [`wire`] is how they look on the wire, [`lane`] holds the requests of peers that nobody has
//! taken yet. What waits here counts in the [`Backlog`], so that peers are not read while too much
//! does.

mod lane;
#[cfg(test)]
mod tests;
pub(crate) mod wire;

use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};
use core::{ops::Bound, time::Duration};

use bytes::Bytes;
use zre_proto::{Content, GroupName, PeerId, ShortText};

use crate::{
    backlog::Backlog,
    error::Error,
    event::{Event, content_weight},
    time::Instant,
};
use lane::Lane;
use wire::{Ids, Kind};

/// A request of this node; see [`Engine::request`](crate::Engine::request). None is used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(u64);

/// Which member of a group a request goes to; see
/// [`Engine::request_any`](crate::Engine::request_any).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Choice {
    /// The member that has the fewest open requests of this node. Of several the next in turn.
    #[default]
    LeastBusy,
    /// The next member in turn.
    RoundRobin,
}

/// A request of a peer, which is to be answered or refused; see
/// [`Engine::poll_request`](crate::Engine::poll_request).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct IncomingRequest {
    /// Who asks.
    pub peer: PeerId,
    /// Its name.
    pub name: ShortText,
    /// What it asks, without the leading frame. It can be taken out: answering does not need it.
    pub content: Content,
    /// What the peer calls it.
    id: Bytes,
    /// Which of all requests to this node it is.
    number: u64,
}

impl IncomingRequest {
    /// The whisper that answers it.
    pub(crate) fn answer(&self, content: Content) -> Content {
        wire::with_lead(Kind::Answer, &self.id, content)
    }

    /// The whisper that refuses it.
    pub(crate) fn refusal(&self) -> Content {
        wire::with_lead(Kind::Refusal, &self.id, Content::default())
    }

    /// As an event of the same content.
    fn weight(&self) -> usize {
        size_of::<Event>() + content_weight(&self.content)
    }
}

/// All that a node asks, and is asked.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub(crate) struct Requests {
    asked: Asked,
    served: Served,
    /// How many whispers were requests, answers or refusals.
    received: u64,
}

/// What has become of a whisper.
pub(crate) enum Sorted {
    /// It is no request, nor the answer to one.
    Plain(Content),
    /// It has been taken.
    Taken,
    /// It answers nothing that is open, and was dropped.
    Stray,
}

impl Requests {
    /// `start` is random.
    pub(crate) fn new(start: u64) -> Self {
        Self {
            asked: Asked::new(start),
            served: Served::default(),
            received: 0,
        }
    }

    /// Whether whispers may be anything but whispers. This is asked for each of them.
    #[inline]
    pub(crate) fn concern(&self, content: &Content) -> bool {
        (self.served.is_on || self.asked.last > 0) && wire::may_lead(content)
    }

    /// A whisper of a peer has come.
    pub(crate) fn sort(
        &mut self,
        peer: PeerId,
        name: &ShortText,
        content: Content,
        backlog: &mut Backlog,
    ) -> Sorted {
        match wire::read(&content) {
            Some((Kind::Request, id)) if self.served.is_on => {
                let content = wire::without_lead(content);
                self.served.take(peer, name.clone(), id, content, backlog);
            }
            Some((kind @ (Kind::Answer | Kind::Refusal), id)) if self.asked.last > 0 => {
                let outcome = match kind {
                    Kind::Refusal => Err(Error::Refused(peer)),
                    _ => Ok(wire::without_lead(content)),
                };
                if !self.asked.take(peer, &id, outcome, backlog) {
                    self.received += 1;
                    return Sorted::Stray;
                }
            }
            _ => return Sorted::Plain(content),
        }
        self.received += 1;
        Sorted::Taken
    }

    /// A session is over.
    pub(crate) fn end_session(&mut self, peer: PeerId, backlog: &mut Backlog) {
        self.asked.end_session(peer);
        self.served.end_session(peer, backlog);
    }

    /// The node has stopped.
    pub(crate) fn end(&mut self, backlog: &mut Backlog) {
        self.asked.end();
        self.served.end(backlog);
    }

    pub(crate) fn asked(&self) -> &Asked {
        &self.asked
    }

    pub(crate) fn asked_mut(&mut self) -> &mut Asked {
        &mut self.asked
    }

    pub(crate) fn served(&self) -> &Served {
        &self.served
    }

    pub(crate) fn served_mut(&mut self) -> &mut Served {
        &mut self.served
    }

    /// How many whispers were requests, answers or refusals, also those that were dropped.
    pub(crate) fn received(&self) -> u64 {
        self.received
    }
}

/// The requests of this node that have no outcome, and the outcomes that nobody has taken.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub(crate) struct Asked {
    ids: Ids,
    /// The number of the last request; 0 if there was none.
    last: u64,
    open: BTreeMap<RequestId, Open>,
    of_peers: BTreeMap<PeerId, BTreeSet<RequestId>>,
    due: BTreeSet<(Instant, RequestId)>,
    outcomes: BTreeMap<RequestId, Outcome>,
    /// The outcomes of which nobody has been told.
    untold: BTreeSet<RequestId>,
    /// Who was chosen last in each group.
    chosen: BTreeMap<GroupName, PeerId>,
}

/// A request that has no outcome.
#[derive(Debug, Clone, Copy)]
struct Open {
    peer: PeerId,
    due: Option<Instant>,
}

#[derive(Debug, Clone)]
struct Outcome {
    peer: PeerId,
    result: Result<Content, Error>,
}

impl Outcome {
    /// What waits is the content of an answer: how many outcomes wait, the application decides with
    /// its requests.
    fn weight(&self) -> usize {
        self.result.as_ref().map_or(0, content_weight)
    }
}

impl Asked {
    fn new(start: u64) -> Self {
        Self {
            ids: Ids::new(start),
            last: 0,
            open: BTreeMap::new(),
            of_peers: BTreeMap::new(),
            due: BTreeSet::new(),
            outcomes: BTreeMap::new(),
            untold: BTreeSet::new(),
            chosen: BTreeMap::new(),
        }
    }

    /// The whisper that asks the next request.
    pub(crate) fn next(&self, content: Content) -> Content {
        let id = self.ids.id(self.last + 1);
        wire::with_lead(Kind::Request, id.as_bytes(), content)
    }

    /// The [next](Self::next) request is sent to a peer.
    pub(crate) fn open(
        &mut self,
        peer: PeerId,
        timeout: Option<Duration>,
        now: Instant,
    ) -> RequestId {
        self.last += 1;
        let id = RequestId(self.last);
        let due = timeout.map(|timeout| now + timeout);
        self.open.insert(id, Open { peer, due });
        self.of_peers.entry(peer).or_default().insert(id);
        self.due.extend(due.map(|at| (at, id)));
        id
    }

    /// How many requests to a peer have no outcome.
    pub(crate) fn open_at(&self, peer: PeerId) -> usize {
        self.of_peers.get(&peer).map_or(0, BTreeSet::len)
    }

    /// When the first request is due.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Ends what is due.
    pub(crate) fn time_out(&mut self, now: Instant) {
        while let Some((_, id)) = self.due.first().filter(|(at, _)| *at <= now).copied() {
            self.close(id, |peer| Err(Error::TimedOut(peer)));
        }
    }

    /// Whether the outcome of a request can be taken.
    pub(crate) fn has_outcome(&self, id: RequestId) -> bool {
        self.outcomes.contains_key(&id)
    }

    pub(crate) fn has_untold(&self) -> bool {
        !self.untold.is_empty()
    }

    /// A request whose outcome can be taken, once each.
    pub(crate) fn poll_settled(&mut self) -> Option<RequestId> {
        self.untold.pop_first()
    }

    pub(crate) fn take_outcome(
        &mut self,
        id: RequestId,
        backlog: &mut Backlog,
    ) -> Option<Result<Content, Error>> {
        let outcome = self.outcomes.remove(&id)?;
        self.untold.remove(&id);
        backlog.take_aside(outcome.peer, 0, outcome.weight());
        Some(outcome.result)
    }

    /// Nobody wants to know the outcome any more.
    pub(crate) fn forget(&mut self, id: RequestId, backlog: &mut Backlog) {
        self.remove(id);
        self.take_outcome(id, backlog);
    }

    /// Chooses one of these members of a group; `None` if there is none.
    pub(crate) fn choose(
        &mut self,
        group: &GroupName,
        members: &BTreeSet<PeerId>,
        choice: Choice,
    ) -> Option<PeerId> {
        let last = self.chosen.get(group).copied();
        let after = last.map_or(Bound::Unbounded, Bound::Excluded);
        // From the one behind the last, once round.
        let later = members.range((after, Bound::Unbounded));
        let mut in_turn = later.chain(members).take(members.len());
        let chosen = match choice {
            Choice::RoundRobin => in_turn.next(),
            // The first of those that have as few.
            Choice::LeastBusy => in_turn.min_by_key(|peer| self.open_at(**peer)),
        };
        let chosen = *chosen?;
        match self.chosen.get_mut(group) {
            Some(last) => *last = chosen,
            None => _ = self.chosen.insert(group.clone(), chosen),
        }
        Some(chosen)
    }

    /// An answer or a refusal has come; says whether it belongs to an open request to this peer.
    fn take(
        &mut self,
        peer: PeerId,
        id: &[u8],
        result: Result<Content, Error>,
        backlog: &mut Backlog,
    ) -> bool {
        let Some(id) = self.ids.number(id).map(RequestId) else {
            return false;
        };
        if self.open.get(&id).is_none_or(|open| open.peer != peer) {
            return false;
        }
        if let Ok(content) = &result {
            backlog.set_aside(peer, 0, content_weight(content));
        }
        self.close(id, |_| result);
        true
    }

    fn end_session(&mut self, peer: PeerId) {
        // Taken out first, as closing changes it.
        for id in self.of_peers.remove(&peer).unwrap_or_default() {
            self.close(id, |peer| Err(Error::Gone(peer)));
        }
    }

    fn end(&mut self) {
        while let Some(id) = self.open.keys().next().copied() {
            self.close(id, |_| Err(Error::Stopped));
        }
    }

    /// An open request has its outcome.
    fn close(&mut self, id: RequestId, result: impl FnOnce(PeerId) -> Result<Content, Error>) {
        if let Some(Open { peer, .. }) = self.remove(id) {
            let result = result(peer);
            self.outcomes.insert(id, Outcome { peer, result });
            self.untold.insert(id);
        }
    }

    /// Takes an open request out of all indexes.
    fn remove(&mut self, id: RequestId) -> Option<Open> {
        let open = self.open.remove(&id)?;
        if let Some(of_peer) = self.of_peers.get_mut(&open.peer) {
            of_peer.remove(&id);
            if of_peer.is_empty() {
                self.of_peers.remove(&open.peer);
            }
        }
        if let Some(at) = open.due {
            self.due.remove(&(at, id));
        }
        Some(open)
    }
}

/// The requests of peers.
#[derive(Debug, Default)]
#[cfg_attr(test, derive(Clone))]
pub(crate) struct Served {
    /// Whether the application takes requests.
    is_on: bool,
    lane: Lane,
    /// The number of the last request.
    last: u64,
    /// The requests that can be answered, by who asks, whether they have been taken or not.
    unanswered: BTreeSet<(PeerId, u64)>,
    /// The requests that were refused while there was no room to say so, with what the asker calls
    /// them.
    owed: BTreeMap<(PeerId, u64), Bytes>,
}

/// A refusal that waits counts like a request of no content.
const OWED: usize = size_of::<Event>();

impl Served {
    /// From now on requests of peers come here.
    pub(crate) fn turn_on(&mut self) {
        self.is_on = true;
    }

    /// Whether a request waits to be taken.
    pub(crate) fn has_requests(&self) -> bool {
        !self.lane.is_empty()
    }

    pub(crate) fn poll(&mut self, backlog: &mut Backlog) -> Option<IncomingRequest> {
        let request = self.lane.pop()?;
        backlog.take_aside(request.peer, 1, request.weight());
        Some(request)
    }

    /// Whether a request can still be answered: it has not been, and its session is not over.
    pub(crate) fn is_open(&self, request: &IncomingRequest) -> bool {
        self.unanswered.contains(&(request.peer, request.number))
    }

    #[cfg(test)]
    pub(crate) fn unanswered(&self) -> usize {
        self.unanswered.len()
    }

    /// A request is refused as soon as there is room to say so. False if it is not open any more.
    pub(crate) fn owe(&mut self, request: &IncomingRequest, backlog: &mut Backlog) -> bool {
        let key = (request.peer, request.number);
        let is_open = self.unanswered.remove(&key);
        if is_open {
            self.owed.insert(key, request.id.clone());
            backlog.set_aside(request.peer, 1, OWED);
        }
        is_open
    }

    #[inline]
    pub(crate) fn owes(&self) -> bool {
        !self.owed.is_empty()
    }

    pub(crate) fn owed_to(&self) -> Vec<PeerId> {
        let mut peers: Vec<_> = self.owed.keys().map(|(peer, _)| *peer).collect();
        peers.dedup();
        peers
    }

    /// The next refusal that a peer is owed.
    pub(crate) fn owed(&self, peer: PeerId) -> Option<Content> {
        let (_, id) = self.next_owed(peer)?;
        Some(wire::with_lead(Kind::Refusal, id, Content::default()))
    }

    /// It has been sent, or nobody waits for it any more. False if there is none.
    pub(crate) fn pay(&mut self, peer: PeerId, backlog: &mut Backlog) -> bool {
        let Some((key, _)) = self.next_owed(peer) else {
            return false;
        };
        self.owed.remove(&key);
        backlog.take_aside(peer, 1, OWED);
        true
    }

    fn next_owed(&self, peer: PeerId) -> Option<((PeerId, u64), &Bytes)> {
        let mut of_peer = self.owed.range((peer, 0)..=(peer, u64::MAX));
        of_peer.next().map(|(key, id)| (*key, id))
    }

    /// A request has been answered or refused.
    pub(crate) fn close(&mut self, request: &IncomingRequest) {
        self.unanswered.remove(&(request.peer, request.number));
    }

    fn take(
        &mut self,
        peer: PeerId,
        name: ShortText,
        id: Bytes,
        content: Content,
        backlog: &mut Backlog,
    ) {
        self.last += 1;
        let number = self.last;
        let request = IncomingRequest {
            peer,
            name,
            content,
            id,
            number,
        };
        backlog.set_aside(peer, 1, request.weight());
        self.unanswered.insert((peer, number));
        self.lane.push(request);
    }

    /// Nobody waits for these answers any more.
    fn end_session(&mut self, peer: PeerId, backlog: &mut Backlog) {
        for request in self.lane.take_all_of(peer) {
            backlog.take_aside(peer, 1, request.weight());
        }
        while let Some(asked) = self.first_unanswered_of(peer) {
            self.unanswered.remove(&asked);
        }
        while self.pay(peer, backlog) {}
    }

    fn first_unanswered_of(&self, peer: PeerId) -> Option<(PeerId, u64)> {
        let mut of_peer = self.unanswered.range((peer, 0)..=(peer, u64::MAX));
        of_peer.next().copied()
    }

    fn end(&mut self, backlog: &mut Backlog) {
        while self.poll(backlog).is_some() {}
        self.unanswered.clear();
        for peer in self.owed_to() {
            while self.pay(peer, backlog) {}
        }
    }
}
