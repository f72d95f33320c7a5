//! Two nodes on loopback.

use std::time::Duration;

use futures_lite::future;
use smol::Timer;
use zre_smol::{Event, Node};

async fn next(node: &Node) -> Event {
    let late = async {
        Timer::after(Duration::from_secs(5)).await;
        panic!("no event in time")
    };
    future::or(node.recv(), late).await.expect("the node runs")
}

#[test]
fn two_nodes_talk_under_a_bare_block_on() {
    let node = |name: &str| Node::builder(name).interface("127.0.0.1").port(15671);
    let (alice, alice_driver) = node("alice").start().unwrap();
    let (bob, bob_driver) = node("bob").start().unwrap();
    let talk = async {
        assert!(matches!(next(&bob).await, Event::Enter { peer, .. } if peer == alice.id()));
        assert!(matches!(next(&alice).await, Event::Enter { peer, .. } if peer == bob.id()));
        alice.whisper(bob.id(), ["one", "two"]).await.unwrap();
        assert!(
            matches!(next(&bob).await, Event::Whisper { content, .. } if content == ["one", "two"].into())
        );
        alice.stop().await;
        assert!(matches!(next(&bob).await, Event::Exit { .. }));
        bob.stop().await;
    };
    future::block_on(future::zip(talk, future::zip(alice_driver, bob_driver)));
}
