//! The lines that the pipe writes.

use std::fmt::{self, Display};

use serde::{Serialize, Serializer, ser::SerializeSeq};
use zre_tokio::{Content, Endpoint, Event, ExitReason, GroupName, Headers, Node, PeerId, Text};

/// A line about something that happened.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "UPPERCASE")]
pub(super) enum EventLine<'a> {
    Start {
        #[serde(serialize_with = "display")]
        uuid: PeerId,
        #[serde(serialize_with = "lossy")]
        name: &'a Text,
        #[serde(serialize_with = "display")]
        endpoint: &'a Endpoint,
    },
    Enter {
        #[serde(serialize_with = "display")]
        peer: PeerId,
        #[serde(serialize_with = "lossy")]
        name: &'a Text,
        #[serde(serialize_with = "display")]
        addr: &'a Endpoint,
        #[serde(serialize_with = "dictionary")]
        headers: &'a Headers,
    },
    Exit {
        #[serde(serialize_with = "display")]
        peer: PeerId,
        #[serde(serialize_with = "lossy")]
        name: &'a Text,
        reason: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        detail: Option<String>,
    },
    Join {
        #[serde(serialize_with = "display")]
        peer: PeerId,
        #[serde(serialize_with = "lossy")]
        name: &'a Text,
        #[serde(serialize_with = "lossy")]
        group: &'a Text,
    },
    Leave {
        #[serde(serialize_with = "display")]
        peer: PeerId,
        #[serde(serialize_with = "lossy")]
        name: &'a Text,
        #[serde(serialize_with = "lossy")]
        group: &'a Text,
    },
    Whisper {
        #[serde(serialize_with = "display")]
        peer: PeerId,
        #[serde(serialize_with = "lossy")]
        name: &'a Text,
        #[serde(serialize_with = "in_hex")]
        frames: &'a Content,
    },
    Shout {
        #[serde(serialize_with = "display")]
        peer: PeerId,
        #[serde(serialize_with = "lossy")]
        name: &'a Text,
        #[serde(serialize_with = "lossy")]
        group: &'a Text,
        #[serde(serialize_with = "in_hex")]
        frames: &'a Content,
    },
    Evasive {
        #[serde(serialize_with = "display")]
        peer: PeerId,
        #[serde(serialize_with = "lossy")]
        name: &'a Text,
    },
    Silent {
        #[serde(serialize_with = "display")]
        peer: PeerId,
        #[serde(serialize_with = "lossy")]
        name: &'a Text,
    },
    Stop,
}

/// A line that answers a command.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Answer {
    Peers { peers: Vec<String> },
    Groups { own: Vec<String>, peer: Vec<String> },
    Count { count: u64, in_order: bool },
    Error { error: String, line: u64 },
}

impl Answer {
    pub(super) fn peers(node: &Node) -> Self {
        let peers = node.peers().iter().map(PeerId::to_string).collect();
        Self::Peers { peers }
    }

    pub(super) fn groups(node: &Node) -> Self {
        let names = |groups: Vec<GroupName>| groups.iter().map(GroupName::to_string).collect();
        Self::Groups {
            own: names(node.own_groups()),
            peer: names(node.peer_groups()),
        }
    }
}

/// The first line.
pub(super) fn start(node: &Node) -> EventLine<'_> {
    EventLine::Start {
        uuid: node.id(),
        name: node.name(),
        endpoint: node.endpoint(),
    }
}

/// The line for an event; `None` for one that this version of the pipe does not know.
#[rustfmt::skip]
pub(super) fn line(event: &Event) -> Option<EventLine<'_>> {
    Some(match event {
        &Event::Enter { peer, ref name, ref endpoint, ref headers } => {
            EventLine::Enter { peer, name, addr: endpoint, headers }
        }
        &Event::Exit { peer, ref name, ref reason } => {
            let (reason, detail) = exit_reason(reason);
            EventLine::Exit { peer, name, reason, detail }
        }
        &Event::Join { peer, ref name, ref group } => EventLine::Join { peer, name, group },
        &Event::Leave { peer, ref name, ref group } => EventLine::Leave { peer, name, group },
        &Event::Whisper { peer, ref name, content: ref frames } => {
            EventLine::Whisper { peer, name, frames }
        }
        &Event::Shout { peer, ref name, ref group, content: ref frames } => {
            EventLine::Shout { peer, name, group, frames }
        }
        &Event::Evasive { peer, ref name } => EventLine::Evasive { peer, name },
        &Event::Silent { peer, ref name } => EventLine::Silent { peer, name },
        Event::Stop => EventLine::Stop,
        _ => return None,
    })
}

/// The word that stays the same in all versions, and what it does not say.
fn exit_reason(reason: &ExitReason) -> (&'static str, Option<String>) {
    let word = match reason {
        ExitReason::Goodbye => "GOODBYE",
        ExitReason::Expired => "EXPIRED",
        ExitReason::ConnectionLost => "CONNECTION_LOST",
        ExitReason::ProtocolError(fault) => return ("PROTOCOL_ERROR", Some(fault.to_string())),
        ExitReason::Restarted => "RESTARTED",
        ExitReason::Replaced => "REPLACED",
        ExitReason::Stalled => "STALLED",
        ExitReason::Overflow => "OVERFLOW",
        other => return ("OTHER", Some(other.to_string())),
    };
    (word, None)
}

fn display<S: Serializer>(value: impl Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&value)
}

fn lossy<S: Serializer>(text: &Text, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&text.to_string_lossy())
}

fn dictionary<S: Serializer>(headers: &Headers, serializer: S) -> Result<S::Ok, S::Error> {
    let owned = |text: &Text| text.to_string_lossy().into_owned();
    let entries = headers.iter();
    serializer.collect_map(entries.map(|(name, value)| (owned(name), owned(value))))
}

fn in_hex<S: Serializer>(content: &Content, serializer: S) -> Result<S::Ok, S::Error> {
    let mut list = serializer.serialize_seq(Some(content.len()))?;
    for frame in content.frames() {
        list.serialize_element(&Hex(frame))?;
    }
    list.end()
}

/// Octets as lowercase hex digits, written without a copy of the whole.
struct Hex<'a>(&'a [u8]);

impl Serialize for Hex<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const PIECE: usize = 256;
        let mut digits = [0; 2 * PIECE];
        for piece in self.0.chunks(PIECE) {
            let digits = digits.get_mut(..2 * piece.len()).ok_or(fmt::Error)?;
            hex::encode_to_slice(piece, digits).map_err(|_| fmt::Error)?;
            f.write_str(str::from_utf8(digits).map_err(|_| fmt::Error)?)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_of_any_size_are_written_in_hex() {
        let octets: Vec<u8> = (0..=255).cycle().take(700).collect();
        assert_eq!(Hex(&octets).to_string(), hex::encode(&octets));
        assert_eq!(Hex(b"").to_string(), "");
    }

    #[test]
    fn an_event_is_one_flat_object() {
        let event = Event::Shout {
            peer: PeerId::from([0xAB; 16]),
            name: "b\"b".try_into().unwrap(),
            group: "CHAT".try_into().unwrap(),
            content: ["hi", ""].into(),
        };
        assert_eq!(
            serde_json::to_string(&line(&event)).unwrap(),
            r#"{"event":"SHOUT","peer":"ABABABABABABABABABABABABABABABAB","name":"b\"b","group":"CHAT","frames":["6869",""]}"#
        );
    }
}
