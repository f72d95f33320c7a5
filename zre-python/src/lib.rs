//! The native part of the Python package `zre`: a node of zre-blocking, its events, and operations
//! that a thread waits for or an event loop polls. What programs use is written in Python, in
//! `python/zre`.

mod content;
mod errors;
mod events;
mod feeds;
mod gil;
mod keys;
mod node;
mod operation;
mod peers;
mod requests;
mod settings;
mod wakeups;

/// The native part of the package `zre`.
#[pyo3::pymodule(gil_used = false)]
mod _zre {
    use pyo3::prelude::*;

    /// The version of this package.
    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }

    #[pymodule_export]
    use crate::{
        events::{
            Enter, Evasive, Event, Exit, Join, Leader, Leave, Network, Refused, Shout, Silent,
            Skipped, Stop, Whisper,
        },
        feeds::{Notices, Subscription},
        gil::end,
        keys::new_key,
        node::{Answers, Node, start},
        operation::Operation,
        peers::PeerInfo,
        requests::{Request, Requests},
        wakeups::Wakeups,
    };
}
