//! Requests and their outcomes; the peer is played by the test.

use core::time::Duration;
use std::{format, string::String, vec, vec::Vec};

use zre_proto::{Body, Content, Message};

use super::{
    group,
    single_node::{FakePeer, SingleNode},
};
use crate::{Choice, Error, ExitReason, IncomingRequest, Limits, Notice, RequestId, Verdict};

const SECOND: Duration = Duration::from_secs(1);

impl SingleNode {
    fn asks(&mut self, peer: &FakePeer, what: &str, timeout: Option<Duration>) -> RequestId {
        let asked = self.node.request(peer.id, what.into(), timeout, self.now);
        asked.unwrap()
    }

    fn gets_whisper(&mut self, peer: &mut FakePeer, content: impl Into<Content>) {
        let content = content.into();
        let message = peer.says(Body::Whisper { content });
        assert_eq!(self.gets(peer, message), Verdict::Accepted);
    }

    fn takes_requests(&mut self) -> Vec<IncomingRequest> {
        core::iter::from_fn(|| self.node.poll_request()).collect()
    }

    fn settled(&mut self) -> Vec<RequestId> {
        core::iter::from_fn(|| self.node.poll_settled()).collect()
    }

    /// The contents of the whispers that it has sent.
    fn whispered(&mut self) -> Vec<Content> {
        let whisper = |message: Message| match message.body {
            Body::Whisper { content } => Some(content),
            _ => None,
        };
        self.sent().into_iter().filter_map(whisper).collect()
    }

    /// The ID in the request that it has just sent.
    fn asked_id(&mut self) -> String {
        let whispered = self.whispered();
        let [request] = &whispered[..] else {
            panic!("not one request: {whispered:?}");
        };
        let lead = core::str::from_utf8(&request[0]).unwrap();
        lead.strip_prefix("zre-request/1 ").unwrap().into()
    }
}

fn answer(id: &str, what: &str) -> Content {
    [format!("zre-answer/1 {id}").as_str(), what].into()
}

#[test]
fn an_answer_is_the_outcome_and_no_event() {
    let (mut test, mut bob) = SingleNode::with_bob();
    let id = test.asks(&bob, "2+2", None);
    let text = test.asked_id();
    assert_eq!(test.node.open_requests(bob.id), 1);
    assert_eq!(test.node.take_outcome(id), None);
    test.gets_whisper(&mut bob, answer(&text, "4"));
    assert_eq!(test.settled(), [id]);
    assert_eq!(test.settled(), []);
    assert!(test.node.has_outcome(id));
    assert_eq!(test.node.take_outcome(id), Some(Ok("4".into())));
    assert_eq!(test.node.take_outcome(id), None, "there is one");
    assert_eq!(test.node.open_requests(bob.id), 0);
    assert_eq!(test.events(), []);
    assert_eq!(test.notices(), []);
}

#[test]
fn an_answer_overtakes_the_events_that_wait() {
    let (mut test, mut bob) = SingleNode::with_bob();
    for _ in 0..100 {
        test.gets_whisper(&mut bob, "gossip");
    }
    let id = test.asks(&bob, "2+2", None);
    let text = test.asked_id();
    test.gets_whisper(&mut bob, answer(&text, "4"));
    assert_eq!(test.node.take_outcome(id), Some(Ok("4".into())));
    assert_eq!(test.events().len(), 100);
}

#[test]
fn a_content_of_any_frames_is_asked_and_answered() {
    let (mut test, mut bob) = SingleNode::with_bob();
    let large = vec![7; 100_000];
    for frames in [vec![], vec![vec![]], vec![vec![1_u8], vec![], large]] {
        let content: Content = frames.into_iter().collect();
        let asked = test.node.request(bob.id, content.clone(), None, test.now);
        let sent = test.whispered().remove(0);
        let lead = String::from_utf8(sent[0].to_vec()).unwrap();
        let rest: Content = sent.into_iter().skip(1).collect();
        assert_eq!(rest, content);
        let mut framed = Content::from(lead.replace("request", "answer"));
        framed.extend(content.clone());
        test.gets_whisper(&mut bob, framed);
        assert_eq!(test.node.take_outcome(asked.unwrap()), Some(Ok(content)));
    }
}

#[test]
fn a_refusal_is_an_outcome() {
    let (mut test, mut bob) = SingleNode::with_bob();
    for frames in [&["zre-refusal/1 "][..], &["zre-refusal/1 ", "and more"]] {
        let id = test.asks(&bob, "2+2", None);
        let mut frames: Vec<String> = frames.iter().map(|it| String::from(*it)).collect();
        frames[0] += &test.asked_id();
        test.gets_whisper(&mut bob, frames);
        let refused = Err(Error::Refused(bob.id));
        assert_eq!(test.node.take_outcome(id), Some(refused));
    }
}

