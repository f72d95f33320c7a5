//! Gossip: what hubs and their clients tell each other of nodes, interoperable with zyre.
//!
//! Each node that binds a hub or connects to one has one [`Table`] of tuples, and a [`Session`] for
//! each connection. A tuple that comes over one connection is told over all others. This machine
//! has no connections and knows no sessions of peers: it is told of both, says which peers are to
//! be [sought](GossipOutput::Seek), and hands out what is to be sent over a connection when there
//! is room ([`Gossip::next_message`]). So nothing waits here that a peer could make grow.
//!
//! # Tuples of peers that are gone
//!
//! A hub of zyre never forgets a tuple, and its clients tell all that they ever heard to a hub
//! that is restarted. This node tells a tuple only while its peer is there, or until it is known
//! not to be: [`Table`] has the rules, and those by which peers are sought again.

mod session;
mod share;
mod table;
#[cfg(test)]
mod tests;

use alloc::{
    collections::{BTreeMap, VecDeque},
    format,
    string::String,
    vec::Vec,
};
use core::{net::IpAddr, time::Duration};

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{RngCore as _, SeedableRng as _},
};
use zre_proto::{
    Endpoint, GossipMessage, GossipTuple, KeyedEndpoint, PeerId, ShortText, Text, curve::PublicKey,
};

use crate::{
    config::Config,
    engine::LinkId,
    node::{Sought, Standing},
    notice::Notice,
    security::Trust,
    seed::Seed,
    time::Instant,
};
use session::Session;
pub(crate) use session::Side;
use table::{Mark, Source, Table, Taken};

/// How long this node waits before it tells its own tuple again to a hub that has another.
const CORRECTION_PAUSE: Duration = Duration::from_secs(10);

/// The gossip of one node.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub(crate) struct Gossip {
    own: PeerId,
    /// The key of this node.
    own_key: Option<PublicKey>,
    /// Whether it has been noted that there are nodes without a key, or with one.
    has_noted_others: bool,
    now: Instant,
    table: Table,
    sessions: BTreeMap<LinkId, Session>,
    outputs: VecDeque<GossipOutput>,
    notices: Vec<Notice>,
    /// Where this node is, and was before.
    own_places: VecDeque<OwnPlace>,
    /// Where a tuple said last that this node is, though it is not.
    foreign_place: Option<Endpoint>,
    /// Whether there may be something to send to anybody, or the time of the next has changed.
    has_news: bool,
    /// What the table had when this was last asked.
    seen: Mark,
    generator: ChaCha8Rng,
}

#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
struct OwnPlace {
    endpoint: Endpoint,
    /// Whether it still is. If not, another node may be there.
    is_current: bool,
}

/// What gossip wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum GossipOutput {
    /// Seek a peer there, and answer with [`Gossip::handle_sought`].
    Seek {
        peer: PeerId,
        place: KeyedEndpoint,
        /// Whether it has been sought before, and has not been found.
        is_again: bool,
    },
    /// A tuple was dropped, as its key is not trusted.
    Untrusted { peer: PeerId, key: PublicKey },
    /// Close a connection to a hub that does not answer.
    Close { link: LinkId, reason: &'static str },
}

/// Connections and what comes over them.
impl Gossip {
    pub(crate) fn new(own: PeerId, config: &Config, seed: &Seed, now: Instant) -> Self {
        let mut generator = ChaCha8Rng::from_seed(*seed.expose());
        // As in the engine: nobody shall tell it from the node's identity.
        generator.set_stream(2);
        let security = config.security.as_ref();
        Self {
            own,
            own_key: security.map(|security| security.keypair.public()),
            has_noted_others: false,
            now,
            table: Table::new(config),
            sessions: BTreeMap::new(),
            outputs: VecDeque::new(),
            notices: Vec::new(),
            own_places: VecDeque::new(),
            foreign_place: None,
            has_news: false,
            seen: Mark::default(),
            generator,
        }
    }

    /// A connection is open.
    pub(crate) fn handle_open(
        &mut self,
        link: LinkId,
        side: Side,
        remote: Option<IpAddr>,
        now: Instant,
    ) {
        self.advance(now);
        let session = Session::new(side, remote, now);
        self.sessions.insert(link, session);
        // A client is silent until it has said HELLO.
        self.has_news |= side != Side::Client;
    }

    /// A connection has ended.
    pub(crate) fn handle_ended(&mut self, link: LinkId, now: Instant) {
        self.advance(now);
        if let Some(session) = self.sessions.remove(&link)
            && session.has_given
        {
            self.table.source_ended(source_of(link, session.side));
        }
    }

    /// This node is reached here over a connection, or it is not known where. The other side is
    /// told with the next message.
    pub(crate) fn set_own(&mut self, link: LinkId, place: Option<Endpoint>) {
        const REMEMBERED: usize = 16;
        if let Some(place) = &place {
            let mut known = self.own_places.iter_mut();
            match known.find(|own| own.endpoint == *place) {
                Some(known) => known.is_current = true,
                None => self.own_places.push_back(OwnPlace {
                    endpoint: place.clone(),
                    is_current: true,
                }),
            }
            if self.own_places.len() > REMEMBERED {
                self.own_places.pop_front();
            }
        }
        if let Some(session) = self.sessions.get_mut(&link) {
            session.own = place;
        }
    }

