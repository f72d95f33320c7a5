//! The work of the codecs and the core that the benches time and count, without any I/O.

use std::net::{Ipv4Addr, SocketAddr};

use bytes::{Buf as _, Bytes};
use zre_core::{
    Config, Engine, Event, Instant, LinkId, Output, Seed,
    proto::{
        Beacon, Body, Content, GroupName, Headers, Hello, Message, MessageError, MessageLimits,
        ShortText,
    },
};

/// The group that all engines here are in.
const GROUP: &str = "GROUP";

const NOW: Instant = Instant::from_micros(1_000_000);

/// One message of each kind, with its name.
pub fn messages() -> Vec<(&'static str, Message)> {
    let content = || Content::from(Bytes::from(vec![1; 16]));
    let text = |text| ShortText::try_from(text).expect("it is short");
    let bodies = [
        ("hello", hello().into()),
        ("whisper", Body::Whisper { content: content() }),
        (
            "shout",
            Body::Shout {
                group: group(),
                content: content(),
            },
        ),
        (
            "join",
            Body::Join {
                group: group(),
                status: 1,
            },
        ),
        (
            "leave",
            Body::Leave {
                group: group(),
                status: 2,
            },
        ),
        ("ping", Body::Ping),
        ("ping-ok", Body::PingOk),
        (
            "elect",
            Body::Elect {
                group: group(),
                challenger: text("0123456789ABCDEF0123456789ABCDEF"),
            },
        ),
        (
            "leader",
            Body::Leader {
                group: group(),
                leader: text("0123456789ABCDEF0123456789ABCDEF"),
            },
        ),
        ("goodbye", Body::Goodbye),
    ];
    let numbered = |(name, body)| (name, Message { sequence: 7, body });
    bodies.into_iter().map(numbered).collect()
}

/// The message of [`messages`] with this name.
pub fn message(name: &str) -> Message {
    let mut messages = messages().into_iter();
    let found = messages.find(|(other, _)| *other == name);
    found.expect("there is such a message").1
}

fn hello() -> Hello {
    let mut headers = Headers::default();
    for (name, value) in [
        ("X-ROLE", "printer"),
        ("X-FLOOR", "3"),
        ("X-VERSION", "1.2"),
    ] {
        headers.set(name, value).expect("it is short");
    }
    Hello {
        endpoint: "tcp://10.0.0.1:49152".parse().expect("it is one"),
        groups: ["A", "B", GROUP]
            .map(|name| name.try_into().expect("it is short"))
            .into(),
        status: 3,
        name: ShortText::try_from("alice").expect("it is short"),
        headers,
    }
}

fn group() -> GroupName {
    GroupName::try_from(GROUP).expect("it is short")
}

/// A message as it arrives: its first frame and its content.
#[derive(Debug, Clone)]
pub struct Encoded {
    header: Bytes,
    content: Content,
}

impl Encoded {
    /// Encodes a message.
    pub fn new(message: &Message) -> Self {
        Self {
            header: message.header(),
            content: message.body.content().cloned().unwrap_or_default(),
        }
    }

    /// Decodes it.
    ///
    /// # Errors
    ///
    /// If it is not a message.
    pub fn decode(self) -> Result<Message, MessageError> {
        Message::decode(&self.header, self.content, &MessageLimits::default())
    }
}

/// A beacon's bytes.
pub fn beacon() -> Bytes {
    let beacon = Beacon {
        peer: [7; 16].into(),
        port: 49152.try_into().ok(),
        public_key: None,
    };
    beacon.encode()
}

/// Two engines that know each other and are connected.
#[derive(Debug)]
pub struct Couple {
    alice: Engine,
    bob: Engine,
    /// The id of the connection from Alice to Bob, at Alice and at Bob.
    link: [LinkId; 2],
}

