//! What the two ends tell each other before the first message (RFC 37, "The NULL Security
//! Mechanism"; with CURVE the same in the boxes of [`curve`](super::curve)).

use alloc::{boxed::Box, string::String};

use bytes::{Bytes, BytesMut};
use zre_proto::{
    RoutingId, ShortText,
    zmtp::{Command, Greeting, Mechanism, Metadata},
};

use super::{
    GossipEnd, LinkSecurity, Role,
    curve::{CurveHandshake, CurveStep},
};
use crate::error::LinkError;

/// What stands in [`Metadata::UNDERSTANDS`], with commas between several.
const ELECT: &str = "ELECT";

#[derive(Debug)]
pub(super) struct Handshake {
    role: Role,
    /// Gone when it is over.
    curve: Option<Box<CurveHandshake>>,
}

impl Handshake {
    pub(super) fn new(role: Role, security: LinkSecurity) -> Self {
        let curve = CurveHandshake::new(security).map(Box::new);
        Self { role, curve }
    }

    /// libzmq does not say in it which side is the server, and neither do we.
    pub(super) fn greeting(&self) -> Greeting {
        Greeting::new(self.mechanism(), false)
    }

    fn mechanism(&self) -> Mechanism {
        match self.curve {
            Some(_) => Mechanism::CURVE,
            None => Mechanism::NULL,
        }
    }

    /// Whether the other side may send messages.
    pub(super) fn may_receive(&self) -> bool {
        !matches!(self.role, Role::Connecting(_))
    }

    /// The other side has greeted; gives the body of the command with which this side begins, if
    /// it does.
    pub(super) fn greeted(&mut self, greeting: &Greeting) -> Result<Option<Bytes>, LinkError> {
        if greeting.mechanism != self.mechanism() {
            return Err(LinkError::Mechanism {
                theirs: shown(&greeting.mechanism),
                ours: shown(&self.mechanism()),
            });
        }
        match &mut self.curve {
            Some(curve) => Ok(curve.begin()?.map(BytesMut::freeze)),
            // RFC 23, NULL: each end sends READY as soon as it has the other's greeting.
            None => Ok(Some(Command::Ready(self.metadata()).encode())),
        }
    }

    /// The body of a command has come that is CURVE's; `None` if the mechanism is not CURVE.
    pub(super) fn take_curve(&mut self, body: &[u8]) -> Result<Option<CurveStep>, LinkError> {
        let metadata = self.metadata();
        let Some(curve) = &mut self.curve else {
            return Ok(None);
        };
        let step = curve.take(body, &metadata)?;
        if !matches!(step, CurveStep::Reply(_)) {
            // Its keys are of no more use.
            self.curve = None;
        }
        Ok(Some(step))
    }

    /// The other side has described itself; gives who it is, if it is the one to say so.
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
        let identity = match self.role {
            Role::Connecting(id) | Role::AcceptingAs(id) => Bytes::copy_from_slice(&id.to_bytes()),
            // libzmq sends an empty one, too.
            Role::Accepting | Role::Gossiping(_) => Bytes::new(),
        };
        let metadata = Metadata::default()
            .with(property(Metadata::SOCKET_TYPE), ours)
            .with(property(Metadata::IDENTITY), identity);
        match self.role {
            Role::Gossiping(_) => metadata,
            _ => metadata.with(property(Metadata::UNDERSTANDS), ELECT),
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

/// Whether the other side takes part in elections, as it says.
pub(super) fn understands_elect(metadata: &Metadata) -> bool {
    let understood = metadata.get(Metadata::UNDERSTANDS).unwrap_or_default();
    let mut names = understood.split(|byte| *byte == b',');
    names.any(|name| name.trim_ascii() == ELECT.as_bytes())
}

fn property(name: &'static str) -> ShortText {
    name.try_into().expect("names of properties are short")
}

fn shown(mechanism: &Mechanism) -> String {
    alloc::format!("{mechanism}")
}
