//! Our nodes contest, too.

use std::{
    thread,
    time::{Duration, Instant},
};

use zre_tests::{Namespace, Peer, PeerOptions, RealPeers, any_node::Flavour};

use super::{GROUP, exits, holds_within, leaders, wait_until};

/// A node that contests, and is in the group from the start.
#[derive(Clone, Copy, Debug)]
enum Contestant {
    Ours(Flavour),
    Zyre,
}

use Contestant::{Ours, Zyre};

const TOKIO: Contestant = Ours(Flavour::TokioMulti);

/// Lower than any identity that is random.
const LOWEST: &str = "00000000000000000000000000000001";
const HIGHEST: &str = "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFE";

fn options(name: &str) -> PeerOptions {
    let options = PeerOptions::new(name).group(GROUP);
    let (evasive, expired) = (Duration::from_secs(1), Duration::from_secs(3));
    options.evasive(evasive).expired(expired)
}

impl Contestant {
    fn start(self, network: &Namespace, number: usize) -> Peer {
        self.start_as(network, options(&format!("{self:?}{number}")))
    }

    fn start_as(self, network: &Namespace, options: PeerOptions) -> Peer {
        match self {
            Ours(flavour) => Peer::ours(network, flavour, &options.contest(GROUP)),
            Zyre => {
                let zyre = Peer::zyre(network, &options);
                zyre.contest(GROUP);
                zyre
            }
        }
    }
}

/// The leader on which all agree in the end, if they do.
fn agreed(peers: &[Peer]) -> Option<String> {
    let mut last = peers.iter().map(|peer| leaders(peer).pop());
    let first = last.next()??;
    let is_member = peers.iter().any(|peer| peer.uuid() == first);
    (is_member && last.all(|other| other.as_ref() == Some(&first))).then_some(first)
}

/// Waits until all agree, and gives the leader and how long that took.
fn wait_for_leader(peers: &[Peer], what: &str) -> (String, Duration) {
    let start = Instant::now();
    wait_until(what, || agreed(peers).is_some());
    (agreed(peers).unwrap_or_default(), start.elapsed())
}

fn all_meet(peers: &[Peer]) {
    for one in peers {
        for other in peers.iter().filter(|other| other.uuid() != one.uuid()) {
            one.wait_event("JOIN", other.uuid());
        }
    }
}

fn nobody_was_lost(peers: &[Peer]) {
    for one in peers {
        assert!(peers.iter().all(|other| exits(one, other) == 0));
    }
}

type End = fn(&Peer);

/// In each order of three.
fn orders<T: Copy>([a, b, c]: [T; 3]) -> [[T; 3]; 6] {
    [
        [a, b, c],
        [a, c, b],
        [b, a, c],
        [b, c, a],
        [c, a, b],
        [c, b, a],
    ]
}

#[test]
fn contestants_of_both_kinds_elect_one_leader_in_each_order_of_starting() {
    let Some(rig) = RealPeers::available() else {
        return;
    };
    let mixes = [
        [Ours(Flavour::TokioMulti), Zyre, Zyre],
        [Ours(Flavour::Smol), Ours(Flavour::Blocking), Zyre],
    ];
    for mix in mixes {
        thread::scope(|scope| {
            for order in orders(mix) {
                let network = rig.namespace();
                scope.spawn(move || all_elect_one_leader(order, &network));
            }
        });
    }
}

fn all_elect_one_leader(order: [Contestant; 3], network: &Namespace) {
    let peers = order.iter().enumerate();
    let peers: Vec<_> = peers
        .map(|(number, kind)| kind.start(network, number))
        .collect();
    all_meet(&peers);
    let ours = order.iter().position(|kind| matches!(kind, Ours(_)));
    begin_anew_until_agreed(&peers, &peers[ours.expect("one is ours")]);
    let (_, took) = wait_for_leader(&peers, &format!("{order:?} elect a leader"));
    println!("{order:?}: {took:?} after the last beginning");
    nobody_was_lost(&peers);
}

/// Of zyre nodes that begin at different times, one may get no leader by its own fault. Then
/// somebody comes and goes, which makes them begin anew.
fn begin_anew_until_agreed(peers: &[Peer], visitor: &Peer) {
    for _ in 0..5 {
        if holds_within(Duration::from_secs(6), || agreed(peers).is_some()) {
            return;
        }
        visitor.leave(GROUP);
        visitor.join(GROUP);
    }
}

