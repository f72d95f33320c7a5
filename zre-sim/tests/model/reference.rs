//! What applications have to see: a reference that knows no protocol.
//!
//! It goes by one thought. As long as nothing is done to two nodes, nothing changes between them:
//! they know each other, or do not. Whatever is done allows so many exits, for such reasons, for so
//! long. When that time is over, each knows the other and its groups if they can reach each other,
//! and does not if they cannot. A message may be lost only together with the session that it was
//! sent in, on one side or the other.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use zre_sim::core::ExitReason;

use crate::script::{Node, Nodes};

/// A node under one of its identities, which it has one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Identity {
    pub(crate) node: Node,
    pub(crate) number: u32,
}

/// What an application was told of a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Told {
    Enter,
    Exit(ExitReason),
    Evasive,
    Silent,
    Said(Word),
}

/// What peers tell each other in a session, one behind the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Word {
    Join(usize),
    Leave(usize),
    Message { group: Option<usize>, number: u64 },
}

pub(crate) type Verdict = Result<(), String>;

/// How long a network without faults takes for anything, with a second for the next beacon.
const SOON: Duration = Duration::from_millis(1500);
/// How long it takes until peers whose connection broke have found each other again.
const RECONNECTED: Duration = Duration::from_millis(3500);
/// How long a peer may take until it says HELLO, and a while until it is met again.
const HANDSHAKE: Duration = Duration::from_secs(12);
/// How long it takes until peers that cannot reach each other, or can again, know it.
const NOTICED: Duration = Duration::from_secs(45);
/// How long TCP waits at most until it tries again.
const MOST_BETWEEN_RETRIES: Duration = Duration::from_secs(120);
/// How long peers that cannot reach each other do not notice: the evasive timeout, less one beacon
/// interval.
const UNNOTICED: Duration = Duration::from_millis(3900);
/// The same for being given up: the expired timeout, less one beacon interval.
const NOT_EXPIRED: Duration = Duration::from_millis(28_900);
/// How much sooner a peer is missed that has come again from another endpoint, whose beacons do not
/// count.
const MISSED_SOONER: Duration = Duration::from_secs(4);

#[derive(Debug)]
pub(crate) struct Reference {
    pub(crate) now: Duration,
    nodes: Vec<State>,
    views: BTreeMap<(Node, Identity), View>,
    mail: BTreeMap<(Identity, Identity), VecDeque<Letter>>,
    partitions: Vec<Nodes>,
    cuts: BTreeSet<(Node, Node)>,
    stalls: BTreeSet<(Node, Node)>,
    sessions: u64,
}

#[derive(Debug)]
struct State {
    number: u32,
    life: Life,
    keeps_identity: bool,
    groups: BTreeSet<usize>,
    off: bool,
    unplugged: bool,
    frozen: bool,
    holding: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    Up,
    Stopping,
    Down,
}

/// What one application was told of a peer, and what it may still be told.
#[derive(Debug, Default)]
struct View {
    session: Option<u64>,
    entered_at: Duration,
    groups: BTreeSet<usize>,
    /// From when on nothing changes.
    settled_at: Duration,
    /// Exits that may come until then, and why.
    exits: usize,
    reasons: Vec<ExitReason>,
    /// Since when, until then, the peer has been unheard, perhaps with interruptions.
    unheard_since: Option<Duration>,
    /// The session that has to end until then, as the peer does not know of it any more.
    outdated: Option<u64>,
}

#[derive(Debug)]
struct Letter {
    word: Word,
    at: Duration,
    sender_session: Option<u64>,
    receiver_session: Option<u64>,
    /// Whether it has to come before the goodbye of its sender.
    before_goodbye: bool,
}

impl Reference {
    /// Nodes that are about to be started for the first time.
    pub(crate) fn new(nodes: usize, keep_identity: Nodes) -> Self {
        let state = |node| State {
            number: 0,
            life: Life::Down,
            keeps_identity: keep_identity >> node & 1 == 1,
            groups: BTreeSet::new(),
            off: false,
            unplugged: false,
            frozen: false,
            holding: false,
        };
        let mut all = Self {
            now: Duration::ZERO,
            nodes: (0..nodes).map(state).collect(),
            views: BTreeMap::new(),
            mail: BTreeMap::new(),
            partitions: Vec::new(),
            cuts: BTreeSet::new(),
            stalls: BTreeSet::new(),
            sessions: 0,
        };
        for node in 0..nodes {
            all.comes_up(node, &[]);
        }
        all
    }

    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    pub(crate) fn identity(&self, node: Node) -> Identity {
        let number = self.nodes[node].number;
        Identity { node, number }
    }

