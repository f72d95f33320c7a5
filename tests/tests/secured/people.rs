//! Keys of the nodes of a test, and whom each of them trusts, in files.

use std::{
    fs,
    path::{Path, PathBuf},
};

use tempfile::TempDir;
use zre_tests::certificates::Certificate;

/// Certificates in a directory that goes when this is dropped.
///
/// A key is made when its owner is named for the first time.
#[derive(Debug)]
pub(crate) struct People(TempDir);

impl People {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary directory can be made"))
    }

    /// The path of the certificate pair of this owner.
    pub(crate) fn key(&self, owner: &str) -> PathBuf {
        let path = self.path(owner);
        if !path.exists() {
            Certificate::save(&path, &[("name", owner)]);
        }
        path
    }

    /// The certificate of this owner, as czmq reads it.
    pub(crate) fn certificate(&self, owner: &str) -> Certificate {
        Certificate::load(&self.key(owner)).expect("it has been made")
    }

    /// The public key of this owner.
    pub(crate) fn public_key(&self, owner: &str) -> String {
        self.certificate(owner).public
    }

    /// A directory of this name with the public halves of the certificates of these owners.
    pub(crate) fn list(&self, name: &str, owners: &[&str]) -> PathBuf {
        let directory = self.path(name);
        fs::create_dir_all(&directory).expect("a directory can be made");
        for owner in owners {
            self.add(&directory, owner);
        }
        directory
    }

    /// Adds the certificate of an owner to a directory.
    pub(crate) fn add(&self, directory: &Path, owner: &str) {
        // In one step, as whoever looks meanwhile is to find all of it or nothing.
        let unfinished = self.path("unfinished");
        fs::copy(self.key(owner), &unfinished).expect("a certificate can be copied");
        fs::rename(unfinished, directory.join(owner)).expect("a file can be renamed");
    }

    /// Removes the certificate of an owner from a directory.
    pub(crate) fn remove(directory: &Path, owner: &str) {
        fs::remove_file(directory.join(owner)).expect("a file that was added can be removed");
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}
