//! CURVE: keys, boxes and the commands in which they travel (RFC 25/ZMTP-CURVE, RFC 26/CurveZMQ).
//!
//! A node has one long-term [`Keypair`]. Whoever connects has to know the public key of the other
//! side and proves that it has the secret key of its own. For each connection both sides make
//! short-term keys, so that what was recorded cannot be read with long-term keys that are stolen
//! later.
//!
//! The names of keys are those of RFC 26: C and S are the long-term keys of the connecting and the
//! accepting side, C' and S' their short-term keys.

mod boxes;
mod certificate;
mod handshake;
mod keys;
mod message;
mod metadata;
mod passphrase;
mod z85;

pub use boxes::{BoxKey, CurveError, NONCE_LEN};
pub use certificate::{Certificate, CertificateError};
pub use handshake::{Cookie, CookieKey, Hello, Initiate, Ready, Vouch, Welcome};
pub use keys::{KeyError, Keypair, KeypairError, PublicKey, SecretKey};
pub use message::{MessageFlags, MessageOpener, MessageSealer};
pub use metadata::KeyMetadata;
pub use passphrase::PassphraseError;