#[test]
fn a_node_that_does_not_contest_hears_whom_zyre_nodes_elect() {
    let Some(rig) = RealPeers::available() else {
        return;
    };
    let network = rig.namespace();
    let passive = Peer::ours(&network, Flavour::TokioMulti, &options("passive"));
    let mut peers: Vec<_> = (0..3).map(|number| Zyre.start(&network, number)).collect();
    peers.push(passive);
    all_meet(&peers);
    begin_anew_until_agreed(&peers, &peers[3]);
    wait_for_leader(&peers, "all know the leader");
}

#[test]
fn our_node_leads_zyre_nodes() {
    let Some(rig) = RealPeers::available() else {
        return;
    };
    for flavour in [Flavour::TokioMulti, Flavour::Smol, Flavour::Blocking] {
        let network = rig.namespace();
        let ours = Ours(flavour).start_as(&network, options("first").uuid(LOWEST));
        let peers = [ours, Zyre.start(&network, 1), Zyre.start(&network, 2)];
        all_meet(&peers);
        wait_until("ours leads", || agreed(&peers).as_deref() == Some(LOWEST));
    }
}

#[test]
fn the_next_leads_when_a_leader_of_either_kind_ends() {
    let Some(rig) = RealPeers::available() else {
        return;
    };
    let ends: [(&str, End); 4] = [
        ("leaves", |leader| leader.leave(GROUP)),
        ("stops", Peer::stop),
        ("is killed", Peer::kill9),
        ("stands still", Peer::freeze),
    ];
    // Most of the time they wait.
    thread::scope(|scope| {
        for (end, carry_out) in ends {
            for uuid in [LOWEST, HIGHEST] {
                let network = rig.namespace();
                scope.spawn(move || another_leads_when_it(end, carry_out, uuid, &network));
            }
        }
    });
}

fn another_leads_when_it(end: &str, carry_out: End, uuid: &str, network: &Namespace) {
    let ours = TOKIO.start_as(network, options("ours").uuid(uuid));
    let mut peers = vec![ours, Zyre.start(network, 1), TOKIO.start(network, 2)];
    all_meet(&peers);
    let (former, _) = wait_for_leader(&peers, "all elect the first");
    let position = peers.iter().position(|peer| peer.uuid() == former);
    let leader = peers.remove(position.expect("it is one of them"));
    carry_out(&leader);
    let what = format!("the leader {end}, and another leads");
    let (_, took) = wait_for_leader(&peers, &what);
    println!("the leader {end}: {took:?}");
}

#[test]
fn a_zyre_node_leads_when_ours_withdraws() {
    let Some(rig) = RealPeers::available() else {
        return;
    };
    let network = rig.namespace();
    let ours = TOKIO.start_as(&network, options("ours").uuid(LOWEST));
    let peers = [ours, Zyre.start(&network, 1), TOKIO.start(&network, 2)];
    all_meet(&peers);
    wait_until("ours leads", || agreed(&peers).as_deref() == Some(LOWEST));
    peers[0].withdraw(GROUP);
    let is_another = || agreed(&peers).is_some_and(|leader| leader != LOWEST);
    wait_until("another leads", is_another);
    nobody_was_lost(&peers);
}

#[test]
fn pyre_is_not_lost_in_a_group_that_ours_contest() {
    let Some(rig) = RealPeers::available() else {
        return;
    };
    let network = rig.namespace();
    let pyre = Peer::pyre(&network, &PeerOptions::new("pyre").group(GROUP));
    let peers = [TOKIO.start(&network, 1), TOKIO.start(&network, 2)];
    for ours in &peers {
        ours.wait_event("JOIN", pyre.uuid());
        pyre.wait_event("JOIN", ours.uuid());
    }
    all_meet(&peers);
    wait_for_leader(&peers, "ours elect one of them");
    peers[0].shout(GROUP, &["still here"]);
    pyre.wait_event("SHOUT", peers[0].uuid());
    let is_lost = || {
        peers
            .iter()
            .any(|ours| exits(&pyre, ours) + exits(ours, &pyre) > 0)
    };
    assert!(!holds_within(Duration::from_secs(2), is_lost));
}
