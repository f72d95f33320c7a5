//! Keys that are made from a passphrase.

use dryoc::classic::crypto_pwhash::{PasswordHashAlgorithm, crypto_pwhash};
use thiserror::Error;
use zeroize::Zeroizing;

use super::keys::{Keypair, SecretKey};

/// What the passphrase is hashed with; the last character counts the attempts.
const SALT: &[u8; 16] = b"ZRE passphrase 0";
/// How many there are at most.
const ATTEMPTS: u8 = 10;
const PASSES: u64 = 3;
const MEMORY: usize = 64 << 20;

/// Why no key is made from a passphrase. It never says what the passphrase is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PassphraseError {
    /// It is so short that it can be guessed.
    #[error(
        "the secret has {length} characters and needs {} or more: whoever hears the network can \
         try one guess after the other without being noticed; take five random words",
        Keypair::MIN_PASSPHRASE
    )]
    TooShort {
        /// How many characters it has.
        length: usize,
    },
    /// It is longer than any that somebody types.
    #[error(
        "the secret has {length} bytes and may have {}: it is no passphrase",
        Keypair::MAX_PASSPHRASE
    )]
    TooLong {
        /// How many bytes it has.
        length: usize,
    },
    /// It has a line break or another character that is lost easily, and makes another key then.
    #[error(
        "the secret has a line break or another control character: take it out, as it would have \
         to be the same at every node"
    )]
    Control,
    /// The system has not the memory that it takes.
    #[error("the key of a secret takes 64 MiB of memory, which the system does not give")]
    Memory,
}

impl Keypair {
    /// The fewest characters of a passphrase.
    pub const MIN_PASSPHRASE: usize = 12;
    /// The most bytes of a passphrase.
    pub const MAX_PASSPHRASE: usize = 1024;

    /// The pair that belongs to a passphrase: for a network whose nodes all have the same key.
    ///
    /// Whoever hears a beacon knows the public key, and can try passphrases for as long as they
    /// like. So each attempt is made expensive, and passphrases of less than 12 characters are
    /// refused. Five random words are good; a sentence from a book is not.
    ///
    /// It takes 64 MiB of memory, and 0.1 to 0.3 s of CPU where it is optimised; in a build without
    /// optimisation up to a few seconds. The memory is overwritten before it is given back.
    ///
    /// # The key
    ///
    /// It stays the same in all versions: Argon2id (RFC 9106), version 0x13, 3 passes, 65,536 KiB,
    /// one lane, the salt `ZRE passphrase 0` in ASCII, 32 bytes of output, which are the secret
    /// key. The passphrase is taken as its bytes of UTF-8, unchanged. If zyre
    /// [drops](super::PublicKey::is_dropped_by_zyre) the public key, the last character of the salt
    /// is counted up to `9` until it does not. The reference implementation does the same:
    ///
    /// ```text
    /// printf %s 'correct horse battery staple' |
    ///     argon2 'ZRE passphrase 0' -id -t 3 -k 65536 -p 1 -l 32 -r
    /// ```
    ///
    /// # Errors
    ///
    /// [`PassphraseError`] says why it takes another passphrase.
    pub fn from_passphrase(passphrase: &str) -> Result<Self, PassphraseError> {
        Self::check_passphrase(passphrase)?;
        first_kept(|attempt| {
            let mut salt = *SALT;
            if let Some(last) = salt.last_mut() {
                *last += attempt;
            }
            let mut secret = Zeroizing::new([0; 32]);
            crypto_pwhash(
                &mut *secret,
                passphrase.as_bytes(),
                &salt,
                PASSES,
                MEMORY,
                PasswordHashAlgorithm::Argon2id13,
            )
            .map_err(|_| PassphraseError::Memory)?;
            Ok(SecretKey::from(*secret).into())
        })
    }

    /// Whether [`from_passphrase`](Self::from_passphrase) takes it; takes no time itself.
    ///
    /// # Errors
    ///
    /// [`PassphraseError`] says why it does not.
    pub fn check_passphrase(passphrase: &str) -> Result<(), PassphraseError> {
        let length = passphrase.len();
        if length > Self::MAX_PASSPHRASE {
            return Err(PassphraseError::TooLong { length });
        }
        if passphrase.contains(char::is_control) {
            return Err(PassphraseError::Control);
        }
        let length = passphrase.chars().count();
        match length < Self::MIN_PASSPHRASE {
            true => Err(PassphraseError::TooShort { length }),
            false => Ok(()),
        }
    }
}

/// The first pair that zyre does not drop. That all ten are dropped happens once in 2⁸⁰.
fn first_kept<E>(mut pair: impl FnMut(u8) -> Result<Keypair, E>) -> Result<Keypair, E> {
    let mut attempt = 0;
    loop {
        let pair = pair(attempt)?;
        attempt += 1;
        if !pair.public().is_dropped_by_zyre() || attempt == ATTEMPTS {
            return Ok(pair);
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::{format, string::ToString as _};
    use core::convert::Infallible;

    use super::*;

    /// Computed with the crate `argon2`. Networks stand on it: it never changes.
    #[test]
    fn the_key_of_a_passphrase_stays_the_same_for_ever() {
        let pair = Keypair::from_passphrase("correct horse battery staple").unwrap();
        assert_eq!(
            *pair.secret().to_z85(),
            "r7Ox=fNGC+9s{4:eO&J$}IvS!h@[ZfbH7Ye*T(E2"
        );
        assert_eq!(
            pair.public().to_string(),
            "EamgdZhJ&gRU[}K(PpJa)i$A}X-a<6Q.mr2Sy!6O"
        );
    }

    #[test]
    fn a_passphrase_that_can_be_guessed_is_refused_with_the_reason() {
        let refused = |passphrase: &str| Keypair::from_passphrase(passphrase).unwrap_err();
        let short = "mötley crüe";
        let error = refused(short);
        assert_eq!(error, PassphraseError::TooShort { length: 11 });
        let shown = error.to_string();
        assert!(
            shown.contains("11 characters and needs 12 or more"),
            "{shown}"
        );
        assert!(shown.contains("one guess after the other"), "{shown}");
        assert!(!format!("{error:?} {shown}").contains("crüe"));
        assert_eq!(refused(""), PassphraseError::TooShort { length: 0 });
    }

    #[test]
    fn a_passphrase_with_a_line_break_or_without_end_is_refused() {
        let refused = |passphrase: &str| Keypair::from_passphrase(passphrase).unwrap_err();
        assert_eq!(
            refused("correct horse battery staple\n"),
            PassphraseError::Control
        );
        assert_eq!(
            refused(&"x".repeat(1025)),
            PassphraseError::TooLong { length: 1025 }
        );
    }

    #[test]
    fn a_key_that_zyre_drops_is_derived_again() {
        let pairs = (1..).map(|first| Keypair::from(SecretKey::from([first; 32])));
        let [dropped, kept] = [true, false].map(|is_dropped| {
            let mut pairs = pairs.clone();
            pairs.find(|pair| pair.public().is_dropped_by_zyre() == is_dropped)
        });
        let (dropped, kept) = (dropped.unwrap(), kept.unwrap());
        let mut attempts = 0;
        let made = first_kept(|attempt| {
            attempts += 1;
            Ok::<_, Infallible>(if attempt < 2 {
                dropped.clone()
            } else {
                kept.clone()
            })
        });
        assert_eq!((made, attempts), (Ok(kept), 3));
        let never = first_kept(|_| Ok::<_, Infallible>(dropped.clone()));
        assert_eq!(never, Ok(dropped));
    }
}
