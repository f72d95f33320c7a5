//! A model of zyre 2.0.1, as far as sessions go: `zyre_node_require_peer`, `zyre_node_recv_peer`,
//! `zyre_node_recv_beacon` and `zyre_node_ping_peer`, on a ROUTER socket with handover.

use alloc::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    vec::Vec,
};
use core::{net::SocketAddr, time::Duration};

use zre_proto::{Beacon, Body, Endpoint, Headers, Hello, Message, PeerId, ShortText};

use super::machine::Machine;
use crate::{
    engine::{LinkId, OpenFor, Output},
    error::Fault,
    event::{Event, ExitReason},
    interfaces::NetworkId,
    link::{Caller, MessageLink},
    node::tests as node_tests,
    time::Instant,
};

pub(super) struct Zyre {
    id: PeerId,
    name: ShortText,
    endpoint: Endpoint,
    /// Where its HELLO says that it is.
    advertised: Endpoint,
    peers: BTreeMap<PeerId, Peer>,
    /// Who is at the other end of each connection that came in.
    accepted: BTreeMap<LinkId, PeerId>,
    links_opened: u64,
    now: Instant,
    beacon_at: Instant,
    outputs: VecDeque<Output>,
    events: VecDeque<Event>,
}

struct Peer {
    link: LinkId,
    unwritten: VecDeque<Message>,
    endpoint: Endpoint,
    name: ShortText,
    ready: bool,
    heard_at: Instant,
    sent: u16,
    want: u16,
}

impl Machine<MessageLink> for Zyre {
    fn id(&self) -> PeerId {
        self.id
    }

    fn peers(&self) -> Vec<PeerId> {
        let ready = self.peers.iter().filter(|(_, peer)| peer.ready);
        ready.map(|(id, _)| *id).collect()
    }

    fn handle_datagram(&mut self, from: SocketAddr, datagram: &[u8], now: Instant) {
        self.now = now;
        match Beacon::decode(datagram) {
            Ok(beacon) if beacon.peer == self.id => {}
            Ok(Beacon {
                peer,
                port: Some(port),
                ..
            }) => self.require_peer(peer, Endpoint::new(from.ip(), port)),
            Ok(beacon) => self.remove_peer(beacon.peer, ExitReason::Goodbye),
            Err(_) => {}
        }
    }

    fn accept(&mut self, _: SocketAddr, from: Caller, _: Instant) -> LinkId {
        let link = self.next_link();
        self.accepted.insert(link, from.id.peer());
        link
    }

    fn read(&mut self, link: LinkId, message: Message, _: usize, now: Instant) -> Option<Message> {
        self.now = now;
        if let Some(from) = self.accepted.get(&link).copied() {
            self.close_older(link, from);
            self.handle_message(from, message);
        }
        None
    }

    fn write(&mut self, link: LinkId, _: usize, _: Instant) -> Option<Message> {
        self.peer_at(link)?.unwritten.pop_front()
    }

    fn unwritten(&mut self, link: LinkId) -> usize {
        let unwritten = self.peer_at(link).map(|peer| &peer.unwritten);
        unwritten.map_or(0, |messages| {
            messages.iter().map(MessageLink::wire_size).sum()
        })
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.now = now;
        self.beacon_at = now + Duration::from_secs(1);
        let known: Vec<_> = self.peers.keys().copied().collect();
        known.into_iter().for_each(|peer| self.ping_or_reap(peer));
        let beacon = node_tests::beacon(self.id, &self.endpoint);
        self.outputs.push_back(Output::Datagram {
            network: NetworkId::ONLY,
            datagram: beacon,
        });
    }

    fn poll_timeout(&self) -> Option<Instant> {
        Some(self.beacon_at)
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// What the reaper does to a peer that it takes to be gone.
    fn forget(&mut self, peer: PeerId, _: Instant) {
        self.remove_peer(peer, ExitReason::Expired);
    }
}

impl Zyre {
    pub(super) fn new(name: &str, endpoint: Endpoint, advertised: Endpoint, now: Instant) -> Self {
        let mut zyre = Self {
            id: node_tests::id_of(name),
            name: name.try_into().unwrap(),
            endpoint,
            advertised,
            peers: BTreeMap::new(),
            accepted: BTreeMap::new(),
            links_opened: 0,
            now,
            beacon_at: now,
            outputs: VecDeque::new(),
            events: VecDeque::new(),
        };
        zyre.handle_timeout(now);
        zyre
    }

