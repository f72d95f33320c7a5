//! How a link is protected.

use alloc::sync::Arc;
use core::fmt;

use zre_proto::curve::{Keypair, PublicKey};

use crate::{security::Trust, seed::Seed};

/// How a connection is protected: not at all, or with CURVE. Both sides need the same.
///
/// With CURVE, who connects is the client, and who accepts is the server.
#[non_exhaustive]
pub enum LinkSecurity {
    /// Not at all: the mechanism NULL.
    Open,
    /// This side connects to whoever has a key.
    Client {
        /// The key of this side.
        own: Keypair,
        /// The key that the other side has to have.
        server: PublicKey,
        /// What the keys for this connection come from.
        seed: Seed,
    },
    /// This side accepts connections from those that it trusts.
    Server {
        /// The key of this side.
        own: Keypair,
        /// With whom it talks.
        trust: Arc<Trust>,
        /// What the keys for this connection come from.
        seed: Seed,
    },
}

impl fmt::Debug for LinkSecurity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open => f.write_str("Open"),
            Self::Client { server, .. } => f.debug_tuple("Client").field(server).finish(),
            Self::Server { .. } => f.write_str("Server"),
        }
    }
}
