//! The lines that the pipe writes.

use std::fmt::{self, Display};

use serde::{Serialize, Serializer, ser::SerializeSeq};
use zre_tokio::{
    Content, Endpoint, Event, ExitReason, Headers, Node, PeerId, PublicKey, Text, Unconfirmed,
};

use crate::{keys::KeyLine, networks::NetworkLine};

/// A line about something that happened.
///
/// START and ENTER have the name as it is; in the others it is for display.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "UPPERCASE")]
pub(crate) enum EventLine<'a> {
    Start {
        #[serde(serialize_with = "display")]
        uuid: PeerId,
        #[serde(serialize_with = "lossy")]
        name: &'a Text,
        #[serde(serialize_with = "display")]
        endpoint: Endpoint,
        networks: Vec<NetworkLine>,
        /// The node's own public key, if it has one.
        #[serde(skip_serializing_if = "Option::is_none")]
        key: Option<String>,
    },
    Enter {
        #[serde(serialize_with = "display")]
        peer: PeerId,
        #[serde(serialize_with = "lossy")]
        name: &'a Text,
        /// The endpoint under its older name, for scripts that read that.
        #[serde(serialize_with = "display")]
        addr: &'a Endpoint,
        #[serde(serialize_with = "display")]
        endpoint: &'a Endpoint,
        #[serde(serialize_with = "dictionary")]
        headers: &'a Headers,
        #[serde(flatten)]
        key: Option<KeyLine>,
    },
    Refused {
        #[serde(serialize_with = "display")]
        peer: PeerId,
        #[serde(serialize_with = "display")]
        key: PublicKey,
        by: &'static str,
    },
    Exit {
        #[serde(serialize_with = "display")]
        peer: PeerId,
        #[serde(serialize_with = "display_name")]
        name: &'a Text,
        reason: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        detail: Option<String>,
        unconfirmed: u64,
    },
    Join {
        #[serde(serialize_with = "display")]
        peer: PeerId,
        #[serde(serialize_with = "display_name")]
        name: &'a Text,
        #[serde(serialize_with = "lossy")]
        group: &'a Text,
    },
    Leave {
        #[serde(serialize_with = "display")]
        peer: PeerId,
        #[serde(serialize_with = "display_name")]
        name: &'a Text,
        #[serde(serialize_with = "lossy")]
        group: &'a Text,
    },
    Whisper {
        #[serde(serialize_with = "display")]
        peer: PeerId,
        #[serde(serialize_with = "display_name")]
        name: &'a Text,
        #[serde(serialize_with = "in_hex")]
        frames: &'a Content,
        #[serde(skip_serializing_if = "Option::is_none")]
        text: Option<FramesOfText<'a>>,
    },
    Shout {
        #[serde(serialize_with = "display")]
        peer: PeerId,
        #[serde(serialize_with = "display_name")]
        name: &'a Text,
        #[serde(serialize_with = "lossy")]
        group: &'a Text,
        #[serde(serialize_with = "in_hex")]
        frames: &'a Content,
        #[serde(skip_serializing_if = "Option::is_none")]
        text: Option<FramesOfText<'a>>,
    },
    Evasive {
        #[serde(serialize_with = "display")]
        peer: PeerId,
        #[serde(serialize_with = "display_name")]
        name: &'a Text,
    },
    Silent {
        #[serde(serialize_with = "display")]
        peer: PeerId,
        #[serde(serialize_with = "display_name")]
        name: &'a Text,
    },
    Skipped {
        #[serde(serialize_with = "display")]
        peer: PeerId,
        #[serde(serialize_with = "display_name")]
        name: &'a Text,
        #[serde(serialize_with = "lossy")]
        group: &'a Text,
        messages: u64,
    },
    Request {
        #[serde(serialize_with = "display")]
        peer: PeerId,
        #[serde(serialize_with = "display_name")]
        name: &'a Text,
        /// The number by which it is replied to.
        request: u64,
        #[serde(serialize_with = "in_hex")]
        frames: &'a Content,
        #[serde(skip_serializing_if = "Option::is_none")]
        text: Option<FramesOfText<'a>>,
    },
    Answer {
        #[serde(serialize_with = "display")]
        peer: PeerId,
        /// Unknown if the peer has gone since.
        #[serde(
            serialize_with = "display_known_name",
            skip_serializing_if = "Option::is_none"
        )]
        name: Option<&'a Text>,
        #[serde(
            serialize_with = "lossy_if_any",
            skip_serializing_if = "Option::is_none"
        )]
        group: Option<&'a Text>,
        #[serde(serialize_with = "in_hex")]
        frames: &'a Content,
        #[serde(skip_serializing_if = "Option::is_none")]
        text: Option<FramesOfText<'a>>,
    },
    Leader {
        #[serde(serialize_with = "lossy")]
        group: &'a Text,
        #[serde(serialize_with = "display")]
        peer: PeerId,
        #[serde(serialize_with = "display_name")]
        name: &'a Text,
    },
    Network {
        networks: Vec<NetworkLine>,
        joined: Vec<NetworkLine>,
        left: Vec<NetworkLine>,
    },
    Stop {
        unconfirmed: Vec<UnconfirmedPeer<'a>>,
    },
}

