//! One node, and peers whose every beacon and message the test chooses.

use core::time::Duration;
use std::{collections::BTreeSet, string::String, vec::Vec};

use zre_proto::{Body, Endpoint, GroupName, Headers, Hello, Message, PeerId};

use super::{beacon, config, event_text::tell, id_of};
use crate::{Config, Event, Instant, Node, NodeOutput, Notice, Seed, Verdict};

pub(super) struct SingleNode {
    pub(super) node: Node,
    pub(super) now: Instant,
}

/// A peer as the node sees it.
#[derive(Clone)]
pub(super) struct FakePeer {
    pub(super) id: PeerId,
    pub(super) hello: Hello,
    pub(super) sequence: u16,
}

impl FakePeer {
    /// A peer at 10.0.0.`host`.
    pub(super) fn new(name: &str, host: usize) -> Self {
        Self {
            id: id_of(name),
            hello: Hello {
                endpoint: config(name, host).endpoint,
                groups: BTreeSet::new(),
                status: 0,
                name: name.try_into().unwrap(),
                headers: Headers::default(),
            },
            sequence: 0,
        }
    }

    pub(super) fn at(mut self, endpoint: &str) -> Self {
        self.hello.endpoint = endpoint.parse().unwrap();
        self
    }

    pub(super) fn endpoint(&self) -> &Endpoint {
        &self.hello.endpoint
    }

    /// Its HELLO, with which its sequence begins.
    pub(super) fn says_hello(&mut self) -> Message {
        self.sequence = 0;
        self.says(self.hello.clone().into())
    }

    /// The next message in its sequence.
    pub(super) fn says(&mut self, body: Body) -> Message {
        self.sequence = self.sequence.wrapping_add(1);
        Message {
            sequence: self.sequence,
            body,
        }
    }

    pub(super) fn joins(&mut self, group: &GroupName) -> Message {
        self.hello.status = self.hello.status.wrapping_add(1);
        let (group, status) = (group.clone(), self.hello.status);
        self.says(Body::Join { group, status })
    }
}

impl SingleNode {
    /// A node called alice, at 10.0.0.1.
    pub(super) fn new() -> Self {
        Self::with(config("alice", 1))
    }

    pub(super) fn with(config: Config) -> Self {
        let now = Instant::from_micros(1_000_000);
        Self {
            node: Node::new(config, Seed::predictable([7; 32]), now),
            now,
        }
    }

    /// As `new`, with bob at 10.0.0.2 already entered and all that led to it drained.
    pub(super) fn with_bob() -> (Self, FakePeer) {
        let mut test = Self::new();
        let mut bob = FakePeer::new("bob", 2);
        test.meet(&mut bob);
        (test, bob)
    }

    /// A peer is found and enters.
    pub(super) fn meet(&mut self, peer: &mut FakePeer) {
        self.hears(peer);
        let hello = peer.says_hello();
        assert_eq!(self.gets(peer, hello), Verdict::Accepted);
        self.drain();
    }

    pub(super) fn drain(&mut self) {
        self.told();
        self.outputs();
        self.notices();
    }

    pub(super) fn hears(&mut self, peer: &FakePeer) {
        self.hears_at(peer, peer.endpoint());
    }

    pub(super) fn hears_at(&mut self, peer: &FakePeer, endpoint: &Endpoint) {
        let from = endpoint.to_socket_addr().unwrap();
        let datagram = beacon(peer.id, endpoint);
        self.node.handle_beacon(from, &datagram, self.now);
    }

    pub(super) fn hears_leaving(&mut self, peer: &FakePeer) {
        let from = peer.endpoint().to_socket_addr().unwrap();
        let beacon = zre_proto::Beacon {
            peer: peer.id,
            port: None,
            public_key: None,
        };
        self.node.handle_beacon(from, &beacon.encode(), self.now);
    }

    pub(super) fn gets(&mut self, peer: &FakePeer, message: Message) -> Verdict {
        self.node.handle_message(&peer.id.into(), message, self.now)
    }

    /// Lets time pass, exactly from one deadline to the next; returns how many there were.
    pub(super) fn wait(&mut self, time: Duration) -> usize {
        let end = self.now + time;
        let mut deadlines = 0;
        while let Some(at) = self.node.poll_timeout().filter(|at| *at <= end) {
            assert!(at > self.now || deadlines == 0, "a timer spins");
            self.now = self.now.max(at);
            self.node.handle_timeout(self.now);
            deadlines += 1;
        }
        self.now = end;
        deadlines
    }

    pub(super) fn events(&mut self) -> Vec<Event> {
        core::iter::from_fn(|| self.node.poll_event()).collect()
    }

    pub(super) fn told(&mut self) -> Vec<String> {
        self.events().iter().map(tell).collect()
    }

    pub(super) fn outputs(&mut self) -> Vec<NodeOutput> {
        core::iter::from_fn(|| self.node.poll_output()).collect()
    }

    pub(super) fn notices(&mut self) -> Vec<Notice> {
        core::iter::from_fn(|| self.node.poll_notice()).collect()
    }

    /// What the node has sent, without beacons and connections.
    pub(super) fn sent(&mut self) -> Vec<Message> {
        let message = |output| match output {
            NodeOutput::Send { message, .. } => Some(message),
            _ => None,
        };
        self.outputs().into_iter().filter_map(message).collect()
    }

    /// The kinds of what it has sent, with their sequence numbers.
    pub(super) fn sent_kinds(&mut self) -> Vec<(&'static str, u16)> {
        let kind = |message: &Message| (message.body.kind(), message.sequence);
        self.sent().iter().map(kind).collect()
    }
    /// How many HELLOs it has sent.
    pub(super) fn hellos_sent(&mut self) -> usize {
        let kinds = self.sent_kinds();
        kinds.iter().filter(|(kind, _)| *kind == "HELLO").count()
    }
}
