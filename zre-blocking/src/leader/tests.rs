//! Nodes on loopback, as far as it matters which thread runs their loops.

use std::{
    net::UdpSocket,
    panic::resume_unwind,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    task::Wake,
    thread,
};

use zre_driver::{
    Settings,
    zre_core::{
        Beacons,
        interfaces::{Interfaces, IpVersion, choose},
    },
    zre_net::{self, socket::beacon::ReceiverAt},
};

use super::*;
use crate::{Event, Node, RecvTimeoutError, wake_queue::WAKE};

const PATIENCE: Duration = Duration::from_secs(20);

/// Short, so that the loops have turns.
const BEACONS: Duration = Duration::from_millis(20);

/// A discovery port that nobody has.
fn free_port() -> u16 {
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    socket.local_addr().unwrap().port()
}

fn start(name: &str, port: u16) -> Node {
    let node = Node::builder(name).interface("127.0.0.1").port(port);
    node.beacon_interval(BEACONS).start().unwrap()
}

fn next(node: &Node) -> Event {
    node.recv_timeout(PATIENCE).expect("an event in time")
}

/// Two nodes that have met.
fn pair() -> (Node, Node) {
    let port = free_port();
    let nodes = (start("alice", port), start("bob", port));
    for node in [&nodes.0, &nodes.1] {
        assert!(matches!(next(node), Event::Enter { .. }));
    }
    nodes
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}");
        thread::yield_now();
    }
}

/// Waits until a thread of the application runs the loop and the I/O thread sleeps.
fn until_the_application_leads(node: &Node) {
    until("a thread of the application leads", || {
        let state = node.leadership().lock();
        state.event_loop.is_none() && state.io_thread_sleeps
    });
}

fn until_the_io_thread_leads(node: &Node) {
    until("the I/O thread leads", || {
        let state = node.leadership().lock();
        state.event_loop.is_none() && !state.io_thread_sleeps
    });
}

fn until_there_are_followers(node: &Node, count: usize) {
    until("threads follow", || {
        node.leadership().lock().followers.len() == count
    });
}

#[test]
fn who_waits_runs_the_loop_and_the_io_thread_goes_on_with_it() {
    let (alice, bob) = pair();
    for round in 0..20 {
        thread::scope(|scope| {
            let waiting = scope.spawn(|| next(&alice));
            until_the_application_leads(&alice);
            bob.whisper(alice.id(), "hi").unwrap();
            let event = waiting.join().unwrap();
            assert!(matches!(event, Event::Whisper { .. }), "{round}: {event:?}");
        });
        // Nobody waits at Alice's now.
        assert!(bob.ping(alice.id()).is_ok());
        until_the_io_thread_leads(&alice);
        assert!(bob.ping(alice.id()).is_ok());
    }
}

#[test]
fn a_ping_that_waits_runs_the_loop() {
    let (alice, bob) = pair();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| alice.recv());
        until_the_application_leads(&alice);
        // The other thread reads the answer.
        alice.ping(bob.id()).unwrap();
        bob.whisper(alice.id(), "hi").unwrap();
        assert!(matches!(
            waiting.join().unwrap(),
            Some(Event::Whisper { .. })
        ));
    });
    for _ in 0..100 {
        alice.ping(bob.id()).unwrap();
    }
    let state = alice.leadership().lock();
    assert!(state.followers.is_empty());
}

#[test]
fn deadlines_are_kept_while_a_thread_of_the_application_runs_the_loop() {
    let port = free_port();
    let alice = start("alice", port);
    let heard = beacon_receiver(port);
    heard.set_nonblocking(false).unwrap();
    heard.set_read_timeout(Some(PATIENCE)).unwrap();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| alice.recv());
        until_the_application_leads(&alice);
        let begun = Instant::now();
        let beacons = 20;
        for _ in 0..beacons {
            heard.recv(&mut [0; 100]).unwrap();
        }
        println!("{beacons} beacons in {:?}", begun.elapsed());
        // Somebody comes.
        let bob = start("bob", port);
        assert!(matches!(waiting.join().unwrap(), Some(Event::Enter { .. })));
        bob.stop();
    });
}

#[test]
fn the_loop_sleeps_from_one_deadline_to_the_next() {
    let leadership = without_thread();
    let mut event_loop = leadership
        .lock()
        .event_loop
        .take()
        .expect("nobody else takes it");
    let begun = Instant::now();
    let mut turns = 0;
    while begun.elapsed() < BEACONS * 10 {
        assert!(event_loop.turn(None, None).unwrap());
        turns += 1;
    }
    println!("{turns} turns in {:?}", begun.elapsed());
    // For each beacon one to send it, and one to hear it.
    assert!(turns < 100);
}