    /// Whether the application runs, and its host lets it.
    pub(crate) fn can_act(&self, node: Node) -> bool {
        self.nodes[node].life == Life::Up && !self.nodes[node].frozen
    }

    pub(crate) fn is_frozen(&self, node: Node) -> bool {
        self.nodes[node].frozen
    }

    pub(crate) fn is_holding(&self, node: Node) -> bool {
        self.nodes[node].holding
    }

    pub(crate) fn is_stalled(&self, from: Node, to: Node) -> bool {
        self.stalls.contains(&(from, to))
    }

    // What is done.

    pub(crate) fn start(&mut self, node: Node) {
        let others = self.others(node);
        let troubled: Vec<_> = others.filter(|other| !self.is_calm(node, *other)).collect();
        self.kill(node);
        if !self.nodes[node].keeps_identity {
            self.nodes[node].number += 1;
        }
        self.touching(|all| (all.nodes[node].off, all.nodes[node].frozen) = (false, false));
        self.nodes[node].groups.clear();
        self.comes_up(node, &troubled);
    }

    fn comes_up(&mut self, node: Node, troubled: &[Node]) {
        self.nodes[node].life = Life::Up;
        let itself = self.identity(node);
        let keeps_identity = self.nodes[node].keeps_identity;
        for other in self.others(node) {
            let now = self.now;
            // Its new life may be seen before the end of the old is: one exit, which that has
            // allowed.
            let seen = self.view(other, itself);
            seen.allow(0, &[ExitReason::Restarted], now, RECONNECTED);
            seen.outdated = seen.session;
            let peer = self.identity(other);
            let leaves = self.nodes[other].life == Life::Stopping;
            let sees = self.view(node, peer);
            match leaves {
                true => sees.allow(1, &[ExitReason::Goodbye], now, HANDSHAKE + SOON),
                // Others may still try to reach it where it was.
                false if keeps_identity => sees.allow(0, &[], now, RECONNECTED),
                false => sees.allow(0, &[], now, SOON),
            }
            // Its HELLO is left unread, or what has been done to its former life concerns the new
            // one, too.
            if self.is_holding(other) || keeps_identity && troubled.contains(&other) {
                self.touch((other, node));
                self.touch((node, other));
            }
        }
    }

    /// It says goodbye, behind what it has said.
    pub(crate) fn stop(&mut self, node: Node) {
        let lingers = self.others(node).any(|other| !self.is_calm(node, other));
        if !lingers {
            self.expect_last_words(node);
        }
        self.nodes[node].life = Life::Stopping;
        // A beacon of before may overtake the goodbye that ends what has hardly begun.
        let (patience, reasons): (_, &[_]) = match lingers {
            true => (
                HANDSHAKE + SOON,
                &[ExitReason::Goodbye, ExitReason::ConnectionLost],
            ),
            false => (SOON, &[ExitReason::Goodbye]),
        };
        self.seen_by_all(node, 1, reasons, patience);
        self.end_is_unread(node);
    }

    fn expect_last_words(&mut self, node: Node) {
        let itself = self.identity(node);
        let mut mail = std::mem::take(&mut self.mail);
        for ((from, to), letters) in &mut mail {
            if *from == itself && !self.is_stalled(node, to.node) {
                for letter in letters {
                    letter.before_goodbye = self.must_come(*from, *to, letter);
                }
            }
        }
        self.mail = mail;
    }

    /// Its system tells everybody.
    pub(crate) fn kill(&mut self, node: Node) {
        if self.nodes[node].life != Life::Down {
            let is_calm = self.others(node).all(|other| self.is_calm(node, other));
            let patience = if is_calm { SOON } else { HANDSHAKE + SOON };
            self.seen_by_all(node, 1, &[ExitReason::ConnectionLost], patience);
            self.end_is_unread(node);
            self.goes_down(node);
        }
    }

    /// Some may not read the end of its connection, and hear only that there is silence.
    fn end_is_unread(&mut self, node: Node) {
        for other in self.others(node) {
            if self.is_stalled(node, other) || self.is_holding(other) {
                self.touch((other, node));
            }
        }
    }

    /// Nobody tells anybody.
    pub(crate) fn power_off(&mut self, node: Node) {
        self.touching(|all| all.nodes[node].off = true);
        self.goes_down(node);
    }

