//! This node wants to lead. Alice's identity is the lowest, then come bob's and carol's.

use std::{string::String, time::Duration, vec::Vec};

use zre_proto::Body;

use super::{Meeting, bob, carol, elect, leader, leave};
use crate::{
    Config, Verdict, Voters,
    node::tests::{
        config, group, id_of,
        single_node::{FakePeer, SingleNode},
    },
};

const NOTHING: [&str; 0] = [];
const SECOND: Duration = Duration::from_secs(1);

impl Meeting {
    /// What the node and its peers say of elections is all that is looked at.
    fn contest(&mut self) -> Vec<String> {
        self.test.node.contest(&group("G"), self.test.now).unwrap();
        self.sent()
    }

    fn withdraw(&mut self) {
        self.test.node.withdraw(&group("G"), self.test.now).unwrap();
    }

    /// Bob's connection says that he is of this implementation.
    fn bob_is_ours(&mut self) {
        self.test.node.handle_elector(self.bob.id, self.test.now);
    }

    /// The words that are sent in this time.
    fn sent_in(&mut self, time: Duration) -> Vec<String> {
        self.test.wait(time);
        let is_word = |line: &String| line.contains("ELECT") || line.contains("LEADER");
        self.sent().into_iter().filter(is_word).collect()
    }

    fn leads(&self) -> bool {
        let leader = self.test.node.leader(&group("G"));
        leader == Some(self.test.node.id())
    }
}

#[test]
fn a_contestant_leads_when_all_voters_follow_it() {
    let mut meeting = Meeting::new();
    meeting.bob_is_ours();
    let own = meeting.test.node.id();
    // Carol may be a node of pyre.
    assert_eq!(meeting.contest(), ["bob ELECT alice"]);
    assert_eq!(meeting.test.node.leader(&group("G")), None);
    assert_eq!(meeting.says(bob, elect("G", own)), ["bob LEADER alice"]);
    assert!(meeting.leads());
    assert_eq!(meeting.test.told(), ["leads G itself"]);
    // If he says it again, he has forgotten who leads.
    assert_eq!(meeting.says(bob, elect("G", own)), ["bob LEADER alice"]);
    // Carol speaks of elections, so she knows them.
    let answers = ["carol ELECT alice", "carol LEADER alice"];
    assert_eq!(meeting.says(carol, elect("G", own)), answers);
    assert!(meeting.test.told().is_empty());
}

#[test]
fn a_voter_that_does_not_answer_is_gone_on_without() {
    let mut meeting = Meeting::new();
    meeting.bob_is_ours();
    meeting.contest();
    assert_eq!(meeting.sent_in(SECOND), ["bob LEADER alice"]);
    assert!(meeting.leads());
}

#[test]
fn a_contestant_that_nobody_can_follow_leads_after_three_seconds() {
    let mut meeting = Meeting::new();
    assert_eq!(meeting.contest(), NOTHING);
    assert_eq!(meeting.sent_in(2 * SECOND), NOTHING);
    assert!(!meeting.leads());
    meeting.sent_in(SECOND);
    assert!(meeting.leads());
    // And tells those who turn out to be voters later.
    meeting.bob_is_ours();
    assert_eq!(meeting.sent(), ["bob ELECT alice"]);
}

#[test]
fn a_better_challenger_is_followed() {
    let mut test = SingleNode::with(Config {
        id: Some(id_of("zoe")),
        ..config("zoe", 1)
    });
    let (mut ann, mut ben) = (FakePeer::new("ann", 2), FakePeer::new("ben", 3));
    for peer in [&mut ann, &mut ben] {
        test.meet(peer);
        let join = peer.joins(&group("G"));
        assert_eq!(test.gets(peer, join), Verdict::Accepted);
    }
    let now = test.now;
    test.node.join(&group("G"), now).unwrap();
    test.node.contest(&group("G"), now).unwrap();
    for body in [elect("G", ann.id), leader("G", ann.id)] {
        let message = ann.says(body);
        assert_eq!(test.gets(&ann, message), Verdict::Accepted);
    }
    assert_eq!(test.node.leader(&group("G")), Some(ann.id));
    assert_eq!(test.told().last().unwrap(), "ann leads G");
    // When she goes, it is zoe's turn.
    test.drain();
    let goodbye = ann.says(Body::Goodbye);
    assert_eq!(test.gets(&ann, goodbye), Verdict::Accepted);
    test.wait(3 * SECOND);
    assert_eq!(test.node.leader(&group("G")), Some(test.node.id()));
}

