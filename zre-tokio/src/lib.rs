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

mod sockets;
mod tcp;

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use tokio::runtime::Handle;
pub use zre_net::api::*;
use zre_net::{Hub, Runtime, Settings};

pub use crate::tcp::Tcp;

/// A running node; see [`zre_net::Node`] and [`zre_net::Handle`] for what it does.
pub type Node = zre_net::Node<Tcp>;

/// A node that has not been started yet. [`start`](zre_net::Builder::start) gives a future of the node.
pub type Builder = zre_net::Builder<Tcp>;

/// The events of a node as a stream.
pub type Events = zre_net::Events<Tcp>;

impl Runtime for Tcp {
    type Starting = Starting;

    fn start(settings: Settings) -> Starting {
        Starting { settings }
    }
}

/// A node that starts when this is awaited.
///
/// # Panics
///
/// Panics, as tokio's own sockets do, on a runtime whose I/O or time is not enabled.
#[derive(Debug)]
#[must_use = "a node does not start unless this is awaited"]
pub struct Starting {
    settings: Settings,
}

impl Future for Starting {
    type Output = Result<Node, StartError>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(start(&self.settings))
    }
}

fn start(settings: &Settings) -> Result<Node, StartError> {
    let runtime = Handle::try_current()
        .map_err(|error| StartError::Runtime(format!("a node needs tokio: {error}")))?;
    let bound = settings.bind()?;
    let hub = Arc::new(Hub::new(&bound)?);
    let local = bound.local_address();
    let sockets = sockets::Sockets::new(bound)?;
    runtime.spawn(zre_net::drive(Arc::clone(&hub), sockets, local));
    Ok(Node::new(hub))
}
