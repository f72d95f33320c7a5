//! A ZRE node for tokio. Programs on a network find each other, form groups and exchange messages,
//! with no server.
//!
//! ```no_run
//! use zre_tokio::{Event, Node};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let node = Node::builder("alice").header("X-ROLE", "chat").join("CHAT").start().await?;
//! while let Some(event) = node.recv().await {
//!     match event {
//!         Event::Enter { name, .. } => println!("{name} is here"),
//!         Event::Join { group, .. } => _ = node.shout(group, "hello").await?,
//!         Event::Shout { name, content, .. } => println!("{name}: {content}"),
//!         Event::Exit { name, reason, .. } => println!("{name} is gone: {reason}"),
//!         _ => {}
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! * [`Node`] is a handle: clones are cheap, and any task or thread can use them.
//! * [`Builder`] sets the name, headers, groups, network interface, keys, timeouts and limits.
//! * [`Event`] is what happens on the network. Take events with [`Node::recv`], as a stream with
//!   [`Node::events`], or as copies with [`Node::subscribe`].
//! * [`Sender`] sends from a second task. Use it to send a lot, so that events are still taken.
//! * [`Node::request`] asks a peer, [`Node::request_any`] a member of a group, and
//!   [`Node::requests`] gives what peers ask: [`RequestBuilder`], [`Answers`], [`Request`].
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

mod runtime;
mod tcp;

use std::sync::Arc;

use tokio::runtime::Handle;
use zre_driver::{Driver, Hub};
pub use zre_driver::{api::*, zre_core};

use crate::{runtime::Tokio, tcp::Tcp};

zre_driver::builder!();

zre_driver::async_node!(Tcp);

impl Builder {
    /// Starts the node on the current runtime.
    ///
    /// # Errors
    ///
    /// [`StartError`] names what is wrong with the settings, or what the system refuses.
    /// [`StartError::Runtime`] outside of a tokio runtime.
    ///
    /// # Panics
    ///
    /// Panics, as tokio's own sockets do, on a runtime whose I/O or time is not enabled.
    pub async fn start(self) -> Result<Node, StartError> {
        let runtime = Handle::try_current()
            .map_err(|error| StartError::Runtime(format!("a node needs tokio: {error}")))?;
        let mut settings = self.settings;
        if settings.has_underived_secret() {
            // It takes too long for a thread that has other tasks.
            let derived = runtime.spawn_blocking(|| settings.with_derived_key()).await;
            settings = derived.map_err(|error| StartError::Runtime(error.to_string()))??;
        }
        let hub = Hub::start(&settings)?;
        let tokio = Tokio::new(hub.process().clone());
        runtime.spawn(Driver::new(Arc::clone(&hub), tokio).run());
        Ok(Node::new(hub))
    }
}
