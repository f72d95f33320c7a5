//! What has been promised to applications, and whether it is kept.

use std::{format, string::String, vec::Vec};

use zre_proto::Content;

use super::world::{ALICE, BOB, EVE, HONEST_PORT, id_of};
use crate::{event::Event, notice::Notice};

/// The whispers of the honest nodes, and what was broken.
#[derive(Debug, Clone, Default, Hash)]
pub(super) struct Ledger {
    /// Accepted and neither delivered nor followed by an exit, by sender.
    awaited: [Vec<u8>; 2],
    accepted: [u8; 2],
    delivered: [u8; 2],
    /// Whether both sessions stood, with no failure in the last seconds, before the present action.
    pub(super) is_calm: bool,
    /// The number of the last message that each has read of the other's.
    pub(super) read: [u16; 2],
    /// Whether a question has been put to the adversary, or she has answered one by chance that was
    /// put to another.
    pub(super) eve_may_answer: bool,
    /// Whether a node has closed a connection now that the other has opened and not closed.
    pub(super) has_closed_honest: bool,
    pub(super) broken: Option<String>,
}

/// The first byte of a whisper says who sent it, the second its number.
pub(super) fn content(host: usize, number: u8) -> Content {
    bytes::Bytes::from(Vec::from([u8::try_from(host).unwrap(), number])).into()
}

impl Ledger {
    pub(super) fn next_content(&self, host: usize) -> Content {
        content(host, self.accepted[host] + 1)
    }

    pub(super) fn accept(&mut self, host: usize) {
        self.accepted[host] += 1;
        self.awaited[host].push(self.accepted[host]);
    }

    /// A host is started anew: what its application was promised is void.
    pub(super) fn restart(&mut self, host: usize) {
        self.awaited[host].clear();
    }

    pub(super) fn awaits(&self, host: usize) -> &[u8] {
        &self.awaited[host]
    }

    /// The adversary reads what was sent to her.
    pub(super) fn leak(&mut self, content: &Content) {
        if self.is_calm {
            self.fail(format!("eve reads {}", told(content)));
        }
    }

    pub(super) fn hear(&mut self, host: usize, event: &Event) {
        let other = 1 - host;
        let name = ["alice", "bob"][host];
        match event {
            Event::Whisper { peer, content, .. } => {
                let (from, number) = parse(content);
                if *peer == id_of(other) && from == EVE && self.is_calm {
                    self.fail(format!(
                        "{name} takes a message of eve for one of its peer's"
                    ));
                }
                if from != EVE {
                    match *peer == id_of(from) && from == other {
                        true => self.deliver(from, number),
                        false => self.fail(format!("{name} takes {} for another's", told(content))),
                    }
                }
            }
            Event::Exit {
                peer,
                reason,
                unconfirmed,
                ..
            } if *peer == id_of(other) => {
                if self.is_calm {
                    self.fail(format!("a session ends at {name}: {reason:?}"));
                }
                let awaited = self.awaited[host].len() as u64;
                if *unconfirmed < awaited {
                    let told = format!("{name} hears {unconfirmed} unconfirmed of {awaited}");
                    self.fail(told);
                }
                self.awaited[host].clear();
            }
            _ => {}
        }
    }

    /// Only who answers in a peer's place can have its connections refused.
    pub(super) fn note(&mut self, host: usize, notice: &Notice) {
        // She speaks to alice alone. Bob may be asked for a connection that alice has given up.
        if host == ALICE
            && let Notice::IdentityInUse { remote, .. } = notice
            && remote.port() == HONEST_PORT
            && self.has_closed_honest
            && !self.eve_may_answer
        {
            self.fail("an honest node is refused as a stranger".into());
        }
    }

    fn deliver(&mut self, from: usize, number: u8) {
        if number <= self.delivered[from] {
            self.fail(format!("whisper {number} of {from} comes again"));
        }
        self.delivered[from] = number;
        if self.awaited[from].iter().any(|awaited| *awaited < number) {
            self.fail(format!("whispers before {number} of {from} are lost"));
        }
        self.awaited[from].retain(|awaited| *awaited > number);
    }

    pub(super) fn fail(&mut self, what: String) {
        self.broken.get_or_insert(what);
    }
}

fn parse(content: &Content) -> (usize, u8) {
    let bytes: Vec<u8> = content.iter().flat_map(|frame| frame.to_vec()).collect();
    (usize::from(bytes[0]), bytes[1])
}

fn told(content: &Content) -> String {
    let (from, number) = parse(content);
    let name = match from {
        ALICE => "alice",
        BOB => "bob",
        _ => "eve",
    };
    format!("whisper {number} of {name}")
}
