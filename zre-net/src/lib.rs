//! What every ZRE adapter shares: network interfaces, sockets, settings, and the [`Hub`] between
//! sockets, engine and application.
//!
//! Programs use an adapter, such as `zre-tokio`. This crate is for those who write one: an adapter
//! [binds](Settings::bind) the sockets, gives them to its runtime, and runs the [`Hub`]'s work on it.

#![forbid(unsafe_code)]

pub mod api;
mod driver;
mod handle;
mod hub;
mod interface;
mod lookup;
mod node;
mod settings;
pub mod socket;
mod wakers;

pub use driver::{Finisher, Sockets, drive};
pub use handle::Handle;
pub use hub::{Answer, Hub, Shout, Signal, Stream, Task};
pub use interface::{Interface, InterfaceChoice, InterfaceError};
pub use lookup::Lookup;
pub use node::{Events, Node};
pub use settings::{Bound, Builder, Runtime, Settings, StartError};
pub use zre_core as core;
