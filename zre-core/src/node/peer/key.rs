//! The key of a peer, in a node that has one itself.

use alloc::boxed::Box;

use zre_proto::curve::PublicKey;

use super::{Peer, PeerEffect, session::Session};
use crate::node::context::{NodeContext, PING_INTERVAL};

/// The key with which a peer is connected to, where it is or is sought. `None` in a node without a
/// key. Boxed, so that such nodes pay no more than a word for it.
#[derive(Debug, Clone, Default)]
pub(crate) struct PeerKey(Option<Box<Known>>);

#[derive(Debug, Clone)]
struct Known {
    key: PublicKey,
    /// Whether the peer has proved to have it. Else only a beacon, a tuple or the user says so.
    is_proved: bool,
    /// Whether it has been noted that beacons name another.
    has_noted_other: bool,
}

impl PeerKey {
    pub(crate) fn said(key: Option<PublicKey>) -> Self {
        Self(key.map(|key| {
            Box::new(Known {
                key,
                is_proved: false,
                has_noted_other: false,
            })
        }))
    }

    /// The key, whether it has been proved or not.
    pub(crate) fn get(&self) -> Option<PublicKey> {
        self.0.as_ref().map(|known| known.key)
    }

    /// The key that belongs to the peer's identity: nothing counts for it that has another.
    pub(crate) fn proved(&self) -> Option<PublicKey> {
        let known = self.0.as_ref().filter(|known| known.is_proved);
        known.map(|known| known.key)
    }

    /// The peer has proved to have a key.
    pub(crate) fn prove(&mut self, key: PublicKey) {
        self.0 = Some(Box::new(Known {
            key,
            is_proved: true,
            has_noted_other: false,
        }));
    }

    /// Beacons name another key. Says whether that is news.
    pub(crate) fn note_other(&mut self) -> bool {
        let known = self.0.as_mut();
        known.is_some_and(|known| !core::mem::replace(&mut known.has_noted_other, true))
    }
}

/// Those whom libzmq does not connect to us any more.
///
/// Once one side has refused the other's key, libzmq makes no further connection. zyre does not
/// notice: when the keys are trusted later, it takes our HELLO for that of a peer to whom it has
/// said HELLO long ago. A second HELLO is to it that of a peer that has restarted. Then it connects
/// anew, and says HELLO.
impl Peer {
    /// Our connection to it is there, and one side has refused the other before. It is given a
    /// second to say HELLO; then ours is said once more.
    pub(crate) fn await_hello_after_refusal(&mut self, context: &NodeContext) -> PeerEffect {
        let Session::Greeting(greeting) = &mut self.session else {
            return PeerEffect::Nothing;
        };
        greeting.says_again_at = Some(context.now + PING_INTERVAL);
        PeerEffect::Watch
    }

    /// Whether it is time to connect to it anew, and to say HELLO once more.
    pub(super) fn says_hello_again(&mut self, context: &NodeContext) -> bool {
        let Session::Greeting(greeting) = &mut self.session else {
            return false;
        };
        let is_due = |at: &mut _| *at <= context.now;
        greeting.says_again_at.take_if(is_due).is_some()
    }
}
