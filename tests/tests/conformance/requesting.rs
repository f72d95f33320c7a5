//! Requests and answers.

use std::time::Duration;

use zre_core::{
    Error, Limits,
    proto::{Content, PeerId},
};
use zre_tests::any_node::{AnyRequest, AnyRequests, PATIENCE};

use crate::scene::{
    Player, Scene,
    Side::{Left, Right},
};

crate::behaviours![
    a_request_is_answered_in_frames,
    requests_are_no_events,
    an_answer_comes_while_nobody_takes_events,
    many_requests_at_once_have_their_own_answers,
    members_are_asked_in_turn,
    the_least_busy_member_is_asked,
    all_members_are_asked,
    a_request_that_is_refused_or_dropped_is_over_at_once,
    a_request_is_over_when_its_time_is,
    a_request_is_over_when_the_peer_goes,
    a_request_is_over_when_its_own_node_stops,
    nobody_is_answered_who_is_gone,
    requests_are_refused_when_nobody_takes_them_any_more,
    requests_that_nobody_takes_hold_up_who_asks,
    nobody_is_asked_who_is_not_there,
];

/// A request that is to be over on its own.
const LONG: Option<Duration> = Some(PATIENCE);
/// Long enough for an answer.
const ENOUGH: Option<Duration> = Some(Duration::from_secs(3));
const SHORT: Option<Duration> = Some(Duration::from_millis(100));

/// Answers with what was asked and the name.
fn echo(player: &Player) {
    let name = player.name();
    player.requests().serve(move |asked| {
        let mut answer = asked.clone();
        answer.push(name.as_str());
        answer
    });
}

/// Alice, and bob and carol in the group WORKERS.
fn with_workers(scene: &Scene) -> (Player, [Player; 2]) {
    let alice = scene.start(Left, scene.options("alice"));
    let workers = ["bob", "carol"].map(|name| scene.start(Right, scene.options(name)));
    for worker in &workers {
        worker.join("WORKERS").unwrap();
    }
    alice.begin_wait_for_group("WORKERS", 2).wait().unwrap();
    (alice, workers)
}

fn next(requests: AnyRequests) -> (Content, AnyRequest, AnyRequests) {
    let (request, requests) = requests.next();
    let request = request.expect("the node runs");
    (request.content().clone(), request, requests)
}

fn a_request_is_answered_in_frames(scene: &Scene) {
    let (alice, bob) = scene.pair();
    echo(&bob);
    let large = vec![7_u8; 1 << 20];
    for asked in [
        "2+2".into(),
        ["a", "", "c"].into(),
        Content::default(),
        large.into(),
    ] {
        let mut expected = asked.clone();
        expected.push("bob");
        assert_eq!(alice.request(bob.id(), asked, LONG), Ok(expected));
    }
    let without_a_time = alice.request(bob.id(), "x", None);
    assert_eq!(without_a_time, Ok(["x", "bob"].into()));
}

fn requests_are_no_events(scene: &Scene) {
    let (alice, bob) = scene.pair();
    let mut seen = bob.subscribe();
    let request = alice.begin_request(bob.id(), "early", LONG);
    bob.next_unwritten();
    let requests = bob.requests();
    let mut asked = alice.subscribe();
    let second = alice.begin_request(bob.id(), "late", LONG);
    let (content, incoming, _requests) = next(requests);
    assert_eq!(content, "late");
    assert_eq!(incoming.peer(), alice.id());
    assert_eq!(incoming.answer("well"), Ok(()));
    assert_eq!(second.wait(), Ok("well".into()));
    alice.whisper(bob.id(), "plain").unwrap();
    bob.sees(&["WHISPER alice plain"]);
    bob.whisper(alice.id(), "plain").unwrap();
    alice.sees(&["WHISPER bob plain"]);
    assert_eq!(
        request.done(),
        None,
        "it was a whisper to a program that does not serve"
    );
    let mut texts = Vec::new();
    while let Some(Ok(event)) = seen.try_recv() {
        texts.extend(event.into_content().map(|it| it.len()));
    }
    assert_eq!(
        texts,
        [2, 1],
        "the early one with its leading frame, and the plain one"
    );
    let is_plain = |event: zre_core::Event| event.content().is_some_and(|it| *it == "plain");
    assert!(
        asked
            .try_recv()
            .is_some_and(|event| event.is_ok_and(is_plain))
    );
    assert!(asked.try_recv().is_none());
}

