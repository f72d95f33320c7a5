//! A peer as the user names it: by its UUID, or by its name.

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

    /// The peer that is meant, if it is there; the error tells of several that have the name.
    pub(crate) fn find(&self, node: &Node) -> Result<Option<PeerId>, String> {
        let name = match self {
            Self::Id(id) => return Ok(node.peer(*id).map(|_| *id)),
            Self::Named(name) => name,
        };
        if let Some(id) = node.peer_by_name(name) {
            return Ok(Some(id));
        }
        let infos = node.peer_infos().into_iter();
        let named = infos.filter(|info| info.name == *name.as_str());
        let ids: Vec<PeerId> = named.map(|info| info.id).collect();
        match ids[..] {
            [] => Ok(None),
            // It has come meanwhile.
            [id] => Ok(Some(id)),
            [one, other, ..] => Err(format!(
                "{} peers have the name {}, such as {one} and {other}: give a UUID",
                ids.len(),
                quoted(name)
            )),
        }
    }

    /// That it is not there.
    pub(crate) fn missing(&self) -> String {
        match self {
            Self::Id(id) => format!("there is no peer {id}"),
            Self::Named(name) => format!("there is no peer with the name {}", quoted(name)),
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
