//! One group of a zyre node, as in `zyre_node.c` and `zyre_election.c`.

use std::{collections::BTreeSet, vec::Vec};

use zre_proto::PeerId;

use crate::node::election::Word;

#[derive(Debug)]
pub(super) struct Zyre {
    id: PeerId,
    contests: bool,
    pub(super) is_in_group: bool,
    pub(super) members: BTreeSet<PeerId>,
    election: Option<Election>,
    leader: Option<PeerId>,
    /// Each LEADER event.
    pub(super) events: Vec<PeerId>,
}

#[derive(Debug, Default)]
struct Election {
    wave: Option<PeerId>,
    father: Option<PeerId>,
    elects: usize,
    leaders: usize,
}

type Words = Vec<(PeerId, Word)>;

impl Zyre {
    pub(super) fn new(id: PeerId, contests: bool) -> Self {
        Self {
            id,
            contests,
            is_in_group: false,
            members: BTreeSet::new(),
            election: None,
            leader: None,
            events: Vec::new(),
        }
    }

    pub(super) fn take_join(&mut self, peer: PeerId) -> Words {
        self.members.insert(peer);
        match self.is_in_group && self.contests {
            true => self.start(),
            false => Words::new(),
        }
    }

    pub(super) fn take_leave(&mut self, peer: PeerId) -> Words {
        self.members.remove(&peer);
        if !(self.is_in_group && self.contests && self.leader == Some(peer)) {
            return Words::new();
        }
        self.restart(0)
    }

    pub(super) fn take_exit(&mut self, peer: PeerId) -> Words {
        let mut words = Words::new();
        if self.is_in_group && self.contests {
            let members = self.members.len();
            let is_running = self
                .election
                .as_ref()
                .is_some_and(|election| election.leaders != members);
            if is_running || self.leader == Some(peer) {
                words = self.restart(1);
            }
        }
        self.members.remove(&peer);
        words
    }

    fn restart(&mut self, alone: usize) -> Words {
        self.election = None;
        if self.members.len() == alone {
            self.leader = None;
            self.events.push(self.id);
            return Words::new();
        }
        self.start()
    }

    fn start(&mut self) -> Words {
        self.leader = None;
        self.election = Some(Election {
            wave: Some(self.id),
            ..Election::default()
        });
        self.to_all(Word::Elect(self.id))
    }

    fn to_all(&self, word: Word) -> Words {
        self.members.iter().map(|peer| (*peer, word)).collect()
    }

    pub(super) fn take_word(&mut self, peer: PeerId, word: Word) -> Words {
        match word {
            Word::Elect(challenger) => self.take_elect(peer, challenger),
            Word::Leader(leader) => self.take_leader(peer, leader),
        }
    }

    fn take_elect(&mut self, peer: PeerId, challenger: PeerId) -> Words {
        let mut words = Words::new();
        let election = self.election.get_or_insert_default();
        if election.wave.is_none_or(|wave| challenger < wave) {
            *election = Election {
                wave: Some(challenger),
                father: Some(peer),
                ..Election::default()
            };
            let others = self.members.iter().filter(|other| **other != peer);
            words.extend(others.map(|other| (*other, Word::Elect(challenger))));
        }
        if election.wave == Some(challenger) {
            election.elects += 1;
            if election.elects == self.members.len() {
                match election.father {
                    _ if challenger == self.id => {
                        words.extend(self.to_all(Word::Leader(challenger)));
                    }
                    Some(father) => words.push((father, Word::Elect(challenger))),
                    None => {}
                }
            }
        }
        words
    }

    fn take_leader(&mut self, peer: PeerId, leader: PeerId) -> Words {
        let _ = peer;
        let mut words = Words::new();
        let members = self.members.iter().copied().collect::<Vec<_>>();
        let election = self.election.get_or_insert_default();
        let Some(wave) = election.wave else {
            return words;
        };
        if leader != self.id && election.leaders == 0 {
            words.extend(members.iter().map(|peer| (*peer, Word::Leader(wave))));
        }
        election.leaders += 1;
        if election.leaders == members.len() {
            self.events.push(leader);
            if leader != self.id {
                self.leader = Some(leader);
            }
            self.election = None;
        }
        words
    }
}
