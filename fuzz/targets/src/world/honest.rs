use std::{
    collections::{BTreeSet, VecDeque},
    net::SocketAddr,
    time::Duration,
};

use bytes::Buf as _;
use zre_core::{
    Event, Instant, Limits, Link, LinkEvent, LinkId, LinkSecurity, Multipart, OpenFor, Output, Role,
};
use zre_proto::{
    Body, Content, Endpoint, GroupName, Headers, Hello, Message, MessageLimits, PeerId, RoutingId,
};

use super::{Keys, MESSAGE, TestedEngine};
use crate::{adversary, wire};

const BEACON_INTERVAL: Duration = Duration::from_secs(1);

/// A peer that does everything right, on connections of its own.
#[derive(Debug)]
pub(crate) struct HonestPeer {
    pub(crate) id: PeerId,
    address: SocketAddr,
    pub(crate) endpoint: Endpoint,
    /// The connection that it opened.
    to: Connection,
    /// The connection that the engine opened.
    from: Connection,
    is_open: bool,
    /// Whether the node has said that it goes.
    is_left: bool,
    /// How many bytes go over a connection at once.
    pub(crate) piece: usize,
    /// The number of its last message.
    pub(crate) sequence: u16,
    status: u8,
    groups: BTreeSet<GroupName>,
    /// The number of the last message from the node, its status, and the groups that it is in.
    node_sequence: u16,
    node_status: u8,
    pub(crate) node_groups: BTreeSet<GroupName>,
    /// What the node was told to send here and has not come.
    to_receive: VecDeque<Body>,
    /// What was said and the node's application has not been told.
    to_be_told: VecDeque<Body>,
    pub(super) beacon_at: Instant,
    /// Whether the node may find it silent, as it was not called itself for a while.
    pub(crate) may_be_suspected: bool,
    keys: Option<Keys>,
}

/// One of its connections, and the engine's name for it.
#[derive(Debug)]
struct Connection {
    link: Link,
    id: LinkId,
}

impl HonestPeer {
    /// Meets a node that knows nobody yet.
    pub(crate) fn meet(
        tested: &mut TestedEngine,
        id: PeerId,
        address: SocketAddr,
        keys: Option<Keys>,
        now: Instant,
    ) -> Self {
        let endpoint = Endpoint::from_socket_addr(address).unwrap();
        let key = keys.map(|keys| keys.member(1).public());
        let beacon = adversary::beacon(id, address.port(), key);
        tested.engine.handle_datagram(address, &beacon, now);
        let opened = opened_connection(tested, &endpoint, now);
        tested.engine.handle_connected(opened, now);
        let remote = SocketAddr::new(address.ip(), 40000);
        let accepted = tested.engine.handle_accepted(remote, now);
        let mut honest = Self {
            id,
            address,
            endpoint,
            to: Connection::new(Role::Connecting(RoutingId::from(id)), accepted, keys),
            from: Connection::new(Role::Accepting, opened, keys),
            is_open: true,
            is_left: false,
            piece: usize::MAX,
            sequence: 0,
            status: 0,
            groups: BTreeSet::new(),
            node_sequence: 0,
            node_status: 0,
            node_groups: BTreeSet::new(),
            to_receive: VecDeque::new(),
            to_be_told: VecDeque::new(),
            beacon_at: now + BEACON_INTERVAL,
            may_be_suspected: false,
            keys,
        };
        let mut headers = Headers::default();
        if let Some(key) = key {
            headers.set("X-PUBLICKEY", key.to_string()).unwrap();
        }
        honest.say(Body::from(Hello {
            endpoint: honest.endpoint.clone(),
            groups: BTreeSet::new(),
            status: 0,
            name: "honest".try_into().unwrap(),
            headers,
        }));
        honest
    }

    pub(super) fn owns(&self, link: LinkId) -> bool {
        [self.to.id, self.from.id].contains(&link)
    }

    /// The node has ended a connection, as it does when it stops: everything it said before has
    /// come.
    pub(super) fn close(&mut self) {
        assert_eq!(self.to_receive, [], "what was said before the end is lost");
        self.is_open = false;
    }

