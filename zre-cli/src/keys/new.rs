//! `zre keys new`: a new key.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use zre_tokio::{Certificate, KeyMetadata};

use super::{KeyLine, files, print_json};
use crate::{failure::Failure, output::print, text::one_line, values};

/// Make a key for a node.
///
/// Two files are written, as czmq writes them: PATH with the public key, which is for the others,
/// and PATH_secret with both keys, which only you can read. Files that exist are never overwritten.
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(super) struct Options {
    /// Where the certificate is written; the secret one is beside it, as PATH_secret
    #[arg(value_name = "PATH")]
    path: PathBuf,

    /// The name that the certificate gives the owner, which others are shown with the key
    /// [default: the last part of PATH]
    #[arg(long, value_name = "NAME", value_parser = values::owner_name)]
    name: Option<String>,

    /// Something else that the certificate says, such as email=alice@example.org. Can be repeated,
    /// or take several with commas between them
    #[arg(long, value_name = "NAME=VALUE", value_parser = values::metadata)]
    meta: Vec<Vec<(String, String)>>,

    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

const HELP: &str = "\
Examples:
  zre keys new alice
  zre keys new /etc/zre/press --name \"printing press\" --meta room=cellar
  zre keys new alice --json | jq -r .key

Exit codes: 0 done; 2 the command line is wrong, or a file cannot be written.";

/// What was made.
#[derive(Debug, Serialize)]
struct Made {
    #[serde(flatten)]
    key: KeyLine,
    path: String,
    secret_path: String,
}

/// Makes a key and says what to do with it.
pub(super) fn run(options: &Options) -> Result<(), Failure> {
    let mut certificate = Certificate::from(files::generate()?);
    certificate.metadata = options.metadata()?;
    let secret_path = files::write(&options.path, &certificate)?;
    let path = options.path.display().to_string();
    let secret_path = secret_path.display().to_string();
    if options.json {
        let key = KeyLine::of(&certificate);
        return print_json(&Made {
            key,
            path,
            secret_path,
        });
    }
    let shown = format!(
        "public key  {}\n\
         wrote       {path}, which is for those who are to talk with this node\n\
         wrote       {secret_path}, which is for this node alone\n\
         Next: send {path} to the others, where `zre keys trust DIR FILE` takes it, and take\n\
         theirs here in the same way. Then start the node with --key {path} --trust DIR.",
        certificate.public
    );
    shown
        .lines()
        .try_for_each(|line| Ok(print(&one_line(line))?))
}

impl Options {
    fn metadata(&self) -> Result<KeyMetadata, Failure> {
        let name = self.name.clone().or_else(|| {
            let last = self.path.file_name()?;
            Some(last.to_string_lossy().into_owned())
        });
        let mut all: Vec<(String, String)> = Vec::new();
        all.extend(name.map(|name| ("name".to_owned(), name)));
        for (name, value) in self.meta.iter().flatten() {
            if all.iter().any(|(other, _)| other == name) {
                let remedy = match name.as_str() {
                    "name" => "the name is set with --name",
                    _ => "leave one out",
                };
                return Err(Failure::Told(format!(
                    "--meta {name} is given twice: {remedy}"
                )));
            }
            all.push((name.clone(), value.clone()));
        }
        Ok(all.into_iter().collect())
    }
}