/// How many messages a peer has not confirmed.
#[derive(Debug, Serialize)]
pub(crate) struct UnconfirmedPeer<'a> {
    #[serde(serialize_with = "display")]
    peer: PeerId,
    #[serde(serialize_with = "display_name")]
    name: &'a Text,
    messages: u64,
}

/// The frames of a message as text.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum FramesOfText<'a> {
    One(&'a str),
    Several(Vec<&'a str>),
}

/// The first line.
pub(super) fn start(node: &Node) -> EventLine<'_> {
    EventLine::Start {
        uuid: node.id(),
        name: node.name(),
        endpoint: node.endpoint(),
        networks: NetworkLine::of(node),
        key: node.key().map(|key| key.to_string()),
    }
}

/// The line for a request of a peer.
pub(super) fn request<'a>(
    peer: PeerId,
    name: &'a Text,
    request: u64,
    frames: &'a Content,
) -> EventLine<'a> {
    EventLine::Request {
        peer,
        name,
        request,
        frames,
        text: text(frames),
    }
}

/// The line for an answer, which has the group if a member of it was asked.
pub(crate) fn answer<'a>(
    peer: PeerId,
    name: Option<&'a Text>,
    group: Option<&'a Text>,
    frames: &'a Content,
) -> EventLine<'a> {
    EventLine::Answer {
        peer,
        name,
        group,
        frames,
        text: text(frames),
    }
}

/// The line for an event; `None` for one that this version of the pipe does not know.
#[rustfmt::skip]
pub(crate) fn line(event: &Event) -> Option<EventLine<'_>> {
    Some(match event {
        &Event::Enter { peer, ref name, ref endpoint, ref headers, ref key } => {
            let key = key.as_deref().map(KeyLine::from);
            EventLine::Enter { peer, name, addr: endpoint, endpoint, headers, key }
        }
        &Event::Refused { peer, key, by } => EventLine::Refused { peer, key, by: by.as_str() },
        &Event::Exit { peer, ref name, ref reason, unconfirmed } => {
            let (reason, detail) = exit_reason(reason);
            EventLine::Exit { peer, name, reason, detail, unconfirmed }
        }
        &Event::Join { peer, ref name, ref group } => EventLine::Join { peer, name, group },
        &Event::Leave { peer, ref name, ref group } => EventLine::Leave { peer, name, group },
        &Event::Whisper { peer, ref name, content: ref frames } => {
            EventLine::Whisper { peer, name, frames, text: text(frames) }
        }
        &Event::Shout { peer, ref name, ref group, content: ref frames } => {
            EventLine::Shout { peer, name, group, frames, text: text(frames) }
        }
        &Event::Evasive { peer, ref name } => EventLine::Evasive { peer, name },
        &Event::Silent { peer, ref name } => EventLine::Silent { peer, name },
        &Event::Skipped { peer, ref name, ref group, messages } => {
            EventLine::Skipped { peer, name, group, messages }
        }
        &Event::Leader { ref group, peer, ref name, .. } => {
            EventLine::Leader { group, peer, name }
        }
        Event::Network { networks, joined, left } => EventLine::Network {
            networks: NetworkLine::all(networks),
            joined: NetworkLine::all(joined),
            left: NetworkLine::all(left),
        },
        Event::Stop { unconfirmed } => EventLine::Stop {
            unconfirmed: unconfirmed.iter().map(UnconfirmedPeer::of).collect(),
        },
        _ => return None,
    })
}

