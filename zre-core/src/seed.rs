//! What everything random comes from.

use core::fmt;

use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore as _, SeedableRng as _, TryCryptoRng};
use zeroize::Zeroizing;

/// What everything random in an engine or a node comes from: its identity, jitter and, with CURVE,
/// the short-term keys of its connections.
///
/// Whoever knows the seed of a node with a key can read what it says. So there are two ways to make
/// one, and the name of one is a warning. A seed is used once: it cannot be cloned, for two engines
/// with one seed would have the same short-term keys.
pub struct Seed(Zeroizing<[u8; 32]>);

impl Seed {
    /// A seed that nobody can guess: what nodes on a network need.
    ///
    /// Take the generator of the operating system, such as
    /// [`OsRng`](https://docs.rs/rand_core/0.9/rand_core/struct.OsRng.html).
    ///
    /// # Errors
    ///
    /// The error of the generator.
    pub fn random<R: TryCryptoRng>(generator: &mut R) -> Result<Self, R::Error> {
        let mut bytes = Zeroizing::new([0; 32]);
        generator.try_fill_bytes(&mut *bytes)?;
        Ok(Self(bytes))
    }

    /// A seed that others may know: with the same one, the same happens again. For simulations and
    /// tests.
    pub fn predictable(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Two others, from which neither this one nor each other can be told.
    pub(crate) fn split(self) -> (Self, Self) {
        let mut generator = ChaCha20Rng::from_seed(*self.0);
        let mut next = || {
            let mut bytes = Zeroizing::new([0; 32]);
            generator.fill_bytes(&mut *bytes);
            Self(bytes)
        };
        (next(), next())
    }

    pub(crate) fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seed(..)")
    }
}
