//! `zre keys trust`: whom a node talks with.

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::Args;
use serde::Serialize;
use serde_json::json;
use zre_net::keys::{load_certificate, write_public};
use zre_tokio::{Certificate, KeyMetadata, PublicKey};

use super::{KeyLine, files, print_json, show::certificates_in};
use crate::{
    failure::Failure,
    output::print,
    text::{one_line, quoted},
};

/// Add public keys to a directory of those that are trusted, which nodes take with --trust DIR.
///
/// Each becomes a file of the directory, which is made if it does not exist. Nodes that run see it
/// within two seconds. To trust a key no longer, remove its file: sessions with it end.
///
/// Get a certificate from its owner in a way in which nobody can change it, or compare the key.
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(super) struct Options {
    /// The directory of trusted keys
    #[arg(value_name = "DIR")]
    directory: PathBuf,

    /// Certificates, or a public key as text. Of a file with a secret key, only the public one is
    /// taken. In front of a key that begins with -, write --
    #[arg(value_name = "CERT", required = true)]
    certificates: Vec<String>,

    /// How the file in the directory is called, if there is one CERT; the owner's name if that is a
    /// key as text, which needs it [default: the last part of CERT]
    #[arg(long, value_name = "NAME", value_parser = file_name)]
    name: Option<String>,

    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

const HELP: &str = "\
Examples:
  zre keys trust friends bob carol
  zre keys trust friends 'rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7' --name dave
  zre keys show friends

Exit codes: 0 done; 2 the command line is wrong, or a file is not what it should be.";

/// A key that is trusted from now on, or was before.
#[derive(Debug, Serialize)]
struct Trusted {
    #[serde(flatten)]
    key: KeyLine,
    path: String,
    /// Whether it was not in the directory before.
    is_new: bool,
    /// Whether the file had a secret key, which was not copied.
    had_secret: bool,
    #[serde(skip)]
    from: String,
}

/// A key that is to be trusted.
#[derive(Debug)]
struct Candidate {
    from: String,
    /// How its file in the directory is to be called.
    name: String,
    certificate: Certificate,
}

/// Adds all of them, or none if one is wrong.
pub(super) fn run(options: &Options) -> Result<(), Failure> {
    let candidates = options.candidates()?;
    let there = there(&options.directory)?;
    for candidate in &candidates {
        candidate.check_name(&options.directory, &there)?;
    }
    fs::create_dir_all(&options.directory)
        .map_err(|error| files::cannot("make the directory", &options.directory, &error))?;
    let trusted = candidates.into_iter();
    let trusted = trusted.map(|candidate| candidate.add(&options.directory, &there));
    let trusted = trusted.collect::<Result<Vec<_>, _>>()?;
    match options.json {
        true => print_json(&json!({"trusted": trusted})),
        false => trusted.iter().try_for_each(Trusted::print),
    }
}

/// The keys that are in the directory, and their files.
fn there(directory: &Path) -> Result<Vec<(PathBuf, PublicKey)>, Failure> {
    if !directory.exists() {
        return Ok(Vec::new());
    }
    if !directory.is_dir() {
        return Err(Failure::Told(format!(
            "{} is a file: expected a directory, then the certificates",
            directory.display()
        )));
    }
    let paths = certificates_in(directory)?.into_iter();
    // What is none is told by the nodes that look at it.
    let there = paths.filter_map(|path| {
        let public = load_certificate(&path).ok()?.public;
        Some((path, public))
    });
    Ok(there.collect())
}

impl Options {
    fn candidates(&self) -> Result<Vec<Candidate>, Failure> {
        if self.name.is_some() && self.certificates.len() > 1 {
            return Err(Failure::told(
                "--name is for one certificate, and there are several: add them one by one",
            ));
        }
        let candidates = self.certificates.iter();
        let candidates: Vec<_> = candidates
            .map(|text| self.candidate(text))
            .collect::<Result<_, _>>()?;
        for (index, candidate) in candidates.iter().enumerate() {
            let mut before = candidates.iter().take(index);
            let is_same = |it: &&Candidate| {
                it.name == candidate.name && it.certificate.public != candidate.certificate.public
            };
            if let Some(other) = before.find(is_same) {
                let (one, other, name) = (&other.from, &candidate.from, &candidate.name);
                return Err(Failure::Told(format!(
                    "{one} and {other} are different keys, and both would be {name}: add them one \
                     by one, with --name"
                )));
            }
        }
        Ok(candidates)
    }

    /// A file, or else a key.
    fn candidate(&self, text: &str) -> Result<Candidate, Failure> {
        let path = Path::new(text);
        match text.parse::<PublicKey>() {
            Ok(key) if !path.exists() => self.of_key(key),
            Err(_) if !path.exists() => Err(Failure::Told(format!(
                "{} is neither a file nor a public key, which has 40 characters of Z85; has the \
                 shell changed it? Write it in single quotes",
                quoted(text)
            ))),
            _ => self.of_file(path),
        }
    }

    fn of_key(&self, key: PublicKey) -> Result<Candidate, Failure> {
        let name = self
            .name
            .clone()
            .ok_or_else(|| Failure::Told(format!("whose key is {key}? Say so with --name NAME")))?;
        let mut certificate = Certificate::from(key);
        certificate.metadata = KeyMetadata::from_iter([("name", name.as_str())]);
        Ok(Candidate {
            from: "the key".to_owned(),
            name,
            certificate,
        })
    }

    fn of_file(&self, path: &Path) -> Result<Candidate, Failure> {
        let certificate = load_certificate(path)?;
        let public = files::public_path(path).unwrap_or_else(|| path.to_owned());
        let last = public.file_name().unwrap_or_default();
        let last = last.to_string_lossy().into_owned();
        Ok(Candidate {
            from: path.display().to_string(),
            name: self.name.clone().unwrap_or(last),
            certificate,
        })
    }
}

impl Candidate {
    /// Refuses to replace another key.
    fn check_name(&self, directory: &Path, there: &[(PathBuf, PublicKey)]) -> Result<(), Failure> {
        let path = directory.join(&self.name);
        if self.is_at(there).is_some() || path.symlink_metadata().is_err() {
            return Ok(());
        }
        let other = there.iter().find(|(other, _)| *other == path);
        let what = match other {
            Some((_, key)) => format!("another key, {key}"),
            None => "no certificate".to_owned(),
        };
        let (shown, from) = (path.display(), &self.from);
        Err(Failure::Told(format!(
            "{shown} is {what}: remove it if {from} takes its place, or take another name with \
             --name"
        )))
    }

    /// Its file in the directory, if it is there.
    fn is_at<'a>(&self, there: &'a [(PathBuf, PublicKey)]) -> Option<&'a Path> {
        let mut there = there.iter();
        let found = there.find(|(_, key)| *key == self.certificate.public)?;
        Some(&found.0)
    }

    fn add(self, directory: &Path, there: &[(PathBuf, PublicKey)]) -> Result<Trusted, Failure> {
        let found = self.is_at(there);
        let path = found.map_or_else(|| directory.join(&self.name), Path::to_owned);
        // The same may be given twice.
        let is_new = found.is_none() && path.symlink_metadata().is_err();
        if is_new {
            write_public(&path, &self.certificate)?;
        }
        Ok(Trusted {
            key: KeyLine::of(&self.certificate),
            path: path.display().to_string(),
            is_new,
            had_secret: self.certificate.secret.is_some(),
            from: self.from,
        })
    }
}

impl Trusted {
    fn print(&self) -> Result<(), Failure> {
        let (path, key) = (&self.path, &self.key.key);
        let owner = self.key.certificate.name();
        let owner = owner.map(|name| format!(" of {name}")).unwrap_or_default();
        let what = match self.is_new {
            true => "now trusted",
            false => "trusted already",
        };
        print(&one_line(&format!("{what}: {path}, the key{owner}, {key}")))?;
        if self.had_secret {
            let from = &self.from;
            print(&one_line(&format!(
                "    {from} has a secret key, which was not copied; if it is somebody else's, that \
                 node needs a new key"
            )))?;
        }
        Ok(())
    }
}

/// Reads how a file in the directory is to be called.
fn file_name(text: &str) -> Result<String, String> {
    let is_hidden = text.is_empty() || text.starts_with('.');
    let is_path = text.contains(['/', '\\']) || text.contains(char::is_control);
    if is_hidden || is_path || text.ends_with("_secret") {
        return Err(
            "expected the name of a file, without a path, that does not begin with a dot or end \
             with _secret, such as bob"
                .to_owned(),
        );
    }
    Ok(text.to_owned())
}
