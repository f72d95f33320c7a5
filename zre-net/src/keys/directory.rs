//! A directory of certificates.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::ErrorKind,
    mem,
    path::{Path, PathBuf},
};

use zre_core::{TrustedKeys, proto::curve::Certificate};

use super::{
    error::{KeyFileError, KeyFileFault},
    file::{Stamp, check_writable},
    is_secret_name, load_certificate,
    watcher::TrustChange,
};

/// The certificates of those that a node trusts: a directory, or a single file.
///
/// In a directory, all files count whose names neither end in `_secret` or `~` nor begin with a
/// dot; those in directories below it, too. What is no certificate is passed over. Of two files
/// with the same key, the first by name counts. A directory with more than 100,000 files is read in
/// part.
#[derive(Debug)]
pub struct TrustDir {
    path: PathBuf,
    /// By their paths; so the first by name comes first.
    files: BTreeMap<PathBuf, TrustFile>,
    keys: TrustedKeys,
    warnings: Vec<KeyFileError>,
    /// The directory was not there at the last look.
    is_missing: bool,
}

/// What is known of a file.
#[derive(Debug)]
struct TrustFile {
    stamp: Option<Stamp>,
    /// Another look is needed, whatever the stamp says.
    is_open: bool,
    content: Result<Certificate, KeyFileError>,
}

impl TrustDir {
    /// How many files are read at most.
    const MAX_FILES: usize = 100_000;
    /// How many directories may be inside of each other. Links can make a circle of them.
    const MAX_DEPTH: usize = 8;

