//! A node of any adapter, with methods that block the calling thread, so that the same test runs on
//! all adapters.

mod forked;
mod host;
mod node;
mod options;
mod parts;
mod pending;
mod requests;

use std::{fmt, time::Duration};

pub use host::Host;
pub use node::{AnyNode, BareNode, Next};
pub use options::NodeOptions;
pub use parts::{AnyNotices, AnySender, AnySubscription};
pub use pending::Pending;
pub use requests::{AnyRequest, AnyRequests, Outcomes};
pub use zre_tokio::Delivery;

/// How long anything may take that takes no time of its own.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// What a node stands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Flavour {
    /// zre-tokio on two worker threads.
    TokioMulti,
    /// zre-tokio on one thread, which is the runtime.
    TokioCurrent,
    /// zre-smol on an executor of one thread.
    Smol,
    /// zre-smol on async-std's global executor.
    AsyncStd,
    /// zre-blocking.
    Blocking,
}

impl Flavour {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::TokioMulti,
        Self::TokioCurrent,
        Self::Smol,
        Self::AsyncStd,
        Self::Blocking,
    ];

    /// Reads what is shown.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|flavour| flavour.to_string() == text)
    }
}

impl fmt::Display for Flavour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::TokioMulti => "tokio-multi",
            Self::TokioCurrent => "tokio-current",
            Self::Smol => "smol",
            Self::AsyncStd => "async-std",
            Self::Blocking => "blocking",
        })
    }
}