#[test]
fn answers_that_belong_to_nothing_are_dropped_and_noted() {
    let mut test = SingleNode::new();
    let (mut bob, mut mallory) = (FakePeer::new("bob", 2), FakePeer::new("mallory", 3));
    test.meet(&mut bob);
    test.meet(&mut mallory);
    let id = test.asks(&bob, "2+2", Some(SECOND));
    let text = test.asked_id();
    // Of another than who was asked.
    test.gets_whisper(&mut mallory, answer(&text, "5"));
    test.gets_whisper(&mut mallory, format!("zre-refusal/1 {text}"));
    // To no request, and to one that has not been asked.
    test.gets_whisper(&mut bob, answer("7", "5"));
    test.gets_whisper(&mut bob, answer(&text.replace("-1", "-2"), "5"));
    assert_eq!(test.node.take_outcome(id), None);
    test.gets_whisper(&mut bob, answer(&text, "4"));
    // A second one, before and after the first has been taken.
    test.gets_whisper(&mut bob, answer(&text, "6"));
    assert_eq!(test.node.take_outcome(id), Some(Ok("4".into())));
    test.gets_whisper(&mut bob, answer(&text, "6"));
    assert_eq!(test.node.take_outcome(id), None);
    let stray = |peer: &FakePeer| Notice::StrayAnswer { peer: peer.id };
    let strays = [&mallory, &mallory, &bob, &bob, &bob, &bob];
    assert_eq!(test.notices(), strays.map(stray));
    assert_eq!(test.events(), []);
    assert_eq!(test.node.request_count(), 7);
}

#[test]
fn a_node_that_has_asked_nothing_sees_answers_as_whispers() {
    let (mut test, mut bob) = SingleNode::with_bob();
    for lead in ["zre-answer/1 7", "zre-refusal/1 7", "zre-request/1 7"] {
        test.gets_whisper(&mut bob, [lead, "x"]);
        assert_eq!(test.told(), [format!("bob whispers {lead}|x")]);
    }
    assert_eq!(test.notices(), []);
    // Having asked, it does not see answers any more; requests are for who serves.
    test.asks(&bob, "2+2", None);
    test.gets_whisper(&mut bob, ["zre-answer/1 7", "x"]);
    test.gets_whisper(&mut bob, ["zre-request/1 7", "x"]);
    assert_eq!(test.told(), ["bob whispers zre-request/1 7|x"]);
}

#[test]
fn a_request_is_over_when_its_time_is() {
    let (mut test, mut bob) = SingleNode::with_bob();
    let late = test.asks(&bob, "a", Some(2 * SECOND));
    let soon = test.asks(&bob, "b", Some(SECOND));
    let never = test.asks(&bob, "c", None);
    test.whispered();
    test.wait(SECOND - Duration::from_micros(1));
    assert_eq!(test.settled(), []);
    test.wait(Duration::from_micros(1));
    assert_eq!(test.settled(), [soon]);
    let timed_out = Some(Err(Error::TimedOut(bob.id)));
    assert_eq!(test.node.take_outcome(soon), timed_out);
    test.wait(SECOND);
    assert_eq!(test.node.take_outcome(late), timed_out);
    assert_eq!(test.node.open_requests(bob.id), 1);
    // One that is answered in time has no timer any more.
    let id = test.asks(&bob, "d", Some(SECOND));
    let text = test.asked_id();
    test.gets_whisper(&mut bob, answer(&text, "4"));
    test.wait(2 * SECOND);
    assert_eq!(test.node.take_outcome(id), Some(Ok("4".into())));
    assert_eq!(test.node.take_outcome(never), None);
}

#[test]
fn requests_are_over_with_the_session() {
    let (mut test, mut bob) = SingleNode::with_bob();
    let [open, taken] = [(); 2].map(|()| test.asks(&bob, "a", Some(99 * SECOND)));
    let known = test.asks(&bob, "b", None);
    let ids = test.whispered();
    let lead = String::from_utf8(ids[2][0].to_vec()).unwrap();
    test.gets_whisper(&mut bob, [lead.replace("request", "answer").as_str(), "4"]);
    test.node.forget_request(taken);
    test.hears_leaving(&bob);
    test.wait(10 * SECOND);
    assert_eq!(test.told(), ["bob exits: said goodbye"]);
    let gone = Some(Err(Error::Gone(bob.id)));
    assert_eq!(test.node.take_outcome(open), gone);
    assert_eq!(test.node.take_outcome(taken), None, "it is forgotten");
    assert_eq!(test.node.take_outcome(known), Some(Ok("4".into())));
    let unknown = Err(Error::UnknownPeer(bob.id));
    let asked = test.node.request(bob.id, "c".into(), None, test.now);
    assert_eq!(asked, unknown);
}

