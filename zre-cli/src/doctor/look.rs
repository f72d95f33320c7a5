//! Looks around with a node of its own.

use std::{collections::BTreeMap, future::pending, net::SocketAddr, time::Duration};

use tokio::{
    task::JoinSet,
    time::{Instant, sleep_until, timeout},
};
use zre_tokio::{Endpoint, Event, Node, Notice, Notices, PeerId, PeerInfo, PublicKey, RefusedBy};

use super::{ear::Ear, heard::Heard};
use crate::shutdown::Shutdown;

/// How long a peer may take to answer a PING.
const PATIENCE: Duration = Duration::from_secs(1);

/// So many of what each stranger could make more of are kept.
const MOST: usize = 500;

/// What was seen of others.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) heard: Heard,
    /// The peers that have entered and are there, with the time of an answer.
    pub(super) met: Vec<(PeerInfo, Option<Duration>)>,
    /// Why others did not enter.
    pub(super) troubles: BTreeMap<PeerId, Trouble>,
    /// Where else this node's own identity is.
    pub(super) own_identity: Vec<SocketAddr>,
    /// Identities that two nodes have, and where they are.
    pub(super) twins: BTreeMap<PeerId, [String; 2]>,
    /// What the system would not do for the node.
    pub(super) refusals: Vec<String>,
    /// What is good to know of others, under a word that no version changes.
    pub(super) remarks: Vec<(&'static str, String)>,
}

/// Why a node that was heard did not enter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    /// No connection to it can be made.
    NotConnected { endpoint: Endpoint, error: String },
    /// It takes our connection, and makes none to us.
    CannotConnectBack { endpoint: Endpoint },
    /// It closes our connections.
    Refuses { endpoint: Endpoint },
    /// It has a key, and this node has none.
    CurveOnly,
    /// It has no key, and this node has one.
    InTheOpen,
    /// This node does not trust its key.
    NotTrusted { key: PublicKey },
    /// It does not trust the key of this node.
    DoesNotTrust,
    /// What it says breaks the protocol, or there are too many peers.
    Refused { why: String },
}

/// A look around.
#[derive(Debug)]
pub(super) struct Look<'a> {
    node: &'a Node,
    /// Whether the node has a key.
    is_secured: bool,
    ear: Option<Ear>,
    notices: Notices,
    seen: Seen,
}

impl<'a> Look<'a> {
    pub(super) fn new(
        node: &'a Node,
        is_secured: bool,
        ear: Option<Ear>,
        notices: Notices,
    ) -> Self {
        Self {
            node,
            is_secured,
            ear,
            notices,
            seen: Seen::default(),
        }
    }

    /// Looks around for so long. Then it waits for connections that are still being made, for so
    /// long again and a little more.
    pub(super) async fn around(
        mut self,
        wait: Duration,
        patience: Duration,
        shutdown: &Shutdown,
    ) -> Seen {
        const MARGIN: Duration = Duration::from_millis(500);
        let end = Instant::now() + wait;
        let work = async {
            self.until(end, |_| false).await;
            self.until(end + patience + MARGIN, |look| !look.is_undecided())
                .await;
        };
        tokio::select! {
            () = work => {}
            () = shutdown.requested() => {}
        }
        self.note_kinds();
        let mut seen = self.seen;
        seen.forgive_who_left();
        seen.met = ping_all(self.node).await;
        seen.met
            .sort_by(|(a, _), (b, _)| (&a.name, a.id).cmp(&(&b.name, b.id)));
        for (peer, _) in &seen.met {
            seen.troubles.remove(&peer.id);
        }
        seen
    }

    /// Notes everything until then, or until it is enough.
    async fn until(&mut self, end: Instant, is_enough: impl Fn(&Self) -> bool) {
        while !is_enough(self) {
            tokio::select! {
                () = sleep_until(end) => return,
                (from, datagram) = hear(&mut self.ear) => {
                    self.seen.heard.note(from, &datagram, Instant::now());
                }
                Some(notice) = self.notices.recv() => self.seen.note(notice),
                // A node whose events are not taken stops reading from its peers.
                event = self.node.recv() => match event {
                    Some(Event::Stop { .. }) | None => return,
                    Some(Event::Refused { peer, key, by }) => {
                        self.seen.note_trouble(peer, Trouble::of_key(key, by));
                    }
                    Some(_) => {}
                },
            }
        }
    }

    /// Nodes with a key and nodes without one never meet.
    fn note_kinds(&mut self) {
        let nodes = self.seen.heard.nodes();
        let of_other_kind = nodes.filter(|(peer, heard)| {
            *peer != self.node.id() && !heard.has_left && heard.is_secured != self.is_secured
        });
        let of_other_kind: Vec<_> = of_other_kind.map(|(peer, _)| peer).collect();
        for peer in of_other_kind {
            let trouble = match self.is_secured {
                true => Trouble::InTheOpen,
                false => Trouble::CurveOnly,
            };
            self.seen.note_trouble(peer, trouble);
        }
    }

    /// Whether a node is heard of which it is not known what becomes of it.
    fn is_undecided(&self) -> bool {
        let met = self.node.peers();
        let mut nodes = self.seen.heard.nodes();
        nodes.any(|(peer, heard)| {
            let is_decided = peer == self.node.id()
                || heard.is_secured != self.is_secured
                || heard.has_left
                || met.contains(&peer)
                || self.seen.troubles.contains_key(&peer);
            !is_decided
        })
    }
}

impl Trouble {
    /// Whether it is to be expected of a node that is about to leave.
    const fn may_come_of_leaving(&self) -> bool {
        matches!(
            self,
            Self::NotConnected { .. } | Self::CannotConnectBack { .. } | Self::Refuses { .. }
        )
    }