    fn goes_down(&mut self, node: Node) {
        let itself = self.identity(node);
        self.nodes[node].life = Life::Down;
        self.views.retain(|(observer, _), _| *observer != node);
        // What has not been written to it may still come to its next life.
        for ((_, to), letters) in &mut self.mail {
            if *to == itself {
                letters
                    .iter_mut()
                    .for_each(|letter| letter.sender_session = None);
            }
        }
    }

    pub(crate) fn join(&mut self, node: Node, group: usize) {
        if self.nodes[node].groups.insert(group) {
            self.tell_all(node, &Word::Join(group));
        }
    }

    pub(crate) fn leave(&mut self, node: Node, group: usize) {
        if self.nodes[node].groups.remove(&group) {
            self.tell_all(node, &Word::Leave(group));
        }
    }

    fn tell_all(&mut self, node: Node, word: &Word) {
        self.seen_by_all(node, 0, &[], SOON);
        for other in self.others(node) {
            let peer = self.identity(other);
            self.post(node, peer, word.clone());
        }
    }

    /// A node has sent a message to another that was to take it, or not.
    pub(crate) fn whisper(&mut self, from: Node, to: Node, number: u64, taken: bool) -> Verdict {
        let to = self.identity(to);
        let is_told = !self.nodes[from].holding;
        let view = self.view(from, to);
        let knows = view.session.is_some();
        if is_told && !taken && knows && view.exits > 0 {
            // It cannot be sent to any more, so it has to go.
            view.outdated = view.session;
        } else if is_told && taken != knows {
            return Err(format!(
                "whisper {number} of {from} to {to:?} was taken: {taken}, \
                 the application knows it: {knows}"
            ));
        }
        if taken {
            let group = None;
            self.post(from, to, Word::Message { group, number });
        }
        Ok(())
    }

    /// A node has sent a message to all that it knows in a group, so many.
    pub(crate) fn shout(&mut self, from: Node, group: usize, number: u64, count: usize) -> Verdict {
        let members: Vec<_> = self
            .views
            .iter()
            .filter(|((observer, _), view)| *observer == from && view.groups.contains(&group))
            .map(|((_, peer), _)| *peer)
            .collect();
        let may_go = |peer: &&Identity| self.views[&(from, **peer)].exits > 0;
        let surely = members.len() - members.iter().filter(may_go).count();
        if !(surely..=members.len()).contains(&count) {
            return Err(format!(
                "shout {number} of {from} went to {count} peers, not {members:?}"
            ));
        }
        let group = Some(group);
        for peer in members {
            self.post(from, peer, Word::Message { group, number });
        }
        Ok(())
    }

    pub(crate) fn partition(&mut self, nodes: Nodes) {
        self.touching(|all| all.partitions.push(nodes));
    }

    pub(crate) fn cut(&mut self, from: Node, to: Node) {
        self.touching(|all| _ = all.cuts.insert((from, to)));
    }

    pub(crate) fn heal(&mut self) {
        self.touching(|all| {
            all.partitions.clear();
            all.cuts.clear();
        });
    }

    pub(crate) fn plug(&mut self, node: Node, plugged: bool) {
        self.touching(|all| all.nodes[node].unplugged = !plugged);
    }

    pub(crate) fn freeze(&mut self, node: Node, frozen: bool) {
        self.touching(|all| all.nodes[node].frozen = frozen);
    }

    pub(crate) fn reset(&mut self, one: Node, other: Node) {
        let reasons = [ExitReason::ConnectionLost, ExitReason::Restarted];
        // What was lost may have been a HELLO.
        let (exits, patience) = match self.is_calm(one, other) {
            true => (1, RECONNECTED),
            false => (2, HANDSHAKE + RECONNECTED),
        };
        let exits = self.at_most(exits, one, other);
        for (observer, peer) in [(one, other), (other, one)] {
            let (now, peer) = (self.now, self.identity(peer));
            self.view(observer, peer)
                .allow(exits, &reasons, now, patience);
        }
    }

    pub(crate) fn stall(&mut self, from: Node, to: Node) {
        self.leave_unread(from, to);
        self.stalls.insert((from, to));
    }

    pub(crate) fn unstall(&mut self, from: Node, to: Node) {
        if self.stalls.remove(&(from, to)) {
            self.leave_unread(from, to);
            let (now, from) = (self.now, self.identity(from));
            self.view(to, from).allow(0, &[], now, SOON);
        }
    }

