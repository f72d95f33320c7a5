//! Two nodes on loopback.

use std::time::Duration;

use zre_blocking::{Event, ExitReason, Node, RecvTimeoutError};

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
    assert_eq!(bob.events().collect::<Vec<_>>(), [Event::Stop]);
}
