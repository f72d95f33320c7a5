//! Elections among zyre nodes, pyre nodes and ours.
//!
//! The zyre nodes here do as zyre's source does. That has faults: when a message is late, they may
//! get no leader, or different ones. So many runs are counted.

mod contest;
mod network;
mod zyre;

use std::{format, string::String, time::Duration, vec::Vec};

use network::{Kind, Network};
use zre_proto::{Body, PeerId};

use super::{
    config, group, id_of,
    single_node::{FakePeer, SingleNode},
};
use crate::{Config, NodeOutput, Notice, Verdict};

const CONTESTANT: Kind = Kind::Zyre { contests: true };
const VOTER: Kind = Kind::Zyre { contests: false };
const OURS: Kind = Kind::Ours { contests: false };
const OUR_CONTESTANT: Kind = Kind::Ours { contests: true };

/// A way in which an election may come about.
type Play = fn(&mut Network);

const PLAYS: [(&str, Play); 5] = [
    ("one after the other joins", Network::join_one_by_one),
    ("all join at once", Network::join_at_random),
    ("the leader leaves", |network| {
        network.join_one_by_one();
        network.leader_goes(false);
    }),
    ("the leader is killed", |network| {
        network.join_one_by_one();
        network.leader_goes(true);
    }),
    ("a member is killed during the election", |network| {
        network.join_at_random();
        network.steps(20);
        network.kill_any();
    }),
];

const WITHDRAWAL: (&str, Play) = ("the leader withdraws", |network| {
    network.join_one_by_one();
    network.leader_withdraws();
});

/// In how many of 200 runs some zyre node is left without a leader.
fn leaderless_runs(kinds: &[Kind], play: Play) -> usize {
    let is_leaderless = |seed: &u64| {
        let mut network = Network::new(kinds, *seed);
        play(&mut network);
        network.settle();
        network.is_endless || network.leaders().contains(&None)
    };
    (1..=200).filter(is_leaderless).count()
}

#[test]
fn two_contestants_with_our_nodes_always_get_a_leader() {
    for ours in 1..=2 {
        let mut kinds = Vec::from([CONTESTANT; 2]);
        kinds.extend((0..ours).map(|_| OURS));
        let (_, joining) = PLAYS[0];
        assert_eq!(leaderless_runs(&kinds, joining), 0, "{ours} of ours");
    }
}

#[test]
fn elections_succeed_more_often_with_our_nodes_than_with_zyre_nodes_in_their_place() {
    for (contestants, others) in [(2, 1), (2, 2), (3, 2), (2, 3)] {
        let with = |kind: Kind| {
            let contestants = (0..contestants).map(|_| CONTESTANT);
            let kinds: Vec<_> = contestants.chain((0..others).map(|_| kind)).collect();
            PLAYS.map(|(_, play)| leaderless_runs(&kinds, play))
        };
        let (ours, zyres) = (with(OURS), with(VOTER));
        for (((name, _), ours), zyres) in PLAYS.iter().zip(ours).zip(zyres) {
            let label = format!("{name}, {contestants} contestants, {others} others");
            assert!(
                ours <= zyres,
                "{label}: {ours} with ours, {zyres} with zyre"
            );
        }
    }
}

#[test]
fn nobody_but_zyre_nodes_is_sent_election_messages() {
    let kinds = [CONTESTANT, CONTESTANT, VOTER, OURS, OURS, Kind::Pyre];
    for (name, play) in PLAYS {
        for seed in 0..50 {
            let mut network = Network::new(&kinds, seed);
            play(&mut network);
            network.settle();
            assert_eq!(network.stray, 0, "{name}, seed {seed}");
        }
    }
}

/// What is wrong when all is quiet, if anything: our nodes in the group agree on its leader, which
/// is in the group, too.
fn wrong(network: &Network) -> Option<String> {
    let ours = network.our_leaders();
    let first = *ours.first()?;
    if network.is_endless || network.stray > 0 {
        return Some(format!("endless, or {} to pyre", network.stray));
    }
    if ours.iter().any(|leader| *leader != first) {
        return Some(format!("ours differ: {ours:?}"));
    }
    let is_member = first.is_some_and(|leader| network.members().contains(&leader));
    (!is_member).then(|| format!("nobody in the group leads: {first:?}"))
}

/// How often a run of 200 has this property.
fn count_runs(kinds: &[Kind], play: Play, is_it: impl Fn(&Network) -> bool) -> usize {
    let is_found = |seed: &u64| {
        let mut network = Network::new(kinds, *seed);
        network.knows_all = true;
        play(&mut network);
        network.settle();
        is_it(&network)
    };
    (1..=200).filter(is_found).count()
}