    /// [`set_own`](Self::set_own) has been called for all connections, as the node may be elsewhere
    /// than before: whoever is at a former place of its is sought as others are.
    pub(crate) fn forget_former_places(&mut self) {
        for own in &mut self.own_places {
            let mut sessions = self.sessions.values();
            own.is_current = sessions.any(|session| session.own.as_ref() == Some(&own.endpoint));
        }
    }

    /// A message came. What it changes for this connection alone is no news: see what is
    /// [next](Self::next_message) for it.
    ///
    /// `trust` is whom the node talks with, if it has a key.
    pub(crate) fn handle_message(
        &mut self,
        link: LinkId,
        message: GossipMessage,
        trust: Option<&Trust>,
        now: Instant,
    ) {
        self.advance(now);
        let Some(session) = self.sessions.get_mut(&link) else {
            return;
        };
        session.note_message();
        match message {
            GossipMessage::Publish { key, value, .. } if session.is_known() => {
                self.take_tuple(link, &key, &value, trust);
            }
            message => {
                let due_at = session.due_at();
                session.take(&message, now);
                self.has_news |= session.due_at() != due_at;
            }
        }
    }

    /// Time has passed; see [`poll_timeout`](Self::poll_timeout).
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        self.advance(now);
        self.has_news = true;
        for (link, session) in &mut self.sessions {
            if session.is_due(now) && session.check(now) {
                let (link, reason) = (*link, "it does not answer");
                self.outputs.push_back(GossipOutput::Close { link, reason });
            }
        }
        self.seek_due();
    }

    /// When [`handle_timeout`](Self::handle_timeout) has something to do.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let sessions = self.sessions.values().filter_map(Session::due_at);
        sessions.chain(self.table.due_at()).min()
    }
}

/// Peers.
impl Gossip {
    /// What came of [`GossipOutput::Seek`].
    pub(crate) fn handle_sought(&mut self, peer: PeerId, sought: Sought, now: Instant) {
        self.advance(now);
        match sought {
            Sought::Begun => {}
            Sought::There => self.table.is_there(peer),
            Sought::NotNow => self.is_missed(peer),
            Sought::Later => self.table.postpone(peer, now),
            Sought::Never => self.table.drop(peer, now),
        }
    }

    /// Something has changed for a peer, which may have a tuple or not.
    pub(crate) fn handle_standing(
        &mut self,
        peer: PeerId,
        standing: Standing,
        is_final: bool,
        now: Instant,
    ) {
        self.advance(now);
        match standing {
            Standing::Ready => self.table.is_there(peer),
            Standing::Pending => {}
            Standing::Gone if is_final => self.table.drop(peer, now),
            Standing::Gone | Standing::Unreachable => self.is_missed(peer),
        }
    }

    fn seek_due(&mut self) {
        while let Some(output) = self.table.next_due(self.now) {
            self.outputs.push_back(output);
        }
    }

    /// The peer is gone, or could not be found.
    fn is_missed(&mut self, peer: PeerId) {
        let percent = 75 + self.generator.next_u32() % 26;
        let source = self.table.source(peer);
        let is_live = source.is_some_and(|source| {
            let mut sessions = self.sessions.iter();
            sessions.any(|(link, session)| source_of(*link, session.side) == source)
        });
        self.table.is_missed(peer, is_live, percent, self.now);
    }

    fn take_tuple(&mut self, link: LinkId, key: &ShortText, value: &Text, trust: Option<&Trust>) {
        let tuple = match GossipTuple::read(key, value) {
            Ok(tuple) => tuple,
            Err(error) => return self.note_bad(link, Notice::BadTuple(error)),
        };
        if tuple.peer == self.own {
            return self.take_own(link, tuple.endpoint);
        }
        if trust.is_some_and(|trust| !self.is_trusted(link, &tuple, trust)) {
            return;
        }
        let Some(session) = self.sessions.get_mut(&link) else {
            return;
        };
        // Nobody can mean another host with it.
        if is_loopback(&tuple.endpoint) && !session.may_be_on_this_host() {
            return;
        }
        if self
            .own_places
            .iter()
            .any(|own| own.is_current && own.endpoint.is_same_place(&tuple.endpoint))
        {
            return;
        }
        let (source, origin) = (source_of(link, session.side), session.origin(link));
        session.has_given = true;
        let is_news = !self.table.has(tuple.peer, value);
        if is_news && !self.table.may_bring(origin, self.now) {
            return self.note_limit(link);
        }
        match self.table.take((source, origin), &tuple, value, self.now) {
            Taken::Known => {}
            Taken::Secured => {
                let GossipTuple { peer, endpoint, .. } = tuple;
                self.note_others(Notice::SecuredTuple { peer, endpoint });
            }
            Taken::Moved => self.outputs.push_back(GossipOutput::Seek {
                peer: tuple.peer,
                place: KeyedEndpoint {
                    endpoint: tuple.endpoint,
                    key: tuple.public_key,
                },
                is_again: false,
            }),
            Taken::Full => self.note_limit(link),
        }
        self.seek_due();
    }

