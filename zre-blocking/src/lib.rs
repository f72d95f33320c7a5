//! A ZRE node for threads and event loops, without async. Programs on a network find each other,
//! form groups and exchange messages, with no server.
//!
//! ```no_run
//! use zre_blocking::{Event, Node};
//!
//! # fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let node = Node::builder("alice").join("CHAT").start()?;
//! for event in node.events() {
//!     match event {
//!         Event::Join { group, .. } => _ = node.shout(group, "hello")?,
//!         Event::Shout { name, content, .. } => println!("{name}: {content}"),
//!         _ => {}
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! * [`Node`] is a handle: clones are cheap, and any thread can use them.
//! * [`Builder`] sets the name, headers, groups, network interface, keys, timeouts and limits.
//! * [`Event`] is what happens on the network. Take events with [`Node::recv`] or
//!   [`Node::recv_timeout`], or as copies with [`Node::subscribe`].
//! * [`Readiness`] is a descriptor for a program with an event loop. With it, and with methods such
//!   as [`Node::try_recv`] and [`Node::try_whisper`], the program never blocks in a node.
//! * [`Sender`] sends from a second thread. Use it to send a lot, so that events are still taken.
//! * [`Node::request`] asks a peer, [`Node::request_any`] a member of a group, and
//!   [`Node::requests`] gives what peers ask: [`RequestBuilder`], [`Answers`], [`Request`].
//!
//! Each node has one thread for its sockets, however many peers it has. While a thread of the
//! program waits in a method of [`Node`], that thread reads and writes the sockets itself, so that
//! no other thread has to wake it. The node's log is then written on that thread, too. Whatever
//! handles the log must not wait for the node.
//!
//! A node works together with every implementation of ZRE (RFC 36), such as zyre and pyre. Unless
//! told otherwise, it uses the network interface with the default route, or loopback while there is
//! none, and it follows changes while it runs: [`Builder::interfaces`] and [`Event::Network`] say
//! more. Where beacons do not pass, there are fixed peers ([`Builder::connect`]) and gossip
//! ([`Builder::gossip_connect`]).
//!
//! Such a node talks in the open, and with everybody. One with a key ([`Builder::key`]), or with a
//! secret that all nodes share ([`Builder::secret`]), talks only with those that it trusts, and
//! nobody else can read or change what they say.
//!
//! It writes its log with `tracing`; [`Node::notices`] gives the same as values. The log is written
//! on the threads that carry the node, so a subscriber that blocks, as one does that writes to a
//! pipe which nobody reads, holds up the node and everything that uses it: choose one that does not
//! block, such as `tracing_appender::non_blocking`.
//!
//! # Features
//!
//! * `serde`: `Serialize` and `Deserialize` for [`Event`], [`ExitReason`], [`PeerInfo`],
//!   [`Limits`] and the values inside, such as [`PeerId`] and [`Content`]; `Serialize` for
//!   [`Notice`]. The page of each type says what it looks like.

#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod leader;
mod node;
mod park;
mod reactor;
mod readiness;
mod requests;
mod tcp;
mod wake_queue;

pub use zre_driver::{api::*, zre_core};

// For bindings of other languages.
#[doc(hidden)]
pub use crate::{
    readiness::{Pair, Socket},
    tcp::Tcp,
};

pub use crate::{
    node::{Builder, Events, Node, Notices, RecvTimeoutError, Sender, Subscription},
    readiness::Readiness,
    requests::{
        Answers, PendingAnyRequest, PendingRequest, Request, RequestAllBuilder, RequestAnyBuilder,
        RequestBuilder, Requests,
    },
};
