//! What the two ends tell each other before the first message (RFC 37, "The NULL Security
//! Mechanism").
//!
//! Everything that depends on the security mechanism is here, so that CURVE can be added beside
//! NULL.

use alloc::string::String;

use bytes::Bytes;
use zre_proto::{
    RoutingId, ShortText,
    zmtp::{Command, Greeting, Mechanism, Metadata},
};

use super::{GossipEnd, Role};
use crate::error::LinkError;

#[derive(Debug)]
pub(super) struct Handshake {
    role: Role,
}

impl Handshake {
    pub(super) fn new(role: Role) -> Self {
        Self { role }
    }

    pub(super) fn greeting(&self) -> Greeting {
        Greeting::new(Mechanism::NULL, false)
    }

    /// Whether the other side may send messages.
    pub(super) fn may_receive(&self) -> bool {
        !matches!(self.role, Role::Connecting(_))
    }

    /// The other side has greeted; gives our READY.
    pub(super) fn greeted(&self, greeting: &Greeting) -> Result<Command, LinkError> {
        if greeting.mechanism != Mechanism::NULL {
            return Err(LinkError::Mechanism {
                theirs: shown(&greeting.mechanism),
                ours: shown(&Mechanism::NULL),
            });
        }
        Ok(Command::Ready(self.metadata()))
    }

    /// The other side's READY has come; gives who it is, if it is the one to say so.
    pub(super) fn ready(&self, metadata: &Metadata) -> Result<Option<RoutingId>, LinkError> {
        let (_, expected) = self.socket_types();
        let theirs = metadata.get(Metadata::SOCKET_TYPE).unwrap_or_default();
        if theirs != expected.as_bytes() {
            return Err(LinkError::SocketType {
                // It goes into a log, and may have any length.
                theirs: String::from_utf8_lossy(theirs).chars().take(32).collect(),
                expected,
            });
        }
        // A ROUTER tells its connections apart by it; ZRE nodes put 01 and their UUID there.
        let identity = metadata.get(Metadata::IDENTITY).unwrap_or_default();
        let peer = RoutingId::from_bytes(identity);
        match self.role {
            // Most ROUTERs have none.
            Role::Connecting(_) => Ok(peer),
            // A gossip client has none, and what another puts there means nothing.
            Role::Gossiping(_) => Ok(None),
            Role::Accepting | Role::AcceptingAs(_) => {
                peer.map(Some).ok_or(LinkError::Identity(identity.len()))
            }
        }
    }

    fn metadata(&self) -> Metadata {
        let (ours, _) = self.socket_types();
        let metadata = Metadata::default().with(property(Metadata::SOCKET_TYPE), ours);
        match self.role {
            Role::Connecting(id) | Role::AcceptingAs(id) => metadata.with(
                property(Metadata::IDENTITY),
                Bytes::copy_from_slice(&id.to_bytes()),
            ),
            // libzmq sends an empty one, too.
            Role::Accepting | Role::Gossiping(_) => metadata.with(property(Metadata::IDENTITY), ""),
        }
    }

    /// Our socket type, and the one that belongs at the other end.
    fn socket_types(&self) -> (&'static str, &'static str) {
        match self.role {
            Role::Connecting(_) | Role::Gossiping(GossipEnd::Client) => ("DEALER", "ROUTER"),
            Role::Accepting | Role::AcceptingAs(_) | Role::Gossiping(GossipEnd::Hub) => {
                ("ROUTER", "DEALER")
            }
        }
    }
}

fn property(name: &'static str) -> ShortText {
    name.try_into().expect("names of properties are short")
}

fn shown(mechanism: &Mechanism) -> String {
    alloc::format!("{mechanism}")
}
