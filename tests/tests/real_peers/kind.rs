//! The nodes that meet.

use std::{env, path::PathBuf, process::Command, sync::OnceLock};

use serde_json::Value;
use zre_tests::{Namespace, Peer, PeerOptions, any_node::Flavour};

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    /// `zre pipe`.
    Zre,
    /// The example that is a node of any adapter.
    Ours(Flavour),
    Zyre,
    Pyre,
}

impl Kind {
    /// Starts a node that has the name of its kind, and [headers](Kind::headers).
    pub(crate) fn start(self, network: &Namespace) -> Peer {
        let options = PeerOptions::new(self.name());
        let options = self
            .headers()
            .into_iter()
            .fold(options, |options, (name, value)| {
                options.header(name, value)
            });
        match self {
            Self::Zre => Peer::zre(network, &options),
            Self::Zyre => Peer::zyre(network, &options),
            Self::Pyre => Peer::pyre(network, &options),
            Self::Ours(flavour) => {
                Peer::command(network, pipe_node(), &[&flavour.to_string()], &options)
            }
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Zre | Self::Ours(_) => "ours",
            Self::Zyre => "zyre",
            Self::Pyre => "pyre",
        }
    }

    /// One says the kind, one has what needs quoting in C and on command lines.
    pub(crate) fn headers(self) -> [(&'static str, &'static str); 2] {
        [("X-KIND", self.name()), ("X-FORMAT", "100%s=1")]
    }
}

fn pipe_node() -> &'static PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let output = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            .args(["build", "--package", "zre-tests", "--example", "pipe_node"])
            .args(["--message-format", "json"])
            .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
            .output()
            .expect("cargo runs");
        let complaints = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{complaints}");
        let messages = String::from_utf8_lossy(&output.stdout);
        let messages = messages.lines().map(serde_json::from_str::<Value>);
        messages
            .filter_map(Result::ok)
            .find_map(|message| message["executable"].as_str().map(PathBuf::from))
            .expect("cargo says where it is")
    })
}