impl Couple {
    /// Makes two engines that have completed all greetings.
    pub fn new() -> Self {
        let (mut alice, mut bob) = (engine(1), engine(2));
        let mut meeting = Meeting::default();
        meeting.run(&mut alice, &mut bob);
        let opened = meeting.wires.iter().find(|wire| wire.by_first);
        let link = opened.expect("alice connects to bob").links;
        for engine in [&mut alice, &mut bob] {
            drain(engine);
        }
        Self { alice, bob, link }
    }

    /// Whispers from Alice to Bob. Returns how many bytes wait to be [written](Couple::written).
    pub fn whisper(&mut self, messages: usize, content: &Content) -> usize {
        let bob = self.bob.node().id();
        for _ in 0..messages {
            let whispered = self.alice.whisper(bob, content.clone(), NOW);
            whispered.expect("there is room");
        }
        self.waiting()
    }

    /// Shouts from Alice. Returns how many bytes wait to be [written](Couple::written).
    pub fn shout(&mut self, messages: usize, content: &Content) -> usize {
        let group = group();
        for _ in 0..messages {
            let shouted = self.alice.shout(&group, content.clone(), NOW);
            assert_eq!(shouted.expect("it runs").reached, 1);
        }
        self.waiting()
    }

    /// Takes the bytes that Alice has for Bob.
    pub fn written(&mut self) -> Bytes {
        let [link, _] = self.link;
        write(&mut self.alice, link)
    }

    /// Lets Bob read bytes. Returns how many events that led to.
    pub fn read(&mut self, bytes: &[u8]) -> usize {
        let [_, link] = self.link;
        feed(&mut self.bob, link, bytes);
        drain(&mut self.bob)
    }

    fn waiting(&mut self) -> usize {
        while self.alice.poll_output().is_some() {}
        let [link, _] = self.link;
        let buffer = self.alice.write_buffer(link).expect("it is connected");
        buffer.chunks().map(<[u8]>::len).sum()
    }
}

impl Default for Couple {
    fn default() -> Self {
        Self::new()
    }
}

/// An engine that knows many peers, and their next beacons.
#[derive(Debug)]
pub struct Watcher {
    engine: Engine,
    beacons: Vec<(SocketAddr, Bytes)>,
}

impl Watcher {
    /// Makes an engine whose peers have all entered and have been heard since.
    pub fn new(peers: u16) -> Self {
        let mut watcher = engine(0);
        let mut beacons = Vec::new();
        for number in 1..=peers {
            let mut peer = engine(number);
            Meeting::default().run(&mut watcher, &mut peer);
            let port = peer
                .node()
                .endpoint()
                .to_socket_addr()
                .map(|address| address.port());
            let beacon = Beacon {
                peer: peer.node().id(),
                port: port.and_then(|port| port.try_into().ok()),
                public_key: None,
            };
            beacons.push((address(number), beacon.encode()));
            drain(&mut watcher);
        }
        assert_eq!(watcher.node().peers().count(), usize::from(peers));
        let mut watcher = Self {
            engine: watcher,
            beacons,
        };
        watcher.hear_all();
        watcher
    }

    /// Handles the next beacon of every peer.
    pub fn hear_all(&mut self) {
        for (from, beacon) in &self.beacons {
            self.engine.handle_datagram(*from, beacon, NOW);
        }
        while self.engine.poll_output().is_some() {}
    }
}

fn engine(number: u16) -> Engine {
    let mut config = Config::new(
        format!("tcp://{}", address(number))
            .parse()
            .expect("it is one"),
    );
    config.groups.insert(group());
    let [high, low] = number.to_be_bytes();
    let mut seed = [0; 32];
    seed.first_chunk_mut::<2>()
        .expect("it is longer")
        .copy_from_slice(&[high, low]);
    Engine::new(config, Seed::predictable(seed), NOW)
}

fn address(number: u16) -> SocketAddr {
    let [high, low] = number.to_be_bytes();
    (Ipv4Addr::new(10, 0, high, low), 49152).into()
}

/// Two engines that are getting to know each other.
#[derive(Debug, Default)]
struct Meeting {
    wires: Vec<Wire>,
}

