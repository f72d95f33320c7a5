//! What the scenes share.

use std::{thread, time::Duration};

use zre_tests::{Host, Networks, Peer, PeerOptions, any_node::Flavour};

pub(crate) use zre_tests::scene::{
    ADAPTERS, Clock, all_meet, assert_one_session, converse, in_all_cases, meet, on_each_adapter,
    talk, told,
};

/// A host for several peers that stay where they are.
pub(crate) fn server(networks: &Networks, lan: &str) -> Host {
    networks.host_on(lan, "10.90.0.2/24")
}

/// A node of zyre, one of pyre and one of ours beside each other, which a node of ours is to meet.
pub(crate) struct Others {
    pub(crate) zyre: Peer,
    pub(crate) pyre: Peer,
    pub(crate) ours: Peer,
}

impl Others {
    /// They forget who is silent for this long.
    pub(crate) fn start(host: &Host, flavour: Flavour, patience: Duration) -> Self {
        let options = |name| {
            let options = PeerOptions::new(name).evasive(patience / 5);
            options.expired(patience)
        };
        let others = thread::scope(|scope| {
            let zyre = scope.spawn(|| Peer::zyre(host, &options("zyre")));
            let pyre = scope.spawn(|| Peer::pyre(host, &options("pyre")));
            let ours = Peer::ours(host, flavour, &PeerOptions::new("other"));
            let started = "its thread has not panicked";
            Self {
                zyre: zyre.join().expect(started),
                pyre: pyre.join().expect(started),
                ours,
            }
        });
        all_meet(&others.all());
        others
    }

    /// Each sees this node enter, and is seen.
    pub(crate) fn meet(&self, node: &Peer) {
        for other in self.all() {
            meet(node, other);
        }
    }

    /// Each sees this node go.
    pub(crate) fn see_go(&self, node: &Peer) {
        for other in self.all() {
            other.wait_event("EXIT", node.uuid());
        }
    }

    /// Each talks with this node again. `clock` says how long it took: of ours two beacon intervals
    /// and the pause after an attempt to connect that came too early, of the others as long as they
    /// take to see that a peer has moved.
    pub(crate) fn talk(&self, node: &Peer, clock: &Clock) {
        let talk = |other: &Peer| {
            let allowed = match other.uuid() == self.ours.uuid() {
                true => Duration::from_millis(2500),
                false => Duration::from_secs(8),
            };
            talk(node, other, 2 * allowed);
            clock.stop(&format!("talked with {}", other.name()), allowed);
        };
        thread::scope(|scope| {
            for other in self.all() {
                scope.spawn(move || talk(other));
            }
        });
    }

    pub(crate) fn all(&self) -> [&Peer; 3] {
        [&self.ours, &self.zyre, &self.pyre]
    }
}
