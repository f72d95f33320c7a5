//! The key of a node, and with whom it talks.

mod check;
mod error;
#[cfg(test)]
mod tests;

use std::{
    fmt,
    path::{Path, PathBuf},
    slice,
};

use zeroize::Zeroizing;
use zre_core::{
    Security, TrustedKeys,
    proto::curve::{Certificate, Keypair, PassphraseError, PublicKey, SecretKey},
};
use zre_net::keys::{self, TrustDir};

use super::{Settings, StartError};

pub use error::SecurityError;

/// The key of a node: a pair of keys, or the file that has it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum NodeKey {
    /// This pair.
    Pair(Keypair),
    /// The secret key in `PATH_secret` if there is such a file, else that in `PATH`: a certificate
    /// as `zre keys new` and czmq write it. It is read when the node starts.
    File(PathBuf),
}

impl NodeKey {
    /// The key in a file: [`File`](Self::File).
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self::File(path.into())
    }
}

impl From<Keypair> for NodeKey {
    fn from(keypair: Keypair) -> Self {
        Self::Pair(keypair)
    }
}

impl From<&Keypair> for NodeKey {
    fn from(keypair: &Keypair) -> Self {
        Self::Pair(keypair.clone())
    }
}

impl From<SecretKey> for NodeKey {
    fn from(secret: SecretKey) -> Self {
        Self::Pair(secret.into())
    }
}

impl From<PathBuf> for NodeKey {
    fn from(path: PathBuf) -> Self {
        Self::File(path)
    }
}

impl From<&Path> for NodeKey {
    fn from(path: &Path) -> Self {
        Self::file(path)
    }
}

/// With whom a node that has a key talks. All others are refused, also those without a key.
///
/// It is made from one [`PublicKey`] or [`Certificate`], or from several, or with
/// [`dir`](Self::dir).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Trust {
    /// With those who have one of these keys.
    Keys(TrustedKeys),
    /// With those whose certificates are in this directory, or in this one file. A certificate that
    /// is added or removed while the node runs counts within two seconds: the session of a peer
    /// whose certificate is gone ends. Secret certificates (`*_secret`) and files whose names begin
    /// with a dot or end with `~` do not count.
    Dir(PathBuf),
    /// The same, for several directories and files together.
    Dirs(Vec<PathBuf>),
    /// With anybody who has a key. Nobody else can read what two nodes say to each other, but
    /// anybody can be one of them.
    Any,
}

impl Trust {
    /// The certificates in a directory, or one in a file: [`Dir`](Self::Dir).
    pub fn dir(path: impl Into<PathBuf>) -> Self {
        Self::Dir(path.into())
    }

    /// The certificates in several directories and files: [`Dirs`](Self::Dirs).
    pub fn dirs<P: Into<PathBuf>>(paths: impl IntoIterator<Item = P>) -> Self {
        Self::Dirs(paths.into_iter().map(Into::into).collect())
    }
}

impl From<TrustedKeys> for Trust {
    fn from(keys: TrustedKeys) -> Self {
        Self::Keys(keys)
    }
}

impl FromIterator<PublicKey> for Trust {
    fn from_iter<I: IntoIterator<Item = PublicKey>>(keys: I) -> Self {
        Self::Keys(keys.into_iter().collect())
    }
}

impl FromIterator<Certificate> for Trust {
    fn from_iter<I: IntoIterator<Item = Certificate>>(certificates: I) -> Self {
        let certificates = certificates.into_iter();
        let keys = certificates.map(|it| (it.public, it.metadata));
        Self::Keys(keys.collect())
    }
}

impl From<PublicKey> for Trust {
    fn from(key: PublicKey) -> Self {
        Self::from_iter([key])
    }
}

impl From<Certificate> for Trust {
    fn from(certificate: Certificate) -> Self {
        Self::from_iter([certificate])
    }
}

impl<const N: usize> From<[PublicKey; N]> for Trust {
    fn from(keys: [PublicKey; N]) -> Self {
        Self::from_iter(keys)
    }
}

impl From<&[PublicKey]> for Trust {
    fn from(keys: &[PublicKey]) -> Self {
        Self::from_iter(keys.iter().copied())
    }
}

impl From<Vec<PublicKey>> for Trust {
    fn from(keys: Vec<PublicKey>) -> Self {
        Self::from_iter(keys)
    }
}

impl From<Vec<Certificate>> for Trust {
    fn from(certificates: Vec<Certificate>) -> Self {
        Self::from_iter(certificates)
    }
}

/// What all nodes of a network have in common: a passphrase, or the key that was made from it.
/// Neither is ever shown.
#[derive(Clone)]
pub struct Secret(Passphrase);

