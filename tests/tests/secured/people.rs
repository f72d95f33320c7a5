//! Keys of the nodes of a test, and whom each of them trusts, in files.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::LazyLock,
};

use tempfile::TempDir;
use zre_core::proto::curve::{Certificate, Keypair, SecretKey};
use zre_net::keys::write_keypair;

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
            let written = write_keypair(&path, &certificate(owner));
            written.expect("a certificate can be written");
        }
        path
    }

    /// A directory of this name with the public certificates of these owners.
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
        let unfinished = self.path(&format!("unfinished {owner}"));
        fs::copy(self.key(owner), &unfinished).expect("a certificate can be copied");
        fs::rename(unfinished, directory.join(owner)).expect("a file can be renamed");
    }

    /// Removes the certificate of an owner from a directory.
    pub(crate) fn remove(directory: &Path, owner: &str) {
        fs::remove_file(directory.join(owner)).expect("a file that was added can be removed");
    }

    /// A file with a passphrase.
    pub(crate) fn passphrase(&self, passphrase: &str) -> PathBuf {
        let path = self.path(passphrase);
        fs::write(&path, format!("{passphrase}\n")).expect("a file can be written");
        let private = Permissions::from_mode(0o600);
        fs::set_permissions(&path, private).expect("a file of ours can be made private");
        path
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

/// The passphrase of the network.
pub(crate) const PASSPHRASE: &str = "an owl that sings at noon";
/// That of another network.
pub(crate) const OTHER_PASSPHRASE: &str = "a heron that sings at noon";

/// Who has the key that is made of the passphrase.
pub(crate) const NETWORK: &str = "network";
/// Who has that of the other passphrase.
pub(crate) const OTHER_NETWORK: &str = "other network";

/// The certificate of an owner, the same in all tests.
pub(crate) fn certificate(owner: &str) -> Certificate {
    match owner {
        NETWORK => Certificate::from(derived()[0].clone()),
        OTHER_NETWORK => Certificate::from(derived()[1].clone()),
        _ => {
            let mut certificate = Certificate::from(named(owner));
            certificate.metadata = [("name", owner)].into_iter().collect();
            certificate
        }
    }
}

/// The public key of an owner.
pub(crate) fn public_key(owner: &str) -> String {
    certificate(owner).public.to_string()
}

fn named(owner: &str) -> Keypair {
    let mut bytes = [0; 32];
    bytes
        .iter_mut()
        .zip(owner.bytes())
        .for_each(|(to, from)| *to = from);
    let keypairs = (0..=u8::MAX).map(|last| {
        bytes[31] = last;
        Keypair::from(SecretKey::from(bytes))
    });
    let mut kept = keypairs.filter(|keypair| !keypair.public().is_dropped_by_zyre());
    kept.next().expect("zyre drops one in 256")
}

/// The keys that are made of the two passphrases.
fn derived() -> &'static [Keypair; 2] {
    // A build without optimisation takes seconds for it.
    static DERIVED: LazyLock<[Keypair; 2]> = LazyLock::new(|| {
        [PASSPHRASE, OTHER_PASSPHRASE]
            .map(|it| Keypair::from_passphrase(it).expect("it is long enough"))
    });
    &DERIVED
}
