//! What every ZRE adapter shares: the [`Hub`] between sockets, engine and application, the
//! [`Driver`] that runs it, settings, and the methods of nodes with their documentation.
//!
//! Programs use an adapter, such as `zre-tokio`. This crate is for those who write one, and changes
//! when the adapters do. An adapter implements [`Runtime`] by its runtime's own parts,
//! [binds](Settings::bind) the sockets, gives them to the runtime, and runs a [`Driver`] on it; its
//! types come from the macros [`builder!`], [`at_once_methods!`] and [`async_node!`].
//!
//! # Features
//!
//! * `serde`: that of `zre-core`, which says what can be serialized.

#![forbid(unsafe_code)]

pub mod api;
mod driver;
mod hub;
mod macros;
mod settings;

pub use driver::{Connector, Driver, Runtime};
pub use hub::{
    EventReceiver, GroupWait, Handle, Hub, Local, NoticeReceiver, PeerWait, Ping, Recv, Shout,
    Signal, Stopped, Stream, Whisper,
};
pub use settings::{Bound, Settings};
pub use zre_core;
pub use zre_net;

/// What the macros name.
#[doc(hidden)]
pub mod private {
    pub use futures_core;

    pub use crate::hub::only_named;
}