    /// Nobody reads any more what it wanted to say.
    pub(crate) fn forget_unsent(&mut self) {
        self.to_be_told = VecDeque::new();
        self.to = Connection::new(Role::Accepting, self.to.id, None);
    }

    /// Sends a beacon from time to time.
    pub(super) fn handle_timeout(&mut self, tested: &mut TestedEngine, now: Instant) {
        if now >= self.beacon_at {
            let key = self.keys.map(|keys| keys.member(1).public());
            let beacon = adversary::beacon(self.id, self.address.port(), key);
            tested.engine.handle_datagram(self.address, &beacon, now);
            self.beacon_at = now + BEACON_INTERVAL;
        }
    }

    pub(crate) fn whisper(&mut self, size: u16) {
        let size = usize::from(size) % MESSAGE;
        let mut content = Content::from(vec![b'h'; size]);
        content.push(self.sequence.to_be_bytes().to_vec());
        self.say_something(Body::Whisper { content });
    }

    pub(crate) fn shout(&mut self, group: GroupName) {
        let content = Content::from(self.sequence.to_be_bytes().to_vec());
        self.say_something(Body::Shout { group, content });
    }

    pub(crate) fn join(&mut self, group: GroupName) {
        // The node takes no more groups from a peer than its limit.
        if self.groups.len() < 16 && self.groups.insert(group.clone()) {
            self.status = self.status.wrapping_add(1);
            let status = self.status;
            self.say_something(Body::Join { group, status });
        }
    }

    pub(crate) fn leave(&mut self, group: GroupName) {
        if self.groups.remove(&group) {
            self.status = self.status.wrapping_add(1);
            let status = self.status;
            self.say_something(Body::Leave { group, status });
        }
    }

    pub(crate) fn will_receive_whisper(&mut self, content: Content) {
        self.to_receive.push_back(Body::Whisper { content });
    }

    pub(crate) fn will_receive_shout(&mut self, group: GroupName, content: Content) {
        self.to_receive.push_back(Body::Shout { group, content });
    }

    /// The node's application takes an event. If it is of this peer, it tells the oldest thing that
    /// the peer said.
    pub(super) fn check_event(&mut self, event: &Event) {
        if event.peer() != Some(self.id) {
            return;
        }
        let told = match event.clone() {
            Event::Enter { .. } => return,
            // Somebody else says that it is this peer.
            Event::Refused { key, .. } => {
                let is_own = self.keys.is_some_and(|keys| keys.proves(1, key));
                return assert!(!is_own, "the honest peer is refused");
            }
            Event::Evasive { .. } if self.may_be_suspected => return,
            Event::Whisper { content, .. } => Body::Whisper { content },
            Event::Shout { group, content, .. } => Body::Shout { group, content },
            Event::Join { group, .. } => Body::Join { group, status: 0 },
            Event::Leave { group, .. } => Body::Leave { group, status: 0 },
            other => panic!("{other:?} of the honest peer"),
        };
        let said = self.to_be_told.pop_front().map(without_status);
        assert_eq!(said, Some(told));
    }

    /// Everything said on either side must have arrived, unless the node has closed the
    /// connections.
    pub(crate) fn check_is_up_to_date(&self) {
        if self.is_open {
            assert_eq!(
                (&self.to_receive, &self.to_be_told),
                (&[].into(), &[].into())
            );
        }
    }

    /// Reads and writes what can be; says whether there was anything.
    pub(super) fn exchange(&mut self, tested: &mut TestedEngine, now: Instant) -> bool {
        let mut any = false;
        while self.is_open {
            let mut more = self.to.write(self.piece, tested, now);
            more |= self.from.write(self.piece, tested, now);
            let from_node = self.to.read(self.piece, tested, now);
            assert!(from_node.is_none_or(|messages| messages.is_empty()));
            if let Some(messages) = self.from.read(self.piece, tested, now) {
                more = true;
                messages
                    .into_iter()
                    .for_each(|message| self.receive(message));
            }
            if !more {
                break;
            }
            any = true;
        }
        assert!(!self.is_left || tested.is_stopping, "it stays");
        any
    }

