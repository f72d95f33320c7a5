use std::collections::BTreeSet;

use zre_proto::{
    Body, Content, Endpoint, GroupName, Headers, Hello, Message, PeerId, zmtp::Command,
};

use crate::{script::choices, wire, world::Keys};

choices! {
    /// A message of the adversary's, as a script describes it.
    #[derive(Debug, Clone, Copy)]
    pub(crate) enum ScriptedMessage from 'a, one of 11 {
        0 => Hello { address: u8, groups: u8, headers: u8 },
        1 => Whisper { size: u16, frames: u8 },
        2 => Shout { group: u8, size: u8 },
        3 => Join { group: u8, status: u8 },
        4 => Leave { group: u8, status: u8 },
        5 => Ping,
        6 => PingOk,
        /// ELECT or LEADER; see [`election`].
        7 => Election { group: u8 },
        8 => Goodbye,
        9 => Unknown { id: u8 },
        /// A PING of ZMTP, which is a command and no message.
        10 => PingCommand,
    }
}

impl ScriptedMessage {
    /// The number of the address that it gives as the sender's own.
    pub(crate) fn address(self) -> u8 {
        match self {
            Self::Hello { address, .. } => address,
            _ => 0,
        }
    }

    /// Its bytes, from a sender that gives `endpoint` as its own.
    pub(crate) fn encode(self, sequence: u16, endpoint: Endpoint, keys: Option<Keys>) -> Vec<u8> {
        let mut bytes = Vec::new();
        if let Self::PingCommand = self {
            let context = vec![7; usize::from(sequence % 17)].into();
            wire::put_command(&mut bytes, &Command::Ping { ttl: 0, context });
        } else {
            let body = self.body(endpoint, keys);
            wire::put_message(&mut bytes, &Message { sequence, body });
        }
        bytes
    }

    fn body(self, endpoint: Endpoint, keys: Option<Keys>) -> Body {
        match self {
            Self::Hello {
                groups, headers, ..
            } => Body::from(Hello {
                endpoint,
                groups: (0..groups % 32).map(group).collect::<BTreeSet<_>>(),
                status: groups,
                name: "stranger".try_into().unwrap(),
                headers: headers_of(headers, keys),
            }),
            Self::Whisper { size, frames } => Body::Whisper {
                content: content(size, frames),
            },
            Self::Shout { group: name, size } => Body::Shout {
                group: group(name),
                content: content(size.into(), 1),
            },
            Self::Join {
                group: name,
                status,
            } => Body::Join {
                group: group(name),
                status,
            },
            Self::Leave {
                group: name,
                status,
            } => Body::Leave {
                group: group(name),
                status,
            },
            Self::Ping => Body::Ping,
            Self::PingOk | Self::PingCommand => Body::PingOk,
            Self::Election { group } => election(group),
            Self::Goodbye => Body::Goodbye,
            // With the id of a known message, this is that message without its fields.
            Self::Unknown { id } => Body::Unknown { id },
        }
    }
}

/// One of the 32 groups that scripts know.
pub(crate) fn group(number: u8) -> GroupName {
    format!("G{}", number % 32).try_into().unwrap()
}

/// What is said in the election of one of the groups: the upper three bits choose, as the group
/// takes no more than the others.
fn election(number: u8) -> Body {
    let group = group(number);
    let peer = |byte: u8| PeerId::from([byte; 16]).to_string().try_into().unwrap();
    let nobody = || "who".try_into().unwrap();
    let elect = |group, challenger| Body::Elect { group, challenger };
    let leader = |group, leader| Body::Leader { group, leader };
    match number >> 5 {
        0 => elect(group, nobody()),
        1 => elect(group, peer(1)),
        2 => elect(group, peer(2)),
        3 => elect(group, peer(3)),
        // The engine under test.
        4 => elect(group, peer(0xEE)),
        5 => leader(group, peer(1)),
        6 => leader(group, peer(2)),
        _ => leader(group, nobody()),
    }
}

fn headers_of(script: u8, keys: Option<Keys>) -> Headers {
    let mut headers = Headers::default();
    for number in 0..script % 32 {
        headers.set(format!("X-{number}"), "value").unwrap();
    }
    let key = keys.and_then(|keys| match script >> 5 {
        0..=4 => Some(keys.adversary()),
        5 => Some(keys.member(0)),
        6 => Some(keys.member(1)),
        _ => None,
    });
    if let Some(key) = key {
        headers
            .set("X-PUBLICKEY", key.public().to_string())
            .unwrap();
    }
    headers
}

/// All frames together have `size` bytes, up to a limit.
fn content(size: u16, frames: u8) -> Content {
    let frames = usize::from(frames % 24);
    let each = usize::from(size % 9000).checked_div(frames);
    let frame = |_| vec![b'!'; each.unwrap_or_default()];
    (0..frames).map(frame).collect()
}
