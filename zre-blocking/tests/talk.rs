//! Two nodes on loopback.

use std::time::Duration;

use zre_blocking::{Error, Event, ExitReason, Node, RecvTimeoutError};

fn next(node: &Node) -> Event {
    node.recv_timeout(Duration::from_secs(5))
        .expect("an event in time")
}

#[test]
fn two_nodes_talk() {
    let node = |name: &str| Node::builder(name).interface("127.0.0.1").port(15672);
    let alice = node("alice").start().unwrap();
    let bob = node("bob").start().unwrap();
    assert!(matches!(next(&bob), Event::Enter { peer, .. } if peer == alice.id()));
    assert!(matches!(next(&alice), Event::Enter { peer, .. } if peer == bob.id()));
    alice.whisper(bob.id(), ["one", "two"]).unwrap();
    assert!(matches!(next(&bob), Event::Whisper { content, .. } if content == ["one", "two"]));
    assert!(alice.ping(bob.id()).unwrap() < Duration::from_secs(1));
    assert_eq!(
        bob.recv_timeout(Duration::from_millis(1)),
        Err(RecvTimeoutError::Timeout)
    );
    alice.stop();
    assert!(matches!(
        next(&bob),
        Event::Exit {
            reason: ExitReason::Goodbye,
            ..
        }
    ));
    bob.stop();
    assert_eq!(
        bob.events().collect::<Vec<_>>(),
        [Event::Stop {
            unconfirmed: vec![]
        }]
    );
}

#[test]
fn waiting_for_peers_ends_when_the_time_is_over() {
    let node = |name: &str| Node::builder(name).interface("127.0.0.1").port(15676);
    let alice = node("alice").start().unwrap();
    let short = Duration::from_millis(5);
    let long = Duration::from_secs(5);
    assert_eq!(alice.wait_for_peer_timeout("bob", short), Ok(None));
    assert_eq!(alice.wait_for_group_timeout("CHAT", 1, short), Ok(None));
    let bob = node("bob").groups(["CHAT"]).start().unwrap();
    assert_eq!(alice.wait_for_peer_timeout("bob", long), Ok(Some(bob.id())));
    assert_eq!(
        alice.wait_for_group_timeout("CHAT", 1, long),
        Ok(Some(vec![bob.id()]))
    );
    alice.stop();
    assert_eq!(
        alice.wait_for_peer_timeout("bob", long),
        Err(Error::Stopped)
    );
}

#[test]
fn receivers_of_their_own_wait_no_longer_than_they_may() {
    let node = |name: &str| Node::builder(name).interface("127.0.0.1").port(15677);
    let alice = node("alice").start().unwrap();
    let (mut events, mut notices) = (alice.subscribe(), alice.notices());
    let short = Duration::from_millis(5);
    assert_eq!(events.recv_timeout(short), Err(RecvTimeoutError::Timeout));
    assert_eq!(notices.recv_timeout(short), Err(RecvTimeoutError::Timeout));
    let bob = node("bob").start().unwrap();
    let entered = events.recv_timeout(Duration::from_secs(5)).unwrap();
    assert!(matches!(entered, Ok(Event::Enter { peer, .. }) if peer == bob.id()));
    let sender = alice.sender();
    let second = Duration::from_secs(1);
    sender.whisper_timeout(bob.id(), "hi", second).unwrap();
    assert_eq!(sender.shout_timeout("NOBODY", "hi", second), Ok(0));
    drop(alice);
    assert_eq!(
        events.next(),
        Some(Ok(Event::Stop {
            unconfirmed: vec![]
        }))
    );
    assert_eq!(events.recv_timeout(short), Err(RecvTimeoutError::Stopped));
    assert_eq!(notices.next(), None);
}
