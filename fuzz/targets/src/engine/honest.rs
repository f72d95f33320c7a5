//! A peer that does everything right, on connections of its own.

use std::{
    collections::{BTreeSet, VecDeque},
    time::Duration,
};

use bytes::Buf as _;
use zre_core::{Engine, Event, Instant, Limits, Link, LinkEvent, LinkId, Multipart, Output, Role};
use zre_proto::{Body, Content, GroupName, Headers, Hello, Message, MessageLimits, RoutingId};

use super::{HONEST, HONEST_PLACE, MESSAGE, READ, endpoint, place, who};
use crate::{stranger, wire};

pub(super) struct Honest {
    /// The connection that it opened, and the engine's name for it.
    to: (Link, LinkId),
    /// The connection that the engine opened.
    from: (Link, LinkId),
    is_open: bool,
    /// How many octets go over a connection at once.
    pub(super) piece: usize,
    /// The number of its last message.
    pub(super) sequence: u16,
    status: u8,
    groups: BTreeSet<GroupName>,
    /// The number of the last message from the node, its status, and the groups that it is in.
    heard_sequence: u16,
    heard_status: u8,
    pub(super) node_groups: BTreeSet<GroupName>,
    /// What the node was told to say and has not been heard here.
    to_hear: VecDeque<Body>,
    /// What was said and the node's application has not heard.
    to_be_heard: VecDeque<Body>,
    pub(super) beacon_at: Instant,
    /// Whether the node may find it silent, having slept itself.
    pub(super) may_be_doubted: bool,
}

impl Honest {
    /// Meets a node that knows nobody yet.
    pub(super) fn meet(engine: &mut Engine, now: Instant) -> Self {
        let limits = Limits::default();
        let id = RoutingId::from(who(HONEST));
        let beacon = stranger::beacon(who(HONEST), place(HONEST_PLACE).port(), false);
        engine.handle_datagram(place(HONEST_PLACE), &beacon, now);
        let opened = loop {
            match engine
                .poll_output()
                .expect("it connects to the honest peer")
            {
                Output::Open { link, endpoint: to } => {
                    assert_eq!(to, endpoint(HONEST_PLACE));
                    break link;
                }
                _ => continue,
            }
        };
        engine.handle_connected(opened, now);
        let accepted = engine.handle_accepted(([10, 0, 1, 1], 40000).into(), now);
        let mut honest = Self {
            to: (Link::new(Role::Connecting(id), &limits), accepted),
            from: (Link::new(Role::Accepting, &limits), opened),
            is_open: true,
            piece: usize::MAX,
            sequence: 0,
            status: 0,
            groups: BTreeSet::new(),
            heard_sequence: 0,
            heard_status: 0,
            node_groups: BTreeSet::new(),
            to_hear: VecDeque::new(),
            to_be_heard: VecDeque::new(),
            beacon_at: now + Duration::from_secs(1),
            may_be_doubted: false,
        };
        honest.say(Body::from(Hello {
            endpoint: endpoint(HONEST_PLACE),
            groups: BTreeSet::new(),
            status: 0,
            name: "honest".try_into().unwrap(),
            headers: Headers::default(),
        }));
        honest
    }

    pub(super) fn owns(&self, link: LinkId) -> bool {
        [self.to.1, self.from.1].contains(&link)
    }

    /// The node has ended a connection, as it does when it stops: everything it said before has come.
    pub(super) fn close(&mut self) {
        assert_eq!(self.to_hear, [], "what was said before the end is lost");
        self.is_open = false;
    }

    /// Nobody reads any more what it wanted to say.
    pub(super) fn forget_unsent(&mut self) {
        self.to_be_heard = VecDeque::new();
        self.to.0 = Link::new(Role::Accepting, &Limits::default());
    }

    pub(super) fn beacon(&mut self, engine: &mut Engine, now: Instant) {
        if now >= self.beacon_at {
            let beacon = stranger::beacon(who(HONEST), place(HONEST_PLACE).port(), false);
            engine.handle_datagram(place(HONEST_PLACE), &beacon, now);
            self.beacon_at = now + Duration::from_secs(1);
        }
    }

    pub(super) fn whisper(&mut self, size: u16) {
        let size = usize::from(size) % MESSAGE;
        let mut content = Content::from(vec![b'h'; size]);
        content.push(self.sequence.to_be_bytes());
        self.say_something(Body::Whisper { content });
    }

    pub(super) fn shout(&mut self, group: GroupName) {
        let content = Content::from(self.sequence.to_be_bytes().to_vec());
        self.say_something(Body::Shout { group, content });
    }

    pub(super) fn join(&mut self, group: GroupName) {
        // The node takes no more groups from a peer than its limit.
        if self.groups.len() < 16 && self.groups.insert(group.clone()) {
            self.status = self.status.wrapping_add(1);
            let status = self.status;
            self.say_something(Body::Join { group, status });
        }
    }

