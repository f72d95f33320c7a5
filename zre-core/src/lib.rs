//! The ZRE protocol (RFC 36/ZRE) as pure state machines: no clock, no sockets, no threads.
//!
//! Most programs use an adapter, such as `zre-tokio`. This crate is for programs that have sockets,
//! an event loop or a clock of their own. The page
//! [EMBEDDING.md](https://github.com/zre-rs/zre/blob/main/docs/EMBEDDING.md) shows how to use it.
//!
//! * [`Engine`]: a node with its connections. It takes and gives bytes. This is what the adapters
//!   drive.
//! * [`Engine<MessageLink>`](MessageLink): the same with connections that carry whole messages, for
//!   simulations and for ZeroMQ libraries.
//! * [`Node`]: a node without connections. It takes and gives whole messages.
//! * [`Link`]: one ZMTP connection. It takes and gives bytes, and knows nothing of ZRE.
//!
//! All of them are used in the same way. The caller reports what happened (`handle_*`), carries out
//! what the machine wants (`poll_output`), passes events on to the application (`poll_event`), and
//! calls `handle_timeout` when `poll_timeout` says so. Time and a seed for random numbers are
//! arguments: the same seed and the same inputs give the same outputs.
//!
//! ```
//! use zre_core::{Config, Event, Instant, Node, NodeOutput, Seed};
//!
//! let now = Instant::default();
//! let config = |port: u16| Config::new(format!("tcp://10.0.0.1:{port}").parse().unwrap());
//! let mut alice = Node::new(config(1), Seed::predictable([1; 32]), now);
//! let mut bob = Node::new(config(2), Seed::predictable([2; 32]), now);
//!
//! // Carries everything from one node to the other. Returns whether there was anything.
//! let carry = |from: &mut Node, to: &mut Node| {
//!     let mut any = false;
//!     while let Some(output) = from.poll_output() {
//!         any = true;
//!         match output {
//!             NodeOutput::Beacon { beacon, .. } => {
//!                 to.handle_beacon("10.0.0.1:5670".parse().unwrap(), &beacon.encode(), now);
//!             }
//!             NodeOutput::Send { message, .. } => {
//!                 to.handle_message(&from.id().into(), message, now);
//!             }
//!             NodeOutput::Connect { .. }
//!             | NodeOutput::Disconnect { .. }
//!             | NodeOutput::GiveWay { .. } => {}
//!         }
//!     }
//!     any
//! };
//! while carry(&mut alice, &mut bob) | carry(&mut bob, &mut alice) {}
//! assert!(matches!(alice.poll_event(), Some(Event::Enter { peer, .. }) if peer == bob.id()));
//!
//! alice.whisper(bob.id(), "hello".into(), now)?;
//! while carry(&mut alice, &mut bob) | carry(&mut bob, &mut alice) {}
//! assert!(matches!(bob.poll_event(), Some(Event::Enter { .. })));
//! assert!(matches!(bob.poll_event(), Some(Event::Whisper { content, .. }) if content == "hello"));
//! # Ok::<(), zre_core::Error>(())
//! ```
//!
//! # Features
//!
//! * `serde`: `Serialize` and `Deserialize` for [`Event`], [`ExitReason`], [`PeerInfo`] and
//!   [`Limits`], `Serialize` for [`Notice`], and the feature `serde` of `zre-proto`.

#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod backlog;
mod config;
mod deadlines;
mod engine;
mod error;
mod event;
mod gossip;
pub mod interfaces;
mod link;
mod node;
mod notice;
mod one_line;
mod requests;
mod security;
mod seed;
#[cfg(feature = "serde")]
mod serialization;
mod time;

pub use backlog::Patience;
pub use config::{Beacons, Config, ConfigError, Limits, NetworkSettings, SlowMembers, Voters};
pub use engine::{
    Engine, FixedPeer, FixedState, GossipHubInfo, LinkId, OpenFor, Output, Reader, Shouted,
};
pub use error::{Error, Fault, LinkError};
pub use event::{Event, ExitReason, NetworkInfo, PeerInfo, PeerKey, RefusedBy, Unconfirmed};
pub use link::{
    Caller, Connection, GossipEnd, Link, LinkEvent, LinkSecurity, MessageLink, Multipart, Role,
    WriteBuffer,
};
pub use node::{Admission, Expectation, HelloOrigin, Node, NodeOutput, Verdict};
pub use notice::Notice;
pub use rand_core;
pub use requests::{Choice, IncomingRequest, RequestId};
pub use security::{Security, Trust, TrustedKeys};
pub use seed::Seed;
pub use time::Instant;
pub use zre_proto as proto;
