//! A connection that carries whole messages.

use alloc::{boxed::Box, collections::VecDeque};

use zre_proto::{GossipMessage, Message, MessageLimits, PeerId, RoutingId, curve::PublicKey};

use super::{
    LinkSecurity,
    connection::{Connection, GossipEnd, LinkEvent},
    gossip_messages::{self, GossipMessages},
};
use crate::{
    config::Limits,
    error::{Fault, LinkError},
};

/// A connection over which something else carries whole messages: a ZeroMQ library, or a
/// simulation.
///
/// There is no handshake: an accepted one is open from the start, another once it is connected.
/// Sizes are those that messages have as bytes, so that limits mean the same as with
/// [`Link`](super::Link). An idle one takes three words, for a simulation has millions of them.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub struct MessageLink(End);

/// In ZRE, messages go from the connecting to the accepting end only.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
enum End {
    Accepting {
        /// What came and has not been taken.
        received: Option<Box<LinkEvent<Message>>>,
        /// What came behind it. Mostly nothing does: only a parked connection is not read at once.
        #[expect(
            clippy::box_collection,
            reason = "an idle connection takes three words"
        )]
        more: Option<Box<VecDeque<Message>>>,
    },
    Connecting {
        is_open: bool,
        /// What waits to be sent; gone when nothing does.
        unsent: Option<Box<Unsent>>,
        written: u64,
    },
    /// Between a gossip client and its hub, at either end.
    Gossiping(Box<GossipMessages>),
    /// Only one of both sides has a key.
    Mismatched,
}

/// Who connects, for an [`Engine`](crate::Engine) whose connections carry whole messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    /// Who it says it is.
    pub id: RoutingId,
    /// The key that it has proved to have to whoever carries the messages; `None` in the open.
    pub key: Option<PublicKey>,
}

impl From<PeerId> for Caller {
    fn from(peer: PeerId) -> Self {
        RoutingId::from(peer).into()
    }
}

impl From<RoutingId> for Caller {
    fn from(id: RoutingId) -> Self {
        let key = None;
        Self { id, key }
    }
}

#[derive(Debug, Default)]
#[cfg_attr(test, derive(Clone))]
struct Unsent {
    messages: VecDeque<Message>,
    /// Their bytes on the wire.
    size: usize,
}

impl MessageLink {
    /// One that came in from this caller, to which this side listens with `security`.
    pub(crate) fn accepted(caller: Caller, security: &LinkSecurity) -> Self {
        let Caller { id, key } = caller;
        let peer = Some(id);
        let received = match (security, key) {
            (LinkSecurity::Server { trust, .. }, Some(key)) if trust.admits(&key).is_none() => {
                let key = Box::new(key);
                Some(LinkEvent::Refused { peer, key })
            }
            (LinkSecurity::Server { .. }, Some(_)) | (LinkSecurity::Open, None) => {
                let key = key.map(Box::new);
                Some(LinkEvent::Open { peer, key })
            }
            _ => None,
        };
        match received {
            Some(received) => Self(End::Accepting {
                received: Some(Box::new(received)),
                more: None,
            }),
            None => Self(End::Mismatched),
        }
    }

    /// The bytes that a message takes on the wire, with the heads of its frames.
    pub fn wire_size(message: &Message) -> usize {
        const FRAME_HEAD: usize = 2;
        let content = message.body.content();
        let content = content.map_or(0, |content| content.byte_len() + content.len() * FRAME_HEAD);
        FRAME_HEAD + message.header_len() + content
    }

    /// The bytes that a gossip message takes on the wire, with the head of its frame.
    pub fn gossip_wire_size(message: &GossipMessage) -> usize {
        gossip_messages::wire_size(message)
    }

    /// A gossip message came; it means nothing to another connection.
    pub(crate) fn handle_gossip(&mut self, message: GossipMessage) {
        if let End::Gossiping(messages) = &mut self.0 {
            messages.handle(message);
        }
    }

