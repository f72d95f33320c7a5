//! Who is woken, when, and what becomes of wakers.

#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking; clippy takes only `#[test]` functions for tests"
)]

mod net;
mod networks;
mod requests;
mod slow;
mod trust;

use std::{
    io::Write as _,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::Instant,
};

use zre_core::{
    Error, Event, Limits,
    proto::{Content, GroupName, PeerId},
};

use self::net::{Net, Pipe, TestNode};
use super::{Hub, Lagged, PeerRef, Recv};

/// Counts how often it is woken.
#[derive(Default)]
struct Count(AtomicUsize);

impl Count {
    fn take(&self) -> usize {
        self.0.swap(0, Ordering::Relaxed)
    }
}

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn counting() -> (Arc<Count>, Waker) {
    let count = Arc::<Count>::default();
    (Arc::clone(&count), Waker::from(count))
}

fn small(settings: &mut crate::Settings) {
    settings.limits = Limits::default().outbound(64 << 10).events(16);
}

fn long() -> Content {
    vec![0; 32 << 10].into()
}

fn group() -> GroupName {
    "CHAT".try_into().unwrap()
}

/// Sends until there is no room.
fn fill(hub: &Hub<Pipe>, peer: PeerId) {
    while hub.try_whisper(peer, long()).is_ok() {}
    assert_eq!(hub.try_whisper(peer, long()), Err(Error::Full(peer)));
}

#[test]
fn all_who_wait_for_the_same_peer_go_on_when_it_reads() {
    let mut net = Net::of::<2>(small);
    let ([alice, bob], [alice_hub, _]) = (net.nodes().map(TestNode::id), net.hubs());
    net.set_stuck(alice, bob, true);
    fill(&alice_hub, bob);
    let mut whispers = [(); 3].map(|()| alice_hub.whisper(bob, "waiting".into()));
    let waits = [(); 3].map(|()| counting());
    for (whisper, (_, waker)) in whispers.iter_mut().zip(&waits) {
        assert!(whisper.poll(&Context::from_waker(waker)).is_pending());
    }
    net.run();
    assert_eq!(waits.each_ref().map(|(count, _)| count.take()), [0; 3]);
    net.set_stuck(alice, bob, false);
    net.run();
    assert_eq!(waits.each_ref().map(|(count, _)| count.take()), [1; 3]);
    for (whisper, (_, waker)) in whispers.iter_mut().zip(&waits) {
        let whispered = whisper.poll(&Context::from_waker(waker));
        assert_eq!(whispered, Poll::Ready(Ok(())));
    }
}

#[test]
fn who_waits_for_a_peer_is_told_when_it_goes() {
    let mut net = Net::of::<2>(small);
    let ([alice, bob], [alice_hub, _]) = (net.nodes().map(TestNode::id), net.hubs());
    net.set_stuck(alice, bob, true);
    fill(&alice_hub, bob);
    let mut whisper = alice_hub.whisper(bob, "waiting".into());
    let mut ping = alice_hub.ping(bob).unwrap();
    let (count, waker) = counting();
    let cx = Context::from_waker(&waker);
    assert!(whisper.poll(&cx).is_pending() && ping.poll(&cx).is_pending());
    net.end(1);
    net.set_stuck(alice, bob, false);
    net.run_until(|_| count.0.load(Ordering::Relaxed) >= 2);
    let gone = Error::UnknownPeer(bob);
    assert_eq!(whisper.poll(&cx), Poll::Ready(Err(gone.clone())));
    assert_eq!(ping.poll(&cx), Poll::Ready(Err(gone)));
}

#[test]
fn an_answer_wakes_who_asked_and_nobody_else() {
    let mut net = Net::of::<3>(small);
    let ([alice, bob, carol], [hub, ..]) = (net.nodes::<3>().map(TestNode::id), net.hubs::<3>());
    net.set_stuck(alice, carol, true);
    let mut pings = [bob, bob, carol].map(|peer| hub.ping(peer).unwrap());
    let waits = [(); 3].map(|()| counting());
    for (ping, (_, waker)) in pings.iter_mut().zip(&waits) {
        assert!(ping.poll(&Context::from_waker(waker)).is_pending());
    }
    net.run();
    assert_eq!(waits.each_ref().map(|(count, _)| count.take()), [1, 1, 0]);
    let [first, second, third] = &mut pings;
    let cx = Context::from_waker(Waker::noop());
    assert_eq!(second.poll(&cx), Poll::Ready(Ok(())));
    assert_eq!(first.poll(&cx), Poll::Ready(Ok(())));
    assert!(third.poll(&cx).is_pending());
}

