//! What a node tells its application.

mod parts;
mod reason;
mod words;

use alloc::{boxed::Box, vec::Vec};

use bytes::Bytes;
use zre_proto::{Content, Endpoint, GroupName, Headers, PeerId, ShortText, Text, curve::PublicKey};

use crate::link::Link;
pub use parts::{NetworkInfo, PeerInfo, PeerKey, RefusedBy, Unconfirmed};
pub use reason::ExitReason;

/// Something that happened on the network.
///
/// The events of one peer come in the order in which they happened: one `Enter`, then what the
/// peer does, then one `Exit`.
///
/// [`Display`](core::fmt::Display) shows an event as one line, whatever the peer put into its name
/// or its message: `alice (0123AB) to CHAT: hello`.
///
/// With the feature `serde`, an event is a map with its name under `event`, such as
/// `{"event":"JOIN","peer":"0123…","name":"alice","group":"CHAT"}`. Reading it back needs a format
/// that describes itself, such as JSON or CBOR.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(tag = "event", rename_all = "UPPERCASE")
)]
#[non_exhaustive]
pub enum Event {
    /// A peer has been found, and messages can be sent to it. A `Join` for each of its groups
    /// follows.
    Enter {
        /// The peer.
        peer: PeerId,
        /// Its name.
        name: ShortText,
        /// Where it says that it accepts connections.
        endpoint: Endpoint,
        /// Its headers.
        headers: Headers,
        /// The key that it has proved to have; `None` if this node has none itself. Boxed, as all
        /// events are moved, and would be larger for it.
        #[cfg_attr(
            feature = "serde",
            serde(default, skip_serializing_if = "Option::is_none")
        )]
        key: Option<Box<PeerKey>>,
    },
    /// A node has been found, and no session can begin with it, as one does not trust the other's
    /// key. There is no `Enter` of it, nor an `Exit`. It comes once for each such node, and again
    /// when the keys that this node trusts have changed.
    ///
    /// It is left out while as many events wait as
    /// [`Limits::events`](crate::Limits#structfield.events) allow.
    Refused {
        /// Who it says it is.
        peer: PeerId,
        /// The key that it has, or that its beacon names.
        key: PublicKey,
        /// Who refuses whom.
        by: RefusedBy,
    },
    /// A peer is gone.
    Exit {
        /// The peer.
        peer: PeerId,
        /// Its name.
        name: ShortText,
        /// Why the node considers it gone.
        reason: ExitReason,
        /// How many accepted messages to it, whispers and shouts, it has not confirmed. Some may
        /// have arrived all the same.
        unconfirmed: u64,
    },
    /// A peer has joined a group.
    Join {
        /// The peer.
        peer: PeerId,
        /// Its name.
        name: ShortText,
        /// The group.
        group: GroupName,
    },
    /// A peer has left a group.
    Leave {
        /// The peer.
        peer: PeerId,
        /// Its name.
        name: ShortText,
        /// The group.
        group: GroupName,
    },
    /// A peer has sent a message to this node alone.
    Whisper {
        /// The peer.
        peer: PeerId,
        /// Its name.
        name: ShortText,
        /// The message.
        content: Content,
    },
    /// A peer has sent a message to a group.
    Shout {
        /// The peer.
        peer: PeerId,
        /// Its name.
        name: ShortText,
        /// The group.
        group: GroupName,
        /// The message.
        content: Content,
    },
    /// A peer has been silent for [`evasive_after`](crate::Config#structfield.evasive_after), and
    /// is being asked whether it is there.
    ///
    /// This and `Silent` are left out while as many events wait as
    /// [`Limits::events`](crate::Limits#structfield.events) allow.
    Evasive {
        /// The peer.
        peer: PeerId,
        /// Its name.
        name: ShortText,
    },
    /// An evasive peer has not answered for a second. It is asked again every second from now on.
    Silent {
        /// The peer.
        peer: PeerId,
        /// Its name.
        name: ShortText,
    },
    /// Shouts have passed over a member of the group that does not keep up. At most once a second
    /// for each member and group.
    Skipped {
        /// The member.
        peer: PeerId,
        /// Its name.
        name: ShortText,
        /// The group.
        group: GroupName,
        /// How many shouts it has missed since the last such event.
        messages: u64,
    },
    /// A group that this node is in has another leader. At most once for each change: an election
    /// that the leader wins again is no event. When the leader goes, its `Exit` or `Leave` tells.
    Leader {
        /// The group.
        group: GroupName,
        /// The leader, which may be this node.
        peer: PeerId,
        /// Its name.
        name: ShortText,
        /// Whether it is this node.
        is_self: bool,
    },
    /// The networks that this node is on have changed, or beacons cannot be sent any more or can be
    /// sent again. At the start there is no such event.
    ///
    /// It is left out while as many events wait as
    /// [`Limits::events`](crate::Limits#structfield.events) allow.
    Network {
        /// The networks that the node is on now, the best first. Empty if there is none: then
        /// nobody finds it.
        networks: Vec<NetworkInfo>,
        /// Those that are new.
        joined: Vec<NetworkInfo>,
        /// Those that are gone. Their connections are closed.
        left: Vec<NetworkInfo>,
    },
    /// This node has stopped; no event follows.
    Stop {
        /// The peers that have not confirmed all accepted messages, in the order of their
        /// identities. Empty if nothing is in doubt.
        unconfirmed: Vec<Unconfirmed>,
    },
}

