//! Boxes: what one key pair seals for another (RFC 26, "General Design").

use alloc::sync::Arc;
use core::fmt;

use dryoc::classic::crypto_box::{
    crypto_box_beforenm, crypto_box_detached_afternm_inplace,
    crypto_box_open_detached_afternm_inplace,
};
use thiserror::Error;
use zeroize::{Zeroize as _, Zeroizing};

use super::keys::{PublicKey, SecretKey};

/// The bytes of a nonce.
pub const NONCE_LEN: usize = 24;
/// The bytes by which a box is longer than what is in it.
pub(super) const MAC_LEN: usize = 16;

/// Why a CURVE command is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CurveError {
    /// The command is not the one that belongs here.
    #[error("a command that is no {0}")]
    Name(&'static str),
    /// The command has not the length that it must have.
    #[error("{command} with {length} bytes")]
    Length {
        /// The name of the command.
        command: &'static str,
        /// Its length in bytes.
        length: usize,
    },
    /// The other side speaks another version of CurveZMQ.
    #[error("CurveZMQ version {major}.{minor}, expected 1.0")]
    Version {
        /// The major version.
        major: u8,
        /// The minor version.
        minor: u8,
    },
    /// A box does not open: it was sealed with or for another key, or has been changed.
    #[error("the box in {0} does not open: it is for another key, or has been changed")]
    Box(&'static str),
    /// A public key with which every box could be opened by anybody.
    #[error("a public key of low order, which protects nothing")]
    WeakKey,
    /// The cookie in INITIATE is not the one of WELCOME.
    #[error("the cookie in INITIATE is not the one that was given in WELCOME")]
    Cookie,
    /// The long-term key does not vouch for the short-term keys of this connection.
    #[error("the vouch in INITIATE is for other keys")]
    Vouch,
    /// A number that was used before, or is not the next.
    #[error("nonce {received} after {last}: repeated, out of order, or one is missing")]
    Nonce {
        /// The number.
        received: u64,
        /// The highest that came before.
        last: u64,
    },
    /// The decrypted metadata of INITIATE or READY is malformed.
    #[error("the metadata in {0} is malformed")]
    Metadata(&'static str),
    /// Bits are set in the flags of a MESSAGE that are not defined.
    #[error("flags {0:02X} of a MESSAGE are not known")]
    Flags(u8),
}

/// What two key pairs have in common, with which each seals boxes for the other.
///
/// Making one takes some 40 µs, sealing and opening a small box less than one.
#[derive(Clone)]
pub struct BoxKey(Arc<Zeroizing<[u8; 32]>>);

impl BoxKey {
    /// What the owner of `ours` shares with the owner of `theirs`.
    ///
    /// # Errors
    ///
    /// [`CurveError::WeakKey`] if that is the same for everybody.
    pub fn new(theirs: &PublicKey, ours: &SecretKey) -> Result<Self, CurveError> {
        let shared = crypto_box_beforenm(theirs.as_bytes(), ours.expose());
        let mut shared = shared.map_err(|_| CurveError::WeakKey)?;
        let key = Self(Arc::new(Zeroizing::new(shared)));
        shared.zeroize();
        Ok(key)
    }

    /// Seals in place.
    pub(super) fn seal(&self, nonce: &[u8; NONCE_LEN], text: &mut [u8]) -> [u8; MAC_LEN] {
        let mut mac = [0; MAC_LEN];
        crypto_box_detached_afternm_inplace(text, &mut mac, nonce, &self.0);
        mac
    }

    /// Opens in place; says whether it could. The text is left as it is otherwise.
    pub(super) fn open(
        &self,
        nonce: &[u8; NONCE_LEN],
        mac: &[u8; MAC_LEN],
        text: &mut [u8],
    ) -> bool {
        crypto_box_open_detached_afternm_inplace(text, mac, nonce, &self.0).is_ok()
    }

    /// A key that is shared with nobody.
    pub(super) fn alone(key: [u8; 32]) -> Self {
        Self(Arc::new(Zeroizing::new(key)))
    }
}

impl fmt::Debug for BoxKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BoxKey(..)")
    }
}

/// A nonce of 16 fixed bytes and a number that counts up.
pub(super) fn short_nonce(prefix: &[u8; 16], number: u64) -> [u8; NONCE_LEN] {
    let mut nonce = [0; NONCE_LEN];
    let (front, back) = nonce.split_at_mut(16);
    front.copy_from_slice(prefix);
    back.copy_from_slice(&number.to_be_bytes());
    nonce
}

/// A nonce of 8 fixed bytes and 16 random ones.
pub(super) fn long_nonce(prefix: &[u8; 8], random: &[u8; 16]) -> [u8; NONCE_LEN] {
    let mut nonce = [0; NONCE_LEN];
    let (front, back) = nonce.split_at_mut(8);
    front.copy_from_slice(prefix);
    back.copy_from_slice(random);
    nonce
}
