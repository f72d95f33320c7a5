//! The passphrase that all nodes of a network have.

use std::{env, path::PathBuf};

use clap::Args;
use zeroize::Zeroizing;
use zre_net::keys::load_secret;
use zre_tokio::Keypair;

use crate::failure::Failure;

/// The variable that has a passphrase.
const VARIABLE: &str = "ZRE_SECRET";

/// Where a passphrase comes from: never from the arguments, which every user of the machine sees.
#[derive(Debug, Args)]
pub(crate) struct Secret {
    /// A file with the passphrase of the network in one line: whoever has it may take part, and
    /// nobody else [env: ZRE_SECRET, the passphrase itself]
    #[arg(long, value_name = "FILE")]
    pub(super) secret_file: Option<PathBuf>,
}

impl Secret {
    /// The key that the passphrase makes, of the file or else of the variable; and what is wrong
    /// with the file, although it can be used.
    pub(crate) fn keypair(&self) -> Result<Option<(Keypair, Option<String>)>, Failure> {
        let (from, passphrase, warning) = match &self.secret_file {
            Some(path) => {
                let file = load_secret(path)?;
                (path.display().to_string(), file.secret, file.warning)
            }
            None => match of_variable()? {
                Some(passphrase) => (format!("the variable {VARIABLE}"), passphrase, None),
                None => return Ok(None),
            },
        };
        let keypair = Keypair::from_passphrase(&passphrase);
        let keypair = keypair.map_err(|error| Failure::Told(format!("{from}: {error}")))?;
        Ok(Some((keypair, warning)))
    }
}

/// The variable. One that is empty is a mistake here: without its secret, the node would talk in
/// the open.
fn of_variable() -> Result<Option<Zeroizing<String>>, Failure> {
    let Some(value) = env::var_os(VARIABLE) else {
        return Ok(None);
    };
    if value.is_empty() {
        return Err(Failure::Told(format!(
            "the variable {VARIABLE} is empty: give it the passphrase of the network, or unset it \
             for a node in the open"
        )));
    }
    let text = value.into_string().map(Zeroizing::new);
    let text = text.map_err(|_| Failure::Told(format!("the variable {VARIABLE} is not UTF-8")))?;
    Ok(Some(text))
}
