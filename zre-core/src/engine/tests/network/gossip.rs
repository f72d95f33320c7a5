//! The gossip part of zyre, as a hub and as a client: zgossip of czmq, over connections of bytes.
//!
//! It forgets nothing, forgets clients that are silent for a second, never sends PING, and tells a
//! hub to which it connects again all that it knows. It has no peers.

use alloc::{
    boxed::Box,
    collections::{BTreeMap, VecDeque},
    format,
    string::{String, ToString as _},
    vec::Vec,
};
use core::{net::SocketAddr, time::Duration};

use bytes::{Buf as _, Bytes};
use zre_proto::{Content, Endpoint, GossipMessage, PeerId};

use super::{Network, machine::Machine};
use crate::{
    config::Limits,
    engine::{LinkId, OpenFor, Output},
    event::Event,
    link::{Caller, GossipEnd, Link, LinkEvent, Role, tests::feed},
    node::tests as node_tests,
    time::Instant,
};

/// Where the hub of a host is, beside its other port.
pub(crate) const GOSSIP_PORT: u16 = 9100;

const FORGETS_AFTER: Duration = Duration::from_secs(1);
const CONNECTS_AGAIN_AFTER: Duration = Duration::from_millis(100);

pub(crate) struct ZyreGossip {
    id: PeerId,
    now: Instant,
    tuples: BTreeMap<String, String>,
    clients: BTreeMap<LinkId, Client>,
    remotes: Vec<Remote>,
    outputs: VecDeque<Output>,
    links: u64,
    /// What came, in words.
    pub(crate) heard: Vec<String>,
}

struct Client {
    link: Link,
    is_known: bool,
    heard_at: Instant,
}

struct Remote {
    endpoint: Endpoint,
    at: Option<(LinkId, Link)>,
    connects_at: Instant,
}

impl Network<Link> {
    /// A hub of zyre with these tuples, which connects to these hubs.
    pub(crate) fn add_zyre_gossip(&mut self, tuples: &[(String, String)], to: &[usize]) -> usize {
        let remotes = to.iter().map(|hub| Remote {
            endpoint: self.gossip_endpoint(*hub),
            at: None,
            connects_at: self.now,
        });
        let zyre = ZyreGossip {
            id: node_tests::id_of("zyre"),
            now: self.now,
            tuples: tuples.iter().cloned().collect(),
            clients: BTreeMap::new(),
            remotes: remotes.collect(),
            outputs: VecDeque::new(),
            links: 1 << 32,
            heard: Vec::new(),
        };
        let endpoint = self.config("zyre").endpoint;
        self.add_machine(&endpoint, Box::new(zyre))
    }

    pub(crate) fn gossip_endpoint(&self, host: usize) -> Endpoint {
        let hub = SocketAddr::new(self.hosts[host].address.ip(), GOSSIP_PORT);
        hub.try_into().unwrap()
    }
}

impl ZyreGossip {
    fn next_link(&mut self) -> LinkId {
        self.links += 1;
        LinkId(self.links)
    }

    /// What it knows, as `KEY=VALUE`.
    pub(crate) fn tuples(&self) -> Vec<String> {
        let tuples = self.tuples.iter();
        tuples
            .map(|(key, value)| format!("{key}={value}"))
            .collect()
    }

    fn take_from_client(&mut self, at: LinkId, message: &GossipMessage) {
        let Some(client) = self.clients.get_mut(&at) else {
            return;
        };
        if self.now.since(client.heard_at) >= FORGETS_AFTER {
            client.is_known = false;
        }
        client.heard_at = self.now;
        self.heard.push(format!("{} from a client", message.kind()));
        match message {
            GossipMessage::Ping => send(&mut client.link, &GossipMessage::Pong),
            GossipMessage::Hello if !client.is_known => {
                client.is_known = true;
                for (key, value) in &self.tuples {
                    send(&mut client.link, &publish(key, value));
                }
            }
            GossipMessage::Publish { key, value, .. } if client.is_known => {
                self.store(&key.to_string(), &value.to_string());
            }
            _ => {
                client.is_known = false;
                send(&mut client.link, &GossipMessage::Invalid);
            }
        }
        self.outputs.push_back(Output::Writable(at));
    }

    /// Takes a tuple in, and tells those that it knows if it is new.
    pub(crate) fn store(&mut self, key: &str, value: &str) {
        if self.tuples.get(key).is_some_and(|known| known == value) {
            return;
        }
        self.tuples.insert(key.into(), value.into());
        for (at, client) in &mut self.clients {
            if client.is_known && self.now.since(client.heard_at) < FORGETS_AFTER {
                send(&mut client.link, &publish(key, value));
                self.outputs.push_back(Output::Writable(*at));
            }
        }
        for (at, link) in self.remotes.iter_mut().filter_map(|it| it.at.as_mut()) {
            send(link, &publish(key, value));
            self.outputs.push_back(Output::Writable(*at));
        }
    }

