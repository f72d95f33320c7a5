//! One engine, and peers that a test plays octet by octet or message by message.

use alloc::{collections::VecDeque, format, string::String, vec::Vec};
use core::{net::SocketAddr, time::Duration};

use bytes::{Buf as _, Bytes};
use zre_proto::{
    Body, Content, Endpoint, Headers, Hello, Message, MessageLimits, PeerId, RoutingId,
};

use super::net::in_short;
use crate::{
    config::{Config, Limits},
    engine::{Engine, LinkId, Output},
    link::{Link, LinkEvent, Role},
    notice::Notice,
    time::Instant,
};

/// One engine, whose outputs and events pile up to be looked at.
pub(super) struct Solo {
    pub(super) now: Instant,
    pub(super) engine: Engine,
    /// What the engine has asked to open and no test has answered.
    pub(super) wanted: VecDeque<(LinkId, Endpoint)>,
    pub(super) closed: Vec<LinkId>,
    pub(super) resumed: usize,
    pub(super) takes_events: bool,
    events: Vec<String>,
    pub(super) notices: Vec<Notice>,
}

/// The far end of one of the engine's connections.
pub(super) struct Far {
    pub(super) at: LinkId,
    pub(super) link: Link,
    pub(super) received: Vec<Message>,
    /// Whether it reads what the engine writes.
    pub(super) reads: bool,
}

/// A peer that says what a test wants it to say.
pub(super) struct Puppet {
    pub(super) id: PeerId,
    pub(super) endpoint: Endpoint,
    pub(super) sequence: u16,
    /// The connection that it opened to the engine.
    pub(super) to: Far,
    /// The connection that the engine opened to it.
    pub(super) from: Far,
}

impl Solo {
    pub(super) fn new() -> Self {
        Self::with(Self::config())
    }

    pub(super) fn config() -> Config {
        let mut config = Config::new("tcp://10.0.0.1:49152".parse().unwrap());
        config.id = Some([0xEE; 16].into());
        config
    }

    pub(super) fn with_limits(set: impl FnOnce(&mut Limits)) -> Self {
        let mut config = Self::config();
        set(&mut config.limits);
        Self::with(config)
    }

    pub(super) fn with(config: Config) -> Self {
        let now = Instant::from_micros(1_000_000);
        Self {
            now,
            engine: Engine::new(config, [9; 32], now),
            wanted: VecDeque::new(),
            closed: Vec::new(),
            resumed: 0,
            takes_events: true,
            events: Vec::new(),
            notices: Vec::new(),
        }
    }

    /// Takes what the engine wants and tells.
    pub(super) fn drain(&mut self) {
        while self.takes_events
            && let Some(event) = self.engine.poll_event()
        {
            self.events.push(in_short(&event));
        }
        while let Some(notice) = self.engine.poll_notice() {
            self.notices.push(notice);
        }
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::Open { link, endpoint } => self.wanted.push_back((link, endpoint)),
                Output::Close(link) => self.closed.push(link),
                Output::Resume => self.resumed += 1,
                Output::Datagram(_) | Output::Writable(_) => {}
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
        let beacon = zre_proto::Beacon {
            peer: id,
            port: Some(endpoint.port()),
            public_key: None,
        };
        let from = SocketAddr::new(address.ip(), 5670);
        self.engine
            .handle_datagram(from, &beacon.encode(), self.now);
        self.drain();
    }

    /// Octets come in on a connection, whether or not the engine knows it.
    pub(super) fn read(&mut self, link: LinkId, mut octets: &[u8]) {
        while !octets.is_empty() {
            let inbox = self.engine.inbox(link);
            let (now, later) = octets.split_at(inbox.len().min(octets.len()));
            inbox[..now.len()].copy_from_slice(now);
            octets = later;
            self.engine.handle_read(link, now.len(), self.now);
        }
        self.drain();
    }

    pub(super) fn accept(&mut self) -> LinkId {
        let remote = "10.0.0.66:6666".parse().unwrap();
        let link = self.engine.handle_accepted(remote, self.now);
        self.drain();
        link
    }

    /// Somebody connects and greets under this identity.
    pub(super) fn connect(&mut self, id: PeerId) -> Far {
        let at = self.accept();
        let role = Role::Connecting(RoutingId::from(id));
        let mut far = Far::new(at, role);
        far.exchange(self);
        far
    }

