//! Certificates as czmq makes, writes, reads and looks for them.

use std::{collections::BTreeMap, path::Path, process::Command};

use serde_json::Value;

use crate::programs;

/// What czmq says of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// The public key in Z85.
    pub public: String,
    /// The secret key in Z85; all zeros where only the public half was read.
    pub secret: String,
    /// The names and values.
    pub metadata: BTreeMap<String, String>,
}

impl Certificate {
    /// Has czmq make a key and write both files of its certificate: `path` and, with `_secret`
    /// after it, the secret half.
    ///
    /// # Panics
    ///
    /// Panics when czmq cannot.
    pub fn save(path: &Path, metadata: &[(&str, &str)]) -> Self {
        let pairs = metadata
            .iter()
            .map(|(name, value)| format!("{name}={value}"));
        let mut arguments = vec!["save".to_owned(), path.display().to_string()];
        arguments.extend(pairs);
        ask(&arguments).expect("it has just been made")
    }

    /// Has czmq read the certificate pair at `path`, or its public half where there is no other;
    /// `None` where czmq reads none.
    ///
    /// # Panics
    ///
    /// Panics when czmq cannot run.
    pub fn load(path: &Path) -> Option<Self> {
        ask(&["load".to_owned(), path.display().to_string()])
    }

    /// Has czmq look for a public key, in Z85, in a directory of certificates, as `zauth` does.
    ///
    /// # Panics
    ///
    /// Panics when czmq cannot run.
    pub fn find(directory: &Path, key: &str) -> Option<Self> {
        // The key may begin with a dash.
        ask(&["find", &directory.display().to_string(), "--", key].map(str::to_owned))
    }

    fn from_json(said: &Value) -> Option<Self> {
        let text = |key| Some(said.get(key)?.as_str()?.to_owned());
        let metadata = said.get("metadata")?.as_object()?;
        let metadata = metadata
            .iter()
            .map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned()));
        Some(Self {
            public: text("public")?,
            secret: text("secret")?,
            metadata: metadata.collect(),
        })
    }
}

fn ask(arguments: &[String]) -> Option<Certificate> {
    let python = programs::python().unwrap_or_else(|reason| panic!("{reason}"));
    let mut command = Command::new(python);
    command
        .arg("-B")
        .arg(format!("{}/certificates.py", programs::PEERS))
        .args(arguments);
    let said = programs::run(&mut command).unwrap_or_else(|error| panic!("czmq: {error}"));
    let said = serde_json::from_str(&said).unwrap_or_else(|error| panic!("{said}: {error}"));
    Certificate::from_json(&said)
}
