//! What a connection holds that carries whole gossip messages.

use alloc::collections::VecDeque;

use zre_proto::GossipMessage;

use super::connection::{GossipEnd, LinkEvent};

/// Gossip messages both ways, for [`MessageLink`](super::MessageLink).
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub(super) struct GossipMessages {
    is_open: bool,
    received: VecDeque<LinkEvent<GossipMessage>>,
    unsent: VecDeque<GossipMessage>,
    /// Their bytes on the wire.
    size: usize,
    pub(super) written: u64,
}

impl GossipMessages {
    pub(super) fn new(end: GossipEnd) -> Self {
        let mut messages = Self {
            is_open: false,
            received: VecDeque::new(),
            unsent: VecDeque::new(),
            size: 0,
            written: 0,
        };
        if end == GossipEnd::Hub {
            messages.open();
        }
        messages
    }

    pub(super) fn open(&mut self) {
        self.is_open = true;
        self.received.push_back(LinkEvent::Open {
            peer: None,
            key: None,
        });
    }

    pub(super) fn handle(&mut self, message: GossipMessage) {
        self.received.push_back(LinkEvent::Message(message));
    }

    pub(super) fn receive(&mut self) -> Option<LinkEvent<GossipMessage>> {
        self.received.pop_front()
    }

    pub(super) fn send(&mut self, message: GossipMessage) {
        self.size += wire_size(&message);
        self.unsent.push_back(message);
    }

    pub(super) fn next(&mut self) -> Option<GossipMessage> {
        if !self.is_open {
            return None;
        }
        let message = self.unsent.pop_front()?;
        let size = wire_size(&message);
        self.size -= size;
        self.written += size as u64;
        Some(message)
    }

    pub(super) fn queued(&self) -> usize {
        self.size
    }

    pub(super) fn has_output(&self) -> bool {
        self.is_open && !self.unsent.is_empty()
    }

    pub(super) fn unread(&self) -> usize {
        let messages = self.received.iter().map(|event| match event {
            LinkEvent::Open { .. } | LinkEvent::Refused { .. } => 0,
            LinkEvent::Message(message) => wire_size(message),
        });
        messages.sum()
    }
}

/// The bytes that a message takes on the wire, with the head of its frame.
pub(super) fn wire_size(message: &GossipMessage) -> usize {
    2 + message.len()
}