#[test]
fn a_restart_ends_requests_and_a_late_answer_is_none() {
    let (mut test, mut bob) = SingleNode::with_bob();
    let id = test.asks(&bob, "a", None);
    let text = test.asked_id();
    bob.hello.endpoint = "tcp://10.0.0.2:50000".parse().unwrap();
    let hello = bob.says_hello();
    assert_eq!(test.gets(&bob, hello), Verdict::Accepted);
    let gone = Some(Err(Error::Gone(bob.id)));
    assert_eq!(test.node.take_outcome(id), gone, "{:?}", test.told());
    test.drain();
    test.gets_whisper(&mut bob, answer(&text, "4"));
    assert_eq!(test.node.take_outcome(id), None);
    assert_eq!(test.notices(), [Notice::StrayAnswer { peer: bob.id }]);
}

#[test]
fn a_node_that_stops_ends_its_requests() {
    let (mut test, mut bob) = SingleNode::with_bob();
    test.node.serve_requests();
    let id = test.asks(&bob, "a", Some(SECOND));
    test.gets_whisper(&mut bob, ["zre-request/1 7", "x"]);
    test.gets_whisper(&mut bob, ["zre-request/1 8", "x"]);
    let request = test.node.poll_request().unwrap();
    test.node.stop(test.now);
    assert_eq!(test.settled(), [id]);
    assert_eq!(test.node.take_outcome(id), Some(Err(Error::Stopped)));
    assert_eq!(test.takes_requests(), []);
    let answered = test.node.answer(&request, "y".into(), test.now);
    assert_eq!(answered, Err(Error::Stopped));
    let asked = test.node.request(bob.id, "c".into(), None, test.now);
    assert_eq!(asked, Err(Error::Stopped));
}

#[test]
fn requests_of_peers_are_answered_or_refused_once() {
    let (mut test, mut bob) = SingleNode::with_bob();
    test.node.serve_requests();
    for number in 7..10 {
        test.gets_whisper(&mut bob, [&format!("zre-request/1 {number}"), "x"]);
    }
    test.gets_whisper(&mut bob, "zre-request/1 no contents");
    assert!(test.node.has_requests());
    let requests = test.takes_requests();
    let contents: Vec<_> = requests.iter().map(|it| it.content.clone()).collect();
    assert_eq!(contents, ["x", "x", "x"]);
    assert!(
        requests
            .iter()
            .all(|it| it.peer == bob.id && it.name == "bob")
    );
    // What is malformed is a whisper.
    assert_eq!(test.told(), ["bob whispers zre-request/1 no contents"]);
    let answered = test.node.answer(&requests[0], ["y", "z"].into(), test.now);
    assert_eq!(answered, Ok(()));
    assert_eq!(test.node.refuse(&requests[1], test.now), Ok(()));
    let whispered: [Content; 2] = [
        ["zre-answer/1 7", "y", "z"].into(),
        "zre-refusal/1 8".into(),
    ];
    assert_eq!(test.whispered(), whispered);
    let unknown = Err(Error::UnknownPeer(bob.id));
    for request in &requests[..2] {
        let answered = test.node.answer(request, "y".into(), test.now);
        assert_eq!(answered, unknown);
        assert_eq!(test.node.refuse(request, test.now), unknown);
    }
    assert_eq!(test.whispered(), [] as [Content; 0]);
}

#[test]
fn a_peer_may_use_an_id_twice() {
    let (mut test, mut bob) = SingleNode::with_bob();
    test.node.serve_requests();
    for what in ["a", "b"] {
        test.gets_whisper(&mut bob, ["zre-request/1 7", what]);
    }
    for request in test.takes_requests() {
        let content = request.content.clone();
        assert_eq!(test.node.answer(&request, content, test.now), Ok(()));
    }
    assert_eq!(test.whispered(), [answer("7", "a"), answer("7", "b")]);
}

#[test]
fn nobody_is_answered_who_is_gone_or_has_begun_anew() {
    let (mut test, mut bob) = SingleNode::with_bob();
    test.node.serve_requests();
    for number in 7..9 {
        test.gets_whisper(&mut bob, [&format!("zre-request/1 {number}"), "x"]);
    }
    let taken = test.node.poll_request().unwrap();
    bob.hello.endpoint = "tcp://10.0.0.2:50000".parse().unwrap();
    let hello = bob.says_hello();
    assert_eq!(test.gets(&bob, hello), Verdict::Accepted);
    test.drain();
    assert!(test.node.is_ready(bob.id));
    assert_eq!(test.takes_requests(), [], "nobody waits for that answer");
    let answered = test.node.answer(&taken, "y".into(), test.now);
    assert_eq!(answered, Err(Error::UnknownPeer(bob.id)));
    test.gets_whisper(&mut bob, ["zre-request/1 9", "x"]);
    let request = test.node.poll_request().unwrap();
    assert_eq!(test.node.answer(&request, "y".into(), test.now), Ok(()));
}

