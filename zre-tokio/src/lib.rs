//! A ZRE node for tokio: programs on a network find each other, form groups and exchange
//! messages, with no server.
//!
//! ```no_run
//! use zre_tokio::{Event, Node};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let node = Node::builder("alice").header("X-ROLE", "chat").join("CHAT").start().await?;
//! node.shout("CHAT", "hello").await?;
//! while let Some(event) = node.recv().await {
//!     match event {
//!         Event::Enter { peer, name, .. } => println!("{name} is here, as {peer}"),
//!         Event::Shout { name, content, .. } => println!("{name}: {}", content.to_str_lossy()),
//!         Event::Exit { name, reason, .. } => println!("{name} is gone: {reason}"),
//!         _ => {}
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! A node speaks with every implementation of ZRE (RFC 36), such as zyre and pyre. Unless told
//! otherwise it uses the first network interface that can broadcast, and on a machine without one
//! the loopback interface. With a `tracing` subscriber it logs what it does.

#![forbid(unsafe_code)]

mod driver;
mod node;
mod tcp;

pub use node::{Builder, Events, Node, Starting, Tokio};
pub use zre_net::core::{
    ConfigError, Error, Event, ExitReason, Fault, Limits, LinkError, PeerInfo,
    proto::{Content, Endpoint, GroupName, Headers, PeerId, ShortText, Text, TooLong},
};
pub use zre_net::{Interface, InterfaceChoice, InterfaceError, StartError};
