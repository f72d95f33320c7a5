//! Members of a group that do not keep up, and an application that waits for itself.

use std::{cell::RefCell, time::Duration};

use zre_core::{Notice, SlowMembers};

use super::*;
use crate::hub::Delivery;

/// Longer than such a test takes.
const NEVER: Duration = Duration::from_secs(3000);

/// Three nodes, of which the second and the third are in the group, and the second reads nothing.
fn group_with_a_stuck_member(slow_members: SlowMembers) -> (Net, Arc<Hub<Pipe>>, PeerId) {
    let mut net = Net::of::<3>(|settings| {
        small(settings);
        settings.join("CHAT");
        settings.slow_members = slow_members;
    });
    let ([alice, bob, _], [hub, ..]) = (net.nodes::<3>().map(TestNode::id), net.hubs::<3>());
    net.run_until(|_| hub.read(|node| node.peers_by_group(&group()).count() == 2));
    while hub.try_recv().is_some() {}
    net.set_stuck(alice, bob, true);
    fill(&hub, bob);
    (net, hub, bob)
}

fn skipped(hub: &Hub<Pipe>) -> Vec<(PeerId, u64)> {
    let events = std::iter::from_fn(|| hub.try_recv());
    let skipped = events.filter_map(|event| match event {
        Event::Skipped { peer, messages, .. } => Some((peer, messages)),
        _ => None,
    });
    skipped.collect()
}

#[test]
fn a_shout_passes_over_a_member_that_has_no_room_in_time() {
    let after = Duration::from_millis(50);
    let (mut net, hub, bob) = group_with_a_stuck_member(SlowMembers::Skip { after });
    let (count, waker) = counting();
    let cx = Context::from_waker(&waker);
    let mut shout = hub.shout(group(), "hello".into());
    let begun = Instant::now();
    assert!(shout.poll(&cx).is_pending());
    net.run();
    if begun.elapsed() < after {
        assert_eq!(count.take(), 0);
        assert!(shout.poll(&cx).is_pending(), "it may be asked too early");
    }
    // The driver comes when it is time, though nothing else happens.
    net.run_until(|_| count.0.load(Ordering::Relaxed) > 0);
    assert!(begun.elapsed() >= after);
    assert_eq!(shout.poll(&cx), Poll::Ready(Ok(1)));
    assert_eq!(skipped(&hub), [(bob, 1)]);

    // From now on without waiting.
    for _ in 0..3 {
        let mut shout = hub.shout(group(), "hello".into());
        assert_eq!(shout.poll(&cx), Poll::Ready(Ok(1)));
    }
    assert!(skipped(&hub).is_empty(), "it has just been told");
    // Whispers wait as ever, and `try_shout` is for all or nobody.
    assert!(hub.whisper(bob, "hello".into()).poll(&cx).is_pending());
    assert_eq!(
        hub.try_shout(&group(), "hello".into()),
        Err(Error::Full(bob))
    );
}

#[test]
fn a_shout_that_is_to_wait_goes_on_when_the_member_has_room() {
    let cases = [SlowMembers::Wait, SlowMembers::Skip { after: NEVER }];
    for slow_members in cases {
        let (mut net, hub, bob) = group_with_a_stuck_member(slow_members);
        let (count, waker) = counting();
        let cx = Context::from_waker(&waker);
        let mut shout = hub.shout(group(), "hello".into());
        assert!(shout.poll(&cx).is_pending());
        net.run();
        assert!(shout.poll(&cx).is_pending());
        net.set_stuck(hub.local().id, bob, false);
        net.run_until(|_| count.0.load(Ordering::Relaxed) > 0);
        assert_eq!(shout.poll(&cx), Poll::Ready(Ok(2)));
        assert!(skipped(&hub).is_empty());
    }
}

#[test]
fn a_shout_that_is_not_to_wait_at_all_is_done_at_once() {
    let after = Duration::ZERO;
    let (_net, hub, bob) = group_with_a_stuck_member(SlowMembers::Skip { after });
    let mut shout = hub.shout(group(), "hello".into());
    let cx = Context::from_waker(Waker::noop());
    assert_eq!(shout.poll(&cx), Poll::Ready(Ok(1)));
    assert_eq!(skipped(&hub), [(bob, 1)]);
}

