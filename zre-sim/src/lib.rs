//! A network of ZRE nodes in one process, in virtual time, with every fault that a network can have.
//!
//! Hosts stand on virtual LANs, nodes run on hosts, and programs ([`App`]) run on nodes. A virtual clock steps from
//! one thing that happens to the next, so half a minute of a thousand nodes takes some seconds. Everything that is
//! left to chance comes from one seed: the same seed and script give the same [`trace`](Sim::trace_to), octet for octet.
//!
//! ```
//! use std::time::Duration;
//! use zre_sim::{Conditions, Sim};
//!
//! let mut sim = Sim::new(42);
//! sim.lan("lan").set(Conditions::wifi());
//! for name in ["a", "b", "c"] {
//!     sim.host(name).start();
//!     sim.node(name).join("CHAT");
//! }
//! sim.run_until(Duration::from_secs(10), |sim| sim.agrees()).unwrap();
//!
//! sim.partition(&["a"], &["b", "c"]);
//! sim.run_for(Duration::from_secs(40));
//! assert_eq!(sim.node("a").peers(), [""; 0]);
//!
//! sim.heal();
//! sim.run_until(Duration::from_secs(10), |sim| sim.agrees()).unwrap();
//! sim.node("a").shout("CHAT", "hello again").unwrap();
//! sim.run_for(Duration::from_secs(1));
//! assert_eq!(sim.story("b").last().unwrap(), "shout a CHAT hello again");
//! sim.check().unwrap();
//! ```

#![forbid(unsafe_code)]
// Hosts and processes are numbered in the order of their making and never removed, and only `Network` and `World` make
// those numbers.
#![allow(clippy::indexing_slicing)]

mod app;
mod audit;
mod clock;
mod conditions;
mod early_wrap;
mod handles;
mod machine;
mod metrics;
mod network;
mod schedule;
mod sim;
mod story;
mod trace;
mod wire;
mod world;

pub use app::{App, Handle, Recorder};
pub use conditions::{BadConditions, Conditions};
pub use handles::{HostHandle, LanHandle, LinkHandle, NodeHandle};
pub use machine::Level;
pub use metrics::Metrics;
pub use sim::{Sim, TimedOut, Violations};
pub use story::in_short;
pub use zre_core as core;
