//! Several receivers of the same events.

use zre_core::{Event, Limits};
use zre_tests::any_node::AnySubscription;
use zre_tokio::Lagged;

use crate::scene::{Player, Scene};

crate::behaviours![
    a_subscriber_gets_all_events_beside_recv,
    a_subscriber_gets_events_though_nobody_takes_them,
    a_slow_subscriber_is_told_what_it_missed_and_holds_up_nobody,
    a_subscriber_does_not_keep_the_node_running,
];

/// All that is there.
fn drain(subscription: &mut AnySubscription) -> Vec<Result<Event, Lagged>> {
    std::iter::from_fn(|| subscription.try_recv()).collect()
}

fn lines(player: &Player, events: Vec<Result<Event, Lagged>>) -> Vec<String> {
    let events: Vec<_> = events.into_iter().map(Result::unwrap).collect();
    player.lines(&events)
}

fn a_subscriber_gets_all_events_beside_recv(scene: &Scene) {
    let (alice, bob) = scene.pair();
    let mut subscriptions = [bob.subscribe(), bob.subscribe()];
    alice.whisper(bob.id(), "one").unwrap();
    alice.join("CHAT").unwrap();
    bob.sees(&["WHISPER alice one", "JOIN alice CHAT"]);
    for subscription in &mut subscriptions {
        let events = drain(subscription);
        let lines = lines(&bob, events);
        assert_eq!(lines, ["WHISPER alice one", "JOIN alice CHAT"]);
    }
    let [first, second] = subscriptions.map(AnySubscription::begin_recv);
    alice.whisper(bob.id(), "two").unwrap();
    let second = second.wait();
    for (event, _) in [first.wait(), (second.0, second.1)] {
        let lines = lines(&bob, event.into_iter().collect());
        assert_eq!(lines, ["WHISPER alice two"]);
    }
    bob.sees(&["WHISPER alice two"]);
}

fn a_subscriber_gets_events_though_nobody_takes_them(scene: &Scene) {
    let (alice, bob) = scene.pair();
    let subscription = bob.subscribe();
    alice.whisper(bob.id(), "one").unwrap();
    let (event, _) = subscription.begin_recv().wait();
    assert_eq!(
        lines(&bob, event.into_iter().collect()),
        ["WHISPER alice one"]
    );
    bob.sees(&["WHISPER alice one"]);
}

fn a_slow_subscriber_is_told_what_it_missed_and_holds_up_nobody(scene: &Scene) {
    let mut limits = Limits::default();
    limits.events = 10;
    let (alice, bob) = scene.pair_with(|_| {}, |bob| bob.limits = Some(limits));
    bob.sees(&["ENTER alice"]);
    alice.sees(&["ENTER bob"]);
    let mut slow = bob.subscribe();
    for number in 0..100 {
        alice.whisper(bob.id(), number.to_string()).unwrap();
        bob.sees(&[&format!("WHISPER alice {number}")]);
    }
    let mut events = drain(&mut slow);
    assert_eq!(events.remove(0), Err(Lagged(90)));
    let wanted: Vec<_> = (90..100)
        .map(|number| format!("WHISPER alice {number}"))
        .collect();
    assert_eq!(lines(&bob, events), wanted);
}

fn a_subscriber_does_not_keep_the_node_running(scene: &Scene) {
    let (alice, bob) = scene.pair();
    let subscription = alice.subscribe();
    drop(alice);
    bob.sees(&["EXIT alice: said goodbye"]);
    let (last, subscription) = subscription.begin_recv().wait();
    assert_eq!(
        last,
        Some(Ok(Event::Stop {
            unconfirmed: vec![]
        }))
    );
    let (end, _) = subscription.begin_recv().wait();
    assert_eq!(end, None);
}
