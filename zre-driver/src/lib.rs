//! What the ZRE adapters share: settings, the loop that runs a node, and the methods of nodes with
//! their documentation.
//!
//! Programs use an adapter, such as `zre-tokio`. This crate is for those who write an adapter, and
//! it changes when the adapters do.
//!
//! An adapter implements [`Runtime`] with the sockets, the clock and the tasks of its runtime. To
//! start a node, it [starts](Hub::start) a [`Hub`], and runs a [`Driver`].
//! The hub connects sockets, engine and application. The macros [`builder!`], [`at_once_methods!`]
//! and [`async_node!`] define the adapter's public types.
//!
//! # Features
//!
//! * `serde`: that of `zre-core`, which says what can be serialized.

#![forbid(unsafe_code)]

pub mod api;
mod descriptors;
mod driver;
mod hub;
mod lookup;
mod macros;
mod settings;
mod sockets;

pub use driver::{Connector, Driver, Runtime};
pub use hub::{
    Answering, Ask, AskAll, ConfirmedShout, ConfirmedWhisper, EventReceiver, GroupWait, Handle,
    Hub, Incoming, Local, NoticeReceiver, PeerWait, Ping, Recipient, Recv, RequestReceiver, Shout,
    Signal, Stopped, Stream, Whisper,
};
pub use settings::{Mistake, Secret, Settings};
pub use zre_core;
pub use zre_net;

/// What the macros name.
#[doc(hidden)]
pub mod private {
    pub use futures_core;

    pub use crate::hub::only_named;
}
