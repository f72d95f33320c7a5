//! Two nodes on loopback.

use std::time::Duration;

use tokio::time::timeout;
use zre_tokio::{Event, ExitReason, Node};

async fn next(node: &Node) -> Event {
    timeout(Duration::from_secs(5), node.recv())
        .await
        .expect("an event in time")
        .expect("the node runs")
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_find_each_other_and_talk() {
    let node = |name: &str| Node::builder(name).interface("127.0.0.1").port(15670);
    let alice = node("alice")
        .header("X-ROLE", "chat")
        .join("CHAT")
        .start()
        .await
        .unwrap();
    let bob = node("bob").join("CHAT").start().await.unwrap();

    let Event::Enter {
        peer,
        name,
        headers,
        endpoint,
        ..
    } = next(&bob).await
    else {
        panic!("no Enter");
    };
    assert_eq!((peer, &name), (alice.id(), alice.name()));
    assert_eq!(headers.get("X-ROLE").unwrap(), "chat");
    assert_eq!(endpoint, alice.endpoint());
    assert!(matches!(next(&bob).await, Event::Join { group, .. } if group == "CHAT"));
    assert!(matches!(next(&alice).await, Event::Enter { .. }));
    assert!(matches!(next(&alice).await, Event::Join { .. }));

    alice.whisper(bob.id(), ["one", "", "three"]).await.unwrap();
    let event = next(&bob).await;
    assert!(matches!(event, Event::Whisper { content, .. } if content == ["one", "", "three"]));
    assert_eq!(bob.shout("CHAT", "hello").await.unwrap(), 1);
    assert!(matches!(next(&alice).await, Event::Shout { content, .. } if content == "hello"));

    alice.whisper(bob.id(), "last words").await.unwrap();
    alice.stop().await;
    assert!(matches!(next(&bob).await, Event::Whisper { .. }));
    let last = next(&bob).await;
    assert!(
        matches!(
            last,
            Event::Exit {
                reason: ExitReason::Goodbye,
                ..
            }
        ),
        "{last:?}"
    );
    assert_eq!(
        next(&alice).await,
        Event::Stop {
            unconfirmed: vec![]
        }
    );
    assert_eq!(alice.recv().await, None);
}

#[test]
fn a_runtime_that_ends_before_it_has_run_the_node_ends_it() {
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    let builder = Node::builder("alice").interface("127.0.0.1").port(15674);
    let alice = runtime().block_on(builder.start()).unwrap();
    runtime().block_on(async {
        assert_eq!(
            next(&alice).await,
            Event::Stop {
                unconfirmed: vec![]
            }
        );
        assert_eq!(alice.recv().await, None);
        timeout(Duration::from_secs(5), alice.stop())
            .await
            .expect("it has stopped");
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_has_the_answer_of_the_peer() {
    let node = |name: &str| Node::builder(name).interface("127.0.0.1").port(15672);
    let alice = node("alice").start().await.unwrap();
    let bob = node("bob").join("ADDERS").start().await.unwrap();
    let mut requests = bob.requests();
    let serving = tokio::spawn(async move {
        while let Some(request) = requests.next().await {
            let answer = format!("{}!", request.content());
            request.answer(answer).await.unwrap();
        }
    });
    alice.wait_for_group("ADDERS", 1).await.unwrap();
    let time = Duration::from_secs(5);
    let answer = alice.request(bob.id(), "hey").timeout(time).await;
    assert_eq!(answer.unwrap(), "hey!");
    let answer = alice.request_any("ADDERS", "ho").timeout(time).await;
    let answer = answer.unwrap();
    assert_eq!((answer.peer, answer.content), (bob.id(), "ho!".into()));
    let mut answers = alice.request_all("ADDERS", "all").start().unwrap();
    let (peer, answer) = answers.next().await.unwrap();
    assert_eq!((peer, answer.unwrap()), (bob.id(), "all!".into()));
    assert_eq!(answers.next().await, None);
    bob.stop().await;
    serving.await.unwrap();
}
