//! Nodes in one group, and links between them on which messages wait. Which message arrives next is
//! random; those of one link stay in order.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
    vec::Vec,
};

use zre_proto::{GroupName, PeerId};

use super::{super::group, zyre::Zyre};
use crate::{
    node::election::{Consequence, Elections, Elector, Step, Word},
    time::Instant,
};

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Kind {
    Zyre {
        contests: bool,
    },
    Ours {
        contests: bool,
    },
    /// It ends the session with whoever sends it ELECT or LEADER, and sends neither.
    Pyre,
}

#[derive(Debug)]
enum Node {
    Zyre(Zyre),
    Ours(Ours),
    Pyre,
}

/// One group of a node of ours.
#[derive(Debug)]
struct Ours {
    elections: Elections,
    contests: bool,
    joined: bool,
    members: BTreeSet<PeerId>,
    leader: Option<PeerId>,
    /// Each LEADER event.
    events: Vec<PeerId>,
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
    now: Instant,
    group: GroupName,
    /// How many messages there have been.
    pub(super) sent: usize,
    /// How many messages our nodes have sent to others than zyre nodes.
    pub(super) stray: usize,
    /// Whether our nodes know zyre nodes that have said nothing.
    pub(super) knows_all: bool,
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
            now: Instant::default(),
            group: group("G"),
            sent: 0,
            stray: 0,
            knows_all: false,
            is_endless: false,
        };
        for kind in kinds {
            let mut bytes = [0; 16];
            bytes[..8].copy_from_slice(&network.random().to_be_bytes());
            let id = PeerId::from(bytes);
            let node = match kind {
                Kind::Zyre { contests } => Node::Zyre(Zyre::new(id, *contests)),
                Kind::Pyre => Node::Pyre,
                Kind::Ours { contests } => Node::Ours(Ours {
                    elections: Elections::default(),
                    contests: *contests,
                    joined: false,
                    members: BTreeSet::new(),
                    leader: None,
                    events: Vec::new(),
                }),
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

    /// Whom each of our nodes in the group takes for its leader.
    pub(super) fn our_leaders(&self) -> Vec<Option<PeerId>> {
        let ours = self.nodes.values().filter_map(|node| match node {
            Node::Ours(ours) if ours.joined => Some(ours.leader),
            _ => None,
        });
        ours.collect()
    }

    /// Those that are in the group.
    pub(super) fn members(&self) -> Vec<PeerId> {
        let is_in_group = |node: &Node| match node {
            Node::Zyre(zyre) => zyre.is_in_group,
            Node::Ours(ours) => ours.joined,
            Node::Pyre => true,
        };
        let members = self.nodes.iter().filter(|(_, node)| is_in_group(node));
        members.map(|(id, _)| *id).collect()
    }

    pub(super) fn our_nodes(&self) -> Vec<PeerId> {
        let ours = self.nodes.keys().filter(|id| self.is_ours(**id));
        ours.copied().collect()
    }

    /// The lowest of our nodes that contest.
    pub(super) fn first_contestant(&self) -> Option<PeerId> {
        let contests =
            |node: &Node| matches!(node, Node::Ours(ours) if ours.contests && ours.joined);
        let mut nodes = self.nodes.iter();
        nodes.find(|(_, node)| contests(node)).map(|(id, _)| *id)
    }

    /// How many LEADER events our nodes have told.
    pub(super) fn told(&self) -> usize {
        let ours = self.nodes.values().filter_map(|node| match node {
            Node::Ours(ours) => Some(ours.events.len()),
            _ => None,
        });
        ours.sum()
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
        let leaders = self.leaders().into_iter().chain(self.our_leaders());
        let Some(leader) = leaders.flatten().next() else {
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
            Some(Node::Ours(_)) => self.leave(leader),
            _ => {}
        }
    }

    /// A node of ours leaves the group.
    fn leave(&mut self, id: PeerId) {
        if let Some(Node::Ours(ours)) = self.nodes.get_mut(&id) {
            (ours.joined, ours.leader) = (false, None);
            self.hold(id, |elections, group, step| elections.left(group, step));
            self.tell_all(id, Message::Leave);
        }
    }

    fn contests(&self, id: PeerId) -> bool {
        matches!(self.nodes.get(&id), Some(Node::Ours(ours)) if ours.contests)
    }

    /// A node of ours wants to lead, or does not want it any more.
    fn change_mind(&mut self, id: PeerId) {
        let Some(Node::Ours(ours)) = self.nodes.get_mut(&id) else {
            return;
        };
        ours.contests = !ours.contests;
        let (contests, joined) = (ours.contests, ours.joined);
        self.hold(id, |elections, group, step| match contests {
            true => elections.contest(group, joined, step),
            false => elections.withdraw(group, step),
        });
    }

    /// Nodes want to lead and do not, leave and come again, lose each other and meet again, in an
    /// order that the seed decides. In the end all are in the group and know each other.
    pub(super) fn come_and_go(&mut self, withdraws: bool) {
        let ids: Vec<_> = self.nodes.keys().copied().collect();
        ids.iter().for_each(|id| self.join(*id));
        let mut cuts = BTreeSet::new();
        for _ in 0..4 + self.below(12) {
            let [one, other] = [(); 2].map(|()| ids[self.below(ids.len())]);
            match self.below(6) {
                0 | 1 if withdraws || !self.contests(one) => self.change_mind(one),
                2 if cuts.is_empty() && self.is_ours(one) => match self.members().contains(&one) {
                    true => self.leave(one),
                    false => self.join(one),
                },
                3 if one != other && cuts.insert((one.min(other), one.max(other))) => {
                    self.cut(one, other);
                }
                4 => {
                    if let Some((one, other)) = cuts.pop_first() {
                        self.mend(one, other);
                    }
                }
                5 => self.let_time_pass_for_all(Duration::from_millis(700)),
                _ => {}
            }
            let steps = self.below(12);
            self.steps(steps);
        }
        for (one, other) in cuts {
            self.mend(one, other);
        }
        let members = self.members();
        let missing: Vec<_> = ids.into_iter().filter(|id| !members.contains(id)).collect();
        missing.into_iter().for_each(|id| self.join(id));
    }

    /// Two nodes lose each other, with what is on its way between them.
    fn cut(&mut self, one: PeerId, other: PeerId) {
        for (from, to) in [(one, other), (other, one)] {
            self.links.remove(&(from, to));
            self.push(from, to, Message::Exit);
        }
    }

    /// Two nodes meet again.
    fn mend(&mut self, one: PeerId, other: PeerId) {
        let members = self.members();
        for (from, to) in [(one, other), (other, one)] {
            if members.contains(&from) {
                self.push(from, to, Message::Join);
            }
        }
    }

    fn let_time_pass_for_all(&mut self, time: Duration) {
        self.now = self.now + time;
        let ids: Vec<_> = self.nodes.keys().copied().collect();
        for id in ids {
            self.hold(id, |elections, _, step| elections.handle_timeout(step));
        }
    }

    /// Our node that leads wants it no longer.
    pub(super) fn leader_withdraws(&mut self) {
        let Some(leader) = self.our_leaders().into_iter().flatten().next() else {
            return;
        };
        if self.contests(leader) {
            self.change_mind(leader);
        }
    }

    pub(super) fn kill_any(&mut self) {
        if let Some(id) = self.shuffled().first() {
            self.kill(*id);
        }
    }

    /// Messages arrive until none is left, and time passes until nobody waits for it.
    pub(super) fn settle(&mut self) {
        // zyre nodes alone can go on for ever.
        const MOST: usize = 5000;
        // A contestant that cannot win tries again for ever.
        const TIMES: usize = 20;
        for _ in 0..TIMES {
            if (0..MOST).all(|_| self.step()) {
                self.is_endless = true;
                return;
            }
            if !self.let_time_pass() {
                return;
            }
        }
    }

    /// Until somebody has waited for long enough; false if nobody waits.
    fn let_time_pass(&mut self) -> bool {
        let deadline = |node: &Node| match node {
            Node::Ours(ours) => ours.elections.next_deadline(),
            _ => None,
        };
        let waiting = self.nodes.iter();
        let waiting = waiting.filter_map(|(id, node)| Some((deadline(node)?, *id)));
        let Some((at, id)) = waiting.min() else {
            return false;
        };
        self.now = self.now.max(at);
        self.hold(id, |elections, _, step| elections.handle_timeout(step));
        true
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
            (Some(Node::Ours(_)), _) => return self.deliver_to_ours(from, to, message),
            _ => Vec::new(),
        };
        for (receiver, word) in words {
            self.send(to, receiver, word);
        }
    }

    /// As `Peers` does.
    fn deliver_to_ours(&mut self, from: PeerId, to: PeerId, message: Message) {
        let is_ours = self.is_ours(from);
        let is_zyre = matches!(self.nodes.get(&from), Some(Node::Zyre(_)));
        let is_known = is_ours || self.knows_all && is_zyre;
        let Some(Node::Ours(ours)) = self.nodes.get_mut(&to) else {
            return;
        };
        match message {
            Message::Join => ours.members.insert(from),
            Message::Leave | Message::Exit => ours.members.remove(&from),
            Message::Word(_) => false,
        };
        if ours.leader == Some(from) && !matches!(message, Message::Join | Message::Word(_)) {
            ours.leader = None;
        }
        if !ours.joined {
            if let Message::Word(word) = message {
                self.hold(to, |elections, group, step| {
                    elections.take_late(group, from, word, step);
                });
            }
            return;
        }
        let is_member = ours.members.contains(&from);
        let elector = Elector {
            peer: from,
            is_ours,
        };
        self.hold(to, |elections, group, step| match message {
            Message::Join if is_known => elections.elector_joined(group, elector, step),
            Message::Join => {}
            Message::Leave => elections.peer_left(group, from, step),
            Message::Exit => elections.peer_gone(from, step),
            Message::Word(word @ (Word::Elect(id) | Word::Leader(id)))
                if id == to && !elections.stands(group, to) =>
            {
                if let Word::Elect(_) = word {
                    elections.decline(group, elector, step);
                }
            }
            Message::Word(Word::Leader(_)) if !is_member => {}
            Message::Word(word) => elections.take(group, elector, word, step),
        });
    }

    fn is_ours(&self, id: PeerId) -> bool {
        matches!(self.nodes.get(&id), Some(Node::Ours(_)))
    }

    fn hold(&mut self, id: PeerId, rule: impl FnOnce(&mut Elections, &GroupName, &mut Step<'_>)) {
        let nodes = self.nodes.iter();
        let known = nodes.filter_map(|(peer, node)| match node {
            Node::Zyre(_) if !self.knows_all => None,
            Node::Pyre => None,
            _ => Some(Elector {
                peer: *peer,
                is_ours: matches!(node, Node::Ours(_)),
            }),
        });
        let known: Vec<_> = known.collect();
        let Some(Node::Ours(node)) = self.nodes.get_mut(&id) else {
            return;
        };
        let members = node.members.clone();
        let electors = |_: &GroupName| -> Vec<_> {
            let known = known.iter();
            let known = known.filter(|elector| members.contains(&elector.peer));
            known.copied().collect()
        };
        let mut step = Step::new(id, self.now, &electors);
        rule(&mut node.elections, &self.group, &mut step);
        let consequences = step.consequences();
        for consequence in &consequences {
            if let Consequence::Leader(_, leader) = consequence {
                node.leader = Some(*leader);
                node.events.push(*leader);
            }
        }
        assert_eq!(node.leader, node.elections.leader(&self.group));
        for consequence in consequences {
            if let Consequence::Send(_, to, word) = consequence {
                self.send(id, to, word);
            }
        }
    }

    fn send(&mut self, from: PeerId, to: PeerId, word: Word) {
        self.sent += 1;
        let to_pyre = matches!(self.nodes.get(&to), Some(Node::Pyre));
        self.stray += usize::from(self.is_ours(from) && to_pyre);
        self.push(from, to, Message::Word(word));
    }

    fn join(&mut self, id: PeerId) {
        match self.nodes.get_mut(&id) {
            Some(Node::Zyre(zyre)) => zyre.is_in_group = true,
            Some(Node::Ours(ours)) => ours.joined = true,
            _ => {}
        }
        self.tell_all(id, Message::Join);
        let contests = self.contests(id);
        self.hold(id, |elections, group, step| {
            if contests {
                elections.contest(group, false, step);
            }
            elections.joined(group, step);
        });
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