#[derive(Clone)]
enum Passphrase {
    Text(Zeroizing<String>),
    Derived(Keypair),
}

impl Secret {
    /// A passphrase.
    pub fn new(passphrase: impl Into<String>) -> Self {
        let passphrase = Zeroizing::new(passphrase.into());
        Self(Passphrase::Text(passphrase))
    }

    fn keypair(&self) -> Result<Keypair, PassphraseError> {
        match &self.0 {
            Passphrase::Text(text) => Keypair::from_passphrase(text),
            Passphrase::Derived(keypair) => Ok(keypair.clone()),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// With which key a node starts.
#[derive(Debug)]
pub(super) struct PreparedSecurity {
    pub(super) security: Security,
    /// The directories that are to be watched.
    pub(super) trust: Vec<TrustDir>,
    /// What the user ought to read.
    pub(super) advice: Vec<String>,
}

impl Settings {
    /// Whether [`with_derived_key`](Self::with_derived_key) has something to do.
    pub fn has_underived_secret(&self) -> bool {
        let secret = self.secret.as_ref();
        secret.is_some_and(|secret| matches!(secret.0, Passphrase::Text(_)))
    }

    /// The same settings with the key of the secret in its place. To make it takes 0.1 to 0.3 s of
    /// CPU and 64 MiB of memory, so an asynchronous adapter does it on a thread that may block.
    /// Otherwise starting the node does it.
    ///
    /// # Errors
    ///
    /// [`StartError`], for anything that is wrong with the settings.
    pub fn with_derived_key(mut self) -> Result<Self, StartError> {
        self.check()?;
        if let Some(secret) = &mut self.secret {
            let keypair = secret.keypair().map_err(SecurityError::Secret)?;
            secret.0 = Passphrase::Derived(keypair);
        }
        Ok(self)
    }

    /// Reads the files, and makes the key of a secret.
    pub(super) fn prepare_security(&self) -> Result<Option<PreparedSecurity>, SecurityError> {
        if let Some(secret) = &self.secret {
            return Ok(Some(PreparedSecurity {
                security: Security::shared(secret.keypair()?),
                trust: Vec::new(),
                advice: Vec::new(),
            }));
        }
        // `check` has seen to it that there are both or none.
        let (Some(key), Some(trust)) = (&self.key, &self.trust) else {
            return Ok(None);
        };
        let mut advice = Vec::new();
        let keypair = key.load(&mut advice)?;
        let (trust, dirs) = trust.load(&mut advice)?;
        Ok(Some(PreparedSecurity {
            security: Security::new(keypair, trust),
            trust: dirs,
            advice,
        }))
    }
}

/// All keys; of two certificates with the same key, the first counts.
pub(crate) fn union<'a>(all: impl DoubleEndedIterator<Item = &'a TrustedKeys>) -> TrustedKeys {
    let keys = all.rev().flat_map(TrustedKeys::iter);
    keys.map(|(key, metadata)| (*key, metadata.clone()))
        .collect()
}

impl NodeKey {
    fn load(&self, advice: &mut Vec<String>) -> Result<Keypair, SecurityError> {
        let keypair = match self {
            Self::Pair(keypair) => keypair.clone(),
            Self::File(path) => {
                let file = keys::load_keypair(path)?;
                advice.extend(file.warning);
                file.keypair
            }
        };
        let public = keypair.public();
        if public.is_dropped_by_zyre() {
            advice.push(format!(
                "zyre drops the beacons of the key {public}, as its first byte is 0: take another \
                 key if there are nodes of zyre on the network"
            ));
        }
        Ok(keypair)
    }
}

impl Trust {
    fn load(
        &self,
        advice: &mut Vec<String>,
    ) -> Result<(zre_core::Trust, Vec<TrustDir>), SecurityError> {
        let paths = match self {
            Self::Keys(keys) => return Ok((keys.clone().into(), Vec::new())),
            Self::Any => return Ok((zre_core::Trust::Any, Vec::new())),
            Self::Dir(path) => slice::from_ref(path),
            Self::Dirs(paths) => paths,
        };
        let dirs = paths.iter().map(TrustDir::open);
        let dirs = dirs.collect::<Result<Vec<_>, _>>()?;
        for dir in &dirs {
            advice.extend(dir.warnings().iter().map(ToString::to_string));
            if dir.keys().is_empty() {
                advice.push(format!(
                    "there are no certificates in {}: the node talks with nobody else until there \
                     are",
                    dir.path().display()
                ));
            }
        }
        let keys = union(dirs.iter().map(TrustDir::keys));
        Ok((keys.into(), dirs))
    }
}
