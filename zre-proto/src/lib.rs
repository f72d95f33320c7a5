//! The wire formats of the ZRE protocol (RFC 36/ZRE), and of the part of ZMTP 3.x (RFC 37/ZMTP)
//! that it uses.
//!
//! This crate turns bytes into values and values into bytes. It has no clock, no sockets and no
//! state, and it needs only `alloc`.
//!
//! * [`Beacon`]: the UDP datagram by which a node announces itself.
//! * [`Message`]: one ZRE message, with its sequence number and its [`Content`].
//! * [`GossipMessage`]: what a gossip hub and its clients say to each other, mostly a
//!   [`GossipTuple`].
//! * [`curve`]: keys, and the boxes and commands of CURVE.
//! * [`zmtp`]: the greeting, the frames and the commands that carry messages over TCP.
//! * [`Endpoint`], [`KeyedEndpoint`], [`PeerId`], [`RoutingId`], [`GroupName`], [`Headers`],
//!   [`Text`]: the values in them.
//!
//! Decoders never panic, never loop without consuming input, and never reserve memory for bytes
//! that have not arrived. Each way in which an input can be wrong has an error of its own.
//!
//! ```
//! use bytes::Bytes;
//! use zre_proto::{Body, Content, Message, MessageLimits};
//!
//! let ping = Message { sequence: 7, body: Body::Ping };
//! let frame: Bytes = ping.header();
//! assert_eq!(frame[..], [0xAA, 0xA1, 6, 2, 0, 7]);
//! assert_eq!(Message::decode(&frame, Content::default(), &MessageLimits::default())?, ping);
//! # Ok::<(), zre_proto::MessageError>(())
//! ```
//!
//! # Features
//!
//! * `serde`: `Serialize` and `Deserialize` for [`PeerId`], [`Endpoint`], [`Text`], [`ShortText`],
//!   [`GroupName`], [`Headers`] and [`Content`]. The documentation of each type says what it looks
//!   like.
//! * `std`: the ciphers of [`curve`] look at run time for what the processor can do.

#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod beacon;
mod content;
pub mod curve;
mod endpoint;
mod gossip;
mod headers;
mod identity;
mod keyed_endpoint;
mod message;
mod reader;
#[cfg(feature = "serde")]
mod serialization;
mod small_bytes;
mod text;
pub mod zmtp;

pub use beacon::{Beacon, BeaconError, DISCOVERY_PORT};
pub use content::{Content, IntoFrame, ToStrError};
pub use endpoint::{Endpoint, EndpointError, Host};
pub use gossip::{GossipError, GossipMessage, GossipTuple, GossipTupleError};
pub use headers::Headers;
pub use identity::{PeerId, PeerIdError, RoutingId, RoutingIdError};
pub use keyed_endpoint::{KeyedEndpoint, KeyedEndpointError};
pub use message::{Body, Hello, Message, MessageError, MessageLimits};
pub use reader::Truncated;
pub use text::{GroupName, ShortText, Text, TooLong};
