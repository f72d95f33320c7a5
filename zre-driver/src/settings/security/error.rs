//! What is wrong with keys.

use thiserror::Error;
use zre_core::proto::curve::PassphraseError;
use zre_net::keys::KeyFileError;

/// What is wrong with the key of a node, or with what it trusts. It never shows a secret.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum SecurityError {
    /// A key without trust: whom to talk with is never guessed.
    #[error(
        "the node has a key, and nothing says with whom it talks: set trust to a list of keys, to \
         a directory of certificates (Trust::dir), or to Trust::Any for anybody who has a key; or \
         give all nodes of the network the same secret, in place of key and trust"
    )]
    KeyWithoutTrust,
    /// Trust without a key.
    #[error(
        "the node trusts keys and has none itself, so those that it trusts could not know it: set \
         key, as to a pair that `zre keys new` makes"
    )]
    TrustWithoutKey,
    /// A key and a secret.
    #[error(
        "the node has a key and a secret, and a secret is a key, too: leave out the secret, or \
         both key and trust"
    )]
    KeyAndSecret,
    /// A secret and trust.
    #[error(
        "the node has a secret, and so trusts those that have the same: leave out trust, or set a \
         key in place of the secret"
    )]
    SecretAndTrust,
    /// A key or a secret, and a seed.
    #[error(
        "the node has a key, and everything random in it would come from a seed that others may \
         know: whoever knows it can read what the node says; leave out the seed"
    )]
    Seed,
    /// A list of trusted keys without any.
    #[error("the list of trusted keys is empty: name a key, or leave out both key and trust")]
    NobodyTrusted,
    /// The secret is none.
    #[error(transparent)]
    Secret(#[from] PassphraseError),
    /// A file with a key, or a directory with certificates, is none.
    #[error(transparent)]
    File(#[from] KeyFileError),
}