#[test]
fn a_stop_on_another_thread_gets_the_leader_out_of_the_selector() {
    let port = free_port();
    // No beacon does.
    let rare = Duration::from_secs(3600);
    let alice = Node::builder("alice").interface("127.0.0.1").port(port);
    let alice = alice.beacon_interval(rare).start().unwrap();
    thread::scope(|scope| {
        let waiting = [(); 3].map(|()| scope.spawn(|| alice.recv()));
        until("two follow", || {
            // The I/O thread, if it leads, has a turn.
            alice.leadership().wake_queue.waker(WAKE).wake();
            alice.leadership().lock().followers.len() == 2
        });
        until_the_application_leads(&alice);
        until_there_are_followers(&alice, 2);
        let begun = Instant::now();
        alice.stop();
        println!("stopped after {:?}", begun.elapsed());
        let events = waiting.map(|thread| thread.join().unwrap());
        let stops = events.into_iter().flatten().collect::<Vec<_>>();
        assert_eq!(
            stops,
            [Event::Stop {
                unconfirmed: vec![]
            }]
        );
    });
    let state = alice.leadership().lock();
    assert!(state.is_over && state.event_loop.is_none());
}

#[test]
fn a_follower_takes_over_from_a_leader_that_leaves() {
    let (alice, bob) = pair();
    let (leaves, leader) = (AtomicBool::new(false), Mutex::new(None));
    thread::scope(|scope| {
        let leading = scope.spawn(|| {
            alice.leadership().wait(None, |cx| {
                *leader.lock().unwrap() = Some(cx.waker().clone());
                match leaves.load(Ordering::Acquire) {
                    true => Poll::Ready(()),
                    false => Poll::Pending,
                }
            })
        });
        until_the_application_leads(&alice);
        let following = scope.spawn(|| alice.recv());
        until_there_are_followers(&alice, 1);
        leaves.store(true, Ordering::Release);
        let waker = leader.lock().unwrap().take();
        waker.unwrap().wake();
        assert_eq!(leading.join().unwrap(), Some(()));
        until_there_are_followers(&alice, 0);
        until_the_application_leads(&alice);
        bob.whisper(alice.id(), "hi").unwrap();
        let event = following.join().unwrap();
        assert!(matches!(event, Some(Event::Whisper { .. })), "{event:?}");
    });
}

#[test]
fn a_follower_that_does_not_take_over_lets_the_next_do_so() {
    let leadership = &without_thread();
    let event_loop = leadership.lock().event_loop.take();
    let count = |waker: &Arc<Count>| waker.0.load(Ordering::Acquire);
    let wakers = [(); 3].map(|()| Arc::new(Count::default()));
    let [first, second, third] = wakers
        .each_ref()
        .map(|count| Waker::from(Arc::clone(count)));
    let mut followers = [&first, &second, &third].map(|waker| Follower {
        leadership,
        waker,
        is_listed: false,
    });
    for follower in &mut followers {
        assert!(follower.lead(true).is_none());
    }
    drop(Leader {
        leadership,
        event_loop,
    });
    assert_eq!(wakers.each_ref().map(count), [1, 0, 0]);
    let [first, second, mut third] = followers;
    drop(first);
    assert_eq!(wakers.each_ref().map(count), [1, 1, 0]);
    let lead = third.lead(true).expect("the driver is free");
    assert!(leadership.lock().followers.is_empty());
    drop(second);
    drop(lead);
    assert_eq!(wakers.each_ref().map(count), [1, 1, 0]);
}

#[test]
fn what_comes_before_a_thread_leads_is_not_slept_over() {
    let leadership = without_thread();
    let (mut asked, begun) = (0, Instant::now());
    let answer = leadership.wait(Instant::now().checked_add(PATIENCE), |cx| {
        asked += 1;
        if asked == 1 {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(())
    });
    assert_eq!(answer, Some(()));
    assert!(begun.elapsed() < PATIENCE / 2);
}

/// Hears the beacons on loopback.
fn beacon_receiver(port: u16) -> UdpSocket {
    let wanted = Interfaces::Chosen(vec!["127.0.0.1".into()]);
    let (interfaces, beacons) = (zre_net::interfaces().unwrap(), Beacons::Broadcast);
    let choice = choose(&interfaces, &wanted, IpVersion::V4, &beacons, &[]);
    let at = ReceiverAt::of(&choice.used[0], port, &beacons).unwrap();
    at.open().unwrap()
}

/// A node that has no I/O thread.
fn without_thread() -> Leadership {
    let mut settings = Settings::named("alone");
    settings.interface("127.0.0.1");
    settings.beacon_interval = Some(BEACONS);
    settings.port = Some(free_port());
    Leadership::new(Hub::start(&settings).unwrap()).unwrap()
}

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::AcqRel);
    }
}

