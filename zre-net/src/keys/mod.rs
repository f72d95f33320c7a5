//! Keys as files.

mod directory;
mod error;
mod file;
#[cfg(test)]
mod tests;
mod watcher;

use std::{
    ffi::OsString,
    fmt, fs,
    io::{self, ErrorKind, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use zeroize::Zeroizing;
use zre_core::{
    proto::curve::{Certificate, Keypair},
    rand_core::OsRng,
};

pub use self::{
    directory::TrustDir,
    error::{KeyFileError, KeyFileFault},
    watcher::{TrustChange, TrustWatcher},
};

/// What the name of the secret certificate ends with.
const SECRET_SUFFIX: &str = "_secret";

/// Makes a new pair of keys from the random numbers of the operating system.
///
/// # Errors
///
/// When the system has no random numbers.
pub fn generate() -> io::Result<Keypair> {
    Keypair::generate(&mut OsRng).map_err(io::Error::other)
}

/// A pair of keys that was read from files.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyFile {
    /// The keys.
    pub keypair: Keypair,
    /// The certificate that they were read from, with the secret key.
    pub certificate: Certificate,
    /// What the user ought to read: that the group of the file can read it.
    pub warning: Option<String>,
}

/// Reads a node's own keys: from `PATH_secret` if there is such a file, else from `path`, which has
/// to have both keys.
///
/// # Errors
///
/// [`KeyFileError`] names the file, and the line in it. On Unix, a secret file that others than its
/// owner and its group can read is refused.
pub fn load_keypair(path: impl AsRef<Path>) -> Result<KeyFile, KeyFileError> {
    let path = path.as_ref();
    let secret = secret_path(path);
    match load_secret_certificate(&secret) {
        Ok(loaded) => check_public_twin(path, loaded),
        Err(error) if error.is_not_found() => {
            load_secret_certificate(path).map_err(|error| match error.is_not_found() {
                true => KeyFileError::new(path, KeyFileFault::NoPair { secret }),
                false => error,
            })
        }
        Err(error) => Err(error),
    }
}

/// Writes a node's own keys: the public certificate to `path`, and the secret one to `PATH_secret`,
/// which on Unix nobody but the owner can read. Gives the path of the latter.
///
/// # Errors
///
/// [`KeyFileError`] names the file. One that is there already is never overwritten, and then
/// neither is written.
pub fn write_keypair(
    path: impl AsRef<Path>,
    certificate: &Certificate,
) -> Result<PathBuf, KeyFileError> {
    let path = path.as_ref();
    if is_secret_name(path) {
        return Err(KeyFileError::new(path, KeyFileFault::SecretName));
    }
    let invalid = |error| KeyFileError::new(path, KeyFileFault::Certificate(error));
    let public_text = certificate.public_text().map_err(invalid)?;
    let secret_text = certificate.secret_text().map_err(invalid)?;
    let secret = secret_path(path);
    write_new(&secret, secret_text.as_bytes(), file::create_private)?;
    let written = write_new(path, public_text.as_bytes(), file::create);
    if written.is_err() {
        // It is of no use alone, and would be in the way of the next attempt.
        let _is_left = fs::remove_file(&secret);
    }
    written.map(|()| secret)
}

/// Writes a public certificate.
///
/// # Errors
///
/// As [`write_keypair`].
pub fn write_public(path: impl AsRef<Path>, certificate: &Certificate) -> Result<(), KeyFileError> {
    let path = path.as_ref();
    if is_secret_name(path) {
        return Err(KeyFileError::new(path, KeyFileFault::SecretName));
    }
    let text = certificate.public_text();
    let text = text.map_err(|error| KeyFileError::new(path, KeyFileFault::Certificate(error)))?;
    write_new(path, text.as_bytes(), file::create)
}

/// Reads one certificate, public or secret.
///
/// # Errors
///
/// [`KeyFileError`] names the file, and the line in it.
pub fn load_certificate(path: impl AsRef<Path>) -> Result<Certificate, KeyFileError> {
    let path = path.as_ref();
    let (text, _) = file::read(path)?;
    parse(path, &text)
}

/// A secret that was read from a file.
#[derive(Clone)]
#[non_exhaustive]
pub struct SecretFile {
    /// The first line of the file.
    pub secret: Zeroizing<String>,
    /// What the user ought to read: that the group of the file can read it.
    pub warning: Option<String>,
}

impl fmt::Debug for SecretFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("SecretFile");
        shown
            .field("warning", &self.warning)
            .finish_non_exhaustive()
    }
}

/// Reads the secret that all nodes of a network share: a file with one line.
///
/// # Errors
///
/// [`KeyFileError`] names the file. On Unix, a file that others than its owner and its group can
/// read is refused.
pub fn load_secret(path: impl AsRef<Path>) -> Result<SecretFile, KeyFileError> {
    let path = path.as_ref();
    let (text, mode) = file::read(path)?;
    let warning = file::check_private(path, mode)?;
    let text = std::str::from_utf8(&text);
    let text = text.map_err(|_| KeyFileError::new(path, KeyFileFault::NotText))?;
    let line = text.strip_suffix('\n').unwrap_or(text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    match line.contains('\n') {
        true => Err(KeyFileError::new(path, KeyFileFault::Lines)),
        false => Ok(SecretFile {
            secret: Zeroizing::new(line.to_owned()),
            warning,
        }),
    }
}

fn load_secret_certificate(path: &Path) -> Result<KeyFile, KeyFileError> {
    let (text, mode) = file::read(path)?;
    let certificate = parse(path, &text)?;
    let keypair = certificate.keypair();
    let keypair = keypair.ok_or_else(|| KeyFileError::new(path, KeyFileFault::NoSecretKey))?;
    let warning = file::check_private(path, mode)?;
    Ok(KeyFile {
        keypair,
        certificate,
        warning,
    })
}

/// Files that do not belong together are a mistake: others trust the key in the public one.
fn check_public_twin(path: &Path, loaded: KeyFile) -> Result<KeyFile, KeyFileError> {
    match load_certificate(path) {
        Ok(public) if public.public != loaded.certificate.public => {
            let secret = secret_path(path);
            Err(KeyFileError::new(path, KeyFileFault::OtherKey { secret }))
        }
        // What others are given may lie elsewhere.
        Err(error) if !error.is_not_found() => Err(error),
        _ => Ok(loaded),
    }
}

fn parse(path: &Path, text: &[u8]) -> Result<Certificate, KeyFileError> {
    let certificate = Certificate::parse(text);
    certificate.map_err(|error| KeyFileError::new(path, KeyFileFault::Certificate(error)))
}

fn write_new(
    path: &Path,
    text: &[u8],
    create: fn(&Path) -> io::Result<fs::File>,
) -> Result<(), KeyFileError> {
    let written = create(path).and_then(|mut file| {
        let written = file.write_all(text).and_then(|()| file.sync_all());
        if written.is_err() {
            let _is_left = fs::remove_file(path);
        }
        written
    });
    written.map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => KeyFileError::new(path, KeyFileFault::Exists),
        _ => KeyFileError::new(path, KeyFileFault::Write(Arc::new(error))),
    })
}

/// Where the secret certificate of a pair is.
fn secret_path(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(SECRET_SUFFIX);
    name.into()
}

fn is_secret_name(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default();
    let suffix = SECRET_SUFFIX.as_bytes();
    name.as_encoded_bytes().ends_with(suffix)
}