    /// A HELLO may be among it, or an answer of one whose beacons do not count, as it has come
    /// again from elsewhere.
    fn leave_unread(&mut self, from: Node, to: Node) {
        let keeps_identity = |node: Node| self.nodes[node].keeps_identity;
        if !self.is_calm(from, to) || keeps_identity(from) || keeps_identity(to) {
            self.touch((from, to));
            self.touch((to, from));
        }
    }

    pub(crate) fn hold(&mut self, node: Node) {
        self.nodes[node].holding = true;
        for other in self.others(node) {
            // A HELLO may be left unread.
            if !self.is_calm(node, other) {
                self.touch((node, other));
                self.touch((other, node));
            }
        }
    }

    pub(crate) fn take(&mut self, node: Node) {
        if std::mem::take(&mut self.nodes[node].holding) {
            let now = self.now;
            for ((observer, peer), view) in &mut self.views {
                if *observer == node || peer.node == node {
                    let patience = match view.exits {
                        0 => SOON,
                        _ => HANDSHAKE + RECONNECTED,
                    };
                    view.allow(0, &[], now, patience);
                }
            }
        }
    }

    /// Something is done to hosts or the network, which touches all pairs whose way to each other
    /// is another then.
    fn touching(&mut self, deed: impl FnOnce(&mut Self)) {
        let pairs: Vec<_> = (0..self.len())
            .flat_map(|one| self.others(one).map(move |other| (one, other)))
            .collect();
        let before: Vec<_> = pairs.iter().map(|pair| self.obstacles(*pair)).collect();
        deed(self);
        for (pair, before) in pairs.into_iter().zip(before) {
            if self.obstacles(pair) != before {
                self.touch(pair);
            }
        }
    }

    fn touch(&mut self, (observer, peer): (Node, Node)) {
        let reasons = [
            ExitReason::Expired,
            ExitReason::ConnectionLost,
            ExitReason::Restarted,
            // What waited when it was frozen has waited for as long.
            ExitReason::Stalled,
        ];
        let now = self.now;
        // One who has just come may be given up again, for an attempt to connect that began before.
        let exits = self.at_most(2, observer, peer);
        for (_, view) in (self.views.iter_mut())
            .filter(|((who, identity), _)| (*who, identity.node) == (observer, peer))
        {
            let since = view.unheard_since.unwrap_or(now);
            // TCP tries again when as much time has passed again, and what comes then is a sign of
            // life.
            let again = MOST_BETWEEN_RETRIES.min(now - since);
            view.allow(exits, &reasons, now, NOTICED + again);
            view.unheard_since = Some(since);
        }
    }

    /// Exits that a fault allows; any number while one of the two reads nothing, and the other
    /// tries every ten seconds.
    fn at_most(&self, exits: usize, one: Node, other: Node) -> usize {
        match self.is_holding(one) || self.is_holding(other) {
            true => 1000,
            false => exits,
        }
    }

    /// Everybody may see a change of a node for a while.
    fn seen_by_all(
        &mut self,
        node: Node,
        exits: usize,
        reasons: &[ExitReason],
        patience: Duration,
    ) {
        let (now, itself) = (self.now, self.identity(node));
        for other in self.others(node) {
            self.view(other, itself)
                .allow(exits, reasons, now, patience);
        }
    }

    fn post(&mut self, from: Node, to: Identity, word: Word) {
        let sender = self.identity(from);
        // Which session it is said in is not certain as long as the end of one may wait to be told.
        let may_have_ended = self.view(to.node, sender).exits > 0;
        let is_certain = !(self.is_holding(from) || may_have_ended && self.is_holding(to.node));
        let session = self.view(from, to).session;
        let letter = Letter {
            word,
            at: self.now,
            sender_session: session.filter(|_| is_certain),
            receiver_session: self.view(to.node, sender).session,
            before_goodbye: false,
        };
        self.mail.entry((sender, to)).or_default().push_back(letter);
    }

    // What applications are told.

