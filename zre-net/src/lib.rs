//! What a ZRE node needs from the operating system: network interfaces, sockets with the right
//! options, and look-ups of host names.
//!
//! * [`Interface`]: an interface that can carry beacons, with its address and broadcast address.
//! * [`socket`]: the sockets for beacons and connections, all of them non-blocking.
//! * [`descriptor_limit`]: how many files and sockets this process may have open.
//! * [`Lookup`]: the look-up of a host name that a peer gives as its endpoint.
//!
//! This crate knows nothing of nodes, engines or runtimes. Adapters such as `zre-tokio` use it
//! through `zre-driver`. A program that drives the engine in an event loop of its own can use it
//! directly.

#![forbid(unsafe_code)]

mod descriptors;
mod interface;
mod lookup;
pub mod socket;

pub use descriptors::descriptor_limit;
pub use interface::{Interface, InterfaceChoice, InterfaceError};
pub use lookup::Lookup;
pub use zre_proto;