impl Event {
    /// The peer that the event is about; this node's own identity where it is the
    /// [`Leader`](Event::Leader). `None` for [`Network`](Event::Network) and
    /// [`Stop`](Event::Stop).
    pub fn peer(&self) -> Option<PeerId> {
        match self {
            Self::Refused { peer, .. } => Some(*peer),
            _ => self.peer_and_name().map(|(peer, _)| peer),
        }
    }

    /// The name of the peer that the event is about. `None` for [`Refused`](Event::Refused),
    /// [`Network`](Event::Network) and [`Stop`](Event::Stop).
    pub fn name(&self) -> Option<&ShortText> {
        self.peer_and_name().map(|(_, name)| name)
    }

    /// The group that a peer has joined or left, leads, has sent a message to, or was passed over
    /// in.
    pub fn group(&self) -> Option<&GroupName> {
        match self {
            Self::Join { group, .. }
            | Self::Leave { group, .. }
            | Self::Shout { group, .. }
            | Self::Skipped { group, .. }
            | Self::Leader { group, .. } => Some(group),
            _ => None,
        }
    }

    /// The message of a whisper or a shout.
    pub fn content(&self) -> Option<&Content> {
        match self {
            Self::Whisper { content, .. } | Self::Shout { content, .. } => Some(content),
            _ => None,
        }
    }

    /// The message of a whisper or a shout, by value.
    pub fn into_content(self) -> Option<Content> {
        match self {
            Self::Whisper { content, .. } | Self::Shout { content, .. } => Some(content),
            _ => None,
        }
    }

    fn peer_and_name(&self) -> Option<(PeerId, &ShortText)> {
        match self {
            Self::Enter { peer, name, .. }
            | Self::Exit { peer, name, .. }
            | Self::Join { peer, name, .. }
            | Self::Leave { peer, name, .. }
            | Self::Whisper { peer, name, .. }
            | Self::Shout { peer, name, .. }
            | Self::Skipped { peer, name, .. }
            | Self::Leader { peer, name, .. }
            | Self::Evasive { peer, name }
            | Self::Silent { peer, name } => Some((*peer, name)),
            Self::Refused { .. } | Self::Network { .. } | Self::Stop { .. } => None,
        }
    }

    /// Roughly how many bytes of memory the event holds, as
    /// [`Limits::event_bytes`](crate::Limits#structfield.event_bytes) counts them.
    pub fn weight(&self) -> usize {
        let held = match self {
            Self::Whisper { content, .. } | Self::Shout { content, .. } => content_weight(content),
            Self::Enter { headers, .. } => headers
                .iter()
                .map(|(name, value)| name.len() + value.len() + 2 * size_of::<Text>())
                .sum(),
            Self::Network {
                networks,
                joined,
                left,
            } => (networks.len() + joined.len() + left.len()) * 2 * size_of::<NetworkInfo>(),
            // Names and groups are short, and mostly shared with other events.
            _ => 0,
        };
        size_of::<Self>() + held
    }
}

/// Roughly how many bytes of memory the frames of a message hold.
pub(crate) fn content_weight(content: &Content) -> usize {
    content.iter().map(frame_weight).sum()
}

fn frame_weight(frame: &Bytes) -> usize {
    let held = match frame.len() {
        small @ ..=Link::SMALL_FRAME => small,
        // It may keep the whole buffer alive that it was read into.
        large => large.max(Link::SHARED_BUFFER),
    };
    held + size_of::<Bytes>()
}

#[cfg(test)]
mod tests {
    use alloc::{format, string::ToString};

    use super::*;
    use crate::error::Fault;

    fn whisper(content: impl Into<Content>) -> Event {
        Event::Whisper {
            peer: [0xAB; 16].into(),
            name: 'a'.into(),
            content: content.into(),
        }
    }