#[test]
fn our_nodes_always_agree_on_a_leader() {
    let crowds: [&[Kind]; 4] = [
        &[OUR_CONTESTANT, OUR_CONTESTANT, OURS, OURS],
        &[
            OUR_CONTESTANT,
            OUR_CONTESTANT,
            OUR_CONTESTANT,
            OURS,
            Kind::Pyre,
        ],
        &[
            OUR_CONTESTANT,
            OUR_CONTESTANT,
            CONTESTANT,
            CONTESTANT,
            OURS,
            VOTER,
        ],
        &[
            OUR_CONTESTANT,
            OUR_CONTESTANT,
            CONTESTANT,
            OURS,
            VOTER,
            Kind::Pyre,
        ],
    ];
    for kinds in crowds {
        for (name, play) in PLAYS.into_iter().chain([WITHDRAWAL]) {
            for seed in 1..=200 {
                for knows_all in [false, true] {
                    let mut network = Network::new(kinds, seed);
                    network.knows_all = knows_all;
                    play(&mut network);
                    network.settle();
                    assert_eq!(wrong(&network), None, "{name}, seed {seed}, {kinds:?}");
                }
            }
        }
    }
}

#[test]
fn our_nodes_agree_whoever_comes_and_goes_and_changes_its_mind() {
    let crowds: [&[Kind]; 3] = [&[OURS; 4], &[OURS; 6], &[OURS, OURS, OURS, VOTER]];
    for kinds in crowds {
        for seed in 1..=400 {
            for withdraws in [false, true] {
                let mut network = Network::new(kinds, seed);
                network.knows_all = true;
                network.come_and_go(withdraws);
                network.settle();
                if network.first_contestant().is_some() {
                    assert_eq!(wrong(&network), None, "seed {seed}, {kinds:?}");
                }
            }
        }
    }
}

#[test]
fn a_contestant_is_not_left_behind_by_a_zyre_node_that_led() {
    for seed in 1..=800 {
        let mut network = Network::new(&[OURS, OURS, OURS, CONTESTANT], seed);
        network.knows_all = true;
        network.come_and_go(false);
        network.settle();
        if network.first_contestant().is_some() {
            assert_eq!(wrong(&network), None, "seed {seed}");
        }
    }
}

#[test]
fn the_lowest_of_our_contestants_leads() {
    let kinds = [OUR_CONTESTANT, OUR_CONTESTANT, OUR_CONTESTANT, OURS, OURS];
    for (name, play) in PLAYS {
        for seed in 1..=200 {
            let mut network = Network::new(&kinds, seed);
            play(&mut network);
            network.settle();
            let leader = network.our_leaders()[0];
            assert_eq!(leader, network.first_contestant(), "{name}, seed {seed}");
        }
    }
}

#[test]
fn a_leader_that_withdraws_is_followed_by_the_next() {
    let kinds = [OUR_CONTESTANT, OUR_CONTESTANT, CONTESTANT, OURS];
    for seed in 1..=200 {
        let mut network = Network::new(&kinds, seed);
        network.join_one_by_one();
        let before = network.our_leaders()[0];
        network.leader_withdraws();
        network.settle();
        let after = network.our_leaders()[0];
        let ours_led = network.our_nodes().contains(&before.unwrap());
        assert_eq!(before != after, ours_led, "seed {seed}");
        assert_eq!(wrong(&network), None, "seed {seed}");
    }
}

#[test]
fn zyre_nodes_get_a_leader_more_often_with_our_contestants_than_with_zyre_ones() {
    for (zyres, others) in [(1, 1), (2, 1), (2, 2)] {
        let with = |kind: Kind| {
            let zyres = [CONTESTANT, VOTER].into_iter().cycle().take(zyres);
            let kinds: Vec<_> = zyres.chain((0..others).map(|_| kind)).collect();
            PLAYS.map(|(_, play)| {
                count_runs(&kinds, play, |it| {
                    it.is_endless || it.leaders().contains(&None)
                })
            })
        };
        let (ours, zyre) = (with(OUR_CONTESTANT), with(CONTESTANT));
        let total = |runs: &[usize]| runs.iter().sum::<usize>();
        assert!(
            total(&ours) <= total(&zyre),
            "{zyres} and {others}: {ours:?} and {zyre:?}"
        );
    }
}

