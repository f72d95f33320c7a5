//! The system side of a ZRE node: network interfaces, sockets with the options that ZRE needs, and
//! look-ups of host names.
//!
//! It knows nothing of nodes, engines or runtimes. Adapters such as `zre-tokio` use it through
//! `zre-driver`; a program that drives the engine with an event loop of its own can use it
//! directly.

#![forbid(unsafe_code)]

mod interface;
mod lookup;
pub mod socket;

pub use interface::{Interface, InterfaceChoice, InterfaceError};
pub use lookup::Lookup;
pub use zre_proto;