#[test]
fn messages_that_are_confirmed_at_once_are_written_together() {
    let mut net = Net::of::<2>(|_| {});
    let ([_, bob], [hub, _]) = (net.nodes::<2>().map(TestNode::id), net.hubs::<2>());
    let mut whispers: Vec<_> = (0..100)
        .map(|_| (hub.whisper_confirmed(bob, "hello".into()), counting()))
        .collect();
    let before = net.writes();
    for (whisper, (_, waker)) in &mut whispers {
        assert!(whisper.poll(&Context::from_waker(waker)).is_pending());
    }
    // Not each by itself, though on a slow machine some may have waited for long enough.
    let writes = net.writes() - before;
    assert!(writes < 50, "{writes}");
    // Some of those who wait are asked to look again, and the last of them writes the rest.
    for (whisper, (count, waker)) in &mut whispers {
        if count.take() > 0 {
            assert!(whisper.poll(&Context::from_waker(waker)).is_pending());
        }
    }
    assert_eq!(hub.stats().bytes_waiting, 0);
    net.run();
    for (whisper, (count, waker)) in &mut whispers {
        assert_eq!(count.take(), 1);
        let confirmed = whisper.poll(&Context::from_waker(waker));
        assert_eq!(confirmed, Poll::Ready(Ok(())));
    }
}

#[test]
fn a_peer_that_comes_wakes_who_waits_for_it_in_any_way() {
    let mut net = Net::of::<2>(small);
    let [alice, bob] = net.hubs();
    let mut by_group = alice.wait_for_group(group(), 1);
    let (count, waker) = counting();
    let cx = Context::from_waker(&waker);
    assert!(by_group.poll(&cx).is_pending());
    bob.try_whisper(alice.local().id, "no reason".into())
        .unwrap();
    net.run();
    assert_eq!(count.take(), 0);
    bob.command(|engine, now| engine.join(&group(), now))
        .unwrap();
    net.run();
    assert_eq!(count.take(), 1);
    assert_eq!(by_group.poll(&cx), Poll::Ready(Ok(vec![bob.local().id])));
    for peer in [PeerRef::from("node1"), bob.local().id.into()] {
        let mut wait = alice.wait_for_peer(peer).unwrap();
        assert_eq!(wait.poll(&cx), Poll::Ready(Ok(bob.local().id)));
    }
    // Nobody at all is there at once.
    let mut nobody = bob.wait_for_group(group(), 0);
    assert_eq!(nobody.poll(&cx), Poll::Ready(Ok(vec![])));
}

#[test]
fn the_end_of_a_node_wakes_all_who_wait() {
    // Asked to stop, and left by its runtime.
    for is_left in [false, true] {
        let mut net = Net::of::<2>(small);
        let ([alice, bob], [hub, _]) = (net.nodes().map(TestNode::id), net.hubs());
        net.set_stuck(alice, bob, true);
        fill(&hub, bob);
        let mut whisper = hub.whisper(bob, "waiting".into());
        let mut shout = hub.shout(group(), "nobody".into());
        let mut ping = hub.ping(bob).unwrap();
        let mut peer = hub.wait_for_peer("nobody".into()).unwrap();
        let mut members = hub.wait_for_group(group(), 1);
        let (mut recv, mut stopped) = (hub.recv(), hub.stopped());
        let mut subscription = hub.subscribe();
        let waits = [(); 7].map(|()| counting());
        let [a, b, c, d, e, f, g] = waits
            .each_ref()
            .map(|(_, waker)| Context::from_waker(waker));
        assert!(whisper.poll(&a).is_pending() && ping.poll(&b).is_pending());
        assert!(peer.poll(&c).is_pending() && members.poll(&d).is_pending());
        assert!(recv.poll(&e).is_pending() && stopped.poll(&f).is_pending());
        assert!(subscription.poll_recv(&g).is_pending());
        assert_eq!(shout.poll(&a), Poll::Ready(Ok(0)));
        let number = |id| usize::from(id != alice);
        if !is_left {
            hub.stop();
            let counts = waits.each_ref().map(|(count, _)| count.take());
            assert_eq!(counts, [1, 0, 1, 1, 0, 0, 0], "an answer may still come");
        }
        net.end(number(alice));
        let counts = waits.each_ref().map(|(count, _)| count.take());
        assert!(counts[1] > 0 && counts[4] > 0 && counts[5] > 0 && counts[6] > 0);
        assert!(!is_left || !counts.contains(&0), "{counts:?}");
        assert_eq!(whisper.poll(&a), Poll::Ready(Err(Error::Stopped)));
        assert_eq!(ping.poll(&a), Poll::Ready(Err(Error::Stopped)));
        assert_eq!(peer.poll(&a), Poll::Ready(Err(Error::Stopped)));
        assert_eq!(members.poll(&a), Poll::Ready(Err(Error::Stopped)));
        assert_eq!(stopped.poll(&a), Poll::Ready(()));
        let Poll::Ready(Some(Event::Stop { unconfirmed })) = recv.poll(&a) else {
            panic!("the node has stopped")
        };
        // Bob has read nothing.
        let counted: Vec<_> = unconfirmed.iter().map(|peer| peer.messages).collect();
        assert_eq!(counted, [2]);
        assert_eq!(recv.poll(&a), Poll::Ready(None));
        let last = subscription.poll_recv(&a);
        assert_eq!(last, Poll::Ready(Some(Ok(Event::Stop { unconfirmed }))));
        assert_eq!(subscription.poll_recv(&a), Poll::Ready(None));
        // Later, too.
        let mut late = hub.wait_for_group(group(), 0);
        assert_eq!(late.poll(&a), Poll::Ready(Err(Error::Stopped)));
        assert_eq!(hub.try_whisper(bob, "late".into()), Err(Error::Stopped));
        assert_eq!(hub.subscribe().poll_recv(&a), Poll::Ready(None));
    }
}

