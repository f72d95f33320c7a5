//! Each event is received once, by one of the callers.

use std::time::Duration;

use zre_tests::any_node::{Next, Pending};

use crate::scene::Scene;

crate::behaviours![
    two_receivers_share_the_events,
    all_who_wait_for_events_are_released_by_a_stop,
    the_stream_of_events_ends_behind_stop,
    a_receiver_that_is_given_up_takes_no_event_with_it,
    events_can_be_taken_without_waiting,
];

fn two_receivers_share_the_events(scene: &Scene) {
    let (alice, bob) = scene.pair();
    let receivers = [bob.begin_events(), bob.begin_events()];
    let numbers = (0..1000).map(|number: u32| format!("{number:04}").into());
    alice
        .begin_whispers(bob.id(), numbers.collect())
        .wait()
        .unwrap();
    alice.ping(bob.id()).unwrap();
    bob.stop();
    let received = receivers.map(|events| bob.lines(&events.wait()));
    for one in &received {
        assert!(one.is_sorted_by_key(|line| line.starts_with('E') || line.starts_with('S')));
        let whispers: Vec<_> = one.iter().filter(|line| line.starts_with('W')).collect();
        assert!(whispers.is_sorted(), "each sees them in their order");
    }
    let mut all = received.concat();
    all.sort();
    let mut wanted: Vec<_> = (0..1000)
        .map(|number| format!("WHISPER alice {number:04}"))
        .collect();
    wanted.push("STOP".to_owned());
    wanted.sort();
    assert_eq!(all, wanted);
}

fn all_who_wait_for_events_are_released_by_a_stop(scene: &Scene) {
    let (alice, _bob) = scene.pair();
    let waiting = [(); 5].map(|()| alice.begin_recv());
    alice.stop();
    let received = waiting.map(Pending::wait);
    let events: Vec<_> = received.into_iter().flatten().collect();
    assert_eq!(alice.lines(&events), ["STOP"]);
}

fn the_stream_of_events_ends_behind_stop(scene: &Scene) {
    let (alice, bob) = scene.pair();
    let events = bob.begin_events();
    alice.whisper(bob.id(), "hi").unwrap();
    alice.stop();
    while !bob.peers().is_empty() {
        std::thread::yield_now();
    }
    bob.stop();
    let lines = bob.lines(&events.wait());
    assert_eq!(
        lines,
        ["WHISPER alice hi", "EXIT alice: said goodbye", "STOP"]
    );
    assert_eq!(bob.begin_events().wait(), []);
}

fn a_receiver_that_is_given_up_takes_no_event_with_it(scene: &Scene) {
    let (alice, bob) = scene.pair();
    let numbers = (0..200).map(|number: u32| number.to_string().into());
    let whispers = alice.begin_whispers(bob.id(), numbers.collect());
    let mut next = 0;
    let begun = std::time::Instant::now();
    while next < 200 {
        assert!(begun.elapsed() < zre_tests::any_node::PATIENCE);
        match bob.recv(Duration::from_micros(50)) {
            Next::Late => {}
            Next::Ended => panic!("bob has stopped"),
            Next::Event(event) => {
                for line in bob.lines(&[event]) {
                    assert_eq!(line, format!("WHISPER alice {next}"));
                    next += 1;
                }
            }
        }
    }
    whispers.wait().unwrap();
}

fn events_can_be_taken_without_waiting(scene: &Scene) {
    let (alice, bob) = scene.pair();
    assert_eq!(bob.try_recv(), None);
    alice.whisper(bob.id(), "hi").unwrap();
    alice.ping(bob.id()).unwrap();
    let event = bob.try_recv().expect("it is there");
    assert_eq!(bob.lines(&[event]), ["WHISPER alice hi"]);
    assert_eq!(bob.try_recv(), None);
    assert_eq!(bob.recv(Duration::ZERO), Next::Late);
}
