//! A ZRE node for smol and any other executor. Programs on a network find each other, form groups
//! and exchange messages, with no server.
//!
//! Starting a node also returns its [`Driver`]: a future that runs the node and that the program
//! spawns on its executor. Apart from it, only async-io's thread runs, which watches the sockets.
//!
//! ```no_run
//! use zre_smol::{Event, Node};
//!
//! # fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let (node, driver) = Node::builder("alice").join("CHAT").start()?;
//! smol::spawn(driver).detach(); // or on any other executor
//! smol::block_on(async {
//!     while let Some(event) = node.recv().await {
//!         match event {
//!             Event::Join { group, .. } => _ = node.shout(group, "hello").await?,
//!             Event::Shout { name, content, .. } => println!("{name}: {content}"),
//!             _ => {}
//!         }
//!     }
//!     Ok(())
//! })
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
//! * `smol`: `spawn`, which starts a node and runs its driver on smol's global executor.

#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod runtime;
mod tcp;

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use zre_driver::Hub;
pub use zre_driver::{api::*, zre_core};

use crate::{runtime::Smol, tcp::Tcp};

zre_driver::builder!();

zre_driver::async_node!(Tcp);

impl Builder {
    /// Starts the node, and gives it with the [`Driver`] that makes it go.
    ///
    /// With a [`secret`](Builder::secret), the calling thread is busy for 0.1 to 0.3 s.
    ///
    /// # Errors
    ///
    /// [`StartError`] names what is wrong with the settings, or what the system refuses.
    pub fn start(self) -> Result<(Node, Driver), StartError> {
        let hub = Hub::start(&self.settings)?;
        let runtime = Smol::new(hub.process().clone());
        let tasks = runtime.tasks();
        let driving = zre_driver::Driver::new(Arc::clone(&hub), runtime).run();
        let driver = Driver(Box::pin(async move { tasks.run(driving).await }));
        Ok((Node::new(hub), driver))
    }
}

/// What makes a node go: spawn it, or await it beside whatever the program does.
///
/// It ends when the node has stopped. Dropped before, it ends the node at once, whatever is still
/// unsent. A node whose driver is held but not run does nothing, and its `stop` waits for ever.
#[must_use = "a node does nothing unless its driver is run"]
pub struct Driver(Pin<Box<dyn Future<Output = ()> + Send>>);

impl Future for Driver {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Driver")
    }
}

/// Starts a node and runs it on smol's global executor.
///
/// # Errors
///
/// As [`start`](Builder::start).
#[cfg(feature = "smol")]
pub fn spawn(builder: Builder) -> Result<Node, StartError> {
    let (node, driver) = builder.start()?;
    smol::spawn(driver).detach();
    Ok(node)
}