#[test]
fn a_slow_subscriber_gets_the_last_events_and_the_end() {
    let mut net = Net::of::<2>(small);
    let [alice, bob] = net.hubs();
    let mut subscription = alice.subscribe();
    for _ in 0..20 {
        bob.try_whisper(alice.local().id, "one".into()).unwrap();
        net.run();
        assert!(alice.try_recv().is_some());
    }
    net.end(0);
    assert_eq!(subscription.try_recv(), Some(Err(Lagged(5))));
    let left: Vec<_> = std::iter::from_fn(|| subscription.try_recv()).collect();
    assert_eq!(left.len(), 16, "as many as its limit says");
    assert_eq!(
        left.last(),
        Some(&Ok(Event::Stop {
            unconfirmed: vec![]
        }))
    );
}

#[test]
fn what_is_dropped_leaves_no_waker_behind() {
    let net = Net::of::<2>(small);
    let ([alice, bob], [hub, _]) = (net.nodes().map(TestNode::id), net.hubs());
    net.set_stuck(alice, bob, true);
    fill(&hub, bob);
    let (count, waker) = counting();
    let cx = Context::from_waker(&waker);
    let of_its_own = 2;
    {
        let mut whisper = hub.whisper(bob, "waiting".into());
        let mut ping = hub.ping(bob).unwrap();
        let mut peer = hub.wait_for_peer("nobody".into()).unwrap();
        let mut members = hub.wait_for_group(group(), 1);
        let (mut recv, mut stopped) = (hub.recv(), hub.stopped());
        let mut owned = Recv::owned(Arc::clone(&hub));
        let mut subscription = hub.subscribe();
        let mut notices = hub.notices();
        for _ in 0..2 {
            assert!(whisper.poll(&cx).is_pending() && ping.poll(&cx).is_pending());
            assert!(peer.poll(&cx).is_pending() && members.poll(&cx).is_pending());
            assert!(recv.poll(&cx).is_pending() && stopped.poll(&cx).is_pending());
            assert!(owned.poll(&cx).is_pending());
            assert!(subscription.poll_recv(&cx).is_pending());
            assert!(notices.poll_recv(&cx).is_pending());
            assert_eq!(Arc::strong_count(&count), of_its_own + 9);
        }
    }
    assert_eq!(Arc::strong_count(&count), of_its_own);
    assert_eq!(count.take(), 0);
}

/// Asks the hub something when it is woken, and when it is dropped, as a task may that holds a
/// handle of the node.
struct Nosy(Arc<Hub<Pipe>>);

impl Wake for Nosy {
    fn wake(self: Arc<Self>) {
        self.0.stats();
    }
}

impl Drop for Nosy {
    fn drop(&mut self) {
        self.0.stats();
    }
}