#[test]
fn a_leader_is_none_when_it_has_gone() {
    for farewell in [Body::Goodbye, leave("G")] {
        let mut meeting = Meeting::new();
        let b = meeting.bob.id;
        meeting.says(bob, elect("G", b));
        meeting.says(bob, leader("G", b));
        assert_eq!(meeting.test.node.leader(&group("G")), Some(b));
        assert_eq!(meeting.test.told(), ["bob leads G"]);
        // It wins again, which is no news.
        meeting.says(bob, elect("G", b));
        meeting.says(bob, leader("G", b));
        assert!(meeting.test.told().is_empty());
        meeting.says(bob, farewell);
        assert_eq!(meeting.test.node.leader(&group("G")), None);
    }
}

#[test]
fn one_that_is_not_in_the_group_does_not_lead_it() {
    let mut meeting = Meeting::new();
    let b = meeting.bob.id;
    meeting.says(bob, elect("G", b));
    meeting.says(bob, leave("G"));
    meeting.test.drain();
    meeting.says(bob, leader("G", b));
    assert_eq!(meeting.test.node.leader(&group("G")), None);
    assert_eq!(meeting.test.notices().len(), 1);
}

#[test]
fn a_challenger_that_never_wins_is_followed_no_longer() {
    let mut meeting = Meeting::new();
    let (b, c) = (meeting.bob.id, meeting.carol.id);
    meeting.says(bob, elect("G", b));
    assert_eq!(meeting.says(carol, elect("G", c)), ["carol ELECT bob"]);
    let answers = ["bob ELECT carol", "carol ELECT carol"];
    assert_eq!(meeting.sent_in(3 * SECOND), answers);
    // If it wins after all, it leads.
    let words = meeting.says(bob, leader("G", b));
    assert_eq!(words, ["bob LEADER bob", "carol LEADER bob"]);
    assert_eq!(meeting.test.node.leader(&group("G")), Some(b));
}

#[test]
fn one_of_ours_that_contests_again_does_not_end_the_leader() {
    let mut meeting = Meeting::new();
    let (b, c) = (meeting.bob.id, meeting.carol.id);
    meeting.bob_is_ours();
    meeting.test.node.handle_elector(c, meeting.test.now);
    meeting.says(bob, elect("G", b));
    meeting.says(bob, leader("G", b));
    // Carol hears of bob from us, and follows him.
    assert_eq!(meeting.says(carol, elect("G", c)), ["carol ELECT bob"]);
    assert_eq!(meeting.says(carol, elect("G", b)), NOTHING);
    meeting.says(carol, leader("G", b));
    assert_eq!(meeting.says(carol, elect("G", c)), ["carol ELECT bob"]);
    assert_eq!(meeting.test.node.leader(&group("G")), Some(b));
}

#[test]
fn one_that_does_not_begin_when_it_is_next_is_passed_over() {
    let mut meeting = Meeting::new();
    let (b, c) = (meeting.bob.id, meeting.carol.id);
    meeting.bob_is_ours();
    meeting.test.node.handle_elector(c, meeting.test.now);
    let mut abe = FakePeer::new("abe", 4);
    meeting.test.meet(&mut abe);
    let join = abe.joins(&group("G"));
    assert_eq!(meeting.test.gets(&abe, join), Verdict::Accepted);
    for word in [elect("G", abe.id), leader("G", abe.id)] {
        let word = abe.says(word);
        assert_eq!(meeting.test.gets(&abe, word), Verdict::Accepted);
    }
    // Both contest. Carol cannot see the others, and leads herself.
    meeting.says(bob, elect("G", b));
    meeting.says(carol, elect("G", c));
    let goodbye = abe.says(Body::Goodbye);
    assert_eq!(meeting.test.gets(&abe, goodbye), Verdict::Accepted);
    assert_eq!(meeting.sent(), ["bob ELECT bob"]);
    assert_eq!(meeting.sent_in(SECOND), ["carol ELECT carol"]);
    meeting.says(carol, leader("G", c));
    assert_eq!(meeting.test.node.leader(&group("G")), Some(c));
}