    #[test]
    fn an_event_gives_the_parts_that_it_has() {
        let (peer, name) = (PeerId::from([1; 16]), ShortText::from('a'));
        let group: GroupName = "G".parse().unwrap();
        let shout = Event::Shout {
            peer,
            name: name.clone(),
            group: group.clone(),
            content: "x".into(),
        };
        assert_eq!((shout.peer(), shout.name()), (Some(peer), Some(&name)));
        assert_eq!(shout.group(), Some(&group));
        assert!(shout.content().is_some_and(|content| content == "x"));
        assert_eq!(shout.into_content(), Some("x".into()));
        let silent = Event::Silent { peer, name };
        assert_eq!((silent.group(), silent.content()), (None, None));
        assert_eq!(silent.peer(), Some(peer));
        assert_eq!(silent.into_content(), None);
        let stop = Event::Stop {
            unconfirmed: Vec::new(),
        };
        assert_eq!((stop.peer(), stop.name()), (None, None));
        assert_eq!(whisper("w").content(), Some(&"w".into()));
    }

    #[test]
    fn each_event_is_one_line() {
        let (peer, name) = (PeerId::from([0xAB; 16]), || {
            "alice\n\u{1B}".try_into().unwrap()
        });
        let group = || "G\t".try_into().unwrap();
        let exit = |reason| Event::Exit {
            peer,
            name: name(),
            reason,
            unconfirmed: 0,
        };
        for (event, line) in [
            (
                Event::Enter {
                    peer,
                    name: name(),
                    endpoint: "tcp://h:1".parse().unwrap(),
                    headers: Headers::default(),
                    key: None,
                },
                "entered at tcp://h:1",
            ),
            (exit(ExitReason::Goodbye), "is gone: said goodbye"),
            (
                exit(ExitReason::ProtocolError(Fault::Described("a\nb".into()))),
                r"is gone: broke the protocol: a\nb",
            ),
            (
                Event::Join {
                    peer,
                    name: name(),
                    group: group(),
                },
                r"joined G\t",
            ),
            (
                Event::Leave {
                    peer,
                    name: name(),
                    group: group(),
                },
                r"left G\t",
            ),
            (
                Event::Whisper {
                    peer,
                    name: name(),
                    content: "hé\r\n".into(),
                },
                r"whispers: hé\r\n",
            ),
            (
                Event::Shout {
                    peer,
                    name: name(),
                    group: group(),
                    content: "hi".into(),
                },
                r"to G\t: hi",
            ),
            (
                Event::Evasive { peer, name: name() },
                "is silent and is asked whether it is there",
            ),
            (
                Event::Silent { peer, name: name() },
                "has not answered for a second",
            ),
            (
                Event::Leader {
                    group: group(),
                    peer,
                    name: name(),
                    is_self: false,
                },
                r"leads G\t",
            ),
            (
                Event::Skipped {
                    peer,
                    name: name(),
                    group: group(),
                    messages: 3,
                },
                r"does not keep up: 3 shouts to G\t passed it over",
            ),
            (
                Event::Exit {
                    peer,
                    name: name(),
                    reason: ExitReason::Unreachable,
                    unconfirmed: 2,
                },
                "is gone: cannot be reached; 2 messages are not confirmed",
            ),
        ] {
            assert_eq!(
                event.to_string(),
                format!(r"alice\n\u{{1b}} (ABABAB) {line}")
            );
        }
        let stop = |messages: &[u64]| {
            let of_peer = |messages: &u64| Unconfirmed::new(peer, name(), *messages);
            let unconfirmed = messages.iter().map(of_peer).collect();
            Event::Stop { unconfirmed }.to_string()
        };
        assert_eq!(stop(&[]), "this node has stopped");
        assert_eq!(
            stop(&[1]),
            "this node has stopped; 1 message is not confirmed"
        );
        assert_eq!(
            stop(&[1, 2]),
            "this node has stopped; 3 messages are not confirmed"
        );
    }

    #[test]
    fn a_long_message_is_shown_by_its_start_and_its_size() {
        let shown = |content: Content| whisper(content).to_string()[21..].to_string();
        assert_eq!(shown("é".repeat(80).into()), "é".repeat(80));
        assert_eq!(
            shown("é".repeat(81).into()),
            format!("{}… (162 bytes)", "é".repeat(80))
        );
        assert_eq!(
            shown("🙂".repeat(1000).into()),
            format!("{}… (4000 bytes)", "🙂".repeat(80))
        );
        assert_eq!(shown(["a", "bc"].into()), "a (2 frames, 3 bytes)");
        assert_eq!(shown(Content::default()), " (0 frames, 0 bytes)");
        assert_eq!(shown("".into()), "");
    }
}
