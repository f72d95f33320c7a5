//! A network of ZRE nodes in one process and in virtual time, with loss, partitions and crashes.
//!
//! Hosts are on virtual LANs, nodes run on hosts, and programs ([`App`]) run on nodes. The virtual
//! clock jumps from one event to the next, so a minute of a few nodes takes milliseconds. All
//! randomness comes from one seed: the same seed and script give the same
//! [`trace`](Sim::trace_to), byte for byte.
//!
//! The nodes are the [`Engine`](zre_core::Engine) of real nodes, at both [levels](Level):
//!
//! * [`Level::Bytes`]: connections carry bytes, with ZMTP's greetings, handshakes and frames, in
//!   pieces as large as the network lets through. It is the protocol code that a real node runs.
//! * [`Level::Messages`]: connections carry whole messages. Discovery, sessions, groups, limits and
//!   the rules for connections are the same code; what is left out is ZMTP: its handshake, framing
//!   and errors. It needs half the memory.
//!
//! Nodes can have keys; see [`Sim::keypair`]. At [`Level::Bytes`] they speak CURVE, at
//! [`Level::Messages`] the simulator compares their keys in place of a handshake.
//!
//! ```
//! use std::time::Duration;
//! use zre_sim::{Conditions, Sim};
//!
//! let mut sim = Sim::new(42);
//! sim.lan("lan").set(Conditions::wifi());
//! for name in ["a", "b", "c"] {
//!     sim.host(name).start();
//!     sim.node(name).join("CHAT").unwrap();
//! }
//! sim.run_until(Duration::from_secs(10), |sim| sim.agrees()).unwrap();
//!
//! sim.partition(&["a"], &["b", "c"]);
//! sim.run_for(Duration::from_secs(40));
//! assert_eq!(sim.node("a").peers(), []);
//!
//! sim.heal();
//! sim.run_until(Duration::from_secs(10), |sim| sim.agrees()).unwrap();
//! sim.node("a").shout("CHAT", "hello again").unwrap();
//! sim.run_for(Duration::from_secs(1));
//! assert_eq!(sim.events_in_short("b").last().unwrap(), "shout a CHAT hello again");
//! sim.check().unwrap();
//! ```

#![forbid(unsafe_code)]
#![allow(
    clippy::indexing_slicing,
    reason = "hosts, LANs, processes and wires are numbered as they are made and never removed, \
              and only `Network` and `World` hand out their numbers"
)]

mod app;
mod audit;
mod clock;
mod conditions;
mod early_wrap;
mod handles;
mod in_short;
mod interface_handle;
mod keys;
mod machine;
mod metrics;
mod network;
mod node_handle;
mod node_methods;
mod schedule;
mod sim;
mod trace;
mod wire;
mod world;

pub use app::{App, Handle, Recorder};
pub use conditions::{BadConditions, Conditions};
pub use handles::{HostHandle, LanHandle, LinkHandle};
pub use in_short::in_short;
pub use interface_handle::InterfaceHandle;
pub use machine::Level;
pub use metrics::Metrics;
pub use node_handle::NodeHandle;
pub use sim::{Sim, TimedOut, Violations};
pub use zre_core as core;