    fn of_key(key: PublicKey, by: RefusedBy) -> Self {
        match by {
            RefusedBy::Them => Self::DoesNotTrust,
            _ => Self::NotTrusted { key },
        }
    }
}

async fn hear(ear: &mut Option<Ear>) -> (SocketAddr, Vec<u8>) {
    match ear {
        Some(ear) => ear.next().await,
        None => pending().await,
    }
}

impl Seen {
    fn note(&mut self, notice: Notice) {
        let text = notice.to_string();
        match notice {
            Notice::ConnectFailed {
                peer,
                endpoint,
                error,
                ..
            }
            | Notice::Unreachable {
                peer,
                endpoint,
                error,
            } => self.note_trouble(peer, Trouble::NotConnected { endpoint, error }),
            Notice::NoHello { peer, endpoint } => {
                self.note_trouble(peer, Trouble::CannotConnectBack { endpoint });
            }
            Notice::RefusedByPeer { peer, endpoint, .. } => {
                self.note_trouble(peer, Trouble::Refuses { endpoint });
            }
            Notice::SecuredPeer { peer, .. } | Notice::SecuredTuple { peer, .. } => {
                self.note_trouble(peer, Trouble::CurveOnly);
            }
            Notice::OpenPeer { peer, .. } | Notice::OpenTuple { peer, .. } => {
                self.note_trouble(peer, Trouble::InTheOpen);
            }
            Notice::NotTrusted { peer, key } => {
                self.note_trouble(peer, Trouble::NotTrusted { key });
            }
            Notice::NotTrustedBy { peer, .. } => self.note_trouble(peer, Trouble::DoesNotTrust),
            Notice::OtherKey { .. } => note_once(&mut self.remarks, ("other_key", text)),
            Notice::PeerLimit { peer, .. } | Notice::Refused { peer, .. } => {
                self.note_trouble(peer, Trouble::Refused { why: text });
            }
            Notice::OwnIdentity { from } if self.own_identity.len() < MOST => {
                self.own_identity.push(from);
            }
            Notice::IdentityInUse {
                peer,
                endpoint,
                remote,
                claimed,
            } if self.twins.len() < MOST => {
                let other = claimed.map_or_else(|| remote.to_string(), |it| it.to_string());
                self.twins.insert(peer, [endpoint.to_string(), other]);
            }
            Notice::NotListening { .. }
            | Notice::BeaconNotReceived { .. }
            | Notice::NotAccepted { .. } => note_once(&mut self.refusals, text),
            Notice::OwnIdentityGossiped { .. }
            | Notice::BadTuple(_)
            | Notice::TupleLimit(_)
            | Notice::GossipClientClosed { .. } => {
                note_once(&mut self.remarks, ("gossip", text));
            }
            Notice::EarlyWrap { peer } => {
                let text = format!("node {peer} counts its messages as pyre and zyre.js do");
                note_once(&mut self.remarks, ("early_wrap", text));
            }
            _ => {}
        }
    }

    /// A node that is stopped while it is being met closes connections, and then says goodbye.
    fn forgive_who_left(&mut self) {
        for (peer, _) in self.heard.nodes().filter(|(_, heard)| heard.has_left) {
            let trouble = self.troubles.get(&peer);
            if trouble.is_some_and(Trouble::may_come_of_leaving) {
                self.troubles.remove(&peer);
            }
        }
    }

    /// The first counts: what follows is often its consequence.
    fn note_trouble(&mut self, peer: PeerId, trouble: Trouble) {
        if self.troubles.len() < MOST {
            self.troubles.entry(peer).or_insert(trouble);
        }
    }
}

fn note_once<T: PartialEq>(notes: &mut Vec<T>, note: T) {
    if !notes.contains(&note) && notes.len() < MOST {
        notes.push(note);
    }
}

async fn ping_all(node: &Node) -> Vec<(PeerInfo, Option<Duration>)> {
    let mut answers = JoinSet::new();
    for info in node.peer_infos() {
        let node = node.clone();
        answers.spawn(async move {
            let answer = timeout(PATIENCE, node.ping(info.id)).await;
            (info, answer.ok().and_then(Result::ok))
        });
    }
    answers.join_all().await
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEACON_FROM: &str = "10.0.0.2:5670";

    #[test]
    fn a_connection_that_fails_while_its_node_leaves_is_no_trouble() {
        let mut seen = Seen::default();
        let [leaves, stays] = [1, 2].map(|byte| PeerId::from([byte; 16]));
        let endpoint: Endpoint = "tcp://10.0.0.2:7".parse().unwrap();
        let failed = |peer| Notice::ConnectFailed {
            peer,
            endpoint: endpoint.clone(),
            error: "Connection reset by peer".to_owned(),
            attempt: 1,
        };
        for peer in [leaves, stays] {
            seen.hear(peer, 7);
            seen.note(failed(peer));
        }
        seen.hear(leaves, 0);
        seen.forgive_who_left();
        assert_eq!(seen.troubles.keys().collect::<Vec<_>>(), [&stays]);
    }

    #[test]
    fn a_key_that_is_not_trusted_is_told_of_a_node_that_has_left() {
        let mut seen = Seen::default();
        let peer = PeerId::from([1; 16]);
        seen.note_trouble(peer, Trouble::DoesNotTrust);
        seen.hear(peer, 0);
        seen.forgive_who_left();
        assert_eq!(seen.troubles.get(&peer), Some(&Trouble::DoesNotTrust));
    }

    impl Seen {
        fn hear(&mut self, peer: PeerId, port: u16) {
            let beacon = [b"ZRE\x01", &peer.to_bytes()[..], &port.to_be_bytes()].concat();
            let from = BEACON_FROM.parse().unwrap();
            self.heard.note(from, &beacon, Instant::now());
        }
    }
}