    /// Takes the next gossip message to send, if the connection is open.
    pub(crate) fn next_gossip(&mut self) -> Option<GossipMessage> {
        match &mut self.0 {
            End::Gossiping(messages) => messages.next(),
            End::Accepting { .. } | End::Connecting { .. } | End::Mismatched => None,
        }
    }

    /// A message came. In ZRE none comes to the connecting end.
    pub(crate) fn handle_message(&mut self, message: Message) {
        let End::Accepting { received, more } = &mut self.0 else {
            return;
        };
        match received {
            None => *received = Some(Box::new(LinkEvent::Message(message))),
            Some(_) => more.get_or_insert_default().push_back(message),
        }
    }

    /// Takes the next message to send, if the connection is open.
    pub(crate) fn next_message(&mut self) -> Option<Message> {
        let End::Connecting {
            is_open: true,
            unsent,
            written,
        } = &mut self.0
        else {
            return None;
        };
        let waiting = unsent.as_deref_mut()?;
        let message = waiting.messages.pop_front()?;
        let size = Self::wire_size(&message);
        waiting.size -= size;
        *written += size as u64;
        // Idle connections hold no queue: simulations have millions of them.
        unsent.take_if(|unsent| unsent.messages.is_empty());
        Some(message)
    }

    fn unsent(&self) -> Option<&Unsent> {
        match &self.0 {
            End::Accepting { .. } | End::Gossiping(_) | End::Mismatched => None,
            End::Connecting { unsent, .. } => unsent.as_deref(),
        }
    }
}

fn mismatch() -> Fault {
    let error = LinkError::Mechanism {
        theirs: "another".into(),
        ours: "its own".into(),
    };
    error.into()
}

impl Connection for MessageLink {
    const KEEPS_MEMORY: bool = false;

    type Memory = ();

    fn connecting(_: RoutingId, _: &Limits, _: LinkSecurity) -> Self {
        Self(End::Connecting {
            is_open: false,
            unsent: None,
            written: 0,
        })
    }

    fn gossiping(end: GossipEnd, _: &Limits, security: LinkSecurity) -> Self {
        match (end, security) {
            // It is not known who the client is.
            (GossipEnd::Hub, LinkSecurity::Server { .. }) => Self(End::Mismatched),
            _ => Self(End::Gossiping(Box::new(GossipMessages::new(end)))),
        }
    }

    fn handle_connected(&mut self) -> bool {
        match &mut self.0 {
            End::Connecting { is_open, .. } => *is_open = true,
            End::Gossiping(messages) => messages.open(),
            End::Accepting { .. } | End::Mismatched => {}
        }
        true
    }

    fn is_elector(&self) -> bool {
        // Whoever sees READY says it with `Engine::handle_elector`.
        false
    }

    fn receive_gossip(&mut self) -> Result<Option<LinkEvent<GossipMessage>>, Fault> {
        Ok(match &mut self.0 {
            End::Mismatched => return Err(mismatch()),
            End::Gossiping(messages) => messages.receive(),
            End::Accepting { .. } | End::Connecting { .. } => None,
        })
    }

    fn send_gossip(&mut self, message: &GossipMessage) {
        if let End::Gossiping(messages) = &mut self.0 {
            messages.send(message.clone());
        }
    }

    fn receive(&mut self, _: &MessageLimits) -> Result<Option<LinkEvent<Message>>, Fault> {
        Ok(match &mut self.0 {
            End::Mismatched => return Err(mismatch()),
            End::Accepting { received, more } => {
                let event = received.take().map(|event| *event);
                if let Some(waiting) = more {
                    let next = waiting.pop_front();
                    *received = next.map(|message| Box::new(LinkEvent::Message(message)));
                    more.take_if(|waiting| waiting.is_empty());
                }
                event
            }
            End::Connecting { .. } | End::Gossiping(_) => None,
        })
    }

    fn unread(&self) -> usize {
        match &self.0 {
            End::Accepting {
                more: Some(more), ..
            } => more.iter().map(Self::wire_size).sum(),
            End::Gossiping(messages) => messages.unread(),
            End::Accepting { .. } | End::Connecting { .. } | End::Mismatched => 0,
        }
    }

