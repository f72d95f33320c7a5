//! What an engine wants done.

use alloc::{collections::VecDeque, vec::Vec};

use bytes::Bytes;
use zre_proto::{Endpoint, PeerId, curve::PublicKey};

use crate::interfaces::{LocalAddress, NetworkId};

/// Which connection; never used twice by an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub(super) u64);

impl LinkId {
    /// The id as a number, for a selector's token; they count from 0.
    pub fn as_u64(self) -> u64 {
        self.0
    }

    #[cfg(test)]
    pub(crate) fn from_number(number: u64) -> Self {
        Self(number)
    }
}

/// What an engine wants done, in this order.
///
/// Whoever drives an engine has to carry out all of them, so a new one is meant to break the build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Open the sockets of a network: one that accepts connections, and those for beacons. Answer
    /// with `handle_listening` or `handle_not_listening`, before anything else is told.
    Listen {
        /// Its id from now on, unless it has been asked for before.
        network: NetworkId,
        /// The address of the sockets.
        address: LocalAddress,
    },
    /// Close the sockets of a network, if they are open, and all connections that begin or end at
    /// its address; report each of these with `handle_closed`.
    Leave(NetworkId),
    /// Send these bytes on the discovery port, as [`Config::beacons`](crate::Config) says.
    Datagram {
        /// From where.
        network: NetworkId,
        /// What.
        datagram: Bytes,
    },
    /// Open a connection: ask `handle_resolved` whether to when the address is known, and answer
    /// with `handle_connected` or `handle_closed`.
    Open {
        /// Its id from now on.
        link: LinkId,
        /// Where to.
        endpoint: Endpoint,
        /// The key that whoever is there has to have; `None` in the open. Connections of bytes see
        /// to that themselves. Callers with whole messages must: for libzmq it is
        /// `ZMQ_CURVE_SERVERKEY`.
        key: Option<PublicKey>,
        /// What it is for.
        purpose: OpenFor,
    },
    /// There is something to write, as soon as the connection is there: write until nothing is
    /// left or the socket takes no more, and then as soon as it takes more. It comes again after
    /// that only if there is more.
    Writable(LinkId),
    /// Close the connection, whatever is unsent. Its id is not used again.
    Close(LinkId),
    /// Some connection may be read again; [`Engine::may_read`](crate::Engine::may_read) says
    /// which.
    Resume,
}

/// What a connection is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum OpenFor {
    /// A peer. It, or its beacon, says where: so not everywhere may be connected to, and a host
    /// name that it gives is worth little.
    Peer,
    /// A fixed peer or a gossip hub. The user says where: host names are looked up, and loopback is
    /// a place as any other.
    User,
}

/// What became of a shout.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Shouted {
    /// How many members it is on its way to.
    pub reached: usize,
    /// Which.
    pub sent_to: Vec<PeerId>,
    /// The members that were passed over, because they were behind before and still have no room.
    pub passed_over: Vec<PeerId>,
    /// The members whose outbound limit is reached; the message has not been sent to them. Those
    /// that were [passed over](crate::Engine::skip) before and are still behind are not among
    /// them.
    pub full: Vec<PeerId>,
}

/// Outputs that wait to be taken. Each has a number, which tells without a search whether it still
/// waits.
#[derive(Debug, Default)]
#[cfg_attr(test, derive(Clone))]
pub(super) struct Outputs {
    queue: VecDeque<Output>,
    /// How many have been taken.
    taken: u64,
}

/// The number of an output, counted from 1; 0 is none.
pub(super) type OutputNumber = u64;

impl Outputs {
    pub(super) fn push(&mut self, output: Output) -> OutputNumber {
        self.queue.push_back(output);
        self.taken + self.queue.len() as u64
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(super) fn pop(&mut self) -> Option<Output> {
        let output = self.queue.pop_front()?;
        self.taken += 1;
        Some(output)
    }

    /// Whether the output with this number has not been taken.
    pub(super) fn waits(&self, number: OutputNumber) -> bool {
        number > self.taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_waits_until_it_is_taken() {
        let mut outputs = Outputs::default();
        assert!(!outputs.waits(0));
        let first = outputs.push(Output::Resume);
        let second = outputs.push(Output::Resume);
        assert!(outputs.waits(first) && outputs.waits(second));
        outputs.pop();
        assert!(!outputs.waits(first) && outputs.waits(second));
        outputs.pop();
        outputs.pop();
        assert!(!outputs.waits(second));
        assert!(outputs.waits(outputs.taken + 1));
        let third = outputs.push(Output::Resume);
        assert!(outputs.waits(third));
    }
}
