//! A peer as the user names it: by its UUID, or by its name.

use std::fmt::{self, Display};

use zre_tokio::{Node, PeerId, PeerRef};

use crate::{text::quoted, values};

/// A peer as the user names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Recipient {
    Id(PeerId),
    Named(String),
}

impl Recipient {
    /// Reads a UUID, else a name.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        match text.parse() {
            Ok(id) => Ok(Self::Id(id)),
            Err(_) => Ok(Self::Named(values::peer_name(text)?)),
        }
    }

    /// The peer that is meant, if it is there and no other is. A UUID is not looked up.
    pub(crate) fn find(&self, node: &Node) -> Result<PeerId, String> {
        let name = match self {
            Self::Id(id) => return Ok(*id),
            Self::Named(name) => name,
        };
        if let Some(id) = node.peer_by_name(name) {
            return Ok(id);
        }
        let infos = node.peer_infos().into_iter();
        let named = infos.filter(|info| info.name == *name.as_str());
        let ids: Vec<PeerId> = named.map(|info| info.id).collect();
        match ids[..] {
            [] => Err(format!("there is no peer with the name {}", quoted(name))),
            // It has come meanwhile.
            [id] => Ok(id),
            [one, other, ..] => Err(format!(
                "{} peers have the name {}, such as {one} and {other}: give a UUID",
                ids.len(),
                quoted(name)
            )),
        }
    }
}

impl Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => write!(f, "{id}"),
            Self::Named(name) => f.write_str(&quoted(name)),
        }
    }
}

impl From<Recipient> for PeerRef {
    fn from(recipient: Recipient) -> Self {
        match recipient {
            Recipient::Id(id) => id.into(),
            Recipient::Named(name) => name.into(),
        }
    }
}
