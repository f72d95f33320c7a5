//! Public and secret keys.

use alloc::{string::String, sync::Arc};
use core::{fmt, str, str::FromStr};

use dryoc::classic::crypto_core::crypto_scalarmult_base;
use rand_core::TryCryptoRng;
use subtle::ConstantTimeEq as _;
use thiserror::Error;
use zeroize::Zeroizing;

use super::z85;

/// A public key, which names whoever has the secret key that belongs to it.
///
/// It is shown and read in Z85 (RFC 32): 40 characters.
///
/// ```
/// use zre_proto::curve::PublicKey;
///
/// let key: PublicKey = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7".parse()?;
/// assert_eq!(key.to_bytes()[..4], [0x54, 0xFC, 0xBA, 0x24]);
/// assert_eq!(key.to_string(), "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7");
/// # Ok::<(), zre_proto::curve::KeyError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// The 32 bytes that beacons carry.
    pub fn to_bytes(&self) -> [u8; 32] {
        self.0
    }

    /// The 32 bytes that beacons carry.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Whether zyre drops beacons with this key, as if they had none: its first byte is 0.
    /// [`Keypair::generate`] makes no such key.
    pub fn is_dropped_by_zyre(&self) -> bool {
        self.0.first() == Some(&0)
    }
}

impl From<[u8; 32]> for PublicKey {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl From<&PublicKey> for PublicKey {
    fn from(key: &PublicKey) -> Self {
        *key
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(str::from_utf8(&z85::encode(&self.0)).unwrap_or_default())
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for PublicKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let key = z85::decode(text.as_bytes()).ok_or_else(|| KeyError::public(text))?;
        Ok(Self(key))
    }
}

impl TryFrom<&str> for PublicKey {
    type Error = KeyError;

    fn try_from(text: &str) -> Result<Self, KeyError> {
        text.parse()
    }
}

/// A text is not a key.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(transparent)]
pub struct KeyError(#[from] KeyFault);

#[derive(Debug, Clone, PartialEq, Eq, Error)]
enum KeyFault {
    #[error("{text:?} is not a public key, which has 40 characters of Z85")]
    Public { text: String },
    /// What it is instead is not told: it may be most of a secret.
    #[error("a secret key has 40 characters of Z85; this has {length}, or others")]
    Secret { length: usize },
}

impl KeyError {
    fn public(text: &str) -> Self {
        // It goes into a log, and may have any length.
        let text = text.chars().take(64).collect();
        KeyFault::Public { text }.into()
    }

    fn secret(text: &str) -> Self {
        let length = text.chars().count();
        KeyFault::Secret { length }.into()
    }
}

/// A secret key. It is never shown, and its memory is overwritten when the last copy goes.
///
/// Clones share their memory. Two keys are compared in constant time.
#[derive(Clone)]
pub struct SecretKey(Arc<Zeroizing<[u8; 32]>>);

impl SecretKey {
    /// The key in Z85, as czmq's certificates have it. This is the only way to see it.
    pub fn to_z85(&self) -> Zeroizing<String> {
        let digits = Zeroizing::new(z85::encode(&self.0));
        Zeroizing::new(str::from_utf8(&*digits).unwrap_or_default().into())
    }

    /// The public key that belongs to it.
    pub fn public_key(&self) -> PublicKey {
        let mut public = [0; 32];
        crypto_scalarmult_base(&mut public, &self.0);
        PublicKey(public)
    }

    pub(super) fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl From<[u8; 32]> for SecretKey {
    fn from(bytes: [u8; 32]) -> Self {
        let bytes = Zeroizing::new(bytes);
        Self(Arc::new(bytes))
    }
}

impl PartialEq for SecretKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&**other.0).into()
    }
}

impl Eq for SecretKey {}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(..)")
    }
}

impl FromStr for SecretKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let key = z85::decode(text.as_bytes()).ok_or_else(|| KeyError::secret(text))?;
        Ok(key.into())
    }
}

/// A secret key and the public key that belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keypair {
    public: PublicKey,
    secret: SecretKey,
}

/// A secret key does not belong to a public key.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the secret key does not belong to the public key {0}: one of them is another node's")]
pub struct KeypairError(pub PublicKey);

impl Keypair {
    /// A new pair, which zyre does not [drop](PublicKey::is_dropped_by_zyre).
    ///
    /// # Errors
    ///
    /// The error of the generator.
    pub fn generate<R: TryCryptoRng>(generator: &mut R) -> Result<Self, R::Error> {
        loop {
            let mut bytes = Zeroizing::new([0; 32]);
            generator.try_fill_bytes(&mut *bytes)?;
            let pair = Self::from(SecretKey::from(*bytes));
            // One in 256.
            if !pair.public.is_dropped_by_zyre() {
                return Ok(pair);
            }
        }
    }

    /// A pair of which both keys are known, as from a certificate.
    ///
    /// # Errors
    ///
    /// [`KeypairError`] if they do not belong together.
    pub fn new(public: PublicKey, secret: SecretKey) -> Result<Self, KeypairError> {
        match secret.public_key() == public {
            true => Ok(Self { public, secret }),
            false => Err(KeypairError(public)),
        }
    }

    /// The public key.
    pub fn public(&self) -> PublicKey {
        self.public
    }

    /// The secret key.
    pub fn secret(&self) -> &SecretKey {
        &self.secret
    }
}

impl From<SecretKey> for Keypair {
    fn from(secret: SecretKey) -> Self {
        let public = secret.public_key();
        Self { public, secret }
    }
}

#[cfg(test)]
mod tests {
    use alloc::{format, string::ToString as _};

    use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng as _};

    use super::*;

    // The pairs of RFC 32 and of libzmq's tests.
    const PUBLIC: &str = "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID";
    const SECRET: &str = "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs";

    #[test]
    fn a_pair_of_libzmq_belongs_together() {
        let secret: SecretKey = SECRET.parse().unwrap();
        assert_eq!(secret.public_key().to_string(), PUBLIC);
        assert_eq!(*secret.to_z85(), SECRET);
        let public = PUBLIC.parse().unwrap();
        assert!(Keypair::new(public, secret.clone()).is_ok());
        let other = PublicKey::from([7; 32]);
        assert_eq!(Keypair::new(other, secret), Err(KeypairError(other)));
    }

    #[test]
    fn a_secret_key_shows_in_no_text() {
        let secret: SecretKey = SECRET.parse().unwrap();
        let pair = Keypair::from(secret);
        assert!(!format!("{pair:?}").contains(SECRET));
        let almost = &SECRET[..39];
        let error = almost.parse::<SecretKey>().unwrap_err();
        assert!(!format!("{error} {error:?}").contains(&SECRET[..5]));
        assert_eq!(
            error.to_string(),
            "a secret key has 40 characters of Z85; this has 39, or others"
        );
    }

    #[test]
    fn no_generated_key_is_one_that_zyre_drops() {
        let mut generator = ChaCha20Rng::from_seed([1; 32]);
        for _ in 0..600 {
            let pair = Keypair::generate(&mut generator).unwrap();
            assert!(!pair.public().is_dropped_by_zyre());
        }
    }

    #[test]
    fn what_is_no_public_key_is_named() {
        let error = "short".parse::<PublicKey>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "\"short\" is not a public key, which has 40 characters of Z85"
        );
    }
}