impl<'a> UnconfirmedPeer<'a> {
    fn of(unconfirmed: &'a Unconfirmed) -> Self {
        Self {
            peer: unconfirmed.peer,
            name: &unconfirmed.name,
            messages: unconfirmed.messages,
        }
    }
}

/// The word for a reason, which no version changes, and details that the word leaves out.
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
        ExitReason::Unreachable => "UNREACHABLE",
        ExitReason::Refused => "REFUSED",
        other => return ("OTHER", Some(other.to_string())),
    };
    (word, None)
}

/// `None` if a frame is not UTF-8, or if there is none.
fn text(content: &Content) -> Option<FramesOfText<'_>> {
    match content.frames() {
        [] => None,
        [frame] => str::from_utf8(frame).ok().map(FramesOfText::One),
        frames => {
            let texts = frames.iter().map(|frame| str::from_utf8(frame));
            texts
                .collect::<Result<_, _>>()
                .ok()
                .map(FramesOfText::Several)
        }
    }
}

fn display<S: Serializer>(value: impl Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&value)
}

fn lossy<S: Serializer>(text: &Text, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&text.to_string_lossy())
}

fn lossy_if_any<S: Serializer>(text: &Option<&Text>, serializer: S) -> Result<S::Ok, S::Error> {
    match text {
        Some(text) => lossy(text, serializer),
        None => serializer.serialize_none(),
    }
}

fn display_known_name<S: Serializer>(
    name: &Option<&Text>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match name {
        Some(name) => display_name(name, serializer),
        None => serializer.serialize_none(),
    }
}

/// A name that stands in line after line.
fn display_name<S: Serializer>(name: &Text, serializer: S) -> Result<S::Ok, S::Error> {
    let name = name.to_string_lossy();
    match name.contains(char::is_control) {
        true => serializer.serialize_str(&without_controls(&name)),
        false => serializer.serialize_str(&name),
    }
}

