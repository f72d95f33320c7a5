//! A link as a connection of an engine.

use bytes::{Buf as _, Bytes, BytesMut};
use zre_proto::{Content, GossipMessage, Message, MessageLimits, RoutingId};

use super::{Connection, GossipEnd, Link, LinkEvent, LinkSecurity, ReadBuffer, Role};
use crate::{config::Limits, error::Fault};

impl Connection for Link {
    const KEEPS_MEMORY: bool = true;

    type Memory = LinkMemory;

    fn connecting(own: RoutingId, limits: &Limits, security: LinkSecurity) -> Self {
        Self::secured(Role::Connecting(own), limits, security)
    }

    fn gossiping(end: GossipEnd, limits: &Limits, security: LinkSecurity) -> Self {
        Self::secured(Role::Gossiping(end), limits, security)
    }

    fn handle_connected(&mut self) -> bool {
        // It is open when the other side's READY has come.
        false
    }

    fn is_elector(&self) -> bool {
        self.is_elector
    }

    fn receive(&mut self, limits: &MessageLimits) -> Result<Option<LinkEvent<Message>>, Fault> {
        Ok(match self.decode_next()? {
            Some(LinkEvent::Message(content)) => {
                let message = Message::decode(&self.first, content, limits)?;
                Some(LinkEvent::Message(message))
            }
            Some(LinkEvent::Open { peer, key }) => Some(LinkEvent::Open { peer, key }),
            Some(LinkEvent::Refused { peer, key }) => Some(LinkEvent::Refused { peer, key }),
            None => None,
        })
    }

    fn receive_gossip(&mut self) -> Result<Option<LinkEvent<GossipMessage>>, Fault> {
        Ok(match self.decode_next()? {
            Some(LinkEvent::Message(_)) => {
                let message = GossipMessage::decode(&self.first)?;
                Some(LinkEvent::Message(message))
            }
            Some(LinkEvent::Open { peer, key }) => Some(LinkEvent::Open { peer, key }),
            Some(LinkEvent::Refused { peer, key }) => Some(LinkEvent::Refused { peer, key }),
            None => None,
        })
    }

    fn borrow_memory(&mut self, memory: &mut LinkMemory) {
        // Only if little waits to be decoded.
        self.input.borrow(&mut memory.spare);
    }

    fn return_memory(&mut self, memory: &mut LinkMemory) {
        self.input.give_back(&mut memory.spare);
    }

    fn send(&mut self, message: &Message, memory: &mut LinkMemory) {
        let header = &mut memory.header;
        header.clear();
        message.encode_header(header);
        match message.body.content() {
            Some(content) => Self::send(self, header, content),
            None => Self::send(self, header, &Content::default()),
        }
    }

    fn send_gossip(&mut self, message: &GossipMessage) {
        Self::send(self, &message.encode(), &Content::default());
    }

    fn queued(&self) -> usize {
        Self::queued(self)
    }

    fn has_output(&self) -> bool {
        self.output.has_remaining()
    }

    fn written(&self) -> u64 {
        self.output.written()
    }

    fn unread(&self) -> usize {
        self.input.len()
    }

    fn unfinished(&self) -> usize {
        let frames = match &self.incoming {
            None => 0,
            // The list of frames doubles when it grows, and empty frames take memory, too.
            Some(content) => self.first.len() + 2 * content.len() * size_of::<Bytes>(),
        };
        self.input.held() + self.held.size() + frames
    }

    fn begun(&self) -> Option<u64> {
        let waiting = self.input.len();
        let is_begun = self.incoming.is_some() || waiting > 0;
        is_begun.then_some(self.taken + waiting as u64)
    }

    fn take_unsent(&mut self, failed: Self) {
        // A connection that fails as an attempt has not been open, so nothing is in its write
        // buffer but its greeting and READY.
        self.unsent = failed.unsent;
        self.unsent_size = failed.unsent_size;
    }

    fn release_memory(&mut self) {
        self.output.release_memory();
    }

    fn release_shared_memory(memory: &mut LinkMemory) {
        memory.spare.release_memory();
    }
}

/// Memory that an engine's links use in turn.
#[derive(Debug, Default)]
pub struct LinkMemory {
    /// A message's first frame while it is encoded.
    header: BytesMut,
    /// What idle links share to read into.
    spare: ReadBuffer,
}
