//! What the tests of the workspace share: network namespaces, and real peers in them.
//!
//! A test with real peers starts like this. It is skipped where real peers cannot run:
//!
//! ```no_run
//! use zre_tests::{Peer, PeerOptions, RealPeers};
//!
//! let Some(rig) = RealPeers::available() else { return };
//! let network = rig.namespace();
//! let alice = Peer::zyre(&network, &PeerOptions::new("alice").group("CHAT"));
//! let bob = Peer::pyre(&network, &PeerOptions::new("bob"));
//! bob.wait_event("JOIN", alice.uuid());
//! ```

#![forbid(unsafe_code)]

pub mod any_node;
pub mod capture;
pub mod certificates;
pub mod grid;
pub mod netns;
pub mod networks;
pub mod peer;
pub mod programs;
pub mod raw_peer;
pub mod require;
pub mod scene;
pub mod switch;

pub use netns::{Lan, Namespace};
pub use networks::{Host, Networks};
pub use peer::{Peer, PeerOptions};
pub use require::RealPeers;
pub use switch::Switch;

/// The program in README.md is compiled with the documentation tests.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
