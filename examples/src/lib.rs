//! What the example programs share: their arguments, the requests that a dealer hands out, and
//! state that several nodes share: a counter, a map and a text.
//!
//! The programs are in `examples/examples`; `cargo run -p zre-examples --example engine_loop` runs
//! one. All but `hello` use the loopback interface unless told otherwise, and end by themselves.

#![forbid(unsafe_code)]

mod arguments;
mod shared;
mod shared_document;
mod shared_map;
mod tally;
mod work;

pub use arguments::Arguments;
pub use shared::{Shared, Tell};
pub use shared_document::SharedDocument;
pub use shared_map::SharedMap;
pub use tally::{COUNTERS, Tally};
pub use work::{Clients, GROUP, ROLE, Request, entered_dealer, is_worth_another};

/// The page on choosing a crate. Its programs are compiled.
#[cfg(doctest)]
#[doc = include_str!("../../docs/CHOOSING.md")]
pub struct Choosing;

/// The page on networks with keys. Its program is compiled.
#[cfg(doctest)]
#[doc = include_str!("../../docs/SECURE-IN-FIVE-MINUTES.md")]
pub struct Secure;

/// The page on elections. Its program is compiled.
#[cfg(doctest)]
#[doc = include_str!("../../docs/ELECTIONS.md")]
pub struct Elections;

/// The page on requests and answers. Its programs are compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../docs/REQUESTS.md")]
pub struct Requests;

/// The page on embedding the core. Its programs are compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../docs/EMBEDDING.md")]
pub struct Embedding;

/// The page on simulated networks. Its programs are compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../docs/SIMULATING.md")]
pub struct Simulating;

/// The page on state that a group shares. Its programs are compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../docs/SHARED-STATE.md")]
pub struct SharedState;

/// The page on sending a lot. Its programs are compiled.
#[cfg(doctest)]
#[doc = include_str!("../../docs/BACKPRESSURE.md")]
pub struct Backpressure;

/// The pages of the crates. Their programs are compiled, and run where the page does not say
/// otherwise.
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