    /// Answers the engine's oldest wish to open a connection.
    pub(super) fn answer_open(&mut self) -> Far {
        let (at, _) = self.wanted.pop_front().unwrap();
        let mut far = Far::new(at, Role::Accepting);
        self.engine.handle_connected(at, self.now);
        far.exchange(self);
        far
    }

    /// A peer with a session that is complete on both sides; what was told of it is taken.
    pub(super) fn puppet(&mut self, number: u8) -> Puppet {
        let puppet = self.silent_puppet(number);
        assert_eq!(puppet.from.received.len(), 1, "HELLO");
        assert_eq!(self.told(), [format!("enter puppet{number}")]);
        puppet
    }

    /// A peer that has said HELLO, whatever became of it.
    pub(super) fn silent_puppet(&mut self, number: u8) -> Puppet {
        let id = PeerId::from([number; 16]);
        let endpoint = endpoint(number);
        self.beacon(id, &endpoint);
        let from = self.answer_open();
        let to = self.connect(id);
        let mut puppet = Puppet {
            id,
            endpoint,
            sequence: 0,
            to,
            from,
        };
        puppet.say(self, hello(number));
        puppet
    }
}

impl Far {
    fn new(at: LinkId, role: Role) -> Self {
        Self {
            at,
            link: Link::new(role, &Limits::default()),
            received: Vec::new(),
            reads: true,
        }
    }

    /// Carries everything both ways, as far as this end reads.
    pub(super) fn exchange(&mut self, solo: &mut Solo) {
        loop {
            let ours = take(self.link.outbox());
            solo.read(self.at, &ours);
            let theirs = match solo.engine.outbox(self.at) {
                Some(outbox) if self.reads => take(outbox),
                _ => Bytes::new(),
            };
            solo.engine.handle_written(solo.now);
            solo.drain();
            for event in crate::link::tests::feed(&mut self.link, &theirs).unwrap() {
                if let LinkEvent::Message(message) = event {
                    let limits = MessageLimits::default();
                    let message = Message::decode(&message.first, message.rest, &limits);
                    self.received.push(message.unwrap());
                }
            }
            if ours.is_empty() && theirs.is_empty() {
                return;
            }
        }
    }

    pub(super) fn send(&mut self, solo: &mut Solo, sequence: u16, body: Body) {
        let message = Message { sequence, body };
        let content = message.body.content().cloned().unwrap_or_default();
        self.link.send(&message.header(), &content);
        self.exchange(solo);
    }

    pub(super) fn send_raw(&mut self, solo: &mut Solo, first: &[u8]) {
        self.link.send(first, &Content::default());
        self.exchange(solo);
    }

    pub(super) fn is_closed(&self, solo: &Solo) -> bool {
        solo.closed.contains(&self.at)
    }
}

impl Puppet {
    /// Says the next message of its session.
    pub(super) fn say(&mut self, solo: &mut Solo, body: Body) {
        self.sequence = self.sequence.wrapping_add(1);
        self.to.send(solo, self.sequence, body);
        self.from.exchange(solo);
    }

    pub(super) fn is_undisturbed(&mut self, solo: &mut Solo) {
        assert_eq!(solo.told(), Vec::<String>::new());
        self.say(solo, whisper("still here"));
        let name = format!("whisper puppet{} still here", self.id.to_bytes()[0]);
        assert_eq!(solo.told(), [name]);
        let before = self.from.received.len();
        solo.engine
            .whisper(self.id, "and you".into(), solo.now)
            .unwrap();
        self.from.exchange(solo);
        assert_eq!(self.from.received.len(), before + 1);
        assert!(!self.to.is_closed(solo) && !self.from.is_closed(solo));
    }
}

pub(super) fn endpoint(number: u8) -> Endpoint {
    format!("tcp://10.0.1.{number}:49152").parse().unwrap()
}

pub(super) fn hello(number: u8) -> Body {
    Body::from(Hello {
        endpoint: endpoint(number),
        groups: Default::default(),
        status: 0,
        name: format!("puppet{number}").try_into().unwrap(),
        headers: Headers::default(),
    })
}

pub(super) fn whisper(text: &'static str) -> Body {
    let content = text.into();
    Body::Whisper { content }
}

fn take(outbox: &mut crate::link::Outbox) -> Bytes {
    outbox.copy_to_bytes(outbox.remaining())
}