    fn take_from_hub(&mut self, at: LinkId, message: &GossipMessage) {
        self.heard.push(format!("{} from a hub", message.kind()));
        match message {
            GossipMessage::Publish { key, value, .. } => {
                self.store(&key.to_string(), &value.to_string());
            }
            GossipMessage::Invalid => {
                let mut remotes = self.remotes.iter_mut().filter_map(|it| it.at.as_mut());
                if let Some((_, link)) = remotes.find(|(link, _)| *link == at) {
                    send(link, &GossipMessage::Hello);
                    self.outputs.push_back(Output::Writable(at));
                }
            }
            _ => {}
        }
    }

    fn link_mut(&mut self, at: LinkId) -> Option<&mut Link> {
        if let Some(client) = self.clients.get_mut(&at) {
            return Some(&mut client.link);
        }
        let mut remotes = self.remotes.iter_mut().filter_map(|it| it.at.as_mut());
        remotes.find(|(link, _)| *link == at).map(|(_, link)| link)
    }

    fn connect(&mut self) {
        for number in 0..self.remotes.len() {
            if self.remotes[number].at.is_some() || self.remotes[number].connects_at > self.now {
                continue;
            }
            let id = self.next_link();
            let mut link = Link::new(Role::Gossiping(GossipEnd::Client), &Limits::default());
            send(&mut link, &GossipMessage::Hello);
            for (key, value) in &self.tuples {
                send(&mut link, &publish(key, value));
            }
            self.outputs.push_back(Output::Open {
                link: id,
                endpoint: self.remotes[number].endpoint.clone(),
                key: None,
                purpose: OpenFor::User,
            });
            self.remotes[number].at = Some((id, link));
        }
    }
}

impl Machine<Link> for ZyreGossip {
    fn id(&self) -> PeerId {
        self.id
    }

    fn peers(&self) -> Vec<PeerId> {
        Vec::new()
    }

    fn handle_datagram(&mut self, _: SocketAddr, _: &[u8], _: Instant) {}

    fn accept(&mut self, _: SocketAddr, _: Caller, _: Instant) -> LinkId {
        self.next_link()
    }

    fn accept_gossip(&mut self, _: SocketAddr, now: Instant) -> LinkId {
        let id = self.next_link();
        let link = Link::new(Role::Gossiping(GossipEnd::Hub), &Limits::default());
        self.clients.insert(
            id,
            Client {
                link,
                is_known: false,
                heard_at: now,
            },
        );
        self.outputs.push_back(Output::Writable(id));
        id
    }

    fn read(&mut self, at: LinkId, piece: Bytes, _: usize, now: Instant) -> Option<Bytes> {
        self.now = now;
        let is_client = self.clients.contains_key(&at);
        let events = feed(self.link_mut(at)?, &piece).unwrap();
        self.outputs.push_back(Output::Writable(at));
        for event in events {
            let LinkEvent::Message(message) = event else {
                continue;
            };
            let message = GossipMessage::decode(&message.first).unwrap();
            match is_client {
                true => self.take_from_client(at, &message),
                false => self.take_from_hub(at, &message),
            }
        }
        None
    }

    fn write(&mut self, at: LinkId, most: usize, _: Instant) -> Option<Bytes> {
        let buffer = self.link_mut(at)?.write_buffer();
        let count = most.min(buffer.remaining());
        (count > 0).then(|| buffer.copy_to_bytes(count))
    }

    fn unwritten(&mut self, at: LinkId) -> usize {
        let link = self.link_mut(at);
        link.map_or(0, |link| link.write_buffer().remaining())
    }

    fn handle_connected(&mut self, at: LinkId, _: Instant) {
        self.outputs.push_back(Output::Writable(at));
    }

    fn handle_closed(&mut self, at: LinkId, _: &str, now: Instant) {
        self.now = now;
        self.clients.remove(&at);
        for remote in &mut self.remotes {
            if remote.at.take_if(|(link, _)| *link == at).is_some() {
                remote.connects_at = now + CONNECTS_AGAIN_AFTER;
            }
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.now = now;
        self.connect();
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let unconnected = self.remotes.iter().filter(|it| it.at.is_none());
        unconnected.map(|it| it.connects_at).min()
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn poll_event(&mut self) -> Option<Event> {
        None
    }

    fn forget(&mut self, _: PeerId, _: Instant) {}

    fn zyre_gossip(&mut self) -> &mut ZyreGossip {
        self
    }
}

fn send(link: &mut Link, message: &GossipMessage) {
    link.send(&message.encode(), &Content::default());
}

fn publish(key: &str, value: &str) -> GossipMessage {
    GossipMessage::Publish {
        key: key.try_into().unwrap(),
        value: value.into(),
        ttl: 0,
    }
}