#[test]
fn an_election_costs_a_few_messages_for_each_member() {
    for members in [4, 8, 16, 32] {
        let kinds: Vec<_> = (0..members).map(|_| OUR_CONTESTANT).collect();
        let mut network = Network::new(&kinds, 1);
        network.join_one_by_one();
        let before = network.sent;
        network.leader_goes(true);
        network.settle();
        // One challenges, all answer, and are told. Some hear late that the leader is gone.
        let cost = network.sent - before;
        assert!(cost <= 5 * members, "{members} members: {cost}");
        // A leader is an event when it changes, and not when it is elected again.
        let told = network.told();
        assert!(told <= 8 * members, "{members} members: {told} events");
    }
}

/// Alice in group G, with bob and carol, who are in it too.
struct Meeting {
    test: SingleNode,
    bob: FakePeer,
    carol: FakePeer,
}

impl Meeting {
    fn new() -> Self {
        let mut test = SingleNode::with(Config {
            id: Some(id_of("alice")),
            ..config("alice", 1)
        });
        let (mut bob, mut carol) = (FakePeer::new("bob", 2), FakePeer::new("carol", 3));
        test.meet(&mut bob);
        test.meet(&mut carol);
        test.node.join(&group("G"), test.now).unwrap();
        for peer in [&mut bob, &mut carol] {
            let join = peer.joins(&group("G"));
            assert_eq!(test.gets(peer, join), Verdict::Accepted);
        }
        test.drain();
        Self { test, bob, carol }
    }

    /// A peer says this, and it counts; what the node sends then, as `bob ELECT bob`.
    fn says(&mut self, who: fn(&mut Self) -> &mut FakePeer, body: Body) -> Vec<String> {
        let message = who(self).says(body);
        let peer = who(self).clone();
        assert_eq!(self.test.gets(&peer, message), Verdict::Accepted);
        self.sent()
    }

    fn sent(&mut self) -> Vec<String> {
        let outputs = self.test.outputs().into_iter();
        let tell = |output| match output {
            NodeOutput::Send { peer, message } => Some(self.tell(peer, &message.body)),
            _ => None,
        };
        outputs.filter_map(tell).collect()
    }

    fn tell(&self, to: PeerId, body: &Body) -> String {
        let kind = body.kind();
        match body {
            Body::Elect { challenger: id, .. } | Body::Leader { leader: id, .. } => {
                let id: PeerId = id.to_str().unwrap().parse().unwrap();
                format!("{} {kind} {}", self.name(to), self.name(id))
            }
            _ => format!("{} {kind}", self.name(to)),
        }
    }

    fn name(&self, id: PeerId) -> &'static str {
        match id {
            bob if bob == self.bob.id => "bob",
            alice if alice == self.test.node.id() => "alice",
            _ => "carol",
        }
    }
}

fn bob(meeting: &mut Meeting) -> &mut FakePeer {
    &mut meeting.bob
}

fn carol(meeting: &mut Meeting) -> &mut FakePeer {
    &mut meeting.carol
}

fn elect(name: &str, id: PeerId) -> Body {
    Body::Elect {
        group: group(name),
        challenger: format!("{id}").try_into().unwrap(),
    }
}

fn leader(name: &str, id: PeerId) -> Body {
    Body::Leader {
        group: group(name),
        leader: format!("{id}").try_into().unwrap(),
    }
}

fn leave(name: &str) -> Body {
    Body::Leave {
        group: group(name),
        status: 2,
    }
}

#[test]
fn elect_and_leader_are_answered() {
    let mut meeting = Meeting::new();
    let b = meeting.bob.id;
    assert_eq!(meeting.says(bob, elect("G", b)), ["bob ELECT bob"]);
    // Carol may be a pyre node until she says it, too.
    assert_eq!(meeting.says(carol, elect("G", b)), ["carol ELECT bob"]);
    let answers = ["bob LEADER bob", "carol LEADER bob"];
    assert_eq!(meeting.says(bob, leader("G", b)), answers);
    assert!(meeting.says(carol, leader("G", b)).is_empty());
    // Now it is known that she knows elections.
    let answers = ["bob ELECT bob", "carol ELECT bob"];
    assert_eq!(meeting.says(bob, elect("G", b)), answers);
    assert!(meeting.says(carol, elect("G", b)).is_empty());
    assert_eq!(meeting.test.notices(), []);
}

