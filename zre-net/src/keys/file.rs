//! Reading and creating files with keys.

use std::{
    fs::{File, Metadata, OpenOptions},
    io::{self, ErrorKind, Read as _},
    path::Path,
    time::SystemTime,
};

use zeroize::Zeroizing;
use zre_core::proto::curve::Certificate;

use super::error::{KeyFileError, KeyFileFault};

/// Reads a file of the length that a certificate can have. Gives its permissions, too.
pub(super) fn read(path: &Path) -> Result<(Zeroizing<Vec<u8>>, Option<u32>), KeyFileError> {
    // Opening a pipe would wait.
    let metadata = path
        .metadata()
        .map_err(|error| KeyFileError::read(path, error))?;
    if !metadata.is_file() {
        return Err(KeyFileError::new(path, KeyFileFault::NoFile));
    }
    let read = File::open(path).and_then(|file| {
        let mode = mode(&file.metadata()?);
        Ok((read_all(file)?, mode))
    });
    let (text, mode) = read.map_err(|error| KeyFileError::read(path, error))?;
    match text.len() > Certificate::MAX_LEN {
        true => Err(KeyFileError::new(path, KeyFileFault::TooLong)),
        false => Ok((text, mode)),
    }
}

/// At most one byte more than a certificate can have.
fn read_all(mut file: File) -> io::Result<Zeroizing<Vec<u8>>> {
    // It never grows, so no copy of a secret is left behind.
    let mut text = Zeroizing::new(vec![0; Certificate::MAX_LEN + 1]);
    let mut length = 0;
    loop {
        let room = text.get_mut(length..).unwrap_or_default();
        match file.read(room) {
            Ok(0) => break,
            Ok(count) => length += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    text.truncate(length);
    Ok(text)
}

/// Refuses a secret file that everybody can read; says so if its group can.
pub(super) fn check_private(
    path: &Path,
    mode: Option<u32>,
) -> Result<Option<String>, KeyFileError> {
    let Some(mode) = mode else {
        return Ok(None);
    };
    if mode & 0o007 != 0 {
        let path_shown = path.to_owned();
        let fault = KeyFileFault::Exposed {
            mode,
            path: path_shown,
        };
        return Err(KeyFileError::new(path, fault));
    }
    let path = path.display();
    let warning = || {
        format!(
            "{path} holds a secret, and its group can read or change it (mode {mode:03o}): \
             chmod 600 {path} unless that is meant"
        )
    };
    Ok((mode & 0o070 != 0).then(warning))
}

/// Says so if everybody can change a file or a directory that holds no secret.
pub(super) fn check_writable(path: &Path) -> Option<KeyFileError> {
    let mode = mode(&path.metadata().ok()?)?;
    let path = path.to_owned();
    let fault = KeyFileFault::Writable {
        mode,
        path: path.clone(),
    };
    (mode & 0o002 != 0).then_some(KeyFileError { path, fault })
}

/// Creates a file, which must not be there yet.
pub(super) fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).open(path)
}

/// The same, for a file that only its owner can read from the beginning.
#[cfg(unix)]
pub(super) fn create_private(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt as _;

    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    options.open(path)
}

/// The same; who can read it follows from the directory.
#[cfg(not(unix))]
pub(super) fn create_private(path: &Path) -> io::Result<File> {
    create(path)
}

#[cfg(unix)]
fn mode(metadata: &Metadata) -> Option<u32> {
    use std::os::unix::fs::MetadataExt as _;

    Some(metadata.mode() & 0o777)
}

#[cfg(not(unix))]
fn mode(_: &Metadata) -> Option<u32> {
    None
}

/// What changes with the contents of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    length: u64,
    modified: Option<SystemTime>,
    system: SystemStamp,
}

/// Device, number of the file, and when it was changed in any way.
#[cfg(unix)]
type SystemStamp = (u64, u64, i64, i64);
#[cfg(not(unix))]
type SystemStamp = ();

impl Stamp {
    pub(super) fn of(metadata: &Metadata) -> Self {
        Self {
            length: metadata.len(),
            modified: metadata.modified().ok(),
            system: system_stamp(metadata),
        }
    }

    /// Whether a further change so soon might have the same stamp: file systems count time in
    /// steps of up to two seconds.
    pub(super) fn is_fresh(&self) -> bool {
        let age = self.modified.map(|it| SystemTime::now().duration_since(it));
        // A time in the future may be that of a clock that goes ahead.
        age.is_some_and(|age| age.unwrap_or_else(|ahead| ahead.duration()).as_secs() < 3)
    }
}

#[cfg(unix)]
fn system_stamp(metadata: &Metadata) -> SystemStamp {
    use std::os::unix::fs::MetadataExt as _;

    let (seconds, nanos) = (metadata.ctime(), metadata.ctime_nsec());
    (metadata.dev(), metadata.ino(), seconds, nanos)
}

#[cfg(not(unix))]
fn system_stamp(_: &Metadata) -> SystemStamp {}