#[test]
fn who_follows_a_zyre_node_goes_with_it_to_one_of_ours() {
    let mut meeting = Meeting::new();
    let (b, c) = (meeting.bob.id, meeting.carol.id);
    meeting.bob_is_ours();
    meeting.says(bob, elect("G", b));
    meeting.says(bob, leader("G", b));
    // Carol is a zyre node, which begins anew when the election is over for her.
    meeting.says(carol, elect("G", b));
    meeting.says(carol, leader("G", b));
    meeting.says(carol, elect("G", c));
    meeting.says(carol, leader("G", c));
    assert_eq!(meeting.test.node.leader(&group("G")), Some(c));
    // Bob has told us long ago, and does not say it again.
    let words = meeting.says(carol, elect("G", b));
    assert_eq!(words, ["bob ELECT bob", "carol ELECT bob"]);
    meeting.says(bob, leader("G", b));
    assert_eq!(meeting.test.node.leader(&group("G")), Some(b));
}

#[test]
fn a_contestant_that_pauses_is_known_to_those_who_come() {
    let mut meeting = Meeting::new();
    meeting.bob_is_ours();
    meeting.contest();
    // Bob follows somebody of whom we have not heard.
    meeting.says(bob, elect("G", [1; 16].into()));
    assert_eq!(meeting.sent_in(SECOND), NOTHING);
    let c = meeting.carol.id;
    meeting.test.node.handle_elector(c, meeting.test.now);
    assert_eq!(meeting.sent(), ["carol ELECT alice"]);
}

#[test]
fn one_that_withdraws_before_it_has_won_does_not_lead() {
    let mut meeting = Meeting::new();
    meeting.bob_is_ours();
    meeting.contest();
    meeting.withdraw();
    meeting.sent_in(4 * SECOND);
    assert!(!meeting.leads());
    // Whoever follows it hears that it does not stand.
    let own = meeting.test.node.id();
    assert_eq!(meeting.says(bob, elect("G", own)), NOTHING);
    let b = meeting.bob.id;
    assert_eq!(meeting.says(bob, elect("G", b)), ["bob ELECT bob"]);
    assert_eq!(meeting.says(carol, elect("G", own)), ["carol ELECT bob"]);
}

#[test]
fn a_leader_goes_on_if_the_next_does_not_want_to_lead() {
    let mut meeting = Meeting::new();
    meeting.bob_is_ours();
    let (own, b) = (meeting.test.node.id(), meeting.bob.id);
    meeting.contest();
    meeting.says(bob, elect("G", b));
    meeting.says(bob, elect("G", own));
    meeting.withdraw();
    assert_eq!(meeting.sent(), ["bob ELECT bob"]);
    // Bob has withdrawn, too, which nobody was told.
    assert_eq!(meeting.says(bob, elect("G", own)), NOTHING);
    assert_eq!(meeting.sent_in(SECOND / 2), ["bob ELECT alice"]);
    assert_eq!(meeting.says(bob, elect("G", own)), ["bob LEADER alice"]);
    assert!(meeting.leads());
    // Those who come hear of it.
    let c = meeting.carol.id;
    meeting.test.node.handle_elector(c, meeting.test.now);
    assert_eq!(meeting.sent(), ["carol ELECT alice"]);
}

#[test]
fn a_zyre_node_that_is_not_in_the_group_need_not_wait_for_us() {
    let mut meeting = Meeting::new();
    let b = meeting.bob.id;
    meeting.says(bob, leave("G"));
    meeting.says(bob, elect("G", b));
    assert_eq!(meeting.says(bob, leader("G", b)), ["bob LEADER bob"]);
    assert_eq!(meeting.test.node.leader(&group("G")), None);
}

