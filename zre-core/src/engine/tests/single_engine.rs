//! One engine, and peers that a test plays: message by message, or byte by byte.

use alloc::{
    collections::{BTreeMap, VecDeque},
    format,
    string::String,
    sync::Arc,
    vec::Vec,
};
use core::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use zre_proto::{
    Body, Content, Endpoint, Headers, Hello, Message, PeerId, RoutingId,
    curve::{Keypair, PublicKey},
};

use super::level::{Level, exchange};
use crate::{
    config::{Config, Limits},
    engine::{Engine, LinkId, Output},
    interfaces::NetworkId,
    link::{Caller, Link, LinkSecurity, Role},
    node::tests::event_text::tell,
    notice::Notice,
    security::Trust,
    seed::Seed,
    time::Instant,
};

/// One engine, whose outputs and events pile up to be looked at.
pub(super) struct SingleEngine<C: Level> {
    pub(super) now: Instant,
    pub(super) engine: Engine<C>,
    /// What the engine has asked to open and no test has answered.
    pub(super) wanted: VecDeque<(LinkId, Endpoint)>,
    /// With which key.
    pub(super) wanted_keys: BTreeMap<LinkId, Option<PublicKey>>,
    pub(super) closed: Vec<LinkId>,
    pub(super) resumed: usize,
    pub(super) takes_events: bool,
    /// The networks on which beacons were sent.
    pub(super) announced: Vec<NetworkId>,
    events: Vec<String>,
    pub(super) notices: Vec<Notice>,
}

/// The other end of one of the engine's connections.
pub(super) struct RemoteEnd<C: Level> {
    pub(super) at: LinkId,
    pub(super) link: C::RemoteLink,
    pub(super) received: Vec<Message>,
    /// Whether it reads what the engine writes.
    pub(super) reads: bool,
}

/// A peer that says what a test wants it to say.
pub(super) struct FakePeer<C: Level> {
    pub(super) id: PeerId,
    pub(super) endpoint: Endpoint,
    pub(super) sequence: u16,
    /// The connection that it opened to the engine.
    pub(super) to: RemoteEnd<C>,
    /// The connection that the engine opened to it.
    pub(super) from: RemoteEnd<C>,
}

impl<C: Level> SingleEngine<C> {
    pub(super) fn new() -> Self {
        Self::with(config())
    }

    pub(super) fn with_limits(set: impl FnOnce(&mut Limits)) -> Self {
        let mut config = config();
        set(&mut config.limits);
        Self::with(config)
    }

    pub(super) fn with(config: Config) -> Self {
        let now = Instant::from_micros(1_000_000);
        Self {
            now,
            engine: C::start(config, Seed::predictable([9; 32]), now),
            wanted: VecDeque::new(),
            wanted_keys: BTreeMap::new(),
            closed: Vec::new(),
            resumed: 0,
            takes_events: true,
            announced: Vec::new(),
            events: Vec::new(),
            notices: Vec::new(),
        }
    }

