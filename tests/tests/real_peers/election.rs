//! zyre nodes elect a leader of a group that our nodes are in, too.

mod contest;

use std::{
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;
use zre_tests::{Namespace, Peer, PeerOptions, RealPeers, peer::PATIENCE};

use crate::kind::Kind::{Pyre, Zre};

const GROUP: &str = "LED";

/// Nodes of zyre that contest, and nodes of ours. All know each other.
struct Crowd {
    zyres: Vec<Peer>,
    ours: Vec<Peer>,
}

impl Crowd {
    fn meet(network: &Namespace, zyres: usize, ours: usize) -> Self {
        let ours = (0..ours).map(|_| Zre.start(network)).collect();
        let zyres = (0..zyres).map(|number| contestant(network, number));
        let zyres = zyres.collect();
        let crowd = Self { zyres, ours };
        for one in crowd.all() {
            for other in crowd.all().filter(|other| other.uuid() != one.uuid()) {
                one.wait_event("ENTER", other.uuid());
            }
        }
        crowd
    }

    fn all(&self) -> impl Iterator<Item = &Peer> {
        self.ours.iter().chain(&self.zyres)
    }

    /// They join, each when the election before is over.
    fn join<'a>(&'a self, order: impl Iterator<Item = &'a Peer>) {
        let mut contestants = Vec::new();
        for joining in order {
            // Whoever joins starts no election, those who are there do.
            let expected = !contestants.is_empty();
            if self.zyres.iter().any(|zyre| zyre.uuid() == joining.uuid()) {
                contestants.push(joining);
            }
            let held: Vec<_> = contestants.iter().map(|zyre| leaders(zyre).len()).collect();
            joining.join(GROUP);
            for other in self.all().filter(|other| other.uuid() != joining.uuid()) {
                other.wait_event("JOIN", joining.uuid());
            }
            let is_held = || {
                let mut held = contestants.iter().zip(&held);
                held.all(|(zyre, held)| leaders(zyre).len() > *held)
            };
            if expected {
                self.elect(joining, contestants.len(), is_held);
            }
        }
    }

    /// Waits for an election. Of three contestants that hear of a new member at different times,
    /// one may be left without a leader by zyre's own fault. Then the member leaves and comes
    /// again, which starts another election.
    fn elect(&self, joining: &Peer, contestants: usize, is_held: impl Fn() -> bool) {
        let attempts = if contestants > 2 { 3 } else { 0 };
        for _ in 0..attempts {
            if holds_within(Duration::from_secs(3), &is_held) {
                return;
            }
            joining.leave(GROUP);
            joining.join(GROUP);
        }
        wait_until("an election is held", is_held);
    }

    /// The leader on which the zyre nodes agree in the end, another than `former`.
    fn leader(&self, former: &str) -> String {
        let last = |zyre| leaders(zyre).pop().filter(|leader| leader != former);
        let agree = || {
            let mut known = self.zyres.iter().map(last);
            let first = known.next().flatten();
            first.is_some() && known.all(|other| other == first)
        };
        wait_until("all zyre nodes have the same leader", agree);
        last(&self.zyres[0]).unwrap_or_default()
    }

    fn remove(&mut self, leader: &str) -> Peer {
        let position = self.zyres.iter().position(|zyre| zyre.uuid() == leader);
        self.zyres.remove(position.expect("a zyre node leads"))
    }
}

fn contestant(network: &Namespace, number: usize) -> Peer {
    let options = PeerOptions::new(&format!("zyre{number}"))
        .evasive(Duration::from_secs(1))
        .expired(Duration::from_secs(3));
    let zyre = Peer::zyre(network, &options);
    zyre.contest(GROUP);
    zyre
}

/// The leaders that it has told of, the last one last.
fn leaders(zyre: &Peer) -> Vec<String> {
    let is_leader = |line: &&Value| line["event"] == "LEADER" && line["group"] == GROUP;
    let events = zyre.events();
    let leaders = events.iter().filter(is_leader);
    leaders
        .filter_map(|line| line["peer"].as_str().map(str::to_owned))
        .collect()
}

fn exits(peer: &Peer, of: &Peer) -> usize {
    let is_exit = |line: &&Value| line["event"] == "EXIT" && line["peer"] == of.uuid();
    peer.events().iter().filter(is_exit).count()
}

fn wait_until(what: &str, is_true: impl Fn() -> bool) {
    assert!(holds_within(PATIENCE, is_true), "not in time: {what}");
}

fn holds_within(time: Duration, is_true: impl Fn() -> bool) -> bool {
    let deadline = Instant::now() + time;
    while !is_true() {
        if Instant::now() >= deadline {
            return false;
        }
        thread::park_timeout(Duration::from_millis(20));
    }
    true
}

#[test]
fn zyre_nodes_elect_a_leader_in_a_group_of_ours() {
    let Some(rig) = RealPeers::available() else {
        return;
    };
    for (zyres, ours) in [(2, 1), (3, 2)] {
        for ours_first in [true, false] {
            let network = rig.namespace();
            let crowd = Crowd::meet(&network, zyres, ours);
            match ours_first {
                true => crowd.join(crowd.ours.iter().chain(&crowd.zyres)),
                false => crowd.join(crowd.zyres.iter().chain(&crowd.ours)),
            }
            crowd.leader("");
            for one in crowd.all() {
                assert!(crowd.all().all(|other| exits(one, other) == 0));
            }
        }
    }
}

#[test]
fn zyre_nodes_elect_another_leader_when_theirs_leaves_or_is_killed() {
    let Some(rig) = RealPeers::available() else {
        return;
    };
    let ends: [fn(&Peer); 3] = [|leader| leader.leave(GROUP), Peer::stop, Peer::kill9];
    for end in ends {
        let network = rig.namespace();
        // One contestant is left: when two hear at different times that the leader is gone, zyre
        // may elect nobody, with our nodes in the group or without.
        let mut crowd = Crowd::meet(&network, 2, 2);
        crowd.join(crowd.all());
        let former = crowd.leader("");
        let leader = crowd.remove(&former);
        end(&leader);
        crowd.leader(&former);
    }
}

#[test]
fn pyre_does_not_lose_us_in_a_group_that_zyre_nodes_contest() {
    let Some(rig) = RealPeers::available() else {
        return;
    };
    let network = rig.namespace();
    let crowd = Crowd::meet(&network, 2, 1);
    crowd.join(crowd.all());
    let ours = &crowd.ours[0];
    let pyre = Pyre.start(&network);
    pyre.wait_event("ENTER", ours.uuid());
    ours.wait_event("ENTER", pyre.uuid());
    pyre.join(GROUP);
    // They send it ELECT, which it does not know. Our node has got theirs by then.
    for zyre in &crowd.zyres {
        pyre.wait_event("EXIT", zyre.uuid());
    }
    ours.wait_event("JOIN", pyre.uuid());
    ours.shout(GROUP, &["still here"]);
    pyre.wait_event("SHOUT", ours.uuid());
    pyre.shout(GROUP, &["me too"]);
    ours.wait_event("SHOUT", pyre.uuid());
    assert_eq!((exits(&pyre, ours), exits(ours, &pyre)), (0, 0));
}