#[test]
fn requests_and_answers_that_wait_count_in_the_limits_on_events() {
    let mut config = super::config("alice", 1);
    config.limits = Limits::default().events(16).event_bytes(1 << 20);
    let mut test = SingleNode::with(config);
    let (mut bob, mut carol) = (FakePeer::new("bob", 2), FakePeer::new("carol", 3));
    test.meet(&mut bob);
    test.meet(&mut carol);
    test.node.serve_requests();
    let mut count = 0;
    while test.node.may_take(bob.id) {
        test.gets_whisper(&mut bob, ["zre-request/1 7", "x"]);
        count += 1;
    }
    assert_eq!(count, 8, "as many as are free");
    assert!(test.node.may_take(carol.id) && !test.node.is_congested());
    for _ in 0..8 {
        test.gets_whisper(&mut carol, "hello");
    }
    assert!(test.node.is_congested());
    assert_eq!(test.takes_requests().len(), 8);
    assert!(!test.node.is_congested() && test.node.may_take(bob.id));
    assert_eq!(test.events().len(), 8);

    // An answer counts with its bytes until it is taken.
    let id = test.asks(&bob, "a", None);
    let text = test.asked_id();
    let large = "x".repeat(700_000);
    test.gets_whisper(&mut bob, answer(&text, &large));
    assert!(!test.node.may_take(bob.id) && test.node.may_take(carol.id));
    assert!(test.node.take_outcome(id).is_some_and(|it| it.is_ok()));
    assert!(test.node.may_take(bob.id));
    // Or until nobody wants it.
    let id = test.asks(&bob, "a", None);
    let text = test.asked_id();
    test.gets_whisper(&mut bob, answer(&text, &large));
    assert!(!test.node.may_take(bob.id));
    test.node.forget_request(id);
    assert!(test.node.may_take(bob.id));
    assert_eq!(test.settled(), []);
}

#[test]
fn what_a_peer_has_asked_is_forgotten_with_it() {
    let mut config = super::config("alice", 1);
    config.limits = Limits::default().events(16);
    let mut test = SingleNode::with(config);
    test.node.serve_requests();
    for round in 0..100 {
        let mut bob = FakePeer::new(&format!("bob{round}"), 2);
        test.meet(&mut bob);
        while test.node.may_take(bob.id) {
            test.gets_whisper(&mut bob, ["zre-request/1 7", "x"]);
        }
        // Its own deadlines stand still, as it is not read.
        let reason = ExitReason::ConnectionLost;
        test.node.remove_peer(bob.id, reason, test.now);
        assert_eq!(test.told().len(), 1, "it exits");
        assert!(!test.node.has_requests() && !test.node.is_congested());
    }
}

#[test]
fn a_member_is_chosen_of_those_that_are_there() {
    let mut test = SingleNode::new();
    let workers = group("WORKERS");
    let choose = |test: &mut SingleNode| {
        let choice = Choice::LeastBusy;
        test.node.choose_member(&workers, choice, |_| true)
    };
    let nobody = Err(Error::NoMembers(workers.clone()));
    assert_eq!(choose(&mut test), nobody);
    let (mut bob, mut carol) = (FakePeer::new("bob", 2), FakePeer::new("carol", 3));
    for peer in [&mut bob, &mut carol] {
        test.meet(peer);
        let join = peer.joins(&workers);
        assert_eq!(test.gets(peer, join), Verdict::Accepted);
    }
    assert_eq!(choose(&mut test), Ok(bob.id));
    test.asks(&carol, "a", None);
    assert_eq!(choose(&mut test), Ok(bob.id));
    let only_carol = |peer| peer == carol.id;
    let chosen = test
        .node
        .choose_member(&workers, Choice::RoundRobin, only_carol);
    assert_eq!(chosen, Ok(carol.id));
    let none = test
        .node
        .choose_member(&workers, Choice::RoundRobin, |_| false);
    assert_eq!(none, Err(Error::Full(bob.id)));
    test.hears_leaving(&bob);
    test.wait(10 * SECOND);
    test.hears(&carol);
    assert_eq!(choose(&mut test), Ok(carol.id));
}

#[test]
fn a_request_that_cannot_be_sent_leaves_nothing_behind() {
    let (mut test, bob) = SingleNode::with_bob();
    let large = vec![0; 113 << 20];
    let asked = test
        .node
        .request(bob.id, large.into(), Some(SECOND), test.now);
    assert!(matches!(asked, Err(Error::MessageTooLarge { .. })));
    assert_eq!(test.node.open_requests(bob.id), 0);
    test.wait(2 * SECOND);
    assert_eq!(test.settled(), []);
}