#[test]
fn a_leader_that_withdraws_names_the_next() {
    let mut meeting = Meeting::new();
    meeting.bob_is_ours();
    let own = meeting.test.node.id();
    let b = meeting.bob.id;
    meeting.contest();
    assert_eq!(meeting.says(bob, elect("G", b)), ["bob ELECT alice"]);
    assert_eq!(meeting.says(bob, elect("G", own)), ["bob LEADER alice"]);
    meeting.withdraw();
    assert_eq!(meeting.sent(), ["bob ELECT bob"]);
    assert!(meeting.leads(), "until bob has won");
    assert_eq!(meeting.says(bob, elect("G", b)), ["bob ELECT bob"]);
    assert_eq!(meeting.says(bob, leader("G", b)), NOTHING);
    assert_eq!(meeting.test.node.leader(&group("G")), Some(b));
}

#[test]
fn what_the_next_has_said_before_it_was_named_is_no_refusal() {
    let mut meeting = Meeting::new();
    meeting.bob_is_ours();
    let (own, b) = (meeting.test.node.id(), meeting.bob.id);
    meeting.contest();
    meeting.says(bob, elect("G", b));
    meeting.says(bob, elect("G", own));
    meeting.withdraw();
    assert_eq!(meeting.sent(), ["bob ELECT bob"]);
    // On its way when he was named.
    assert_eq!(meeting.says(bob, elect("G", own)), NOTHING);
    assert_eq!(meeting.says(bob, elect("G", b)), ["bob ELECT bob"]);
    assert_eq!(meeting.sent_in(2 * SECOND), NOTHING);
    meeting.says(bob, leader("G", b));
    assert_eq!(meeting.test.node.leader(&group("G")), Some(b));
}

#[test]
fn one_member_cannot_make_the_node_send_without_end() {
    let mut meeting = Meeting::new();
    let c = meeting.carol.id;
    meeting.says(bob, elect("G", c));
    meeting.sent();
    let mut to_bob = 0;
    for _ in 0..500 {
        for body in [elect("G", c), leader("G", c)] {
            let words = meeting.says(carol, body);
            to_bob += words.iter().filter(|line| line.starts_with("bob")).count();
        }
    }
    assert!(to_bob <= 2 * 64, "{to_bob} messages to bob");
}

#[test]
fn a_zyre_node_is_known_by_its_questions() {
    let mut meeting = Meeting::new();
    meeting.contest();
    let ask = |meeting: &mut Meeting, after: u32| {
        let bob = meeting.bob.clone();
        for _ in 0..after {
            meeting.sent_in(SECOND);
            meeting.test.hears(&bob);
        }
        meeting.says(super::bob, Body::Ping)
    };
    // As pyre does that hears no beacons.
    for _ in 0..3 {
        assert_eq!(ask(&mut meeting, 10), ["bob PING-OK"]);
    }
    // Pyre that stood still asks so, too, though not often, and may do it twice at once.
    for _ in 0..2 {
        assert_eq!(ask(&mut meeting, 5), ["bob PING-OK"]);
        assert_eq!(ask(&mut meeting, 0), ["bob PING-OK"]);
        assert_eq!(ask(&mut meeting, 60), ["bob PING-OK"]);
    }
    // As gyre does.
    for _ in 0..4 {
        assert_eq!(ask(&mut meeting, 3), ["bob PING-OK"]);
    }
    assert_eq!(ask(&mut meeting, 5), ["bob PING-OK"]);
    let words = ask(&mut meeting, 5);
    assert_eq!(words, ["bob PING-OK", "bob ELECT alice"]);
}

#[test]
fn a_user_can_say_that_all_members_are_voters() {
    let mut test = SingleNode::with(Config {
        voters: Voters::All,
        groups: [group("G")].into(),
        contest: [group("G")].into(),
        ..config("alice", 1)
    });
    let mut bob = FakePeer::new("bob", 2);
    bob.hello.groups.insert(group("G"));
    bob.hello.status = 1;
    test.hears(&bob);
    let hello = bob.says_hello();
    assert_eq!(test.gets(&bob, hello), Verdict::Accepted);
    let kinds: Vec<_> = test.sent().iter().map(|it| it.body.kind()).collect();
    assert_eq!(kinds, ["HELLO", "ELECT"]);
}
