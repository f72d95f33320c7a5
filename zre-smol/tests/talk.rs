//! Two nodes on loopback.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Wake, Waker},
    time::Duration,
};

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
            matches!(next(&bob).await, Event::Whisper { content, .. } if content == ["one", "two"])
        );
        alice.stop().await;
        assert!(matches!(next(&bob).await, Event::Exit { .. }));
        bob.stop().await;
    };
    future::block_on(future::zip(talk, future::zip(alice_driver, bob_driver)));
}

#[test]
fn a_driver_that_is_dropped_before_it_has_run_ends_the_node() {
    let builder = Node::builder("alice").interface("127.0.0.1").port(15672);
    let (alice, driver) = builder.start().unwrap();
    drop(driver);
    let ended = async {
        assert_eq!(
            next(&alice).await,
            Event::Stop {
                unconfirmed: vec![]
            }
        );
        assert_eq!(alice.recv().await, None);
        alice.stop().await;
    };
    let late = async {
        Timer::after(Duration::from_secs(5)).await;
        panic!("it waits for ever")
    };
    smol::block_on(future::or(ended, late));
}

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_crowd_that_waits_for_events_of_an_idle_node_sleeps() {
    let builder = Node::builder("alice").interface("127.0.0.1").port(15673);
    let (alice, _driver) = builder.start().unwrap();
    let receivers: Vec<Arc<Count>> = (0..100).map(|_| Arc::default()).collect();
    let poll = |receiver: &Arc<Count>| {
        let waker = Waker::from(Arc::clone(receiver));
        let receiving = pin!(alice.recv());
        assert!(
            receiving
                .poll(&mut Context::from_waker(&waker))
                .is_pending()
        );
    };
    receivers.iter().for_each(poll);
    let woken = |receiver: &&Arc<Count>| receiver.0.swap(0, Ordering::Relaxed) > 0;
    for _ in 0..10 {
        receivers.iter().filter(woken).for_each(poll);
    }
    assert_eq!(receivers.iter().filter(woken).count(), 0);
}

#[test]
fn nobody_is_woken_for_an_answer_that_is_not_waited_for_any_more() {
    let node = |name: &str| Node::builder(name).interface("127.0.0.1").port(15675);
    let (alice, mut alice_driver) = node("alice").start().unwrap();
    let (bob, mut bob_driver) = node("bob").start().unwrap();
    let met = async {
        assert!(matches!(next(&alice).await, Event::Enter { peer, .. } if peer == bob.id()));
    };
    let drivers = async {
        future::zip(&mut alice_driver, &mut bob_driver).await;
    };
    smol::block_on(future::or(met, drivers));

    // Nobody drives bob any more, so he does not answer.
    let asker = Arc::<Count>::default();
    let waker = Waker::from(Arc::clone(&asker));
    let mut ping = Box::pin(alice.ping(bob.id()));
    let asked = ping.as_mut().poll(&mut Context::from_waker(&waker));
    assert!(asked.is_pending());
    drop(ping);
    smol::block_on(future::zip(alice.stop(), &mut alice_driver));
    assert_eq!(asker.0.load(Ordering::Relaxed), 0);
}
