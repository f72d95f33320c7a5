//! The key of a node, and whom it talks with.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use clap::Args;
use zre_net::keys::{TrustDir, load_keypair};
use zre_tokio::{Builder, KeyedEndpoint, Keypair, PublicKey, Trust};

use super::{Discovery, Prepared, Secret};
use crate::failure::Failure;

/// The key of a node, and whom it talks with. Without any of these, it talks in the open.
#[derive(Debug, Args)]
#[command(next_help_heading = "Security")]
pub(crate) struct SecurityFlags {
    /// The node's key, a pair of files PATH and PATH_secret as `zre keys new` makes them. The node
    /// then talks only with those whom --trust names, and nobody else can read what is said
    #[arg(long, value_name = "PATH")]
    key: Option<PathBuf>,

    /// Who may talk with the node: a certificate, a directory of them (see `zre keys trust`; it is
    /// looked at again once a second), or `any` for everybody who has a key. Can be repeated, or
    /// take several with commas between them
    #[arg(long, value_name = "DIR|FILE|any")]
    trust: Vec<OsString>,

    #[command(flatten)]
    secret: Secret,
}

/// What [`SecurityFlags`] say together.
#[derive(Debug)]
pub(super) struct Keys {
    own: Keypair,
    trusted: Trusted,
    /// What is wrong with files, although they can be used.
    warnings: Vec<String>,
}

/// Whom a node talks with.
#[derive(Debug, PartialEq, Eq)]
enum Trusted {
    /// Those who have the secret of the network.
    SecretHolders,
    /// Those whose certificates are there, in files or in directories.
    Certificates(Vec<PathBuf>),
    /// Everybody who has a key.
    Any,
}

impl SecurityFlags {
    /// Reads what was set, and refuses what contradicts; `None` for a node in the open.
    pub(super) fn read(&self) -> Result<Option<Keys>, Failure> {
        let has_trust = !self.trust.is_empty();
        match (&self.key, has_trust, &self.secret.secret_file) {
            (Some(_), _, Some(_)) => Err(Failure::told(
                "--key and --secret-file contradict: with a secret, all nodes of the network have \
                 one key; leave one of the two out",
            )),
            (None, true, Some(_)) => Err(Failure::told(
                "--trust and --secret-file contradict: whoever has the secret may take part, and \
                 nobody else; leave one of the two out",
            )),
            (None, true, None) => Err(Failure::told(
                "--trust needs --key: without a key of its own, a node cannot prove who it is; \
                 make one with `zre keys new PATH`, and add --key PATH",
            )),
            (Some(path), false, None) => Err(Failure::Told(format!(
                "--key needs --trust, which says who may talk with the node: --trust DIR for those \
                 whose certificates are in a directory (`zre keys trust DIR FILE` adds them; that \
                 of {} will do), --trust FILE for one, or --trust any for everybody who has a key",
                path.display()
            ))),
            (Some(path), true, None) => self.of_files(path).map(Some),
            (None, false, _) => self.of_secret(),
        }
    }

    /// Whether the node has a key of its own.
    pub(super) fn has_key(&self) -> bool {
        self.key.is_some()
    }

    /// One key for all: the variable counts where no flag is given.
    fn of_secret(&self) -> Result<Option<Keys>, Failure> {
        let keypair = self.secret.keypair()?;
        Ok(keypair.map(|(own, warning)| Keys {
            own,
            trusted: Trusted::SecretHolders,
            warnings: warning.into_iter().collect(),
        }))
    }

    fn of_files(&self, path: &Path) -> Result<Keys, Failure> {
        let trusted = self.trusted()?;
        let own = load_keypair(path)?;
        let mut warnings: Vec<_> = own.warning.into_iter().collect();
        warnings.extend(zyre_warning(path, &own.keypair));
        if let Trusted::Certificates(paths) = &trusted {
            warnings.extend(check_trusted(paths)?);
        }
        Ok(Keys {
            own: own.keypair,
            trusted,
            warnings,
        })
    }

