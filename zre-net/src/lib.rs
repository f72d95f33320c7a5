//! What a ZRE node needs from the operating system: network interfaces, sockets with the right
//! options, and look-ups of host names.
//!
//! * [`interfaces`](interfaces()): the interfaces of this machine with their addresses.
//! * [`Watcher`]: tells when they may have changed.
//! * [`socket`]: the sockets for beacons and connections, all of them non-blocking.
//! * [`descriptor_limit`]: how many files and sockets this process may have open.
//! * [`Lookup`]: the look-up of a host name that a peer gives as its endpoint.
//! * [`plain_address`]: the address of an endpoint that has no host name.
//! * [`check_peer_address`], [`check_user_address`]: whether a node may connect to an address that
//!   a peer gives, or its user.
//! * [`keys`]: certificates as files, and directories of them that are watched.
//! * [`Process`]: whether the caller is a forked child of the process that opened the sockets.
//!
//! This crate knows nothing of nodes, engines or runtimes. Adapters such as `zre-tokio` use it
//! through `zre-driver`. A program that drives the engine in an event loop of its own can use it
//! directly.

#![forbid(unsafe_code)]

mod descriptors;
mod interfaces;
pub mod keys;
mod lookup;
mod process;
mod reach;
pub mod socket;
#[cfg(test)]
mod testing;
mod watcher;

pub use descriptors::descriptor_limit;
pub use interfaces::interfaces;
pub use lookup::{Lookup, plain_address};
pub use process::{ForkSafe, Process};
pub use reach::{canonical, check_peer_address, check_user_address};
pub use watcher::Watcher;
pub use zre_core;
pub use zre_core::proto as zre_proto;