    /// Takes what the engine wants and tells.
    pub(super) fn drain(&mut self) {
        while self.takes_events
            && let Some(event) = self.engine.poll_event()
        {
            self.events.push(tell(&event));
        }
        while let Some(notice) = self.engine.poll_notice() {
            self.notices.push(notice);
        }
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::Open {
                    link,
                    endpoint,
                    key,
                    ..
                } => {
                    self.wanted.push_back((link, endpoint));
                    self.wanted_keys.insert(link, key);
                }
                Output::Close(link) => self.closed.push(link),
                Output::Resume => self.resumed += 1,
                Output::Listen { network, .. } => {
                    let port = 49152.try_into().unwrap();
                    self.engine.handle_listening(network, port, self.now);
                }
                Output::Datagram { network, .. } => self.announced.push(network),
                Output::Leave(_) | Output::Writable(_) => {}
            }
        }
    }

    pub(super) fn told(&mut self) -> Vec<String> {
        self.drain();
        core::mem::take(&mut self.events)
    }

    /// Lets time pass, in steps from one deadline to the next; gives how many there were.
    pub(super) fn run(&mut self, duration: Duration) -> usize {
        let end = self.now + duration;
        let mut steps = 0;
        while let Some(next) = self.engine.poll_timeout().filter(|next| *next <= end) {
            self.now = self.now.max(next);
            self.engine.handle_timeout(self.now);
            assert!(
                self.engine.poll_timeout().is_none_or(|at| at > self.now),
                "a timer spins"
            );
            self.drain();
            steps += 1;
        }
        self.now = end;
        steps
    }

    pub(super) fn beacon(&mut self, id: PeerId, endpoint: &Endpoint) {
        let address = endpoint.to_socket_addr().unwrap();
        self.beacon_from(SocketAddr::new(address.ip(), 5670), id, endpoint);
    }

    /// A beacon that names the port of an endpoint comes from here.
    pub(super) fn beacon_from(&mut self, from: SocketAddr, id: PeerId, endpoint: &Endpoint) {
        let beacon = crate::node::tests::beacon(id, endpoint);
        self.engine.handle_datagram(from, &beacon, self.now);
        self.drain();
    }

    /// A connection comes in, over which nothing comes.
    pub(super) fn accept(&mut self) -> LinkId {
        self.accept_from(PeerId::from([0; 16]))
    }

    fn accept_from(&mut self, id: PeerId) -> LinkId {
        self.accept_at("10.0.0.66:6666", id)
    }

    fn accept_at(&mut self, remote: &str, id: PeerId) -> LinkId {
        self.accept_caller(remote, id.into())
    }

    fn accept_caller(&mut self, remote: &str, caller: Caller) -> LinkId {
        let remote = remote.parse().unwrap();
        let link = C::accept(&mut self.engine, remote, caller, self.now);
        self.drain();
        link
    }

    /// Somebody connects and greets under this identity.
    pub(super) fn connect(&mut self, id: PeerId) -> RemoteEnd<C> {
        self.connect_from("10.0.0.66:6666", id)
    }

    /// Somebody connects from this address and greets under this identity.
    pub(super) fn connect_from(&mut self, remote: &str, id: PeerId) -> RemoteEnd<C> {
        let at = self.accept_at(remote, id);
        let role = Role::Connecting(RoutingId::from(id));
        let mut remote = RemoteEnd::new(at, role);
        remote.exchange(self);
        remote
    }

    /// The same, with a key, to an engine that has one, too.
    pub(super) fn connect_with_key(
        &mut self,
        remote: &str,
        id: PeerId,
        own: &Keypair,
    ) -> RemoteEnd<C> {
        let id = RoutingId::from(id);
        let caller = Caller {
            id,
            key: Some(own.public()),
        };
        let at = self.accept_caller(remote, caller);
        let security = LinkSecurity::Client {
            own: own.clone(),
            server: self.own_key(),
            seed: Seed::predictable([0xC1; 32]),
        };
        let mut remote = RemoteEnd {
            at,
            link: C::remote(Role::Connecting(id), security),
            received: Vec::new(),
            reads: true,
        };
        remote.exchange(self);
        remote
    }

    fn own_key(&self) -> PublicKey {
        let security = self.engine.node().security();
        security.unwrap().keypair.public()
    }

    /// Answers the engine's oldest wish to open a connection, as somebody with a key who trusts
    /// everybody. `None` if the engine wanted another key there.
    pub(super) fn answer_open_with_key(
        &mut self,
        id: PeerId,
        own: &Keypair,
    ) -> Option<RemoteEnd<C>> {
        let (at, _) = self.wanted.pop_front().unwrap();
        if self.wanted_keys.remove(&at).unwrap() != Some(own.public()) {
            self.engine
                .handle_closed(at, "the handshake failed", self.now);
            self.drain();
            return None;
        }
        let security = LinkSecurity::Server {
            own: own.clone(),
            trust: Arc::new(Trust::Any),
            seed: Seed::predictable([0x5E; 32]),
        };
        let mut remote = RemoteEnd {
            at,
            link: C::remote(Role::AcceptingAs(RoutingId::from(id)), security),
            received: Vec::new(),
            reads: true,
        };
        self.engine.handle_connected(at, self.now);
        remote.exchange(self);
        Some(remote)
    }

    /// Answers the engine's oldest wish to open a connection.
    pub(super) fn answer_open(&mut self) -> RemoteEnd<C> {
        let (at, _) = self.wanted.pop_front().unwrap();
        let mut remote = RemoteEnd::new(at, Role::Accepting);
        self.engine.handle_connected(at, self.now);
        remote.exchange(self);
        remote
    }

    /// A peer with a session that is complete on both sides; what was told of it is taken.
    pub(super) fn add_peer(&mut self, number: u8) -> FakePeer<C> {
        let id = PeerId::from([number; 16]);
        let endpoint = endpoint(number);
        self.beacon(id, &endpoint);
        let from = self.answer_open();
        let to = self.connect(id);
        let mut peer = FakePeer {
            id,
            endpoint,
            sequence: 0,
            to,
            from,
        };
        peer.say(self, hello(number));
        assert_eq!(peer.from.received.len(), 1, "HELLO");
        assert_eq!(self.told(), [format!("peer{number} enters")]);
        peer
    }

    /// How many bytes wait to be written; `None` for a connection that the engine does not know.
    pub(super) fn unwritten(&mut self, link: LinkId) -> Option<usize> {
        C::unwritten(&mut self.engine, link)
    }

    /// The system takes all that waits for a connection.
    pub(super) fn write_all(&mut self, link: LinkId) {
        while C::write(&mut self.engine, link, usize::MAX).is_some() {}
        self.engine.handle_written(self.now);
        self.drain();
    }
}