    /// The application on a node was told of a peer.
    pub(crate) fn told(
        &mut self,
        at: Duration,
        node: Node,
        peer: Identity,
        told: &Told,
    ) -> Verdict {
        let watched = self.nodes[node].life == Life::Up;
        let [is_late, peer_is_late] = [node, peer.node].map(|node| self.nodes[node].holding);
        let sooner = match self.nodes[peer.node].keeps_identity {
            true => MISSED_SOONER,
            false => Duration::ZERO,
        };
        let view = self.views.entry((node, peer)).or_default();
        let is_late = is_late || peer_is_late && view.exits > 0;
        let settled = watched && at > view.settled_at && !is_late;
        let session = view.session;
        let is_unheard = |patience| {
            let since = view.unheard_since;
            since.is_some_and(|since| at + sooner >= since + patience)
        };
        match told {
            Told::Enter if session.is_some() => Err("has entered already".into()),
            Told::Enter if settled => Err("nothing was done".into()),
            Told::Enter => {
                self.sessions += 1;
                view.session = Some(self.sessions);
                view.entered_at = at;
                for letter in self.mail.entry((peer, self.identity(node))).or_default() {
                    // A group may have been joined before the peer's HELLO, which tells all it is
                    // in.
                    if matches!(letter.word, Word::Message { .. }) {
                        letter.receiver_session.get_or_insert(self.sessions);
                    }
                }
                Ok(())
            }
            _ if session.is_none() => Err("has not entered".into()),
            Told::Exit(reason) => {
                if watched && settled {
                    return Err("nothing was done".into());
                }
                if watched && !view.reasons.contains(reason) {
                    return Err(format!("there was no cause, but for {:?}", view.reasons));
                }
                if watched && view.exits == 0 {
                    return Err("it has gone and come oftener than there was cause".into());
                }
                if watched && *reason == ExitReason::Expired && !is_unheard(NOT_EXPIRED) {
                    return Err("it was not unheard for that long".into());
                }
                view.exits = view.exits.saturating_sub(1);
                view.session = None;
                view.groups.clear();
                let in_peace = *reason == ExitReason::Goodbye && view.unheard_since.is_none();
                let letters = self.mail.get(&(peer, self.identity(node)));
                let mut letters = letters.into_iter().flatten();
                match letters.find(|letter| in_peace && letter.before_goodbye) {
                    Some(lost) => Err(format!("{:?} is lost", lost.word)),
                    None => Ok(()),
                }
            }
            Told::Evasive | Told::Silent => match is_unheard(UNNOTICED) && !settled || !watched {
                true => Ok(()),
                false => Err("it was not unheard for that long".into()),
            },
            Told::Said(word) => self.heard(at, node, peer, word),
        }
    }

    /// The node has told its application that it has stopped.
    pub(crate) fn stopped(&mut self, node: Node) -> Verdict {
        if self.nodes[node].life != Life::Stopping {
            return Err("nobody has stopped it".into());
        }
        self.goes_down(node);
        Ok(())
    }

    fn heard(&mut self, at: Duration, node: Node, peer: Identity, word: &Word) -> Verdict {
        let itself = self.identity(node);
        let view = self.view(node, peer);
        let fits = match word {
            Word::Join(group) => view.groups.insert(*group),
            Word::Leave(group) => view.groups.remove(group),
            Word::Message { .. } => true,
        };
        if !fits {
            return Err("it was so already".into());
        }
        if matches!(word, Word::Join(_)) && view.entered_at == at {
            // Its HELLO says so.
            return Ok(());
        }
        let session = view.session;
        let tells_all = view.exits > 0 && !matches!(word, Word::Message { .. });
        let letters = self.mail.entry((peer, itself)).or_default();
        let find = |session: Option<u64>| {
            letters.iter().position(|letter| {
                letter.word == *word && (session.is_none() || letter.receiver_session == session)
            })
        };
        let Some(place) = find(session).or_else(|| find(None)) else {
            return match tells_all {
                true => Ok(()),
                false => Err("it was not said, or has been heard already".into()),
            };
        };
        let passed: Vec<_> = letters.drain(..place).collect();
        letters.pop_front();
        match passed
            .iter()
            .find(|letter| self.must_come(peer, itself, letter))
        {
            Some(lost) => Err(format!("{:?} is lost, which was said before", lost.word)),
            None => Ok(()),
        }
    }

    // What must be so when time has passed.

    pub(crate) fn check(&mut self) -> Verdict {
        let watched: Vec<_> = (self.views.iter())
            .filter(|((observer, _), view)| {
                self.can_act(*observer) && !self.is_holding(*observer) && view.settled_at < self.now
            })
            .filter(|((observer, peer), _)| {
                // It is not told of what is left unread, and who reads nothing does not answer
                // either.
                !self.is_stalled(peer.node, *observer) && !self.is_holding(peer.node)
            })
            .map(|(key, _)| *key)
            .collect();
        for (observer, peer) in watched {
            self.check_view(observer, peer)
                .map_err(|error| format!("{observer} and {peer:?}: {error}"))?;
            self.check_mail(peer, self.identity(observer))?;
        }
        Ok(())
    }

