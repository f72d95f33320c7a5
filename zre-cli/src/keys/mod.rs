//! `zre keys`: the keys of nodes, as files.

mod derive;
mod files;
mod new;
mod show;
mod trust;

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde::{Serialize, Serializer};
use zre_tokio::{Certificate, KeyMetadata, PeerKey, PublicKey};

use crate::{failure::Failure, output::print};

/// Make the keys of nodes, look at them, and say whom to trust.
///
/// A node with a key (--key) talks with nobody whose key it does not trust (--trust), and nobody
/// else can read or change what is said. A key is a pair of files, certificates of czmq: PATH is
/// for the others, PATH_secret for the node alone. A network can also have one key for all of its
/// nodes, made from a passphrase (--secret-file).
#[derive(Debug, Args)]
#[command(arg_required_else_help = true, after_help = HELP)]
pub(crate) struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    New(new::Options),
    Show(show::Options),
    Trust(trust::Options),
    Derive(derive::Options),
}

const HELP: &str = "\
Examples:
  zre keys new alice                 on the machine of alice; writes alice and alice_secret
  zre keys trust friends bob         alice trusts bob, who has sent his file bob
  zre chat --key alice --trust friends

Exit codes: 0 done; 2 the command line is wrong, or a file is not what it should be.";

/// Does it.
pub(crate) fn run(options: &Options) -> Result<ExitCode, Failure> {
    match &options.command {
        Command::New(options) => new::run(options),
        Command::Show(options) => show::run(options),
        Command::Trust(options) => trust::run(options),
        Command::Derive(options) => derive::run(options),
    }?;
    Ok(ExitCode::SUCCESS)
}

/// A key, and what its certificate says of the owner, as JSON has it everywhere.
#[derive(Debug, Serialize)]
pub(crate) struct KeyLine {
    #[serde(serialize_with = "display")]
    key: PublicKey,
    #[serde(
        serialize_with = "metadata",
        skip_serializing_if = "KeyMetadata::is_empty"
    )]
    certificate: KeyMetadata,
}

impl KeyLine {
    fn of(certificate: &Certificate) -> Self {
        Self {
            key: certificate.public,
            certificate: certificate.metadata.clone(),
        }
    }
}

impl From<&PeerKey> for KeyLine {
    fn from(key: &PeerKey) -> Self {
        Self {
            key: key.public,
            certificate: key.metadata.clone(),
        }
    }
}

fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    let json = serde_json::to_string(value).map_err(std::io::Error::from)?;
    Ok(print(&json)?)
}

fn display<S: Serializer>(key: &PublicKey, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(key)
}

fn metadata<S: Serializer>(metadata: &KeyMetadata, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(metadata.iter())
}
