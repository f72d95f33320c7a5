//! Why a file with a key is refused.

use std::{
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    sync::Arc,
};

use thiserror::Error;
use zre_core::proto::curve::{Certificate, CertificateError};

/// A file with a key cannot be read or written, or is none. It never says what is in the file.
#[derive(Debug, Clone, Error)]
#[error("{}: {fault}", path.display())]
#[non_exhaustive]
pub struct KeyFileError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub fault: KeyFileFault,
}

/// What is wrong with a file with a key.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum KeyFileFault {
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Read(Arc<io::Error>),
    /// It cannot be written.
    #[error("cannot be written: {0}")]
    Write(Arc<io::Error>),
    /// It is a directory, a device or something else.
    #[error("it is no file")]
    NoFile,
    /// It is longer than any certificate.
    #[error(
        "it has more than {} bytes, so it is no certificate",
        Certificate::MAX_LEN
    )]
    TooLong,
    /// It is no certificate, or a certificate that cannot be written.
    #[error(transparent)]
    Certificate(CertificateError),
    /// There are no files with keys.
    #[error(
        "there is no such file, and no {}; make a pair of keys with `zre keys new`",
        secret.display()
    )]
    NoPair {
        /// Where the secret certificate would be.
        secret: PathBuf,
    },
    /// It is a public certificate.
    #[error("it has no secret key: it is the certificate that others are given")]
    NoSecretKey,
    /// The public certificate has another key than the secret one.
    #[error(
        "its key is not that of {}: one of the files is another node's, or an old one",
        secret.display()
    )]
    OtherKey {
        /// The secret certificate.
        secret: PathBuf,
    },
    /// Everybody on this machine can read or change a secret.
    #[error(
        "it holds a secret, and everybody on this machine can read or change it (mode {mode:03o}): \
         chmod 600 {path}",
        path = path.display()
    )]
    Exposed {
        /// The permissions of the file.
        mode: u32,
        /// The file.
        path: PathBuf,
    },
    /// A public certificate is to have the name of a secret one.
    #[error("names that end in _secret are for secret certificates: leave the end out")]
    SecretName,
    /// There is such a file already.
    #[error("there is such a file already, and it is not overwritten: take another name")]
    Exists,
    /// A secret is no text.
    #[error("it is no text in UTF-8")]
    NotText,
    /// A secret has several lines.
    #[error("it has more than one line: a secret is one line")]
    Lines,
    /// A certificate has the same key as another.
    #[error("it has the same key as {}, which counts", first.display())]
    Duplicate {
        /// The other.
        first: PathBuf,
    },
    /// Everybody on this machine can add a certificate.
    #[error(
        "everybody on this machine can change whom the node trusts (mode {mode:03o}): chmod o-w {}",
        path.display()
    )]
    Writable {
        /// The permissions of the directory or the file.
        mode: u32,
        /// Where it is.
        path: PathBuf,
    },
    /// There are more certificates than anybody has.
    #[error("it has more than {most} files: the others are passed over")]
    TooMany {
        /// How many may be there.
        most: usize,
    },
}

impl From<CertificateError> for KeyFileFault {
    fn from(error: CertificateError) -> Self {
        Self::Certificate(error)
    }
}

impl KeyFileError {
    pub(super) fn new(path: &Path, fault: KeyFileFault) -> Self {
        let path = path.to_owned();
        Self { path, fault }
    }

    pub(super) fn read(path: &Path, error: io::Error) -> Self {
        Self::new(path, KeyFileFault::Read(Arc::new(error)))
    }

    /// Whether there is no such file.
    pub fn is_not_found(&self) -> bool {
        matches!(&self.fault, KeyFileFault::Read(error) if error.kind() == ErrorKind::NotFound)
    }

    /// Whether the user reads the same.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.path == other.path && self.fault.to_string() == other.fault.to_string()
    }
}