    fn borrow_memory(&mut self, (): &mut ()) {}

    fn return_memory(&mut self, (): &mut ()) {}

    fn send(&mut self, message: &Message, (): &mut ()) {
        // An accepted connection is never sent to.
        if let End::Connecting { unsent, .. } = &mut self.0 {
            let unsent = unsent.get_or_insert_default();
            unsent.size += Self::wire_size(message);
            unsent.messages.push_back(message.clone());
        }
    }

    fn queued(&self) -> usize {
        match &self.0 {
            End::Gossiping(messages) => messages.queued(),
            _ => self.unsent().map_or(0, |unsent| unsent.size),
        }
    }

    fn has_output(&self) -> bool {
        if let End::Gossiping(messages) = &self.0 {
            return messages.has_output();
        }
        let is_open = matches!(self.0, End::Connecting { is_open: true, .. });
        is_open && self.unsent().is_some()
    }

    fn written(&self) -> u64 {
        match &self.0 {
            End::Accepting { .. } | End::Mismatched => 0,
            End::Connecting { written, .. } => *written,
            End::Gossiping(messages) => messages.written,
        }
    }

    fn unfinished(&self) -> usize {
        0
    }

    fn begun(&self) -> Option<u64> {
        None
    }

    fn take_unsent(&mut self, failed: Self) {
        if let (
            End::Connecting { unsent, .. },
            End::Connecting {
                unsent: of_failed, ..
            },
        ) = (&mut self.0, failed.0)
        {
            *unsent = of_failed;
        }
    }

    fn release_memory(&mut self) {}

    fn release_shared_memory((): &mut ()) {}
}

#[cfg(test)]
mod tests {
    use zre_proto::{Body, Content, PeerId};

    use super::*;

    fn whisper(sequence: u16, text: &'static str) -> Message {
        let content = Content::from(text);
        let body = Body::Whisper { content };
        Message { sequence, body }
    }

    fn connecting() -> MessageLink {
        let own = RoutingId::from(PeerId::from([1; 16]));
        MessageLink::connecting(own, &Limits::default(), LinkSecurity::Open)
    }

    #[test]
    fn an_idle_connection_takes_three_words() {
        assert!(size_of::<MessageLink>() <= 3 * size_of::<u64>());
        let mut link = connecting();
        link.handle_connected();
        link.send(&whisper(1, "x"), &mut ());
        link.next_message();
        assert!(link.unsent().is_none());
    }

    #[test]
    fn messages_that_are_not_taken_come_in_order_later() {
        let mut link = MessageLink::accepted(
            RoutingId::from(PeerId::from([1; 16])).into(),
            &LinkSecurity::Open,
        );
        for sequence in 1..=3 {
            link.handle_message(whisper(sequence, "four"));
        }
        assert_eq!(link.unread(), 3 * 14);
        let mut receive = || link.receive(&MessageLimits::new()).unwrap();
        assert!(matches!(receive(), Some(LinkEvent::Open { .. })));
        for sequence in 1..=3 {
            let expected = LinkEvent::Message(whisper(sequence, "four"));
            assert_eq!(receive(), Some(expected));
        }
        assert_eq!(receive(), None);
        assert_eq!(link.unread(), 0);
    }

    #[test]
    fn messages_wait_until_the_connection_is_open_and_count_as_many_bytes_as_on_the_wire() {
        let mut link = connecting();
        link.send(&whisper(1, "four"), &mut ());
        link.send(&whisper(2, ""), &mut ());
        // Each frame has a head of two bytes, the first frame of a whisper has six more.
        assert_eq!(link.queued(), 2 * (2 + 6 + 2) + 4);
        assert!(!link.has_output());
        assert_eq!(link.next_message(), None);

        link.handle_connected();
        assert!(link.has_output());
        assert_eq!(link.next_message(), Some(whisper(1, "four")));
        assert_eq!((link.queued(), link.written()), (10, 14));
        assert_eq!(link.next_message(), Some(whisper(2, "")));
        assert_eq!((link.queued(), link.written()), (0, 24));
        assert!(!link.has_output());
    }
}