fn an_answer_comes_while_nobody_takes_events(scene: &Scene) {
    let (alice, bob) = scene.pair();
    echo(&bob);
    for number in 0..500 {
        bob.whisper(alice.id(), number.to_string()).unwrap();
    }
    let answer = alice.request(bob.id(), "x", LONG);
    assert_eq!(answer, Ok(["x", "bob"].into()));
    alice.sees(&["WHISPER bob 0"]);
}

fn many_requests_at_once_have_their_own_answers(scene: &Scene) {
    let (alice, bob) = scene.pair();
    echo(&bob);
    let begin = |number: usize| alice.begin_request(bob.id(), number.to_string(), LONG);
    let begun: Vec<_> = (0..500).map(begin).collect();
    for (number, answer) in begun.into_iter().enumerate() {
        let expected = [number.to_string(), "bob".into()].into();
        assert_eq!(answer.wait(), Ok(expected));
    }
}

fn members_are_asked_in_turn(scene: &Scene) {
    let (alice, workers) = with_workers(scene);
    workers.iter().for_each(echo);
    let mut asked: Vec<_> = (0..6)
        .map(|_| alice.request_any("WORKERS", "x", true).unwrap().peer)
        .collect();
    assert_eq!(asked[..2], asked[2..4]);
    assert_eq!(asked[..2], asked[4..]);
    asked.truncate(2);
    asked.sort();
    let mut expected = [workers[0].id(), workers[1].id()];
    expected.sort();
    assert_eq!(asked, expected);
}

fn the_least_busy_member_is_asked(scene: &Scene) {
    let (alice, [bob, carol]) = with_workers(scene);
    let slow = bob.requests();
    echo(&carol);
    let kept: Vec<_> = (0..3)
        .map(|_| alice.begin_request(bob.id(), "slow", LONG))
        .collect();
    let (_, first, slow) = next(slow);
    for _ in 0..5 {
        let answer = alice.request_any("WORKERS", "x", false).unwrap();
        assert_eq!((answer.peer, answer.content.len()), (carol.id(), 2));
    }
    drop((first, slow));
    for request in kept {
        assert_eq!(request.wait(), Err(Error::Refused(bob.id())));
    }
}

fn all_members_are_asked(scene: &Scene) {
    let (alice, [bob, carol]) = with_workers(scene);
    echo(&bob);
    let mut mute = carol.requests();
    let mut outcomes = alice.request_all("WORKERS", "status", ENOUGH).unwrap();
    outcomes.sort_by_key(|(_, outcome)| outcome.is_err());
    let expected = [
        (bob.id(), Ok(["status", "bob"].into())),
        (carol.id(), Err(Error::TimedOut(carol.id()))),
    ];
    assert_eq!(outcomes, expected);
    assert!(mute.try_next().is_some());
    drop(mute);
    let outcomes = alice.request_all("WORKERS", "status", LONG).unwrap();
    let refused = |(peer, outcome): &(PeerId, _)| *outcome == Err(Error::Refused(*peer));
    assert_eq!(outcomes.iter().filter(|it| refused(it)).count(), 1);
    assert_eq!(outcomes.len(), 2);
}

fn a_request_that_is_refused_or_dropped_is_over_at_once(scene: &Scene) {
    let (alice, bob) = scene.pair();
    let mut requests = bob.requests();
    for is_dropped in [false, true] {
        let asked = alice.begin_request(bob.id(), "x", LONG);
        let (_, request, rest) = next(requests);
        requests = rest;
        match is_dropped {
            true => drop(request),
            false => request.refuse(),
        }
        alice.fails("request", asked.wait(), REFUSED);
    }
}

const REFUSED: &str = "peer bob refuses the request: its log may say why, or ask another peer";

fn a_request_is_over_when_its_time_is(scene: &Scene) {
    let (alice, bob) = scene.pair();
    let requests = bob.requests();
    let why = "peer bob has not answered the request in time: allow more, or ask another peer";
    alice.fails("request", alice.request(bob.id(), "x", SHORT), why);
    // What comes late is nobody's.
    let (_, request, _requests) = next(requests);
    assert_eq!(request.answer("late"), Ok(()));
    bob.whisper(alice.id(), "behind it").unwrap();
    alice.sees(&["WHISPER bob behind it"]);
}

fn a_request_is_over_when_the_peer_goes(scene: &Scene) {
    let (alice, bob) = scene.pair();
    let requests = bob.requests();
    let asked = alice.begin_request(bob.id(), "x", None);
    let (_, request, _requests) = next(requests);
    bob.stop();
    let why = "peer bob has gone before it answered, and may have done what was asked: ask another";
    alice.fails("request", asked.wait(), why);
    alice.sees(&["EXIT bob: said goodbye"]);
    assert_eq!(request.answer("late"), Err(Error::Stopped));
    let unknown = Err(Error::UnknownPeer(bob.id()));
    assert_eq!(alice.request(bob.id(), "x", None), unknown);
}

