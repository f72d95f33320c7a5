//! The lines with which the pipe answers commands.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::value::RawValue;
use zre_tokio::{Delivery, Error, GroupName, Node, PeerId, PeerInfo, Text};

use crate::{keys::KeyLine, networks::Everything};

/// A line that answers a command, with the id that the command had.
#[derive(Debug, Serialize)]
pub(super) struct Reply<'a, A = Answer> {
    #[serde(flatten)]
    pub(super) answer: A,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<&'a RawValue>,
}

/// What a command is answered.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Answer {
    Peers {
        peers: Vec<String>,
        /// The keys that they have proved to have.
        #[serde(skip_serializing_if = "BTreeMap::is_empty")]
        keys: BTreeMap<String, String>,
    },
    Peer(PeerLine),
    Groups {
        own: Vec<String>,
        peer: Vec<String>,
    },
    Leader {
        group: String,
        /// `None` while nobody leads.
        peer: Option<String>,
        name: Option<String>,
    },
    Network(Everything),
    Count {
        count: u64,
        in_order: bool,
    },
    Confirmed(Confirmed),
    Done {
        ok: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        members: Option<usize>,
    },
    Error {
        error: String,
        line: u64,
        /// Which of several peers.
        #[serde(skip_serializing_if = "Option::is_none")]
        peer: Option<String>,
    },
    /// Nothing yet.
    Later,
}

/// What has become of a message that was to be confirmed.
#[derive(Debug, Serialize)]
#[serde(tag = "event")]
pub(crate) enum Confirmed {
    #[serde(rename = "CONFIRMED")]
    Whisper { peer: String },
    #[serde(rename = "CONFIRMED")]
    Shout {
        group: String,
        delivered: Vec<String>,
        gone: Vec<String>,
        skipped: Vec<String>,
    },
}

impl Confirmed {
    pub(crate) fn whisper(peer: PeerId) -> Self {
        Self::Whisper {
            peer: peer.to_string(),
        }
    }

    pub(crate) fn shout(group: &GroupName, outcomes: &[(PeerId, Delivery)]) -> Self {
        let of = |wanted| {
            let those = outcomes.iter().filter(|(_, outcome)| *outcome == wanted);
            those.map(|(peer, _)| peer.to_string()).collect()
        };
        Self::Shout {
            group: group.to_string(),
            delivered: of(Delivery::Delivered),
            gone: of(Delivery::Gone),
            skipped: of(Delivery::Skipped),
        }
    }
}

/// All that is known of a peer.
#[derive(Debug, Serialize)]
pub(super) struct PeerLine {
    peer: String,
    name: String,
    endpoint: String,
    headers: BTreeMap<String, String>,
    groups: Vec<String>,
    #[serde(flatten)]
    key: Option<KeyLine>,
}

impl From<PeerInfo> for PeerLine {
    fn from(info: PeerInfo) -> Self {
        let owned = |text: &Text| text.to_string_lossy().into_owned();
        let headers = info.headers.iter();
        Self {
            peer: info.id.to_string(),
            name: owned(&info.name),
            endpoint: info.endpoint.to_string(),
            headers: headers
                .map(|(name, value)| (owned(name), owned(value)))
                .collect(),
            groups: info.groups.iter().map(GroupName::to_string).collect(),
            key: info.key.as_ref().map(KeyLine::from),
        }
    }
}

impl<'a> Reply<'a> {
    /// The reply to a line; `None` if it comes later, and for a success without an id: nobody could
    /// tell what it answers.
    pub(super) fn to(
        outcome: Result<Answer, String>,
        line: u64,
        id: Option<&'a RawValue>,
    ) -> Option<Self> {
        let answer = match outcome {
            Ok(Answer::Done { .. }) if id.is_none() => return None,
            Ok(Answer::Later) => return None,
            Ok(answer) => answer,
            Err(error) => Answer::error(&error, line, None),
        };
        Some(Self { answer, id })
    }
}

impl Answer {
    pub(super) fn error(error: &str, line: u64, peer: Option<PeerId>) -> Self {
        Self::Error {
            error: format!("line {line}: {error}"),
            line,
            peer: peer.map(|peer| peer.to_string()),
        }
    }

    pub(super) fn peers(node: &Node) -> Self {
        let infos = node.peer_infos();
        let keys = infos.iter().filter_map(|info| {
            let key = info.key.as_ref()?.public.to_string();
            Some((info.id.to_string(), key))
        });
        Self::Peers {
            peers: infos.iter().map(|info| info.id.to_string()).collect(),
            keys: keys.collect(),
        }
    }

    pub(super) fn leader(node: &Node, group: &GroupName) -> Result<Self, Error> {
        let leader = node.leader(group)?;
        let name = leader.and_then(|leader| match leader == node.id() {
            true => Some(node.name().to_string_lossy().into_owned()),
            false => Some(node.peer(leader)?.name.to_string_lossy().into_owned()),
        });
        Ok(Self::Leader {
            group: group.to_string(),
            peer: leader.map(|leader| leader.to_string()),
            name,
        })
    }

    pub(super) fn network(node: &Node) -> Self {
        Self::Network(Everything::of(node))
    }

    pub(super) fn groups(node: &Node) -> Self {
        let names = |groups: Vec<GroupName>| groups.iter().map(GroupName::to_string).collect();
        Self::Groups {
            own: names(node.own_groups()),
            peer: names(node.peer_groups()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_comes_back_as_it_was_written() {
        let id: Box<RawValue> = serde_json::from_str(r#"{"n":1.50}"#).unwrap();
        let answer = Answer::Done {
            ok: true,
            members: None,
        };
        let reply = Reply {
            answer,
            id: Some(&id),
        };
        let line = serde_json::to_string(&reply).unwrap();
        assert_eq!(line, r#"{"ok":true,"id":{"n":1.50}}"#);
    }

    #[test]
    fn what_has_become_of_a_confirmed_message_is_an_event() {
        let peers = [1, 2, 3].map(|id| PeerId::from([id; 16]));
        let outcomes = [Delivery::Gone, Delivery::Delivered, Delivery::Skipped];
        let outcomes: Vec<_> = peers.into_iter().zip(outcomes).collect();
        let id: Box<RawValue> = serde_json::from_str("7").unwrap();
        let json = |confirmed| {
            let outcome = Ok(Answer::Confirmed(confirmed));
            serde_json::to_string(&Reply::to(outcome, 1, Some(&id))).unwrap()
        };
        let [gone, delivered, skipped] = peers;
        assert_eq!(
            json(Confirmed::shout(&"G".try_into().unwrap(), &outcomes)),
            format!(r#"{{"event":"CONFIRMED","group":"G","delivered":["{delivered}"],"#)
                + &format!(r#""gone":["{gone}"],"skipped":["{skipped}"],"id":7}}"#)
        );
        assert_eq!(
            json(Confirmed::whisper(gone)),
            format!(r#"{{"event":"CONFIRMED","peer":"{gone}","id":7}}"#)
        );
    }
}
