//! Nodes in one group, and links between them on which messages wait. Which message arrives next is
//! random; those of one link stay in order.

use std::{
    collections::{BTreeMap, VecDeque},
    vec::Vec,
};

use zre_proto::{GroupName, PeerId};

use super::{super::group, zyre::Zyre};
use crate::node::election::{Elections, Word, Words};

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Kind {
    Zyre {
        contests: bool,
    },
    Ours,
    /// It ends the session with whoever sends it ELECT or LEADER, and sends neither.
    Pyre,
}

#[derive(Debug)]
enum Node {
    Zyre(Zyre),
    Ours { elections: Elections, joined: bool },
    Pyre,
}

#[derive(Debug, Clone, Copy)]
enum Message {
    Join,
    Leave,
    /// The receiver finds out that the sender is gone.
    Exit,
    Word(Word),
}

#[derive(Debug)]
pub(super) struct Network {
    nodes: BTreeMap<PeerId, Node>,
    links: BTreeMap<(PeerId, PeerId), VecDeque<Message>>,
    to_join: Vec<PeerId>,
    random: u64,
    group: GroupName,
    /// How many messages our nodes have sent to others than zyre nodes.
    pub(super) stray: usize,
    /// Whether messages have led to others until nobody waited any more.
    pub(super) is_endless: bool,
}

impl Network {
    pub(super) fn new(kinds: &[Kind], seed: u64) -> Self {
        let mut network = Self {
            nodes: BTreeMap::new(),
            links: BTreeMap::new(),
            to_join: Vec::new(),
            random: seed,
            group: group("G"),
            stray: 0,
            is_endless: false,
        };
        for kind in kinds {
            let mut bytes = [0; 16];
            bytes[..8].copy_from_slice(&network.random().to_be_bytes());
            let id = PeerId::from(bytes);
            let node = match kind {
                Kind::Zyre { contests } => Node::Zyre(Zyre::new(id, *contests)),
                Kind::Pyre => Node::Pyre,
                Kind::Ours => Node::Ours {
                    elections: Elections::default(),
                    joined: false,
                },
            };
            network.nodes.insert(id, node);
        }
        network
    }

    /// What the zyre nodes in the group know of its leader.
    pub(super) fn leaders(&self) -> Vec<Option<PeerId>> {
        let zyres = self.nodes.values().filter_map(|node| match node {
            Node::Zyre(zyre) if zyre.is_in_group => Some(zyre.events.last().copied()),
            _ => None,
        });
        zyres.collect()
    }

    /// One after the other joins, each when the election before is over.
    pub(super) fn join_one_by_one(&mut self) {
        for id in self.shuffled() {
            self.join(id);
            self.settle();
        }
    }

    /// They join while messages of earlier ones are on their way.
    pub(super) fn join_at_random(&mut self) {
        self.to_join = self.shuffled();
    }

    /// The leader goes. What the others knew of it is forgotten.
    pub(super) fn leader_goes(&mut self, killed: bool) {
        let Some(leader) = self.leaders().into_iter().flatten().next() else {
            return;
        };
        for node in self.nodes.values_mut() {
            if let Node::Zyre(zyre) = node {
                zyre.events.clear();
            }
        }
        match self.nodes.get_mut(&leader) {
            _ if killed => self.kill(leader),
            Some(Node::Zyre(zyre)) => {
                zyre.is_in_group = false;
                self.tell_all(leader, Message::Leave);
            }
            _ => {}
        }
    }

    pub(super) fn kill_any(&mut self) {
        if let Some(id) = self.shuffled().first() {
            self.kill(*id);
        }
    }

    /// Messages arrive until none is left.
    pub(super) fn settle(&mut self) {
        // zyre nodes alone can go on for ever.
        const MOST: usize = 5000;
        self.is_endless |= (0..MOST).all(|_| self.step());
    }

    pub(super) fn steps(&mut self, count: usize) {
        (0..count).all(|_| self.step());
    }

    /// One message arrives, or one node joins; false if nothing is left to happen.
    fn step(&mut self) -> bool {
        let waiting: Vec<_> = self.links.keys().copied().collect();
        let choices = waiting.len() + usize::from(!self.to_join.is_empty());
        if choices == 0 {
            return false;
        }
        let Some((from, to)) = waiting.get(self.below(choices)).copied() else {
            let id = self.to_join.pop().unwrap();
            self.join(id);
            return true;
        };
        let queue = self.links.get_mut(&(from, to)).unwrap();
        let message = queue.pop_front().unwrap();
        if queue.is_empty() {
            self.links.remove(&(from, to));
        }
        self.deliver(from, to, message);
        true
    }

    fn deliver(&mut self, from: PeerId, to: PeerId, message: Message) {
        let words = match (self.nodes.get_mut(&to), message) {
            (Some(Node::Zyre(zyre)), Message::Join) => zyre.take_join(from),
            (Some(Node::Zyre(zyre)), Message::Leave) => zyre.take_leave(from),
            (Some(Node::Zyre(zyre)), Message::Exit) => zyre.take_exit(from),
            (Some(Node::Zyre(zyre)), Message::Word(word)) => zyre.take_word(from, word),
            (Some(Node::Ours { elections, joined }), message) if *joined => match message {
                Message::Join => Words::new(),
                Message::Leave => elections.peer_left(&self.group, from),
                Message::Exit => {
                    let all = elections.peer_gone(from).into_iter();
                    all.flat_map(|(_, words)| words).collect()
                }
                // As in `take_word`: this node contests nothing.
                Message::Word(Word::Elect(id) | Word::Leader(id)) if id == to => Words::new(),
                Message::Word(word) => elections.take(&self.group, from, word),
            },
            _ => Words::new(),
        };
        for (receiver, word) in words {
            self.send(to, receiver, word);
        }
    }

    fn send(&mut self, from: PeerId, to: PeerId, word: Word) {
        let to_zyre = matches!(self.nodes.get(&to), Some(Node::Zyre(_)));
        let by_ours = matches!(self.nodes.get(&from), Some(Node::Ours { .. }));
        if by_ours && self.nodes.contains_key(&to) && !to_zyre {
            self.stray += 1;
        }
        self.push(from, to, Message::Word(word));
    }

    fn join(&mut self, id: PeerId) {
        match self.nodes.get_mut(&id) {
            Some(Node::Zyre(zyre)) => zyre.is_in_group = true,
            Some(Node::Ours { joined, .. }) => *joined = true,
            _ => {}
        }
        self.tell_all(id, Message::Join);
    }

    fn kill(&mut self, id: PeerId) {
        self.nodes.remove(&id);
        self.links.retain(|(_, to), _| *to != id);
        self.to_join.retain(|other| *other != id);
        self.tell_all(id, Message::Exit);
    }

    fn tell_all(&mut self, from: PeerId, message: Message) {
        let others: Vec<_> = self.nodes.keys().copied().collect();
        for to in others.into_iter().filter(|to| *to != from) {
            self.push(from, to, message);
        }
    }

    fn push(&mut self, from: PeerId, to: PeerId, message: Message) {
        if self.nodes.contains_key(&to) {
            self.links.entry((from, to)).or_default().push_back(message);
        }
    }

    fn shuffled(&mut self) -> Vec<PeerId> {
        let mut left: Vec<_> = self.nodes.keys().copied().collect();
        let mut shuffled = Vec::new();
        while !left.is_empty() {
            let index = self.below(left.len());
            shuffled.push(left.remove(index));
        }
        shuffled
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.random() % limit as u64).unwrap()
    }

    /// The next number of the generator SplitMix64.
    fn random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }
}
