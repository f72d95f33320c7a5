//! A ZRE node for threads and event loops, without async: programs on a network find each other,
//! form groups and exchange messages, with no server.
//!
//! ```no_run
//! use zre_blocking::{Event, Node};
//!
//! # fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let node = Node::builder("alice").join("CHAT").start()?;
//! node.shout("CHAT", "hello")?;
//! for event in node.events() {
//!     if let Event::Shout { name, content, .. } = event {
//!         println!("{name}: {}", content.to_string_lossy());
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Each node has one thread for its sockets, whatever the number of its peers. While a thread of
//! the program waits in a method of [`Node`], it reads and writes the sockets itself, so that what
//! it waits for comes without a detour. What the node logs meanwhile is logged on that thread;
//! whatever writes the log must not wait for the node.
//!
//! A program with an event loop of its own watches [`Node::readiness`] in it and never blocks.
//!
//! # Features
//!
//! * `serde`: `Serialize` and `Deserialize` for [`Event`], [`ExitReason`], [`PeerInfo`],
//!   [`Limits`] and the values inside, such as [`PeerId`] and [`Content`]; `Serialize` for
//!   [`Notice`]. The page of each type says what it looks like.

#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod leader;
mod lookup;
mod node;
mod park;
mod reactor;
mod readiness;
mod tcp;
mod wake_queue;

pub use zre_driver::{api::*, zre_core};

pub use crate::{
    node::{Builder, Events, Node, Notices, RecvTimeoutError, Sender, Subscription},
    readiness::Readiness,
};
