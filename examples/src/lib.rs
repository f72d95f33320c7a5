//! What the example programs share: their arguments, the work that a dealer hands out, and a counter that nodes share.
//!
//! The programs themselves are in `examples/examples`; `cargo run --example engine_loop` runs one.
//! All of them stay on this machine unless told otherwise, and end by themselves.

#![forbid(unsafe_code)]

mod arguments;
mod tally;
mod work;

pub use arguments::Arguments;
pub use tally::{COUNTERS, Network, Tally};
pub use work::{Answer, Dealing, GROUP, Hand, ROLE, Request};

/// The page that helps to choose a crate, so that its programs are compiled.
#[cfg(doctest)]
#[doc = include_str!("../../docs/CHOOSING.md")]
pub struct Choosing;

/// The page that teaches the core, so that its programs are compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../docs/EMBEDDING.md")]
pub struct Embedding;

/// The page that teaches to test an application in a simulated network, so that its programs are compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../docs/SIMULATING.md")]
pub struct Simulating;

/// The pages of the crates, so that their programs are compiled and run.
#[cfg(doctest)]
mod crate_pages {
    #[doc = include_str!("../../zre-proto/README.md")]
    pub struct Proto;
    #[doc = include_str!("../../zre-core/README.md")]
    pub struct Core;
    #[doc = include_str!("../../zre-tokio/README.md")]
    pub struct Tokio;
    #[doc = include_str!("../../zre-smol/README.md")]
    pub struct Smol;
    #[doc = include_str!("../../zre-blocking/README.md")]
    pub struct Blocking;
    #[doc = include_str!("../../zre-sim/README.md")]
    pub struct Sim;
}
