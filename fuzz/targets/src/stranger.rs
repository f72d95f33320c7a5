//! What an adversary says over a connection.

use std::collections::BTreeSet;

use zre_proto::{
    Beacon, Body, Content, Endpoint, GroupName, Headers, Hello, Message, PeerId, zmtp::Command,
};

use crate::{script::Reader, wire};

/// What an adversary's message says.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Said {
    Hello {
        place: u8,
        groups: u8,
        headers: u8,
    },
    Whisper {
        size: u16,
        frames: u8,
    },
    Shout {
        group: u8,
        size: u8,
    },
    Join {
        group: u8,
        status: u8,
    },
    Leave {
        group: u8,
        status: u8,
    },
    Ping,
    PingOk,
    Elect {
        group: u8,
    },
    Goodbye,
    Unknown {
        id: u8,
    },
    /// A PING of ZMTP, which is no message.
    PingCommand,
}

impl Said {
    pub(crate) fn read(script: &mut Reader<'_>) -> Self {
        match script.u8() % 11 {
            0 => Self::Hello {
                place: script.u8(),
                groups: script.u8(),
                headers: script.u8(),
            },
            1 => Self::Whisper {
                size: script.u16(),
                frames: script.u8(),
            },
            2 => Self::Shout {
                group: script.u8(),
                size: script.u8(),
            },
            3 => Self::Join {
                group: script.u8(),
                status: script.u8(),
            },
            4 => Self::Leave {
                group: script.u8(),
                status: script.u8(),
            },
            5 => Self::Ping,
            6 => Self::PingOk,
            7 => Self::Elect { group: script.u8() },
            8 => Self::Goodbye,
            9 => Self::Unknown { id: script.u8() },
            _ => Self::PingCommand,
        }
    }

    /// The octets of it, by one who gives `endpoint` as its own.
    pub(crate) fn octets(self, sequence: u16, endpoint: Endpoint) -> Vec<u8> {
        let mut octets = Vec::new();
        if let Self::PingCommand = self {
            let context = vec![7; usize::from(sequence % 17)].into();
            wire::put_command(&mut octets, &Command::Ping { ttl: 0, context });
        } else {
            let body = self.body(endpoint);
            wire::put_message(&mut octets, &Message { sequence, body });
        }
        octets
    }

    fn body(self, endpoint: Endpoint) -> Body {
        match self {
            Self::Hello {
                groups, headers, ..
            } => Body::from(Hello {
                endpoint,
                groups: (0..groups % 32).map(group).collect::<BTreeSet<_>>(),
                status: groups,
                name: "stranger".try_into().unwrap(),
                headers: headers_of(headers % 32),
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
            Self::Elect { group: name } => Body::Elect {
                group: group(name),
                challenger: "who".try_into().unwrap(),
            },
            Self::Goodbye => Body::Goodbye,
            // One of the known ids, without its fields, is as good as another.
            Self::Unknown { id } => Body::Unknown { id },
        }
    }
}

pub(crate) fn group(name: u8) -> GroupName {
    format!("G{}", name % 32).try_into().unwrap()
}

pub(crate) fn beacon(peer: PeerId, port: u16, secured: bool) -> Vec<u8> {
    let beacon = Beacon {
        peer,
        port: core::num::NonZeroU16::new(port),
        public_key: secured.then_some([9; 32]),
    };
    beacon.encode().to_vec()
}

fn headers_of(count: u8) -> Headers {
    let mut headers = Headers::default();
    for number in 0..count {
        headers.set(format!("X-{number}"), "value").unwrap();
    }
    headers
}

/// All frames together have `size` octets, up to a limit.
fn content(size: u16, frames: u8) -> Content {
    let frames = usize::from(frames % 24);
    let each = usize::from(size % 9000).checked_div(frames);
    let frame = |_| vec![b'!'; each.unwrap_or_default()];
    (0..frames).map(frame).collect()
}