    /// Reads the certificates.
    ///
    /// # Errors
    ///
    /// [`KeyFileError`] if there is no such file or directory, or the single file is no
    /// certificate.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, KeyFileError> {
        let path = path.into();
        let mut dir = Self {
            files: BTreeMap::new(),
            keys: TrustedKeys::default(),
            warnings: Vec::new(),
            is_missing: false,
            path,
        };
        let listed = dir.list()?;
        dir.read(listed);
        dir.sum_up();
        match dir.files.get(&dir.path).map(|file| &file.content) {
            Some(Err(error)) => Err(error.clone()),
            _ => Ok(dir),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The keys in it, with what the certificates say of their owners.
    pub fn keys(&self) -> &TrustedKeys {
        &self.keys
    }

    /// Which files are passed over, and why.
    pub fn warnings(&self) -> &[KeyFileError] {
        &self.warnings
    }

    /// Looks whether anything has changed.
    pub(super) fn look(&mut self) -> Option<TrustChange> {
        let (keys, warnings) = (self.keys.clone(), mem::take(&mut self.warnings));
        match self.list() {
            Ok(listed) => {
                self.is_missing = false;
                self.read(listed);
                self.sum_up();
            }
            // While another takes its place, a directory may not be there for a moment.
            Err(error) if error.is_not_found() && self.is_missing => {
                self.files.clear();
                self.sum_up();
                self.warnings.push(error);
            }
            Err(error) => {
                self.is_missing = error.is_not_found();
                self.warnings.clone_from(&warnings);
                if !self.is_missing && !warnings.iter().any(|it| it.is_same(&error)) {
                    self.warnings.push(error);
                }
            }
        }
        let is_new = |it: &&KeyFileError| !warnings.iter().any(|old| old.is_same(it));
        let warnings: Vec<_> = self.warnings.iter().filter(is_new).cloned().collect();
        (self.keys != keys || !warnings.is_empty()).then(|| TrustChange {
            keys: self.keys.clone(),
            warnings,
        })
    }

    /// The files that count.
    fn list(&self) -> Result<BTreeSet<PathBuf>, KeyFileError> {
        let error = |error| KeyFileError::read(&self.path, error);
        let mut files = BTreeSet::new();
        if !self.path.metadata().map_err(error)?.is_dir() {
            files.insert(self.path.clone());
            return Ok(files);
        }
        let mut directories = vec![(self.path.clone(), 0)];
        while let Some((directory, depth)) = directories.pop() {
            let entries = match fs::read_dir(&directory) {
                Ok(entries) => entries,
                // One below may go meanwhile.
                Err(error) if depth > 0 && error.kind() == ErrorKind::NotFound => continue,
                Err(error) => return Err(KeyFileError::read(&directory, error)),
            };
            for entry in entries {
                let path = entry.map_err(error)?.path();
                match path.metadata() {
                    _ if files.len() > Self::MAX_FILES || is_passed_over(&path) => {}
                    Ok(it) if it.is_dir() && depth < Self::MAX_DEPTH => {
                        directories.push((path, depth + 1));
                    }
                    Ok(it) if it.is_file() && !is_secret_name(&path) => _ = files.insert(path),
                    _ => {}
                }
            }
        }
        Ok(files)
    }

    /// Reads those that are new or have changed.
    fn read(&mut self, mut listed: BTreeSet<PathBuf>) {
        while listed.len() > Self::MAX_FILES {
            listed.pop_last();
        }
        self.files.retain(|path, _| listed.contains(path));
        for path in listed {
            let stamp = path.metadata().ok().map(|it| Stamp::of(&it));
            match self.files.get_mut(&path) {
                Some(file) if file.stamp == stamp && !file.is_open => {}
                Some(file) => file.update(stamp, load_certificate(&path)),
                None => {
                    let file = TrustFile::new(stamp, load_certificate(&path));
                    self.files.insert(path, file);
                }
            }
        }
    }

    /// Which keys there are, and what is wrong.
    fn sum_up(&mut self) {
        let mut keys = BTreeMap::new();
        self.warnings.clear();
        self.warnings.extend(check_writable(&self.path));
        for (path, file) in &self.files {
            match &file.content {
                Err(error) => self.warnings.push(error.clone()),
                Ok(certificate) => match keys.get(&certificate.public) {
                    None => _ = keys.insert(certificate.public, (path, &certificate.metadata)),
                    Some((first, _)) => {
                        let first = PathBuf::clone(first);
                        let fault = KeyFileFault::Duplicate { first };
                        self.warnings.push(KeyFileError::new(path, fault));
                    }
                },
            }
        }
        if self.files.len() >= Self::MAX_FILES {
            let most = Self::MAX_FILES;
            let fault = KeyFileFault::TooMany { most };
            self.warnings.push(KeyFileError::new(&self.path, fault));
        }
        let keys = keys.into_iter();
        self.keys = keys
            .map(|(key, (_, metadata))| (key, metadata.clone()))
            .collect();
    }
}

impl TrustFile {
    fn new(stamp: Option<Stamp>, content: Result<Certificate, KeyFileError>) -> Self {
        Self {
            stamp,
            is_open: stamp.is_none_or(|it| it.is_fresh()),
            // A secret key has no business here.
            content: content.map(|it| it.to_public()),
        }
    }

    fn update(&mut self, stamp: Option<Stamp>, content: Result<Certificate, KeyFileError>) {
        let is_written = self.content.is_ok() && content.is_err() && self.stamp != stamp;
        match is_written {
            // Somebody may just write it: what it is then is decided at the next look.
            true => (self.stamp, self.is_open) = (stamp, true),
            false => *self = Self::new(stamp, content),
        }
    }
}

/// Whether a file or a directory is none of those that count, whatever it holds.
fn is_passed_over(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    name.starts_with(b".") || name.ends_with(b"~")
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;
    use zre_core::proto::curve::SecretKey;

    use super::*;

    fn write(path: &Path, number: u8) {
        let public = SecretKey::from([number; 32]).public_key();
        let text = Certificate::from(public).public_text();
        fs::write(path, text.expect("it can be written")).expect("a file");
    }

    #[test]
    fn a_change_that_the_clock_of_the_file_system_does_not_show_is_found() {
        let dir = TempDir::new().expect("a directory");
        let path = dir.path().join("alice");
        write(&path, 1);
        let mut trust = TrustDir::open(dir.path()).expect("it is there");
        write(&path, 2);
        let stamp = path.metadata().expect("it is there");
        let file = trust.files.get_mut(&path).expect("it was read");
        file.stamp = Some(Stamp::of(&stamp));
        assert!(trust.look().is_some());
    }
}
