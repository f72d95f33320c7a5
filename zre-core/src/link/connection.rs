//! What an engine needs of a connection, whatever it carries.

use alloc::boxed::Box;
use core::fmt;

use zre_proto::{GossipMessage, Message, MessageLimits, RoutingId, curve::PublicKey};

use super::{Link, LinkSecurity, MessageLink, Multipart};
use crate::{config::Limits, error::Fault};

/// A connection of an [`Engine`](crate::Engine): what its rules need, whatever is carried.
///
/// There are two: [`Link`] carries bytes, for callers with sockets; [`MessageLink`] carries whole
/// messages, for callers with a ZeroMQ library and for simulations. The rules (which connection
/// belongs to whom, when it is tried again, how much may wait) are the engine's and the same for
/// both. The trait is sealed: it may grow with the engine.
pub trait Connection: sealed::Sealed + fmt::Debug + Sized {
    /// Whether there is anything to [release](Connection::release_memory).
    const KEEPS_MEMORY: bool;

    /// Memory that all connections of an engine use in turn.
    type Memory: fmt::Debug + Default;

    /// One that is being opened by the node that `own` names.
    fn connecting(own: RoutingId, limits: &Limits, security: LinkSecurity) -> Self;

    /// One between a gossip client and its hub, at this end.
    fn gossiping(end: GossipEnd, limits: &Limits, security: LinkSecurity) -> Self;

    /// The system has made the connection that this end has opened. Says whether messages can cross
    /// now; if not, [`LinkEvent::Open`] comes when they can.
    fn handle_connected(&mut self) -> bool;

    /// Whether the other side has said that it takes part in elections of leaders
    /// ([`Metadata::UNDERSTANDS`](zre_proto::zmtp::Metadata::UNDERSTANDS)).
    fn is_elector(&self) -> bool;

    /// Takes what came next; `None` if nothing more has come.
    ///
    /// # Errors
    ///
    /// [`Fault::Link`] or [`Fault::Message`] if the other side breaks the protocol; the connection
    /// is then of no more use.
    fn receive(&mut self, limits: &MessageLimits) -> Result<Option<LinkEvent<Message>>, Fault>;

    /// Takes what came next over a connection for gossip; `None` if nothing more has come.
    ///
    /// # Errors
    ///
    /// [`Fault::Link`] or [`Fault::Gossip`] if the other side breaks the protocol; the connection
    /// is then of no more use.
    fn receive_gossip(&mut self) -> Result<Option<LinkEvent<GossipMessage>>, Fault>;

    /// How many bytes have come and not been [received](Connection::receive), at least.
    fn unread(&self) -> usize;

    /// Borrows the memory that idle connections share, before it is read or what it holds is taken.
    fn borrow_memory(&mut self, memory: &mut Self::Memory);

    /// All that came has been taken, or no more is to be: memory that was borrowed can be given
    /// back.
    fn return_memory(&mut self, memory: &mut Self::Memory);

    /// Queues a message. It goes out once the connection is open. By reference: moving a message
    /// through each layer took 6 % of the time of a small one.
    fn send(&mut self, message: &Message, memory: &mut Self::Memory);

    /// Queues a message on a connection for gossip.
    fn send_gossip(&mut self, message: &GossipMessage);

    /// How many bytes wait, including those that wait until the connection is open.
    fn queued(&self) -> usize;

    /// Whether something waits that can be written now.
    fn has_output(&self) -> bool;

    /// How many bytes have been written since the beginning.
    fn written(&self) -> u64;

    /// How many bytes of memory a message holds whose end has not come.
    fn unfinished(&self) -> usize;

    /// How many bytes of messages have come since the beginning; `None` unless the end of one has
    /// not come.
    fn begun(&self) -> Option<u64>;

    /// Takes over the messages that another connection to the same peer could not send.
    fn take_unsent(&mut self, failed: Self);

    /// Releases the memory of a burst.
    fn release_memory(&mut self);

    /// Releases what the connections use in turn, as far as it is not worth keeping.
    fn release_shared_memory(memory: &mut Self::Memory);
}

/// Which end of a connection this is: in ZRE, messages go from the connecting to the accepting end
/// only. In gossip they go both ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A DEALER that connects, says who it is, and sends.
    Connecting(RoutingId),
    /// A ROUTER that accepts, learns who connects, and receives.
    Accepting,
    /// The same, which also says who it is. libzmq sends an empty identity from a ROUTER, and does
    /// not look at the one that a ROUTER sends.
    AcceptingAs(RoutingId),
    /// A connection for gossip.
    Gossiping(GossipEnd),
}

/// Which end of a connection for gossip this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GossipEnd {
    /// A DEALER without identity that connects.
    Client,
    /// A ROUTER that accepts.
    Hub,
}

/// What came over a connection; `M` is how it hands out a message.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum LinkEvent<M = Multipart> {
    /// The handshake is over; messages can cross.
    Open {
        /// Who is at the other end, as it says. Always there at the accepting end; at the
        /// connecting end only if the other side is [`Role::AcceptingAs`]. Never there in gossip.
        peer: Option<RoutingId>,
        /// The key that the other side has proved to have; `None` unless the connection is
        /// protected. Boxed, as messages are moved as events, too, and would be larger for it.
        key: Option<Box<PublicKey>>,
    },
    /// A client has proved to have a key that is not trusted, and is told so. Nothing more is taken
    /// from it: close the connection when that has been written.
    Refused {
        /// Who it says it is.
        peer: Option<RoutingId>,
        /// Its key.
        key: Box<PublicKey>,
    },
    /// A whole message came.
    Message(M),
}

mod sealed {
    pub trait Sealed {}
}

impl sealed::Sealed for Link {}

impl sealed::Sealed for MessageLink {}
