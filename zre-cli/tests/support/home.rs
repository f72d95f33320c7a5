//! A directory with keys.

use std::{
    fs,
    path::PathBuf,
    process::{Command, Output},
};

use tempfile::TempDir;
use zre_net::keys::load_certificate;

use super::{Zre, bare_zre, run, text};

/// A passphrase, and the key that it makes, which never changes.
pub const PASSPHRASE: &str = "correct horse battery staple";
pub const KEY_OF_PASSPHRASE: &str = "EamgdZhJ&gRU[}K(PpJa)i$A}X-a<6Q.mr2Sy!6O";

/// A directory with keys, in which commands run.
pub struct Home(TempDir);

impl Home {
    /// With the pairs alice, bob and mallory, the directories friends, which has the first two, and
    /// nobody, and a file secret with a passphrase.
    pub fn new() -> Self {
        let home = Self(tempfile::tempdir().expect("there is a directory for temporary files"));
        for name in ["alice", "bob", "mallory"] {
            home.keys(&["new", name]);
        }
        home.keys(&["trust", "friends", "alice", "bob"]);
        fs::create_dir(home.path("nobody")).expect("the directory is ours");
        home.write("secret", PASSPHRASE);
        home
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file that only the owner can read.
    pub fn write(&self, name: &str, content: &str) {
        fs::write(self.path(name), content).expect("the directory is ours");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;

            let mode = fs::Permissions::from_mode(0o600);
            fs::set_permissions(self.path(name), mode).expect("the file is ours");
        }
    }

    /// The public key in a certificate.
    pub fn key(&self, name: &str) -> String {
        let certificate = load_certificate(self.path(name)).expect("it was written");
        certificate.public.to_string()
    }

    /// Runs `zre keys`.
    pub fn keys(&self, arguments: &[&str]) {
        let mut zre = bare_zre();
        let output = run(zre.arg("keys").args(arguments).current_dir(self.0.path()));
        assert!(output.status.success(), "{}", text(&output.stderr));
    }

    /// A command of a node on loopback.
    pub fn zre(&self, command: &[&str], port: u16, flags: &[&str]) -> Command {
        let (subcommand, rest) = command.split_first().expect("a command");
        let mut zre = bare_zre();
        zre.arg(subcommand)
            .args(rest)
            .args(["-i", "127.0.0.1", "--port", &port.to_string()])
            .args(flags)
            .current_dir(self.0.path());
        zre
    }

    /// Starts a pipe, and returns its first line.
    pub fn pipe(&self, port: u16, flags: &str) -> (Zre, serde_json::Value) {
        let flags: Vec<_> = flags.split(' ').collect();
        let mut pipe = Zre::start(&mut self.zre(&["pipe"], port, &flags));
        let start = pipe.event("START");
        (pipe, start)
    }

    /// Runs a command of a node to its end.
    pub fn run(&self, command: &str, port: u16, flags: &str) -> Output {
        let flags: Vec<_> = flags.split(' ').collect();
        run(&mut self.zre(&[command], port, &flags))
    }
}
