//! Who waits for answers and for requests, and what is left when nobody does any more.

use std::time::Duration;

use zre_core::{Choice, Notice};

use super::*;
use crate::hub::{Answer, Ask, Recipient};

fn ask(hub: &Arc<Hub<Pipe>>, peer: PeerId) -> Ask<Pipe> {
    hub.request(Recipient::Peer(peer), "hello".into(), None)
}

fn ask_any(hub: &Arc<Hub<Pipe>>, timeout: Option<Duration>) -> Ask<Pipe> {
    let to = Recipient::Any(group(), Choice::LeastBusy);
    hub.request(to, "hello".into(), timeout)
}

fn text(polled: Poll<Result<Answer, Error>>) -> String {
    match polled {
        Poll::Ready(Ok(answer)) => answer.content.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_answer_wakes_who_waits_for_it_and_nobody_else() {
    let mut net = Net::of::<2>(small);
    let ([_, bob], [hub, bobs]) = (net.nodes().map(TestNode::id), net.hubs());
    let mut requests = bobs.requests();
    let (served, server) = counting();
    let server = Context::from_waker(&server);
    assert!(requests.poll_next(&server).is_pending());
    let mut asks = [(); 3].map(|()| ask(&hub, bob));
    let waits = [(); 3].map(|()| counting());
    for (ask, (_, waker)) in asks.iter_mut().zip(&waits) {
        assert!(ask.poll(&Context::from_waker(waker)).is_pending());
    }
    net.run();
    assert!(served.take() > 0);
    let mut incoming: Vec<_> = std::iter::from_fn(|| requests.try_next()).collect();
    assert_eq!(incoming.len(), 3);
    let cx = Context::from_waker(Waker::noop());
    let mut answer = incoming.remove(1).answer("well".into());
    assert_eq!(answer.poll(&cx), Poll::Ready(Ok(())));
    net.run();
    assert_eq!(waits.each_ref().map(|(count, _)| count.take()), [0, 1, 0]);
    assert_eq!(text(asks[1].poll(&cx)), "well");
    // Dropped, the others are refused.
    drop(incoming);
    net.run();
    assert_eq!(waits.each_ref().map(|(count, _)| count.take()), [1, 0, 1]);
    let refused = Poll::Ready(Err(Error::Refused(bob)));
    assert_eq!(asks[0].poll(&cx), refused);
}

#[test]
fn a_request_that_nobody_waits_for_is_forgotten() {
    let mut net = Net::of::<2>(small);
    let ([_, bob], [hub, bobs]) = (net.nodes().map(TestNode::id), net.hubs());
    let mut requests = bobs.requests();
    let cx = Context::from_waker(Waker::noop());
    let mut dropped = ask(&hub, bob);
    let mut kept = ask(&hub, bob);
    assert!(dropped.poll(&cx).is_pending() && kept.poll(&cx).is_pending());
    let open = || hub.read(|node| node.open_requests(bob));
    assert_eq!(open(), 2);
    drop(dropped);
    assert_eq!(open(), 1);
    net.run();
    while let Some(request) = requests.try_next() {
        assert!(request.answer("well".into()).poll(&cx).is_ready());
    }
    net.run();
    assert_eq!(hub.stats().notices.get("stray_answer"), Some(&1));
    assert_eq!(text(kept.poll(&cx)), "well");
    // As is one of all members, with all that it waits for.
    bobs.command(|engine, now| engine.join(&group(), now))
        .unwrap();
    net.run();
    let mut all = hub.request_all(group(), "hello".into(), None).unwrap();
    assert!(all.poll_next(&cx).is_pending());
    assert_eq!(open(), 1);
    drop(all);
    assert_eq!(open(), 0);
    // One that has not been polled has not been sent.
    drop(ask(&hub, bob));
    net.run();
    assert!(requests.try_next().is_some() && requests.try_next().is_none());
}

#[test]
fn a_member_without_room_is_passed_over_and_one_that_comes_is_asked() {
    let mut net = Net::of::<3>(small);
    let ([alice, bob, carol], [hub, bobs, carols]) =
        (net.nodes::<3>().map(TestNode::id), net.hubs::<3>());
    let join = |hub: &Hub<Pipe>| {
        let joined = hub.command(|engine, now| engine.join(&group(), now));
        joined.unwrap();
    };
    join(&bobs);
    net.run();
    net.set_stuck(alice, bob, true);
    fill(&hub, bob);
    let (count, waker) = counting();
    let cx = Context::from_waker(&waker);
    let mut waiting = ask_any(&hub, None);
    assert!(waiting.poll(&cx).is_pending());
    let mut in_vain = ask_any(&hub, Some(Duration::from_millis(10)));
    let mut outcome = in_vain.poll(&Context::from_waker(Waker::noop()));
    net.run_until(|_| hub.stats().peers == 2);
    let begun = Instant::now();
    while outcome.is_pending() {
        assert!(begun.elapsed() < Duration::from_secs(20));
        net.run();
        outcome = in_vain.poll(&Context::from_waker(Waker::noop()));
    }
    assert_eq!(
        outcome,
        Poll::Ready(Err(Error::Full(bob))),
        "nothing is sent"
    );
    join(&carols);
    net.run();
    assert!(count.take() > 0, "there is one more");
    assert!(waiting.poll(&cx).is_pending());
    for _ in 0..3 {
        assert!(ask_any(&hub, None).poll(&cx).is_pending());
    }
    let open = |peer| hub.read(|node| node.open_requests(peer));
    // The three have been dropped.
    assert_eq!([bob, carol].map(open), [0, 1]);
}

#[test]
fn a_member_that_has_just_died_is_not_waited_for() {
    let mut net = Net::of::<2>(|settings| {
        small(settings);
        settings.join("CHAT");
    });
    let [hub, _] = net.hubs();
    net.run_until(|_| hub.read(|node| node.peers_by_group(&group()).count() == 1));
    net.end(1);
    net.run();
    // It may be a member for some tenths of a second.
    let cx = Context::from_waker(Waker::noop());
    let nobody = Poll::Ready(Err(Error::NoMembers(group())));
    assert_eq!(ask_any(&hub, None).poll(&cx), nobody);
}

#[test]
fn who_waits_for_room_is_woken_when_the_members_are_others() {
    let mut net = Net::of::<3>(small);
    let ([alice, bob, carol], [hub, bobs, carols]) =
        (net.nodes::<3>().map(TestNode::id), net.hubs::<3>());
    bobs.command(|engine, now| engine.join(&group(), now))
        .unwrap();
    net.run();
    net.set_stuck(alice, bob, true);
    fill(&hub, bob);
    let waits = [(); 2].map(|()| counting());
    let [first, second] = waits
        .each_ref()
        .map(|(_, waker)| Context::from_waker(waker));
    let mut asks = [(); 2].map(|()| ask_any(&hub, None));
    assert!(asks[0].poll(&first).is_pending() && asks[1].poll(&second).is_pending());
    // The only member leaves the group and stays a peer.
    bobs.command(|engine, now| engine.leave(&group(), now))
        .unwrap();
    net.run();
    assert!(waits.iter().all(|(count, _)| count.take() > 0));
    let nobody = Poll::Ready(Err(Error::NoMembers(group())));
    assert_eq!(asks[0].poll(&first), nobody);
    // The other is polled only when another has come.
    carols
        .command(|engine, now| engine.join(&group(), now))
        .unwrap();
    net.run();
    assert!(asks[1].poll(&second).is_pending());
    assert_eq!(hub.read(|node| node.open_requests(carol)), 1);
}

#[test]
fn who_takes_no_events_while_an_answer_is_not_read_is_warned_once() {
    let mut net = Net::of::<2>(small);
    let ([alice, bob], [hub, bobs]) = (net.nodes().map(TestNode::id), net.hubs());
    let cx = Context::from_waker(Waker::noop());
    let mut notices = hub.notices();
    let mut waiting = ask(&hub, bob);
    assert!(waiting.poll(&cx).is_pending());
    for _ in 0..100 {
        bobs.try_whisper(alice, "take me".into()).unwrap();
    }
    net.run_until(|_| hub.stats().notices.contains_key("events_not_taken"));
    let warned = std::iter::from_fn(|| notices.try_recv());
    let is_it = |notice: &Notice| matches!(notice, Notice::EventsNotTaken { .. });
    assert_eq!(warned.filter(is_it).count(), 1);
    assert!(waiting.poll(&cx).is_pending());
}

#[test]
fn the_end_of_a_node_ends_what_it_asked_and_what_it_is_asked() {
    for is_left in [false, true] {
        let mut net = Net::of::<2>(small);
        let ([_, bob], [hub, bobs]) = (net.nodes().map(TestNode::id), net.hubs());
        let mut served = bobs.requests();
        let mut requests = hub.requests();
        let (waits, cx) = (
            [(); 2].map(|()| counting()),
            Context::from_waker(Waker::noop()),
        );
        let [a, b] = waits
            .each_ref()
            .map(|(_, waker)| Context::from_waker(waker));
        let mut asked = ask(&hub, bob);
        assert!(asked.poll(&a).is_pending());
        assert!(requests.poll_next(&b).is_pending());
        net.run();
        let request = served.try_next().unwrap();
        if !is_left {
            hub.stop();
        }
        net.end(0);
        assert!(waits.iter().all(|(count, _)| count.take() > 0));
        assert_eq!(asked.poll(&cx), Poll::Ready(Err(Error::Stopped)));
        assert!(matches!(requests.poll_next(&cx), Poll::Ready(None)));
        net.run_until(|_| bobs.read(|node| node.peers().count() == 0));
        let mut answer = request.answer("late".into());
        let gone = Error::UnknownPeer(hub.local().id);
        assert_eq!(answer.poll(&cx), Poll::Ready(Err(gone)));
    }
}