impl SingleEngine<Link> {
    /// The system takes so many bytes of what waits for a connection.
    pub(super) fn write(&mut self, link: LinkId, count: usize) {
        Link::write(&mut self.engine, link, count).unwrap();
        self.engine.handle_written(self.now);
        self.drain();
    }

    /// Bytes come in on a connection, whether or not the engine knows it.
    pub(super) fn read(&mut self, link: LinkId, bytes: &[u8]) {
        let mut rest = Some(Bytes::copy_from_slice(bytes)).filter(|bytes| !bytes.is_empty());
        while let Some(piece) = rest {
            rest = Link::read(&mut self.engine, link, piece, usize::MAX, self.now);
        }
        self.drain();
    }
}

impl<C: Level> RemoteEnd<C> {
    pub(super) fn new(at: LinkId, role: Role) -> Self {
        Self {
            at,
            link: C::remote(role, LinkSecurity::Open),
            received: Vec::new(),
            reads: true,
        }
    }

    /// Carries everything both ways, as far as this end reads.
    pub(super) fn exchange(&mut self, test: &mut SingleEngine<C>) {
        let (engine, link) = (&mut test.engine, &mut self.link);
        let received = exchange(engine, self.at, link, self.reads, test.now);
        self.received.extend(received);
        test.drain();
    }

    pub(super) fn send(&mut self, test: &mut SingleEngine<C>, sequence: u16, body: Body) {
        self.queue(sequence, body);
        self.exchange(test);
    }

    /// Sends it with the next exchange.
    pub(super) fn queue(&mut self, sequence: u16, body: Body) {
        C::queue(&mut self.link, &Message { sequence, body });
    }

    pub(super) fn is_closed(&self, test: &SingleEngine<C>) -> bool {
        test.closed.contains(&self.at)
    }
}

impl RemoteEnd<Link> {
    pub(super) fn send_raw(&mut self, test: &mut SingleEngine<Link>, first: &[u8]) {
        self.link.send(first, &Content::default());
        self.exchange(test);
    }
}

impl<C: Level> FakePeer<C> {
    /// Says the next message of its session.
    pub(super) fn say(&mut self, test: &mut SingleEngine<C>, body: Body) {
        self.sequence = self.sequence.wrapping_add(1);
        self.to.send(test, self.sequence, body);
        self.from.exchange(test);
    }

    pub(super) fn is_undisturbed(&mut self, test: &mut SingleEngine<C>) {
        assert_eq!(test.told(), Vec::<String>::new());
        self.say(test, whisper("still here"));
        let name = format!("peer{} whispers still here", self.id.to_bytes()[0]);
        assert_eq!(test.told(), [name]);
        let before = self.from.received.len();
        test.engine
            .whisper(self.id, "and you".into(), test.now)
            .unwrap();
        self.from.exchange(test);
        assert_eq!(self.from.received.len(), before + 1);
        assert!(!self.to.is_closed(test) && !self.from.is_closed(test));
    }
}

pub(super) fn config() -> Config {
    let mut config = Config::new("tcp://10.0.0.1:49152".parse().unwrap());
    config.id = Some([0xEE; 16].into());
    config
}

pub(super) fn endpoint(number: u8) -> Endpoint {
    format!("tcp://10.0.1.{number}:49152").parse().unwrap()
}

pub(super) fn hello(number: u8) -> Body {
    Body::from(Hello {
        endpoint: endpoint(number),
        groups: Default::default(),
        status: 0,
        name: format!("peer{number}").try_into().unwrap(),
        headers: Headers::default(),
    })
}

pub(super) fn whisper(text: &'static str) -> Body {
    let content = text.into();
    Body::Whisper { content }
}