    /// Whether a tuple has a key that is trusted.
    fn is_trusted(&mut self, link: LinkId, tuple: &GossipTuple, trust: &Trust) -> bool {
        let peer = tuple.peer;
        let Some(key) = tuple.public_key else {
            let endpoint = tuple.endpoint.clone();
            self.note_others(Notice::OpenTuple { peer, endpoint });
            return false;
        };
        let is_trusted = trust.admits(&key).is_some();
        if !is_trusted {
            self.outputs
                .push_back(GossipOutput::Untrusted { peer, key });
            if let Some(session) = self.sessions.get_mut(&link) {
                session.has_given_untrusted = true;
            }
        }
        is_trusted
    }

    /// Nodes with a key and nodes without cannot talk with each other. That is noted once.
    fn note_others(&mut self, notice: Notice) {
        if !core::mem::replace(&mut self.has_noted_others, true) {
            self.notices.push(notice);
        }
    }

    /// Other keys are trusted from now on. Hubs are to tell again what was dropped. Gives the
    /// clients that would have to.
    pub(crate) fn handle_trust(&mut self, now: Instant) -> Vec<LinkId> {
        self.advance(now);
        let mut clients = Vec::new();
        for (link, session) in &mut self.sessions {
            if core::mem::take(&mut session.has_given_untrusted) {
                match session.side {
                    Side::Hub(_) => session.begin_again(now),
                    Side::Client => clients.push(*link),
                }
            }
        }
        self.has_news = true;
        clients
    }

    /// A tuple has this node's own identity.
    fn take_own(&mut self, link: LinkId, place: Endpoint) {
        // It is the past, however long ago: no other node has both the identity and the place.
        let is_own = |own: &OwnPlace| own.endpoint.is_same_place(&place);
        let Some(session) = self.sessions.get_mut(&link) else {
            return;
        };
        if self.own_places.iter().any(is_own) || !session.has_taken_own() {
            return;
        }
        session.correct_own(CORRECTION_PAUSE, self.now);
        if self.foreign_place.as_ref() != Some(&place) {
            self.notices.push(Notice::OwnIdentityGossiped {
                endpoint: place.clone(),
            });
            self.foreign_place = Some(place);
        }
    }

    fn note_bad(&mut self, link: LinkId, notice: Notice) {
        let session = self.sessions.get_mut(&link);
        if session.is_some_and(|session| !core::mem::replace(&mut session.has_noted_bad, true)) {
            self.notices.push(notice);
        }
    }

    fn note_limit(&mut self, link: LinkId) {
        let Some(session) = self.sessions.get_mut(&link) else {
            return;
        };
        if !core::mem::replace(&mut session.has_noted_limit, true) {
            let who = session.describe();
            self.notices.push(Notice::TupleLimit(who));
        }
    }
}

/// What gossip wants and says.
impl Gossip {
    pub(crate) fn poll_output(&mut self) -> Option<GossipOutput> {
        // What came of others may have made room.
        if self.outputs.is_empty() {
            self.seek_due();
        }
        self.outputs.pop_front()
    }

    pub(crate) fn take_notices(&mut self) -> Vec<Notice> {
        core::mem::take(&mut self.notices)
    }

    /// Whether [`next_message`](Self::next_message) may have something for any connection since
    /// this was last asked, or [`poll_timeout`](Self::poll_timeout) gives another time.
    pub(crate) fn take_news(&mut self) -> bool {
        let mark = self.table.mark();
        let has_changed = core::mem::replace(&mut self.seen, mark) != mark;
        core::mem::take(&mut self.has_news) || has_changed
    }

    /// The next message for a connection over which there is room.
    pub(crate) fn next_message(&mut self, link: LinkId, now: Instant) -> Option<GossipMessage> {
        self.advance(now);
        let session = self.sessions.get_mut(&link)?;
        let source = source_of(link, session.side);
        let own = (self.own, self.own_key);
        session.next_message(own, source, &self.table, self.now)
    }

    /// Whether the other side of a connection has said HELLO.
    pub(crate) fn has_said_hello(&self, link: LinkId) -> bool {
        self.sessions.get(&link).is_some_and(Session::is_known)
    }

    fn advance(&mut self, now: Instant) {
        self.now = self.now.max(now);
    }
}

fn source_of(link: LinkId, side: Side) -> Source {
    match side {
        Side::Hub(hub) => Source::Hub(hub),
        Side::Client => Source::Client(link),
    }
}

fn is_loopback(endpoint: &Endpoint) -> bool {
    let address = endpoint.canonical().to_socket_addr();
    address.is_some_and(|address| address.ip().is_loopback())
}

fn text_of(place: Option<IpAddr>) -> String {
    match place {
        Some(place) => format!("{place}"),
        None => "a gossip hub".into(),
    }
}
