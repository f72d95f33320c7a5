//! The files of keys.

use std::{
    io,
    path::{Path, PathBuf},
};

use rand_core::OsRng;
use zre_net::keys::{KeyFileError, write_keypair};
use zre_tokio::{Certificate, Keypair};

use crate::failure::Failure;

/// What the name of the file with the secret key ends with.
const SECRET: &str = "_secret";

/// Makes a new key from the system's random numbers.
pub(super) fn generate() -> Result<Keypair, Failure> {
    Keypair::generate(&mut OsRng)
        .map_err(|error| Failure::Told(format!("the system gives no random numbers: {error}")))
}

/// Writes the two files of a new key, and returns where the secret one is. Neither is overwritten.
pub(super) fn write(path: &Path, certificate: &Certificate) -> Result<PathBuf, Failure> {
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    if let Some(parent) = parent.filter(|parent| !parent.exists()) {
        let (path, parent) = (path.display(), parent.display());
        return Err(Failure::Told(format!(
            "{path}: there is no directory {parent}; make it with `mkdir {parent}`"
        )));
    }
    Ok(write_keypair(path, certificate)?)
}

/// The file with the secret key that belongs to a certificate.
pub(super) fn secret_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(SECRET);
    name.into()
}

/// The certificate to which a file with a secret key belongs, if its name says that it is one.
pub(super) fn public_path(path: &Path) -> Option<PathBuf> {
    let name = path.file_name()?.to_str()?.strip_suffix(SECRET)?;
    (!name.is_empty()).then(|| path.with_file_name(name))
}

/// The system does not let us do something with a file.
pub(super) fn cannot(what: &str, path: &Path, error: &io::Error) -> Failure {
    Failure::Told(format!("cannot {what} {}: {error}", path.display()))
}

/// Who else can read a file, if anybody, as the mode tells.
#[cfg(unix)]
pub(super) fn mode_for_others(path: &Path) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt as _;

    let mode = path.metadata().ok()?.permissions().mode() & 0o777;
    (mode & 0o077 != 0).then_some(mode)
}

/// Who else can read a file: not known on this system.
#[cfg(not(unix))]
pub(super) fn mode_for_others(_path: &Path) -> Option<u32> {
    None
}

impl From<KeyFileError> for Failure {
    fn from(error: KeyFileError) -> Self {
        Self::Told(error.to_string())
    }
}