    /// A message came from the node: the next in its sequence.
    fn receive(&mut self, message: Multipart) {
        let limits = MessageLimits::default();
        let message = Message::decode(&message.first, message.rest, &limits).expect("a message");
        self.node_sequence += 1;
        assert_eq!(message.sequence, self.node_sequence);
        match message.body {
            Body::Hello(hello) => {
                assert_eq!(message.sequence, 1);
                self.node_status = hello.status;
                self.node_groups = hello.groups;
            }
            Body::Ping => self.say(Body::PingOk),
            // It does not vote, and is gone on without.
            Body::PingOk | Body::Elect { .. } | Body::Leader { .. } => {}
            // A node that gossips says so when it stops.
            Body::Goodbye => self.is_left = true,
            Body::Join { group, status } => {
                assert!(self.node_groups.insert(group));
                self.count(status);
            }
            Body::Leave { group, status } => {
                assert!(self.node_groups.remove(&group));
                self.count(status);
            }
            body => assert_eq!(Some(body), self.to_receive.pop_front()),
        }
    }

    fn count(&mut self, status: u8) {
        self.node_status = self.node_status.wrapping_add(1);
        assert_eq!(status, self.node_status);
    }

    /// Says something that the node's application will be told.
    fn say_something(&mut self, body: Body) {
        if self.is_open {
            self.to_be_told.push_back(body.clone());
            self.say(body);
        }
    }

    fn say(&mut self, body: Body) {
        self.sequence += 1;
        let message = Message {
            sequence: self.sequence,
            body,
        };
        let content = message.body.content().cloned().unwrap_or_default();
        self.to.link.send(&message.header(), &content);
    }
}

impl Connection {
    fn new(role: Role, id: LinkId, keys: Option<Keys>) -> Self {
        let connects = matches!(role, Role::Connecting(_));
        let security = keys.map_or(LinkSecurity::Open, |keys| keys.of_honest_peer(connects));
        Self {
            link: Link::secured(role, &Limits::default(), security),
            id,
        }
    }

    /// Writes one piece to the engine, if it reads; says whether it did.
    fn write(&mut self, piece: usize, tested: &mut TestedEngine, now: Instant) -> bool {
        let unsent = self.link.write_buffer();
        if !unsent.has_remaining() || !tested.engine.may_read(self.id) {
            return false;
        }
        tested.read(self.id, unsent, piece, now);
        true
    }

    /// Reads one piece from the engine; `None` if there is nothing.
    fn read(
        &mut self,
        piece: usize,
        tested: &mut TestedEngine,
        now: Instant,
    ) -> Option<Vec<Multipart>> {
        let bytes = tested.take_unsent(self.id, piece)?;
        tested.engine.handle_written(now);
        let events = wire::feed(&mut self.link, &bytes);
        let messages = events.into_iter().filter_map(|event| match event {
            LinkEvent::Message(message) => Some(message),
            _ => None,
        });
        (!bytes.is_empty()).then(|| messages.collect())
    }
}

/// The connection that the engine opens to the honest peer.
fn opened_connection(tested: &mut TestedEngine, endpoint: &Endpoint, now: Instant) -> LinkId {
    loop {
        let output = tested.engine.poll_output();
        match output.expect("it opens a connection") {
            Output::Listen { network, address } => tested.listen(network, address, now),
            // Nobody is there yet.
            Output::Open {
                link,
                purpose: OpenFor::User,
                ..
            } => {
                tested.engine.handle_closed(link, "connection refused", now);
            }
            Output::Open {
                link, endpoint: to, ..
            } => {
                assert_eq!(to, *endpoint);
                return link;
            }
            _ => {}
        }
    }
}

/// An event does not tell the status.
fn without_status(body: Body) -> Body {
    match body {
        Body::Join { group, .. } => Body::Join { group, status: 0 },
        Body::Leave { group, .. } => Body::Leave { group, status: 0 },
        other => other,
    }
}