#[test]
fn wakers_are_woken_and_dropped_when_the_hub_is_not_locked() {
    let mut net = Net::of::<2>(small);
    let ([alice, bob], [hub, _]) = (net.nodes().map(TestNode::id), net.hubs());
    net.set_stuck(alice, bob, true);
    fill(&hub, bob);
    let mut whisper = hub.whisper(bob, "waiting".into());
    let mut ping = hub.ping(bob).unwrap();
    let mut peer = hub.wait_for_peer("nobody".into()).unwrap();
    let (mut recv, mut stopped) = (hub.recv(), hub.stopped());
    let (mut subscription, mut notices) = (hub.subscribe(), hub.notices());
    let task = net.take_task(alice);
    let waker = || Waker::from(Arc::new(Nosy(Arc::clone(&hub))));
    // Each is the last waker of its task when the next takes its place.
    for _ in 0..3 {
        assert!(whisper.poll(&Context::from_waker(&waker())).is_pending());
        assert!(ping.poll(&Context::from_waker(&waker())).is_pending());
        assert!(peer.poll(&Context::from_waker(&waker())).is_pending());
        assert!(recv.poll(&Context::from_waker(&waker())).is_pending());
        assert!(stopped.poll(&Context::from_waker(&waker())).is_pending());
        assert!(
            subscription
                .poll_recv(&Context::from_waker(&waker()))
                .is_pending()
        );
        assert!(
            notices
                .poll_recv(&Context::from_waker(&waker()))
                .is_pending()
        );
        let task_cx = |waker: &Waker| {
            task.link
                .poll(&task.stream, &mut Context::from_waker(waker))
        };
        assert!(task_cx(&waker()).is_pending());
        assert!(
            task.link
                .poll_closed(&Context::from_waker(&waker()))
                .is_pending()
        );
        let driver = net.nodes::<2>()[0].driver.as_ref().unwrap();
        while driver
            .poll_command(&Context::from_waker(&waker()))
            .is_ready()
        {
            driver.deadline();
        }
    }
    net.end(0);
    assert!(hub.is_stopped());
}

#[test]
fn a_task_that_panics_under_its_runtime_ends_its_connection() {
    let mut net = Net::of::<2>(small);
    let [alice, bob] = net.nodes().map(TestNode::id);
    let [hub, _] = net.hubs();
    let connections = hub.stats().connections;
    let (count, waker) = counting();
    let driver = net.nodes::<2>()[0].driver.as_ref().unwrap();
    let cx = Context::from_waker(&waker);
    while driver.poll_command(&cx).is_ready() {
        driver.deadline();
    }
    let task = net.take_task(alice);
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _task = task;
        // Not through the hook, which would write a backtrace.
        resume_unwind(Box::new("on purpose"));
    }));
    assert!(panicked.is_err());
    assert_eq!(count.take(), 1, "the driver hears of it");
    net.run_until(|_| hub.stats().connections != connections || !hub.read(|it| it.is_ready(bob)));
}

#[test]
fn a_socket_that_takes_nothing_and_says_nothing_is_broken() {
    let mut net = Net::of::<2>(small);
    let ([alice, bob], [hub, _]) = (net.nodes().map(TestNode::id), net.hubs());
    net.set_dead(alice, bob);
    hub.try_whisper(bob, "into the void".into()).unwrap();
    net.run_until(|_| !hub.read(|node| node.is_ready(bob)));
}

/// What a message costs while many wait for something else; `cargo test --release -p zre-driver
/// what_a_message -- --ignored --nocapture`.
#[test]
#[ignore = "measures, and asserts nothing"]
fn what_a_message_costs_while_many_wait() {
    const MANY: usize = 1000;
    const MESSAGES: u32 = 20_000;
    let mut net = Net::of::<3>(|_| {});
    let ([alice, bob, carol], [hub, bob_hub, _]) =
        (net.nodes::<3>().map(TestNode::id), net.hubs::<3>());
    net.set_stuck(alice, carol, true);
    let mut measure = |what: &str| {
        let (mut sending, mut receiving) = (0, 0);
        for _ in 0..MESSAGES {
            let begun = Instant::now();
            hub.try_whisper(bob, "hello".into()).unwrap();
            sending += begun.elapsed().as_nanos();
            let begun = Instant::now();
            net.run();
            assert!(bob_hub.try_recv().is_some());
            receiving += begun.elapsed().as_nanos();
        }
        let each = |nanos| nanos / u128::from(MESSAGES);
        let (sending, receiving) = (each(sending), each(receiving));
        let mut out = std::io::stdout();
        writeln!(
            out,
            "{what}: {sending} ns to send, {receiving} ns to receive"
        )
        .unwrap();
    };
    measure("nobody waits");
    let cx = Context::from_waker(Waker::noop());
    let mut pings = Vec::new();
    for _ in 0..MANY {
        let mut ping = hub.ping(carol).unwrap();
        assert!(ping.poll(&cx).is_pending());
        pings.push(ping);
    }
    measure("a thousand wait for answers of another peer");
    let mut peers = Vec::new();
    for number in 0..MANY {
        let mut wait = bob_hub
            .wait_for_peer(format!("peer {number}").into())
            .unwrap();
        assert!(wait.poll(&cx).is_pending());
        peers.push(wait);
    }
    measure("and a thousand for peers, where it is received");
    let _waiting = pin!(peers);
}