fn a_request_is_over_when_its_own_node_stops(scene: &Scene) {
    let (alice, bob) = scene.pair();
    let requests = bob.requests();
    let asked = alice.begin_request(bob.id(), "x", None);
    let (_, request, requests) = next(requests);
    let waiting = requests.begin_next();
    alice.stop();
    assert_eq!(asked.wait(), Err(Error::Stopped));
    assert_eq!(alice.request(bob.id(), "x", None), Err(Error::Stopped));
    assert_eq!(alice.request_any("G", "x", true), Err(Error::Stopped));
    assert_eq!(alice.request_all("G", "x", None), Err(Error::Stopped));
    bob.sees(&["EXIT alice: said goodbye"]);
    assert_eq!(request.answer("late"), Err(Error::UnknownPeer(alice.id())));
    bob.stop();
    assert!(waiting.wait().0.is_none());
    assert!(bob.requests().next().0.is_none());
}

fn nobody_is_answered_who_is_gone(scene: &Scene) {
    let (alice, bob) = scene.pair();
    let mut requests = bob.requests();
    let mut begun = Vec::new();
    for number in 0..2 {
        begun.push(alice.begin_request(bob.id(), number.to_string(), None));
    }
    let (_, request, rest) = next(requests);
    requests = rest;
    alice.stop();
    bob.sees(&["EXIT alice: said goodbye"]);
    assert!(
        requests.try_next().is_none(),
        "nobody waits for that answer"
    );
    let unknown = "there is no peer alice: it has not entered, or it has left";
    bob.fails("answer", request.answer("late"), unknown);
    for request in begun {
        assert_eq!(request.wait(), Err(Error::Stopped));
    }
}

fn requests_are_refused_when_nobody_takes_them_any_more(scene: &Scene) {
    let (alice, bob) = scene.pair();
    let [first, second] = [(); 2].map(|()| bob.requests());
    let waiting = alice.begin_request(bob.id(), "x", LONG);
    // One of the two is still there to take it.
    drop(first);
    let (_, request, second) = next(second);
    let left = alice.begin_request(bob.id(), "y", LONG);
    drop(second);
    alice.fails("request", left.wait(), REFUSED);
    alice.fails("request", alice.request(bob.id(), "z", LONG), REFUSED);
    assert_eq!(request.answer("well"), Ok(()));
    assert_eq!(waiting.wait(), Ok("well".into()));
    echo(&bob);
    let answer = alice.request(bob.id(), "x", LONG);
    assert_eq!(answer, Ok(["x", "bob"].into()));
}

fn requests_that_nobody_takes_hold_up_who_asks(scene: &Scene) {
    let small = || Some(Limits::default().events(8).outbound(64 << 10));
    let (alice, bob) = scene.pair_with(|it| it.limits = small(), |it| it.limits = small());
    alice.sees(&["ENTER bob"]);
    bob.sees(&["ENTER alice"]);
    let requests = bob.requests();
    let large = vec![7_u8; 64 << 10];
    let begin = |_| alice.begin_request(bob.id(), large.clone(), None);
    let begun: Vec<_> = (0..400).map(begin).collect();
    let mut one = alice.request(bob.id(), large.clone(), SHORT);
    // Not before all that the systems hold for the connection is full.
    while one == Err(Error::TimedOut(bob.id())) {
        one = alice.request(bob.id(), large.clone(), SHORT);
    }
    assert_eq!(one, Err(Error::Full(bob.id())), "it was not sent");
    requests.serve(|_| "done".into());
    for request in begun {
        assert_eq!(request.wait(), Ok("done".into()));
    }
}

fn nobody_is_asked_who_is_not_there(scene: &Scene) {
    let (alice, _bob) = scene.pair();
    let nobody = PeerId::from([7; 16]);
    let unknown = Err(Error::UnknownPeer(nobody));
    assert_eq!(alice.request(nobody, "x", LONG), unknown);
    let why = "no peer is in group G: wait for one, as with `wait_for_group`, and ask again";
    alice.fails("request_any", alice.request_any("G", "x", false), why);
    alice.fails("request_all", alice.request_all("G", "x", LONG), why);
    let long = "x".repeat(256);
    let is_too_long = |error| matches!(error, Error::TooLong(_));
    assert!(alice.request_any(&long, "x", false).is_err_and(is_too_long));
    assert!(alice.request_all(&long, "x", None).is_err_and(is_too_long));
}
