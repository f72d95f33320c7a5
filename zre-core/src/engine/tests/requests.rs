//! Requests and answers to peers that do not read.

use alloc::vec;

use bytes::Bytes;
use zre_proto::{Body, Content};

use super::{
    network::group,
    single_engine::{FakePeer, SingleEngine},
};
use crate::{Choice, Error, engine::tests::network::secs, link::Link};

/// Fills what may wait for a peer.
const LARGE: usize = 10_000;

/// An engine with two members of WORKERS, of which the first does not read and is full.
fn workers() -> (SingleEngine<Link>, [FakePeer<Link>; 2]) {
    let mut test = SingleEngine::<Link>::with_limits(|limits| limits.outbound = LARGE);
    let mut peers = [1, 2].map(|number| test.add_peer(number));
    for peer in &mut peers {
        let (group, status) = (group("WORKERS"), 1);
        peer.say(&mut test, Body::Join { group, status });
    }
    peers[0].from.reads = false;
    let full = Bytes::from(vec![1; LARGE]);
    let now = test.now;
    let sent = test.engine.whisper(peers[0].id, full.into(), now);
    assert_eq!(sent, Ok(()));
    (test, peers)
}

#[test]
fn a_full_peer_is_not_asked_and_the_content_stays() {
    let (mut test, [full, other]) = workers();
    let (mut content, now) = (Content::from("2+2"), test.now);
    let asked = test
        .engine
        .request_from(full.id, &mut content, Some(secs(1)), now);
    assert_eq!(asked, Err(Error::Full(full.id)));
    assert_eq!(content, "2+2");
    // Of the group the other is asked, in turn or not.
    for choice in [Choice::RoundRobin, Choice::LeastBusy] {
        let mut content = Content::from("2+2");
        let asked = test
            .engine
            .request_any(&group("WORKERS"), &mut content, choice, None, now);
        assert!(asked.is_ok_and(|(peer, _)| peer == other.id));
    }
    assert_eq!(test.engine.node().open_requests(full.id), 0);
    assert_eq!(test.engine.node().open_requests(other.id), 2);
    test.run(secs(2));
    assert_eq!(test.engine.poll_settled(), None);
}

#[test]
fn a_member_whose_connection_is_lost_is_not_asked() {
    let (mut test, [full, mut other]) = workers();
    let ask = |test: &mut SingleEngine<Link>| {
        let (group, mut content, now) = (group("WORKERS"), Content::from("2+2"), test.now);
        test.engine
            .request_any(&group, &mut content, Choice::LeastBusy, None, now)
    };
    let lose = |test: &mut SingleEngine<Link>, peer: &FakePeer<Link>| {
        test.engine.handle_closed(peer.from.at, "reset", test.now);
        test.drain();
        let workers = group("WORKERS");
        let mut members = test.engine.node().peers_by_group(&workers);
        assert!(members.any(|member| member == peer.id), "not yet removed");
    };
    other.from.exchange(&mut test);
    lose(&mut test, &other);
    assert_eq!(
        ask(&mut test),
        Err(Error::Full(full.id)),
        "there may be room"
    );
    lose(&mut test, &full);
    let nobody = Err(Error::NoMembers(group("WORKERS")));
    assert_eq!(ask(&mut test), nobody);
}

#[test]
fn a_peer_that_asks_and_does_not_read_is_not_read_either() {
    let mut test = SingleEngine::<Link>::with_limits(|limits| {
        limits.outbound = LARGE;
        limits.events = 64;
    });
    let mut peer = test.add_peer(1);
    peer.from.reads = false;
    test.drain();
    let (full, now) = (Bytes::from(vec![1; LARGE]), test.now);
    test.engine.whisper(peer.id, full.into(), now).unwrap();
    test.engine.serve_requests();
    let mut refused = 0;
    while test.engine.node().may_take(peer.id) {
        let content = ["zre-request/1 7", "2+2"].into();
        peer.say(&mut test, Body::Whisper { content });
        let request = test.engine.poll_request().unwrap();
        assert_eq!(test.engine.refuse(&request, now), Ok(()));
        refused += 1;
        assert!(refused <= 64, "it is read for ever");
    }
    // Its session ends, and nothing of it is left.
    test.engine.handle_closed(peer.from.at, "reset", now);
    test.engine.handle_closed(peer.to.at, "reset", now);
    test.run(secs(1));
    assert!(!test.engine.node().owes_refusals());
    assert!(test.engine.node().may_take(peer.id));
}

#[test]
fn an_answer_and_a_refusal_wait_for_room() {
    let (mut test, [mut full, _]) = workers();
    test.engine.serve_requests();
    for _ in 0..2 {
        let content = ["zre-request/1 7", "2+2"].into();
        full.say(&mut test, Body::Whisper { content });
    }
    let [first, second] = [(); 2].map(|()| test.engine.poll_request().unwrap());
    let (mut answer, now) = (Content::from("4"), test.now);
    let is_full = Err(Error::Full(full.id));
    assert_eq!(test.engine.answer(&first, &mut answer, now), is_full);
    assert_eq!(answer, "4");
    assert_eq!(test.engine.node().unanswered(), 2);
    assert_eq!(test.engine.refuse(&second, now), Ok(()));
    assert_eq!(test.engine.node().unanswered(), 1);
    // It is refused once, however often that is asked for.
    let unknown = Err(Error::UnknownPeer(full.id));
    assert_eq!(test.engine.refuse(&second, now), unknown);
    assert!(test.engine.node().owes_refusals());
    test.write_all(full.from.at);
    assert!(!test.engine.node().owes_refusals());
    assert_eq!(test.engine.answer(&second, &mut answer, now), unknown);
    assert_eq!(test.engine.answer(&first, &mut answer, now), Ok(()));
    assert_eq!(test.engine.node().unanswered(), 0);
}