#[derive(Debug)]
struct Wire {
    by_first: bool,
    /// The first engine's end of each connection, and the second's.
    links: [LinkId; 2],
}

impl Meeting {
    /// Carries everything until nothing is left.
    fn run(&mut self, first: &mut Engine, second: &mut Engine) {
        while self.carry(first, second, true) | self.carry(second, first, false) {}
    }

    fn carry(&mut self, from: &mut Engine, to: &mut Engine, from_first: bool) -> bool {
        let mut any = false;
        let here = from
            .node()
            .endpoint()
            .to_socket_addr()
            .expect("it is an address");
        while let Some(output) = from.poll_output() {
            any = true;
            match output {
                Output::Datagram {
                    datagram: beacon, ..
                } => to.handle_datagram(here, &beacon, NOW),
                Output::Open { link, .. } => {
                    let accepted = to.handle_accepted(here, NOW);
                    let links = match from_first {
                        true => [link, accepted],
                        false => [accepted, link],
                    };
                    self.wires.push(Wire {
                        by_first: from_first,
                        links,
                    });
                    from.handle_connected(link, NOW);
                }
                Output::Listen { .. }
                | Output::Leave(_)
                | Output::Writable(_)
                | Output::Close(_)
                | Output::Resume => {}
            }
        }
        for Wire { links, .. } in &self.wires {
            let [first, second] = *links;
            let (here, there) = match from_first {
                true => (first, second),
                false => (second, first),
            };
            let bytes = write(from, here);
            any |= !bytes.is_empty();
            feed(to, there, &bytes);
        }
        any
    }
}

/// Takes the bytes that wait to be written.
fn write(engine: &mut Engine, link: LinkId) -> Bytes {
    let Some(buffer) = engine.write_buffer(link) else {
        return Bytes::new();
    };
    let bytes = buffer.copy_to_bytes(buffer.remaining());
    engine.handle_written(NOW);
    bytes
}

/// Reads in small pieces: larger ones are copied by an instruction that valgrind counts once per
/// byte.
const PIECE: usize = 1 << 10;

fn feed(engine: &mut Engine, link: LinkId, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        let Some(mut reader) = engine.reader(link) else {
            return;
        };
        let room = reader.buffer();
        let (read, rest) = bytes.split_at(room.len().min(bytes.len()));
        for (room, read) in room.chunks_mut(PIECE).zip(read.chunks(PIECE)) {
            if let Some(room) = room.get_mut(..read.len()) {
                room.copy_from_slice(read);
            }
        }
        reader.commit(read.len(), NOW);
        bytes = rest;
    }
}

/// Takes all events and outputs. Returns how many messages there were.
fn drain(engine: &mut Engine) -> usize {
    let mut messages = 0;
    while let Some(event) = engine.poll_event() {
        messages += usize::from(matches!(event, Event::Whisper { .. } | Event::Shout { .. }));
    }
    while engine.poll_output().is_some() {}
    while engine.poll_notice().is_some() {}
    messages
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_is_read_as_it_was_written() {
        for (_, message) in messages() {
            assert_eq!(Encoded::new(&message).decode(), Ok(message));
        }
    }

    #[test]
    fn all_messages_of_a_batch_arrive() {
        let mut couple = Couple::new();
        let content = Content::from(Bytes::from(vec![1; 3000]));
        for _ in 0..3 {
            for send in [Couple::whisper, Couple::shout] {
                let waiting = send(&mut couple, 64, &content);
                let bytes = couple.written();
                assert_eq!(bytes.len(), waiting);
                assert_eq!(couple.read(&bytes), 64);
            }
        }
    }

    #[test]
    fn beacons_of_known_peers_change_nothing() {
        let mut watcher = Watcher::new(20);
        watcher.hear_all();
        assert_eq!(watcher.engine.node().peers().count(), 20);
        assert_eq!(watcher.engine.poll_event(), None);
    }
}
