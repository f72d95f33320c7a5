//! The kinds of nodes that meet.

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
            Self::Ours(flavour) => Peer::ours(network, flavour, &options),
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
