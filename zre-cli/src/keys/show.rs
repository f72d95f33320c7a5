//! `zre keys show`: what is in the files of keys.

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::Args;
use serde::Serialize;
use serde_json::json;
use zre_net::keys::load_certificate;
use zre_tokio::{Certificate, PublicKey};

use super::{KeyLine, files, print_json};
use crate::{failure::Failure, output::print, text::one_line};

/// Show the public keys in certificates, whose they are, and what is wrong with them.
///
/// Secret keys are never shown. Of a directory, all its certificates are shown.
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(super) struct Options {
    /// Certificates, or directories of them
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,

    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

const HELP: &str = "\
Examples:
  zre keys show alice
  zre keys show friends              all that are trusted with --trust friends
  zre keys show --json alice | jq -r '.keys[].key'

Exit codes: 0 done, also with warnings; 2 the command line is wrong, or a file is no certificate.";

/// A key and its files.
#[derive(Debug, Serialize)]
struct Shown {
    #[serde(flatten)]
    key: KeyLine,
    path: String,
    /// Where the secret key is, if it is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_path: Option<String>,
    warnings: Vec<String>,
}

/// Shows all of them, and then fails if one could not be shown.
pub(super) fn run(options: &Options) -> Result<(), Failure> {
    let paths = all_paths(&options.paths)?;
    let (mut shown, mut failures) = (Vec::new(), Vec::new());
    for path in &paths {
        match Shown::of(path) {
            Ok(key) => shown.push(key),
            Err(failure) => failures.push(failure),
        }
    }
    match options.json {
        true => print_json(&json!({"keys": shown}))?,
        false => shown.iter().try_for_each(Shown::print)?,
    }
    let last = failures.pop();
    failures.iter().for_each(Failure::report);
    last.map_or(Ok(()), Err)
}

fn all_paths(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut all = Vec::new();
    for path in paths {
        match path.is_dir() {
            true => all.extend(certificates_in(path)?),
            false => all.push(path.clone()),
        }
    }
    Ok(all)
}

/// The files of a directory that are to be public certificates, in the order of their names.
pub(super) fn certificates_in(directory: &Path) -> Result<Vec<PathBuf>, Failure> {
    let entries = fs::read_dir(directory).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let entries = entries.map_err(|error| files::cannot("read", directory, &error))?;
    let paths = entries.into_iter().map(|entry| entry.path());
    let is_certificate = |path: &PathBuf| path.is_file() && files::public_path(path).is_none();
    let mut paths: Vec<_> = paths.filter(is_certificate).collect();
    paths.sort();
    Ok(paths)
}

impl Shown {
    fn of(path: &Path) -> Result<Self, Failure> {
        let own = load_certificate(path)?;
        let beside = files::secret_path(path);
        let beside = (files::public_path(path).is_none() && beside.exists()).then_some(beside);
        let mut warnings = warnings_of(path, &own);
        let mut secret_path = own.secret.is_some().then_some(path);
        if let Some(beside) = &beside {
            warnings.extend(warnings_beside(beside, own.public));
            secret_path = Some(beside);
        }
        Ok(Self {
            key: KeyLine::of(&own),
            path: path.display().to_string(),
            secret_path: secret_path.map(|path| path.display().to_string()),
            warnings,
        })
    }

    fn print(&self) -> Result<(), Failure> {
        let mut lines = vec![
            self.path.clone(),
            format!("    public key  {}", self.key.key),
        ];
        for (name, value) in self.key.certificate.iter() {
            lines.push(format!("    {name:<10}  {value}"));
        }
        if let Some(path) = &self.secret_path {
            lines.push(format!("    secret key  in {path}"));
        }
        let warnings = self.warnings.iter();
        lines.extend(warnings.map(|warning| format!("    warning: {warning}")));
        let mut lines = lines.iter();
        lines.try_for_each(|line| Ok(print(&one_line(line))?))
    }
}

/// What is wrong with a certificate.
fn warnings_of(path: &Path, certificate: &Certificate) -> Vec<String> {
    let mut warnings = Vec::new();
    if certificate.public.is_dropped_by_zyre() {
        warnings.push(
            "zyre ignores nodes with this key, as its first byte is 0: make another with `zre \
             keys new` if nodes of zyre are to find this one"
                .to_owned(),
        );
    }
    if certificate.secret.is_some() {
        if files::public_path(path).is_none() {
            let shown = path.display();
            warnings.push(format!(
                "the secret key is in {shown} itself, which is the file for others: `zre keys \
                 trust DIR {shown}` copies the public key alone"
            ));
        }
        warnings.extend(readers(path));
    }
    warnings
}

/// What is wrong with the file beside a certificate that is to have the secret key.
fn warnings_beside(path: &Path, public: PublicKey) -> Vec<String> {
    let shown = path.display();
    match load_certificate(path) {
        Err(failure) => vec![failure.to_string()],
        Ok(secret) if secret.public != public => vec![format!(
            "{shown} belongs to another key, {}: take both files from one pair",
            secret.public
        )],
        Ok(secret) if secret.secret.is_none() => vec![format!("{shown} has no secret key")],
        Ok(_) => readers(path).into_iter().collect(),
    }
}

/// A secret that others can read.
fn readers(path: &Path) -> Option<String> {
    let mode = files::mode_for_others(path)?;
    let path = path.display();
    Some(format!(
        "others can read the secret key in {path} (mode {mode:03o}): `chmod 600 {path}`, and make \
         a new key if somebody may have read it"
    ))
}