#[test]
fn who_panics_while_it_leads_gives_the_driver_back() {
    let (alice, bob) = pair();
    let is_armed = AtomicBool::new(false);
    thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            let mut recv = alice.hub().recv();
            alice.leadership().wait(None, |cx| {
                if is_armed.load(Ordering::Acquire) {
                    // Not through the hook, which would write a backtrace.
                    resume_unwind(Box::new("on purpose"));
                }
                recv.poll(cx)
            })
        });
        until_the_application_leads(&alice);
        is_armed.store(true, Ordering::Release);
        bob.whisper(alice.id(), "hi").unwrap();
        assert!(waiting.join().is_err());
    });
    bob.ping(alice.id()).unwrap();
    assert!(matches!(next(&alice), Event::Whisper { .. }));
}

#[test]
fn a_short_wait_is_short_though_the_selector_is_not_so_precise() {
    let leadership = without_thread();
    let short = Duration::from_micros(50);
    let took = (0..20).map(|_| {
        let begun = Instant::now();
        let deadline = begun.checked_add(short);
        assert_eq!(leadership.wait(deadline, |_| Poll::<()>::Pending), None);
        begun.elapsed()
    });
    let shortest = took.min().unwrap();
    println!("{shortest:?}");
    assert!(shortest >= short && shortest < PRECISION);
    assert!(leadership.lock().io_thread_is_called);
}

#[test]
fn a_wait_ends_at_its_deadline_whoever_leads() {
    let (alice, bob) = pair();
    let time = Duration::from_millis(20);
    let late = (0..30).map(|_| {
        bob.whisper(alice.id(), "hi").unwrap();
        assert!(matches!(next(&alice), Event::Whisper { .. }));
        let begun = Instant::now();
        assert_eq!(alice.recv_timeout(time), Err(RecvTimeoutError::Timeout));
        begun.elapsed().checked_sub(time).expect("not too early")
    });
    let least = late.min().unwrap();
    println!("{least:?} late");
    assert!(least < Duration::from_millis(1));
    // Meanwhile, the loop went on.
    assert!(bob.ping(alice.id()).is_ok());
}

#[test]
fn each_event_goes_to_one_of_many_who_wait_in_different_ways() {
    const MESSAGES: usize = 2000;
    let (alice, bob) = pair();
    let received = thread::scope(|scope| {
        let patient = [(); 2].map(|()| scope.spawn(|| alice.events().collect::<Vec<_>>()));
        let impatient = [Duration::from_micros(300), Duration::from_millis(2)];
        let impatient = impatient.map(|time| {
            let alice = &alice;
            scope.spawn(move || {
                let mut events = Vec::new();
                loop {
                    match alice.recv_timeout(time) {
                        Ok(event) => events.push(event),
                        Err(RecvTimeoutError::Timeout) => {}
                        Err(_) => return events,
                    }
                }
            })
        });
        let pinging = scope.spawn(|| while alice.ping(bob.id()).is_ok() {});
        for number in 0..MESSAGES {
            bob.whisper(alice.id(), number.to_string()).unwrap();
            if number.is_multiple_of(100) {
                bob.ping(alice.id()).unwrap();
            }
        }
        bob.ping(alice.id()).unwrap();
        alice.stop();
        pinging.join().unwrap();
        let all = patient.into_iter().chain(impatient);
        all.map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    let number = |event: &Event| match event {
        Event::Whisper { content, .. } => content.to_string_lossy().parse().ok(),
        _ => None,
    };
    for events in &received {
        let numbers: Vec<usize> = events.iter().filter_map(number).collect();
        assert!(numbers.is_sorted(), "each sees them in their order");
    }
    let mut numbers: Vec<_> = received.iter().flatten().filter_map(number).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..MESSAGES).collect::<Vec<_>>());
    let stops = received.iter().flatten().filter(|event| {
        **event
            == Event::Stop {
                unconfirmed: vec![],
            }
    });
    assert_eq!(stops.count(), 1);
}

#[test]
fn the_end_of_a_burst_arrives_while_the_sender_turns_to_something_else() {
    let (alice, bob) = pair();
    for burst in 0..20_u32 {
        for number in 0..200 {
            alice
                .whisper(bob.id(), (burst * 200 + number).to_string())
                .unwrap();
        }
        // This thread waits, but not for anything of Alice's.
        for number in 0..200 {
            let Event::Whisper { content, .. } = next(&bob) else {
                panic!("only whispers");
            };
            assert_eq!(
                content.to_string_lossy(),
                (burst * 200 + number).to_string()
            );
        }
    }
}
