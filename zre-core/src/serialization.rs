//! What serde cannot derive (feature `serde`).

use alloc::string::{String, ToString as _};

use serde::{Deserialize, Deserializer, Serialize, Serializer, ser::SerializeStruct as _};

use crate::{error::Fault, notice::Notice};

/// The fault in words.
impl Serialize for Fault {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Always [`Fault::Described`].
impl<'de> Deserialize<'de> for Fault {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::Described)
    }
}

/// A map with `kind`, `peer` (which may be absent) and `text`.
impl Serialize for Notice {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let peer = self.peer();
        let fields = 2 + usize::from(peer.is_some());
        let mut map = serializer.serialize_struct("Notice", fields)?;
        map.serialize_field("kind", self.kind())?;
        match peer {
            Some(peer) => map.serialize_field("peer", &peer)?,
            None => map.skip_field("peer")?,
        }
        map.serialize_field("text", &self.to_string())?;
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use alloc::{string::String, vec::Vec};

    use serde_json::json;
    use zre_proto::{Content, Headers, PeerId, ShortText};

    use super::*;
    use crate::{Event, ExitReason, Limits, LinkError, PeerInfo, Unconfirmed};

    fn peer() -> PeerId {
        [0xB0; 16].into()
    }

    fn name() -> ShortText {
        "bob".parse().unwrap()
    }

    fn events() -> Vec<(Event, serde_json::Value)> {
        let (peer, name, id) = (peer(), name, "B0".repeat(16));
        let group = || "CHAT".parse().unwrap();
        let exit = |reason| Event::Exit {
            peer,
            name: name(),
            reason,
            unconfirmed: 2,
        };
        let fault = Fault::Described(String::from("sequence number 3, expected 2"));
        let enter = Event::Enter {
            peer,
            name: name(),
            endpoint: "tcp://10.0.0.1:1".parse().unwrap(),
            headers: Headers::try_from_iter([("K", "v")]).unwrap(),
            key: None,
        };
        let join = Event::Join {
            peer,
            name: name(),
            group: group(),
        };
        let shout = Event::Shout {
            peer,
            name: name(),
            group: group(),
            content: Content::from(("hi", b"\xFF")),
        };
        [
            (
                enter,
                json!({"event": "ENTER", "peer": id, "name": "bob",
                    "endpoint": "tcp://10.0.0.1:1", "headers": {"K": "v"}}),
            ),
            (
                exit(ExitReason::ConnectionLost),
                json!({"event": "EXIT", "peer": id, "name": "bob", "reason": "CONNECTION_LOST",
                    "unconfirmed": 2}),
            ),
            (
                exit(ExitReason::ProtocolError(fault)),
                json!({"event": "EXIT", "peer": id, "name": "bob",
                    "reason": {"PROTOCOL_ERROR": "sequence number 3, expected 2"},
                    "unconfirmed": 2}),
            ),
            (
                join,
                json!({"event": "JOIN", "peer": id, "name": "bob", "group": "CHAT"}),
            ),
            (
                shout,
                json!({"event": "SHOUT", "peer": id, "name": "bob", "group": "CHAT",
                    "content": ["hi", [255]]}),
            ),
            (
                Event::Stop {
                    unconfirmed: [Unconfirmed::new(peer, name(), 3)].into(),
                },
                json!({"event": "STOP",
                    "unconfirmed": [{"peer": id, "name": "bob", "messages": 3}]}),
            ),
        ]
        .into()
    }

    #[test]
    fn events_come_back_from_json_and_from_cbor() {
        for (event, value) in events() {
            assert_eq!(json!(event), value);
            assert_eq!(serde_json::from_value::<Event>(value).unwrap(), event);
            let mut cbor = Vec::new();
            ciborium::into_writer(&event, &mut cbor).unwrap();
            assert_eq!(ciborium::from_reader::<Event, _>(&cbor[..]).unwrap(), event);
        }
    }

    #[test]
    fn a_reason_is_serialized_as_its_word() {
        for reason in [
            ExitReason::Goodbye,
            ExitReason::Expired,
            ExitReason::ConnectionLost,
            ExitReason::Restarted,
            ExitReason::Replaced,
            ExitReason::Stalled,
            ExitReason::Overflow,
            ExitReason::Unreachable,
            ExitReason::Refused,
        ] {
            assert_eq!(json!(reason), json!(reason.as_str()));
        }
        let error = ExitReason::ProtocolError(Fault::Link(LinkError::UnexpectedMessage));
        let text = "a message on a connection that only sends";
        assert_eq!(json!(error), json!({error.as_str(): text}));
        let read: ExitReason = serde_json::from_value(json!(error)).unwrap();
        assert_eq!(
            read,
            ExitReason::ProtocolError(Fault::Described(text.into()))
        );
    }

    #[test]
    fn what_is_known_of_a_peer_comes_back() {
        let info = PeerInfo {
            id: peer(),
            name: name(),
            endpoint: "tcp://10.0.0.1:1".parse().unwrap(),
            headers: Headers::try_from_iter([("K", "v")]).unwrap(),
            groups: ["A".parse().unwrap(), "B".parse().unwrap()].into(),
            key: None,
        };
        let value = json!(info);
        assert_eq!(value["groups"], json!(["A", "B"]));
        assert_eq!(serde_json::from_value::<PeerInfo>(value).unwrap(), info);
    }

    #[test]
    fn limits_that_are_not_named_have_their_defaults_and_unknown_ones_are_refused() {
        let limits: Limits = serde_json::from_value(json!({"peers": 7})).unwrap();
        assert_eq!(limits, Limits::default().peers(7));
        assert_eq!(
            serde_json::from_value::<Limits>(json!(limits)).unwrap(),
            limits
        );
        let error = serde_json::from_value::<Limits>(json!({"peer": 7})).unwrap_err();
        assert!(error.to_string().starts_with("unknown field `peer`"));
    }

    #[test]
    fn a_notice_says_its_kind_its_text_and_its_peer_if_it_has_one() {
        let notice = Notice::EarlyWrap { peer: peer() };
        let text = notice.to_string();
        let expected = json!({"kind": "early_wrap", "peer": peer(), "text": text});
        assert_eq!(json!(notice), expected);
        let expected = json!({"kind": "dropped", "text": "3 further notices were dropped"});
        assert_eq!(json!(Notice::Dropped(3)), expected);
    }
}
