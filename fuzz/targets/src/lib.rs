//! What each fuzz target does with its bytes.
//!
//! The programs in `fuzz/fuzz_targets` only pass libFuzzer's bytes on to these functions. The test
//! of this crate passes the committed corpora, with a stable compiler and without libFuzzer.
//!
//! A function returns if all its checks hold, and panics otherwise.

#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "what serves tests may fail as tests do"
)]

mod adversary;
mod beacon;
mod curve;
mod engine;
mod gossip;
mod heap;
mod link;
mod message;
pub mod recorded;
mod script;
mod two_engines;
mod wire;
mod world;
mod zmtp;

pub use beacon::beacon;
pub use curve::{curve_client, curve_message, curve_server};
pub use engine::engine;
pub use gossip::gossip;
pub use link::link;
pub use message::message;
pub use two_engines::two_engines;
pub use zmtp::zmtp;

/// A target: bytes in, and a panic if something does not hold.
pub type Target = fn(&[u8]);

/// Every target, by the name that its program and its corpus have.
pub const TARGETS: [(&str, Target); 10] = [
    ("beacon", beacon),
    ("message", message),
    ("zmtp", zmtp),
    ("link", link),
    ("gossip", gossip),
    ("curve_server", curve_server),
    ("curve_client", curve_client),
    ("curve_message", curve_message),
    ("engine", engine),
    ("two_engines", two_engines),
];