    /// ROUTER_HANDOVER: a younger connection under the same identity takes over.
    fn close_older(&mut self, link: LinkId, from: PeerId) {
        let outputs = &mut self.outputs;
        self.accepted.retain(|at, peer| {
            let is_older = *peer == from && *at < link;
            if is_older {
                outputs.push_back(Output::Close(*at));
            }
            !is_older
        });
    }

    fn handle_message(&mut self, from: PeerId, message: Message) {
        if let Body::Hello(hello) = &message.body {
            match self.peers.get(&from) {
                Some(peer) if peer.ready => self.remove_peer(from, ExitReason::Restarted),
                Some(peer) if peer.endpoint == self.advertised => return,
                _ => {}
            }
            self.require_peer(from, hello.endpoint.clone());
            if let Some(peer) = self.peers.get_mut(&from) {
                peer.ready = true;
                peer.want = 0;
                peer.name = hello.name.clone();
            }
        }
        let Some(peer) = self.peers.get_mut(&from).filter(|peer| peer.ready) else {
            return;
        };
        peer.heard_at = self.now;
        peer.want = peer.want.wrapping_add(1);
        if peer.want != message.sequence {
            let (expected, received) = (peer.want, message.sequence);
            let fault = Fault::Sequence { expected, received };
            return self.remove_peer(from, ExitReason::ProtocolError(fault));
        }
        let name = peer.name.clone();
        match message.body {
            Body::Hello(hello) => self.events.push_back(Event::Enter {
                peer: from,
                name,
                endpoint: hello.endpoint,
                headers: hello.headers,
                key: None,
            }),
            Body::Whisper { content } => self.events.push_back(Event::Whisper {
                peer: from,
                name,
                content,
            }),
            Body::Ping => self.send(from, Body::PingOk),
            _ => {}
        }
    }

    fn ping_or_reap(&mut self, id: PeerId) {
        let Some(peer) = self.peers.get(&id) else {
            return;
        };
        match self.now.since(peer.heard_at).as_secs() {
            0..5 => {}
            5..30 => self.send(id, Body::Ping),
            _ => self.remove_peer(id, ExitReason::Expired),
        }
    }

    fn require_peer(&mut self, id: PeerId, endpoint: Endpoint) {
        if self.peers.contains_key(&id) {
            return;
        }
        let link = self.next_link();
        let peer = Peer {
            link,
            unwritten: VecDeque::new(),
            endpoint: endpoint.clone(),
            name: ShortText::default(),
            ready: false,
            heard_at: self.now,
            sent: 0,
            want: 0,
        };
        self.peers.insert(id, peer);
        self.outputs.push_back(Output::Open {
            link,
            endpoint,
            key: None,
            purpose: OpenFor::Peer,
        });
        let hello = Hello {
            endpoint: self.advertised.clone(),
            groups: BTreeSet::new(),
            status: 0,
            name: self.name.clone(),
            headers: Headers::default(),
        };
        self.send(id, hello.into());
    }

    fn remove_peer(&mut self, id: PeerId, reason: ExitReason) {
        if let Some(peer) = self.peers.remove(&id) {
            self.outputs.push_back(Output::Close(peer.link));
            if !peer.ready {
                return;
            }
            self.events.push_back(Event::Exit {
                peer: id,
                name: peer.name,
                reason,
                unconfirmed: 0,
            });
        }
    }

    fn send(&mut self, id: PeerId, body: Body) {
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.sent = peer.sent.wrapping_add(1);
            let sequence = peer.sent;
            peer.unwritten.push_back(Message { sequence, body });
            self.outputs.push_back(Output::Writable(peer.link));
        }
    }

    fn next_link(&mut self) -> LinkId {
        self.links_opened += 1;
        LinkId(self.links_opened)
    }

    fn peer_at(&mut self, link: LinkId) -> Option<&mut Peer> {
        self.peers.values_mut().find(|peer| peer.link == link)
    }
}