/// One U+FFFD in place of each stretch of control characters. In JSON each of them would take six
/// bytes, so that a peer with a long name of them could blow up every line about it.
fn without_controls(name: &str) -> String {
    let mut display = String::with_capacity(name.len());
    for character in name.chars() {
        let is_control = character.is_control();
        if !is_control {
            display.push(character);
        } else if !display.ends_with(char::REPLACEMENT_CHARACTER) {
            display.push(char::REPLACEMENT_CHARACTER);
        }
    }
    display
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

/// Bytes as lowercase hex digits, written without a copy of the whole.
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
    use bytes::Bytes;
    use serde_json::json;
    use zre_tokio::{PeerKey, RefusedBy, ShortText};

    use super::*;

    const KEY: &str = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7";

    #[test]
    fn frames_of_any_size_are_written_in_hex() {
        let bytes: Vec<u8> = (0..=255).cycle().take(700).collect();
        assert_eq!(Hex(&bytes).to_string(), hex::encode(&bytes));
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
            concat!(
                r#"{"event":"SHOUT","peer":"ABABABABABABABABABABABABABABABAB","name":"b\"b","#,
                r#""group":"CHAT","frames":["6869",""],"text":["hi",""]}"#
            )
        );
    }

    #[test]
    fn only_enter_has_a_name_with_its_control_characters() {
        let (peer, name) = (PeerId::from([1; 16]), "\u{0}".repeat(255));
        let whisper = |name: &str| Event::Whisper {
            peer,
            name: name.try_into().unwrap(),
            content: "".into(),
        };
        let bare = serde_json::to_string(&line(&whisper("x"))).unwrap().len();
        let long = serde_json::to_string(&line(&whisper(&name))).unwrap().len();
        assert_eq!(long, bare + 2, "U+FFFD takes two bytes more than x");
        let json = |event: &Event| serde_json::to_value(line(event)).unwrap();
        assert_eq!(
            json(&whisper("a\r\nb\u{9b}c"))["name"],
            "a\u{fffd}b\u{fffd}c"
        );
        assert_eq!(json(&whisper("ü\"\\ 👋"))["name"], "ü\"\\ 👋");
        let enter = Event::Enter {
            peer,
            name: name.as_str().try_into().unwrap(),
            endpoint: "tcp://10.0.0.2:5000".parse().unwrap(),
            headers: Headers::default(),
            key: None,
        };
        assert_eq!(json(&enter)["name"], name);
    }

    #[test]
    fn who_has_proved_a_key_is_told_with_it_and_who_is_refused_with_the_side() {
        let key: PublicKey = KEY.parse().unwrap();
        let peer = PeerId::from([0xAB; 16]);
        let enter = |metadata: &[(&str, &str)]| {
            let enter = Event::Enter {
                peer,
                name: "bob".try_into().unwrap(),
                endpoint: "tcp://10.0.0.2:5000".parse().unwrap(),
                headers: Headers::default(),
                key: Some(PeerKey::new(key, metadata.iter().copied().collect()).into()),
            };
            serde_json::to_value(line(&enter)).unwrap()
        };
        let entered = enter(&[("name", "Bob"), ("email", "b@c.example")]);
        assert_eq!(entered["key"], KEY);
        let certificate = json!({"name": "Bob", "email": "b@c.example"});
        assert_eq!(entered["certificate"], certificate);
        assert_eq!(enter(&[]).get("certificate"), None);
        for (by, word) in [(RefusedBy::Us, "us"), (RefusedBy::Them, "them")] {
            let refused = serde_json::to_value(line(&Event::Refused { peer, key, by })).unwrap();
            let expected = json!({
                "event": "REFUSED", "peer": peer.to_string(), "key": KEY, "by": word
            });
            assert_eq!(refused, expected);
        }
    }

    #[test]
    fn what_was_not_confirmed_and_who_was_skipped_is_told() {
        let (peer, name) = (
            PeerId::from([0xAB; 16]),
            ShortText::try_from("bob").unwrap(),
        );
        let id = peer.to_string();
        let json = |event: &Event| serde_json::to_value(line(event)).unwrap();
        for (reason, word) in [
            (ExitReason::Unreachable, "UNREACHABLE"),
            (ExitReason::Refused, "REFUSED"),
        ] {
            let exit = Event::Exit {
                peer,
                name: name.clone(),
                reason,
                unconfirmed: 3,
            };
            let expected = json!({
                "event": "EXIT", "peer": id, "name": "bob", "reason": word, "unconfirmed": 3
            });
            assert_eq!(json(&exit), expected);
        }
        let skipped = Event::Skipped {
            peer,
            name: name.clone(),
            group: "CHAT".try_into().unwrap(),
            messages: 9,
        };
        let expected = json!({
            "event": "SKIPPED", "peer": id, "name": "bob", "group": "CHAT", "messages": 9
        });
        assert_eq!(json(&skipped), expected);
        let stop = Event::Stop {
            unconfirmed: vec![Unconfirmed::new(peer, name, 4)],
        };
        let unconfirmed = json!([{"peer": id, "name": "bob", "messages": 4}]);
        assert_eq!(
            json(&stop),
            json!({"event": "STOP", "unconfirmed": unconfirmed})
        );
    }

    #[test]
    fn a_change_of_networks_is_told_with_what_is_new_and_what_is_gone() {
        let network = |interface: &str, address: &str, announces: bool| {
            let value = json!({
                "interface": interface, "address": address,
                "endpoint": format!("tcp://{address}:5000"), "announces": announces,
            });
            (value.clone(), serde_json::from_value(value).unwrap())
        };
        let (eth0, new) = network("eth0", "10.0.0.2", true);
        let (wlan0, old) = network("wlan0", "10.3.0.2", false);
        let event = Event::Network {
            networks: vec![new],
            joined: Vec::new(),
            left: vec![old],
        };
        assert_eq!(
            serde_json::to_value(line(&event)).unwrap(),
            json!({"event": "NETWORK", "networks": [eth0], "joined": [], "left": [wlan0]})
        );
    }

    #[test]
    fn frames_are_text_when_all_are_utf_8() {
        let json = |content: &Content| serde_json::to_value(text(content)).unwrap();
        assert_eq!(json(&"é".into()), "é");
        assert_eq!(json(&"".into()), "");
        assert_eq!(json(&["a", "b"].into()), json!(["a", "b"]));
        assert_eq!(
            json(&[&b"a"[..], b"\xff"].map(Bytes::from_static).into()),
            json!(null)
        );
        assert_eq!(json(&Content::default()), json!(null));
    }
}