#[test]
fn the_lowest_challenger_is_followed_and_the_next_when_it_goes() {
    let mut meeting = Meeting::new();
    let (b, c) = (meeting.bob.id, meeting.carol.id);
    assert!(b < c);
    assert_eq!(meeting.says(carol, elect("G", c)), ["carol ELECT carol"]);
    let answers = ["bob ELECT bob", "carol ELECT bob"];
    assert_eq!(meeting.says(bob, elect("G", b)), answers);
    assert!(meeting.says(carol, elect("G", b)).is_empty());
    // Carol has seen bob go and challenges again. We have not.
    assert_eq!(meeting.says(carol, elect("G", c)), ["carol ELECT bob"]);
    assert_eq!(meeting.says(bob, Body::Goodbye), ["carol ELECT carol"]);
}

#[test]
fn a_voter_that_leaves_or_goes_is_sent_nothing_more() {
    for farewell in [Body::Goodbye, leave("G")] {
        let mut meeting = Meeting::new();
        let (b, c) = (meeting.bob.id, meeting.carol.id);
        meeting.says(carol, elect("G", c));
        meeting.says(carol, farewell);
        meeting.sent();
        assert_eq!(meeting.says(bob, elect("G", b)), ["bob ELECT bob"]);
    }
}

#[test]
fn a_challenger_that_leaves_is_followed_no_longer() {
    for farewell in [Body::Goodbye, leave("G")] {
        let mut meeting = Meeting::new();
        let (b, c) = (meeting.bob.id, meeting.carol.id);
        meeting.says(bob, elect("G", b));
        meeting.says(bob, farewell);
        meeting.sent();
        assert_eq!(meeting.says(carol, elect("G", c)), ["carol ELECT carol"]);
    }
}

#[test]
fn a_challenge_that_comes_behind_the_decision_is_answered_with_the_winner() {
    let mut meeting = Meeting::new();
    let (b, c) = (meeting.bob.id, meeting.carol.id);
    meeting.says(bob, elect("G", b));
    meeting.says(bob, leader("G", b));
    assert_eq!(meeting.says(carol, elect("G", c)), ["carol ELECT bob"]);
    assert_eq!(meeting.says(carol, elect("G", b)), ["carol LEADER bob"]);
    assert!(meeting.says(carol, leader("G", b)).is_empty());
    // Now she knows the winner, and this is a new election.
    let answers = ["bob ELECT carol", "carol ELECT carol"];
    assert_eq!(meeting.says(carol, elect("G", c)), answers);
}

#[test]
fn an_election_ends_for_this_node_when_it_leaves_the_group() {
    let mut meeting = Meeting::new();
    let (b, c) = (meeting.bob.id, meeting.carol.id);
    meeting.says(carol, elect("G", c));
    let now = meeting.test.now;
    meeting.test.node.leave(&group("G"), now).unwrap();
    assert_eq!(meeting.sent(), ["bob LEAVE", "carol LEAVE"]);
    // Carol has said this before she heard that we have left, and would wait for us. Bob may be a
    // node of pyre.
    assert_eq!(meeting.says(carol, elect("G", b)), ["carol ELECT bob"]);
    let late = (0..500).map(|_| meeting.says(carol, elect("G", b)).len());
    assert_eq!(late.sum::<usize>(), 255);
    meeting.test.wait(Duration::from_secs(5));
    meeting.test.drain();
    assert!(meeting.says(bob, elect("G", b)).is_empty());
    meeting.test.drain();
    let now = meeting.test.now;
    meeting.test.node.join(&group("G"), now).unwrap();
    meeting.sent();
    // Carol is not known as a voter any more.
    assert_eq!(meeting.says(bob, elect("G", b)), ["bob ELECT bob"]);
}

#[test]
fn what_is_not_for_this_node_counts_and_is_ignored() {
    let mut meeting = Meeting::new();
    let (peer, own) = (meeting.bob.id, meeting.test.node.id());
    let not_hex = Body::Elect {
        group: group("G"),
        challenger: "0123".try_into().unwrap(),
    };
    for (body, reason) in [
        (elect("H", peer), "this node is not in the group"),
        (leader("H", peer), "this node is not in the group"),
        (elect("G", own), "this node does not contest"),
        (not_hex, "it names no UUID"),
    ] {
        let kind = body.kind();
        assert!(meeting.says(bob, body).is_empty());
        let notice = Notice::IgnoredElection { peer, kind, reason };
        assert_eq!(meeting.test.notices(), [notice]);
    }
    assert_eq!(meeting.says(bob, Body::Ping), ["bob PING-OK"]);
    assert!(meeting.test.told().is_empty());
}
