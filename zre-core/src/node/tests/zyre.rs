//! A model of zyre 2.0.1, as far as sessions go: `zyre_node_require_peer`, `zyre_node_recv_peer`,
//! `zyre_node_recv_beacon` and `zyre_node_ping_peer`.

use core::{net::SocketAddr, time::Duration};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use zre_proto::{Beacon, Body, Endpoint, Headers, Hello, Message, PeerId, ShortText};

use crate::{Event, ExitReason, Fault, Instant, NodeOutput};

pub(super) struct Zyre {
    pub(super) id: PeerId,
    name: ShortText,
    endpoint: Endpoint,
    pub(super) advertised: Endpoint,
    peers: BTreeMap<PeerId, Peer>,
    now: Instant,
    pub(super) beacon_at: Instant,
    pub(super) outputs: VecDeque<NodeOutput>,
    pub(super) events: VecDeque<Event>,
}

struct Peer {
    endpoint: Endpoint,
    name: ShortText,
    ready: bool,
    heard_at: Instant,
    sent: u16,
    want: u16,
}

impl Zyre {
    pub(super) fn new(name: &str, endpoint: Endpoint, now: Instant) -> Self {
        let mut zyre = Self {
            id: super::id_of(name),
            name: name.try_into().unwrap(),
            advertised: endpoint.clone(),
            endpoint,
            peers: BTreeMap::new(),
            now,
            beacon_at: now,
            outputs: VecDeque::new(),
            events: VecDeque::new(),
        };
        zyre.handle_timeout(now);
        zyre
    }

    pub(super) fn ready_peers(&self) -> impl Iterator<Item = PeerId> {
        self.peers
            .iter()
            .filter(|(_, peer)| peer.ready)
            .map(|(id, _)| *id)
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        self.now = now;
        self.beacon_at = now + Duration::from_secs(1);
        let known: BTreeSet<_> = self.peers.keys().copied().collect();
        known.into_iter().for_each(|peer| self.ping_or_reap(peer));
        self.outputs.push_back(NodeOutput::Beacon(Beacon {
            peer: self.id,
            port: Some(self.endpoint.port()),
            public_key: None,
        }));
    }

    pub(super) fn handle_beacon(&mut self, from: SocketAddr, datagram: &[u8]) {
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

    pub(super) fn handle_message(&mut self, from: PeerId, message: Message, now: Instant) {
        self.now = now;
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
        peer.heard_at = now;
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

    /// What the reaper does to a peer that it takes to be gone.
    pub(super) fn forget(&mut self, peer: PeerId) {
        self.remove_peer(peer, ExitReason::Expired);
    }

    fn require_peer(&mut self, id: PeerId, endpoint: Endpoint) {
        if self.peers.contains_key(&id) {
            return;
        }
        let peer = Peer {
            endpoint: endpoint.clone(),
            name: ShortText::default(),
            ready: false,
            heard_at: self.now,
            sent: 0,
            want: 0,
        };
        self.peers.insert(id, peer);
        self.outputs
            .push_back(NodeOutput::Connect { peer: id, endpoint });
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
        if let Some(Peer { name, ready, .. }) = self.peers.remove(&id) {
            self.outputs.push_back(NodeOutput::Disconnect { peer: id });
            if !ready {
                return;
            }
            self.events.push_back(Event::Exit {
                peer: id,
                name,
                reason,
            });
        }
    }

    fn send(&mut self, id: PeerId, body: Body) {
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.sent = peer.sent.wrapping_add(1);
            let message = Message {
                sequence: peer.sent,
                body,
            };
            self.outputs
                .push_back(NodeOutput::Send { peer: id, message });
        }
    }
}
