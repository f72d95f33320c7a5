//! The requests of peers that wait to be taken.

use alloc::{
    collections::{BTreeMap, VecDeque},
    vec::Vec,
};

use zre_proto::PeerId;

use super::IncomingRequest;

/// The requests that nobody has taken yet. The peers that have some take turns, one request each;
/// those of one peer stay in order.
#[derive(Debug, Default)]
#[cfg_attr(test, derive(Clone))]
pub(super) struct Lane {
    queues: BTreeMap<PeerId, VecDeque<IncomingRequest>>,
    turns: VecDeque<PeerId>,
}

impl Lane {
    pub(super) fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }

    pub(super) fn push(&mut self, request: IncomingRequest) {
        let peer = request.peer;
        let queue = self.queues.entry(peer).or_insert_with(|| {
            self.turns.push_back(peer);
            VecDeque::new()
        });
        queue.push_back(request);
    }

    pub(super) fn pop(&mut self) -> Option<IncomingRequest> {
        let peer = self.turns.pop_front()?;
        let queue = self.queues.get_mut(&peer)?;
        let request = queue.pop_front();
        match queue.is_empty() {
            true => _ = self.queues.remove(&peer),
            false => self.turns.push_back(peer),
        }
        request
    }

    /// Takes all that waits of a peer.
    pub(super) fn take_all_of(&mut self, peer: PeerId) -> Vec<IncomingRequest> {
        let Some(queue) = self.queues.remove(&peer) else {
            return Vec::new();
        };
        self.turns.retain(|waiting| *waiting != peer);
        queue.into()
    }
}
