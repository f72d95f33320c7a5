//! `zre keys derive`: the key of a network that has one for all.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use zre_tokio::Certificate;

use super::{KeyLine, files, print_json};
use crate::{failure::Failure, options::Secret, output::print, stderr, text::one_line};

/// Write the key that a passphrase makes, for nodes of zyre in a network with a passphrase.
///
/// Nodes of zre need no files: they take the passphrase itself, with --secret-file or ZRE_SECRET.
/// The same passphrase makes the same key everywhere and always. It takes a moment, so that
/// guessing takes long.
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(super) struct Options {
    /// Where the certificate is written; the secret one is beside it, as PATH_secret
    #[arg(value_name = "PATH")]
    path: PathBuf,

    #[command(flatten)]
    secret: Secret,

    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

const HELP: &str = "\
Example:
  zre keys derive --secret-file passphrase network/all

In a program with zyre: zcert_load (\"network/all\") and zyre_set_zcert, and a zauth actor that is
sent CURVE and the directory network, in which no other certificate is. Without zauth, zyre lets
everybody in.

Exit codes: 0 done; 2 the command line is wrong, or a file cannot be read or written.";

/// What was written.
#[derive(Debug, Serialize)]
struct Derived {
    #[serde(flatten)]
    key: KeyLine,
    path: String,
    secret_path: String,
}

/// Writes the pair of a passphrase.
pub(super) fn run(options: &Options) -> Result<(), Failure> {
    let (keypair, warning) = options.secret.keypair()?.ok_or_else(|| {
        Failure::told(
            "there is no passphrase: write it into a file that only you can read, and name that \
             with --secret-file, or set ZRE_SECRET",
        )
    })?;
    if let Some(warning) = warning {
        stderr::print(&one_line(&format!("warning: {warning}")));
    }
    let certificate = Certificate::from(keypair);
    let secret_path = files::write(&options.path, &certificate)?;
    let path = options.path.display().to_string();
    let secret_path = secret_path.display().to_string();
    if options.json {
        let key = KeyLine::of(&certificate);
        return print_json(&Derived {
            key,
            path,
            secret_path,
        });
    }
    let shown = format!(
        "public key  {}\n\
         wrote       {path}, which names the network\n\
         wrote       {secret_path}, which is for the nodes of the network alone",
        certificate.public
    );
    shown
        .lines()
        .try_for_each(|line| Ok(print(&one_line(line))?))
}
