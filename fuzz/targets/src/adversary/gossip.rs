use std::net::SocketAddr;

use zre_proto::{Endpoint, GossipMessage, GossipTuple, PeerId, Text};

use crate::{
    script::choices,
    wire::{self, short_text},
};

choices! {
    /// A gossip message of the adversary's, as a script describes it.
    #[derive(Debug, Clone, Copy)]
    pub(crate) enum ScriptedGossip<'a> from 'a, one of 7 {
        0 => Hello,
        1 => Ping,
        2 => Pong,
        3 => Invalid,
        /// Anybody is anywhere. The lowest bit of `flags` gives it a public key.
        4 => Tuple { id: u8, address: u8, flags: u8 },
        /// One of many that nobody knows.
        5 => Stranger { number: u16 },
        6 => Odd { key: &'a [u8], value: &'a [u8] },
    }
}

impl ScriptedGossip<'_> {
    /// Its bytes, with the identities and addresses that the numbers mean.
    pub(crate) fn encode(self, id: fn(u8) -> PeerId, address: fn(u8) -> SocketAddr) -> Vec<u8> {
        let message = match self {
            Self::Hello => GossipMessage::Hello,
            Self::Ping => GossipMessage::Ping,
            Self::Pong => GossipMessage::Pong,
            Self::Invalid => GossipMessage::Invalid,
            Self::Tuple {
                id: peer,
                address: place,
                flags,
            } => tuple(id(peer), address(place), flags & 1 == 1),
            Self::Stranger { number } => {
                let mut peer = [0x55; 16];
                peer[..2].copy_from_slice(&number.to_be_bytes());
                tuple(PeerId::from(peer), address(0), false)
            }
            Self::Odd { key, value } => GossipMessage::Publish {
                key: short_text(key),
                value: Text::from(value),
                ttl: 0,
            },
        };
        let mut bytes = Vec::new();
        wire::put_frame(&mut bytes, false, &message.encode());
        bytes
    }
}

fn tuple(peer: PeerId, address: SocketAddr, has_key: bool) -> GossipMessage {
    let tuple = GossipTuple {
        peer,
        endpoint: Endpoint::from_socket_addr(address).unwrap(),
        public_key: has_key.then(|| [9; 32].into()),
    };
    tuple.to_message()
}