    fn trusted(&self) -> Result<Trusted, Failure> {
        let paths: Vec<PathBuf> = self.trust.iter().flat_map(paths).collect();
        let is_any = |path: &PathBuf| path.as_os_str() == "any";
        match paths.iter().find(|path| !is_any(path)) {
            None => Ok(Trusted::Any),
            Some(other) if paths.iter().any(is_any) => Err(Failure::Told(format!(
                "--trust any and --trust {} contradict: leave one out, or write ./any for a file \
                 of that name",
                other.display()
            ))),
            Some(_) => Ok(Trusted::Certificates(paths)),
        }
    }
}

/// Zyre ignores a few keys.
fn zyre_warning(path: &Path, own: &Keypair) -> Option<String> {
    own.public().is_dropped_by_zyre().then(|| {
        format!(
            "{}: zyre ignores nodes with this key, as its first byte is 0; `zre keys new` makes no \
             such keys",
            path.display()
        )
    })
}

/// What is passed over in directories. What is not there, and a file that is no certificate, is
/// refused.
fn check_trusted(paths: &[PathBuf]) -> Result<Vec<String>, Failure> {
    let mut warnings = Vec::new();
    for path in paths {
        let trusted = TrustDir::open(path).map_err(|error| match error.is_not_found() {
            true => Failure::Told(format!(
                "--trust {0}: there is no such file or directory; `zre keys trust {0} FILE` makes \
                 a directory with the certificate FILE in it",
                path.display()
            )),
            false => error.into(),
        })?;
        warnings.extend(trusted.warnings().iter().map(ToString::to_string));
        if trusted.keys().is_empty() {
            warnings.push(format!(
                "--trust {0}: there is no certificate in it, so nobody may talk with this node; \
                 `zre keys trust {0} FILE` adds one, also while the node runs",
                path.display()
            ));
        }
    }
    Ok(warnings)
}

/// What one argument names: a file that has commas in its name, or several.
fn paths(argument: &OsString) -> Vec<PathBuf> {
    let whole = PathBuf::from(argument);
    match argument.to_str() {
        Some(text) if !whole.exists() => text.split(',').map(PathBuf::from).collect(),
        _ => vec![whole],
    }
}

impl Keys {
    /// The node's own public key.
    fn public(&self) -> PublicKey {
        self.own.public()
    }

    /// All names of the library's builder for keys stand here and nowhere else in this program.
    pub(super) fn prepare(self, builder: Builder) -> Prepared {
        let own_key = self.public();
        let trust = match self.trusted {
            Trusted::SecretHolders => Trust::from(own_key),
            Trusted::Certificates(paths) => Trust::dirs(paths),
            Trusted::Any => Trust::Any,
        };
        Prepared {
            own_key: Some(own_key),
            builder: builder.key(self.own).trust(trust),
            warnings: self.warnings,
        }
    }
}

/// Refuses keys of peers and hubs that cannot be of use.
pub(super) fn check_places(discovery: &Discovery, keys: Option<&Keys>) -> Result<(), Failure> {
    let peers = discovery.connect.iter().map(|it| ("--connect", it));
    let hubs = discovery.gossip_connect.iter();
    let hubs = hubs.map(|it| ("--gossip-connect", it));
    let mut places = peers.chain(hubs);
    places.try_for_each(|(setting, place)| check_place(setting, place, keys))
}

fn check_place(setting: &str, place: &KeyedEndpoint, keys: Option<&Keys>) -> Result<(), Failure> {
    let (endpoint, Some(key)) = (&place.endpoint, place.key) else {
        return Ok(());
    };
    let wrong = match keys {
        None => Some(
            "and this node has none, which cannot connect to one that has: add --key and --trust, \
             or leave |KEY out if whoever is there has no key"
                .to_owned(),
        ),
        Some(keys) if keys.trusted == Trusted::SecretHolders && key != keys.public() => {
            Some(format!(
                "which is not that of this network, {}: with a secret all nodes have one key; \
                 leave |KEY out",
                keys.public()
            ))
        }
        Some(_) => None,
    };
    match wrong {
        Some(wrong) => Err(Failure::Told(format!(
            "{setting} {endpoint}|KEY has a key, {wrong}"
        ))),
        None => Ok(()),
    }
}