    pub(super) fn leave(&mut self, group: GroupName) {
        if self.groups.remove(&group) {
            self.status = self.status.wrapping_add(1);
            let status = self.status;
            self.say_something(Body::Leave { group, status });
        }
    }

    pub(super) fn will_hear_whisper(&mut self, content: Content) {
        self.to_hear.push_back(Body::Whisper { content });
    }

    pub(super) fn will_hear_shout(&mut self, group: GroupName, content: Content) {
        self.to_hear.push_back(Body::Shout { group, content });
    }

    /// The node's application hears something of this peer: the oldest thing that it said.
    pub(super) fn is_heard(&mut self, event: &Event) {
        let heard = match event.clone() {
            Event::Enter { .. } => return,
            Event::Evasive { .. } if self.may_be_doubted => return,
            Event::Whisper { content, .. } => Body::Whisper { content },
            Event::Shout { group, content, .. } => Body::Shout { group, content },
            Event::Join { group, .. } => Body::Join { group, status: 0 },
            Event::Leave { group, .. } => Body::Leave { group, status: 0 },
            other => panic!("{other:?} of the honest peer"),
        };
        let said = self.to_be_heard.pop_front().map(without_status);
        assert_eq!(said, Some(heard));
    }

    /// Everything said on either side has arrived, unless the node is stopping.
    pub(super) fn is_up_to_date(&self) {
        if self.is_open {
            assert_eq!((&self.to_hear, &self.to_be_heard), (&[].into(), &[].into()));
        }
    }

    /// Reads and writes what can be; says whether there was anything.
    pub(super) fn exchange(&mut self, engine: &mut Engine, now: Instant) -> bool {
        let mut any = false;
        while self.is_open {
            let mut more = false;
            for (link, id) in [&mut self.to, &mut self.from] {
                more |= write(link, *id, self.piece, engine, now);
            }
            let from_node = read(&mut self.to.0, self.to.1, self.piece, engine, now);
            assert!(from_node.is_none_or(|messages| messages.is_empty()));
            if let Some(messages) = read(&mut self.from.0, self.from.1, self.piece, engine, now) {
                more = true;
                messages.into_iter().for_each(|message| self.hear(message));
            }
            if !more {
                break;
            }
            any = true;
        }
        any
    }

    /// A message came from the node: the next in its sequence.
    fn hear(&mut self, message: Multipart) {
        let limits = MessageLimits::default();
        let message = Message::decode(&message.first, message.rest, &limits).expect("a message");
        self.heard_sequence += 1;
        assert_eq!(message.sequence, self.heard_sequence);
        match message.body {
            Body::Hello(hello) => {
                assert_eq!(message.sequence, 1);
                self.heard_status = hello.status;
                self.node_groups = hello.groups;
            }
            Body::Ping => self.say(Body::PingOk),
            Body::PingOk => {}
            Body::Join { group, status } => {
                assert!(self.node_groups.insert(group));
                self.count(status);
            }
            Body::Leave { group, status } => {
                assert!(self.node_groups.remove(&group));
                self.count(status);
            }
            body => assert_eq!(Some(body), self.to_hear.pop_front()),
        }
    }

    fn count(&mut self, status: u8) {
        self.heard_status = self.heard_status.wrapping_add(1);
        assert_eq!(status, self.heard_status);
    }

    /// Says something that the node's application will hear.
    fn say_something(&mut self, body: Body) {
        if self.is_open {
            self.to_be_heard.push_back(body.clone());
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
        self.to.0.send(&message.header(), &content);
    }
}

/// Writes one piece to the engine, if it reads; says whether it did.
fn write(link: &mut Link, id: LinkId, piece: usize, engine: &mut Engine, now: Instant) -> bool {
    let outbox = link.outbox();
    if !outbox.has_remaining() || engine.is_congested() {
        return false;
    }
    let inbox = engine.inbox(id);
    let count = outbox.remaining().min(inbox.len()).min(piece).min(READ);
    outbox.copy_to_slice(&mut inbox[..count]);
    engine.handle_read(id, count, now);
    true
}

/// Reads one piece from the engine; `None` if there is nothing.
fn read(
    link: &mut Link,
    id: LinkId,
    piece: usize,
    engine: &mut Engine,
    now: Instant,
) -> Option<Vec<Multipart>> {
    let outbox = engine.outbox(id)?;
    let count = outbox.remaining().min(piece);
    let octets = outbox.copy_to_bytes(count);
    engine.handle_written(now);
    let events = wire::feed(link, &octets);
    let messages = events.into_iter().filter_map(|event| match event {
        LinkEvent::Message(message) => Some(message),
        _ => None,
    });
    (count > 0).then(|| messages.collect())
}

/// An event does not tell the status.
fn without_status(body: Body) -> Body {
    match body {
        Body::Join { group, .. } => Body::Join { group, status: 0 },
        Body::Leave { group, .. } => Body::Leave { group, status: 0 },
        other => other,
    }
}