    fn check_view(&mut self, observer: Node, peer: Identity) -> Verdict {
        let is_there = self.is_there(observer, peer);
        let groups = self.nodes[peer.node].groups.clone();
        let view = self.view(observer, peer);
        if view.session.is_some() != is_there {
            return Err(format!("it should be known: {is_there}"));
        }
        if is_there && view.groups != groups {
            return Err(format!("known in {:?}, is in {groups:?}", view.groups));
        }
        if is_there && view.outdated.is_some() && view.outdated == view.session {
            return Err("it has begun anew, and nobody was told".into());
        }
        view.exits = 0;
        view.reasons.clear();
        view.unheard_since.take_if(|_| is_there);
        view.outdated = None;
        Ok(())
    }

    /// What was said in a session that both sides still hold has come.
    fn check_mail(&self, from: Identity, to: Identity) -> Verdict {
        if !self.is_settled(from.node, to) {
            return Ok(());
        }
        let letters = self.mail.get(&(from, to));
        let mut old = (letters.into_iter().flatten()).filter(|letter| letter.at + SOON < self.now);
        match old.find(|letter| self.must_come(from, to, letter)) {
            Some(lost) => Err(format!(
                "{:?} from {from:?} to {to:?} has not come",
                lost.word
            )),
            None => Ok(()),
        }
    }

    fn must_come(&self, from: Identity, to: Identity, letter: &Letter) -> bool {
        let session = |observer: Node, peer| {
            let view = self.views.get(&(observer, peer));
            view.and_then(|view| view.session)
        };
        let (ours, theirs) = (session(from.node, to), session(to.node, from));
        // The end of a session may wait to be told.
        !self.is_holding(from.node)
            && ours.is_some()
            && theirs.is_some()
            && letter.sender_session == ours
            && letter.receiver_session == theirs
    }

    /// Whether an application has to know a peer, when all has settled.
    fn is_there(&self, observer: Node, peer: Identity) -> bool {
        self.identity(peer.node) == peer
            && self.nodes[peer.node].life == Life::Up
            && self.carries(observer, peer.node)
            && self.carries(peer.node, observer)
    }

    /// Whether nothing has been done to two nodes lately that can hold up what they say.
    fn is_calm(&self, one: Node, other: Node) -> bool {
        self.is_settled(one, self.identity(other))
            && self.is_settled(other, self.identity(one))
            && self.carries(one, other)
            && self.carries(other, one)
    }

    fn is_settled(&self, observer: Node, peer: Identity) -> bool {
        let view = self.views.get(&(observer, peer));
        view.is_none_or(|view| view.settled_at < self.now)
    }

    fn carries(&self, from: Node, to: Node) -> bool {
        let [cut, _, rest @ ..] = self.obstacles((from, to));
        !cut && rest == [false; 7]
    }

    /// What stands between two nodes; the first hinders only what goes there, the second what comes
    /// back.
    fn obstacles(&self, (from, to): (Node, Node)) -> [bool; 9] {
        let side = |nodes: &Nodes, node: Node| nodes >> node & 1;
        let separates = |nodes: &Nodes| side(nodes, from) != side(nodes, to);
        let (one, other) = (&self.nodes[from], &self.nodes[to]);
        [
            self.cuts.contains(&(from, to)),
            self.cuts.contains(&(to, from)),
            self.partitions.iter().any(separates),
            one.off,
            one.unplugged,
            one.frozen,
            other.off,
            other.unplugged,
            other.frozen,
        ]
    }

    fn others(&self, node: Node) -> impl Iterator<Item = Node> + use<> {
        (0..self.nodes.len()).filter(move |other| *other != node)
    }

    fn view(&mut self, observer: Node, peer: Identity) -> &mut View {
        self.views.entry((observer, peer)).or_default()
    }
}

impl View {
    /// So many more exits may come for such reasons, within a time.
    fn allow(&mut self, exits: usize, reasons: &[ExitReason], now: Duration, patience: Duration) {
        self.exits += exits;
        self.reasons.extend_from_slice(reasons);
        self.settled_at = self.settled_at.max(now + patience);
    }
}