#[test]
fn who_takes_no_events_while_sending_waits_is_warned_once() {
    let mut net = Net::of::<2>(small);
    let ([alice, bob], [hub, bobs]) = (net.nodes().map(TestNode::id), net.hubs());
    let mut notices = hub.notices();
    let mut warnings = || {
        let notices = std::iter::from_fn(|| notices.try_recv());
        let all = notices.filter(|notice| matches!(notice, Notice::EventsNotTaken { .. }));
        all.count()
    };
    bobs.try_whisper(alice, "take me".into()).unwrap();
    net.set_stuck(alice, bob, true);
    fill(&hub, bob);
    net.run();
    let cx = Context::from_waker(Waker::noop());
    let mut whisper = hub.whisper(bob, "waiting".into());
    let begun = Instant::now();
    assert!(whisper.poll(&cx).is_pending());
    let warned = |hub: &Hub<Pipe>| hub.stats().notices.contains_key("events_not_taken");
    net.run_until(|_| warned(&hub));
    // Sending reads the clock only now and then, so the second may have begun a little earlier.
    assert!(begun.elapsed() >= Duration::from_millis(900));
    // Whatever else happens meanwhile.
    for _ in 0..10 {
        bobs.try_whisper(alice, "take me".into()).unwrap();
        net.run();
    }
    assert_eq!(warnings(), 1);
}

#[test]
fn a_confirmed_shout_tells_what_has_become_of_it_for_each_member() {
    let at_once = SlowMembers::Skip {
        after: Duration::ZERO,
    };
    for (slow_members, expected) in [
        (at_once, Delivery::Skipped),
        (SlowMembers::Wait, Delivery::Gone),
    ] {
        let (mut net, hub, bob) = group_with_a_stuck_member(slow_members);
        let [_, _, carol] = net.nodes::<3>().map(TestNode::id);
        let cx = Context::from_waker(Waker::noop());
        let mut shout = hub.shout_confirmed(group(), "hello".into());
        assert!(shout.poll(&cx).is_pending());
        assert_eq!(shout.is_sent(), expected == Delivery::Skipped);
        if expected == Delivery::Gone {
            net.end(1);
        }
        let outcomes = RefCell::new(None);
        let shout = RefCell::new(shout);
        net.run_until(|_| {
            if let Poll::Ready(told) = shout.borrow_mut().poll(&cx) {
                *outcomes.borrow_mut() = Some(told.unwrap());
            }
            outcomes.borrow().is_some()
        });
        let mut outcomes = outcomes.into_inner().unwrap();
        outcomes.sort_by_key(|(member, _)| *member != bob);
        assert_eq!(outcomes, [(bob, expected), (carol, Delivery::Delivered)]);
    }
}

#[test]
fn a_message_whose_peer_has_gone_is_not_confirmed() {
    let mut net = Net::of::<2>(small);
    let ([alice, bob], [hub, _]) = (net.nodes().map(TestNode::id), net.hubs());
    net.set_stuck(alice, bob, true);
    let cx = Context::from_waker(Waker::noop());
    let mut whisper = hub.whisper_confirmed(bob, "hello".into());
    assert!(!whisper.is_sent());
    assert!(whisper.poll(&cx).is_pending());
    assert!(whisper.is_sent());
    let mut flush = hub.flush(bob).unwrap();
    assert!(flush.poll(&cx).is_pending());
    net.end(1);
    net.run_until(|_| hub.read(|node| !node.is_ready(bob)));
    let unconfirmed = Poll::Ready(Err(Error::Unconfirmed(bob)));
    assert_eq!(whisper.poll(&cx), unconfirmed);
    assert_eq!(flush.poll(&cx), unconfirmed);
    let mut late = hub.whisper_confirmed(bob, "hello".into());
    assert_eq!(late.poll(&cx), Poll::Ready(Err(Error::UnknownPeer(bob))));
}
