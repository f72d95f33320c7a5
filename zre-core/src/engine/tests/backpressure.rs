//! Peers that do not read, and an application that does not listen.

use alloc::{format, string::String, vec, vec::Vec};

use bytes::Bytes;
use zre_proto::{Body, PeerId};

use super::{
    level::{Level, at_both_levels},
    network::{Network, group, millis, secs},
    single_engine::{SingleEngine, endpoint, whisper},
};
use crate::{error::Error, link::Link};

const NOTHING: [&str; 0] = [];

at_both_levels! {
    a_peer_that_asks_again_and_again_without_reading_the_answers_is_gone,
    a_peer_that_more_waits_for_than_the_limit_is_full_until_it_has_read,
    a_shout_names_the_members_that_are_full_and_reaches_the_others,
    a_peer_that_does_not_read_is_gone_after_the_expired_timeout,
    a_peer_to_whom_nothing_waits_is_not_stalled,
    a_slow_peer_does_not_stop_messages_to_others,
    reading_stops_when_the_application_does_not_listen_and_nothing_is_lost,
    few_events_with_much_content_stop_reading_too,
    what_a_peer_sent_before_it_died_during_a_congestion_is_told,
    handshakes_are_given_time_while_the_application_is_behind,
    an_application_that_takes_two_events_a_second_is_given_more_as_soon_as_there_is_room,
}

fn a_peer_that_more_waits_for_than_the_limit_is_full_until_it_has_read<C: Level>() {
    let mut net = Network::<C>::new();
    net.capacity = 100;
    let mut config = net.config("alice");
    config.limits.outbound = 10_000;
    net.add_with(config);
    net.add("bob");
    net.settle();
    net.told(1);
    net.wire(0, 1).ends[1].stalled = true;
    let (bob, now) = (net.id(1), net.now);
    let kilobyte = Bytes::from(vec![1; 1000]);
    let mut taken = 0;
    while !net.engine(0).is_full(bob) {
        let content = kilobyte.clone().into();
        net.engine(0).whisper(bob, content, now).unwrap();
        net.settle();
        taken += 1;
        assert!(taken < 100, "there is no limit");
    }
    assert_eq!(taken, 10);
    let refused = net.engine(0).whisper(bob, "x".into(), now);
    assert_eq!(refused, Err(Error::Full(bob)));

    net.wire(0, 1).ends[1].stalled = false;
    net.settle();
    net.whisper(0, 1, "room again");
    net.settle();
    let told = net.told(1);
    assert_eq!(told.len(), 11);
    assert_eq!(told.last().unwrap(), "alice whispers room again");
}

fn a_shout_names_the_members_that_are_full_and_reaches_the_others<C: Level>() {
    let mut net = Network::<C>::new();
    net.capacity = 100;
    let mut config = net.config("alice");
    config.limits.outbound = 1000;
    net.add_with(config);
    for name in ["bob", "carol", "dave"] {
        net.add(name);
    }
    net.settle();
    for host in 1..4 {
        net.join(host, "CHAT");
    }
    net.settle();
    for host in 0..4 {
        net.told(host);
    }
    net.wire(0, 2).ends[1].stalled = true;
    let (carol, now) = (net.id(2), net.now);
    let large = Bytes::from(vec![1; 2000]);
    net.engine(0).whisper(carol, large.into(), now).unwrap();
    net.settle();

    let chat = group("CHAT");
    assert_eq!(net.engine(0).full_member(&chat), Some(carol));
    let shouted = net.engine(0).shout(&chat, "hi".into(), now).unwrap();
    assert_eq!((shouted.reached, &shouted.full[..]), (2, &[carol][..]));
    net.settle();
    assert_eq!(net.told(1), ["alice shouts hi to CHAT"]);
    assert_eq!(net.told(3), ["alice shouts hi to CHAT"]);

    net.wire(0, 2).ends[1].stalled = false;
    net.settle();
    let shouted = net
        .engine(0)
        .shout_to(&shouted.full, &chat, "hi".into(), now);
    assert_eq!(shouted.unwrap().reached, 1);
    net.settle();
    assert_eq!(
        net.told(2),
        ["alice whispers 2000 bytes", "alice shouts hi to CHAT"]
    );
    assert_eq!(net.engine(0).full_member(&chat), None);
}

fn a_peer_that_does_not_read_is_gone_after_the_expired_timeout<C: Level>() {
    let mut net = Network::<C>::of_two();
    net.capacity = 100;
    net.wire(0, 1).ends[1].stalled = true;
    let (bob, now) = (net.id(1), net.now);
    let large = Bytes::from(vec![1; 2000]);
    net.engine(0).whisper(bob, large.into(), now).unwrap();
    net.run(secs(29));
    assert_eq!(net.told(0), NOTHING);
    net.run(secs(7));
    let told = net.told(0);
    assert_eq!(told[0], "bob exits: did not read what was sent to it");
}

#[test]
fn a_peer_that_reads_a_little_now_and_then_stays() {
    let mut net = Network::<Link>::of_two();
    net.capacity = 100;
    let (bob, now) = (net.id(1), net.now);
    let large = Bytes::from(vec![1; 2000]);
    net.wire(0, 1).ends[1].stalled = true;
    net.engine(0).whisper(bob, large.into(), now).unwrap();
    net.piece = 50;
    for _ in 0..4 {
        net.run(secs(20));
        net.read_once(0, 1);
    }
    net.run(secs(20));
    assert_eq!(net.told(0), NOTHING, "100 s after it began");
    net.wire(0, 1).ends[1].stalled = false;
    net.run(secs(100));
    assert_eq!(net.told(1), ["alice whispers 2000 bytes"]);
    assert_eq!(net.told(0), NOTHING);
}

fn a_peer_to_whom_nothing_waits_is_not_stalled<C: Level>() {
    let mut net = Network::<C>::of_two();
    net.wire(0, 1).ends[1].stalled = true;
    net.run(secs(100));
    assert_eq!(net.told(0), NOTHING);
}

fn a_peer_that_asks_again_and_again_without_reading_the_answers_is_gone<C: Level>() {
    let mut test = SingleEngine::<C>::with_limits(|limits| limits.outbound = 10_000);
    let mut peer = test.add_peer(1);
    peer.from.reads = false;
    let mut most = 0;
    while !peer.to.is_closed(&test) {
        for _ in 0..1000 {
            peer.sequence = peer.sequence.wrapping_add(1);
            peer.to.queue(peer.sequence, Body::Ping);
        }
        peer.to.exchange(&mut test);
        most = most.max(test.unwritten(peer.from.at).unwrap_or_default());
        assert!(most < 2 << 20, "{most} bytes wait");
    }
    assert!(peer.from.is_closed(&test));
    let expected = "peer1 exits: did not read the answers it asked for";
    assert_eq!(test.told(), [expected]);
}

fn a_slow_peer_does_not_stop_messages_to_others<C: Level>() {
    let mut net = Network::<C>::of_two();
    net.add("carol");
    net.run(secs(1));
    net.told(2);
    net.wire(0, 1).ends[1].stalled = true;
    let (bob, now) = (net.id(1), net.now);
    let large = Bytes::from(vec![1; 9 << 20]);
    net.engine(0).whisper(bob, large.into(), now).unwrap();
    net.settle();
    assert!(net.engine(0).is_full(bob));
    for _ in 0..10 {
        net.whisper(0, 2, "hello");
        net.settle();
    }
    assert_eq!(net.told(2), ["alice whispers hello"; 10]);
}

fn reading_stops_when_the_application_does_not_listen_and_nothing_is_lost<C: Level>() {
    let mut net = Network::<C>::new();
    net.capacity = 4096;
    let mut config = net.config("alice");
    config.limits.events = 100;
    net.add_with(config);
    net.add("bob");
    net.settle();
    net.told(0);
    net.hosts[0].takes_events = false;
    let (alice, now) = (net.id(0), net.now);
    for number in 0..10_000 {
        let text = format!("{number}");
        net.engine(1).whisper(alice, text.into(), now).unwrap();
    }
    net.settle();
    let from_bob = net.wire(1, 0).ends[1].link;
    assert!(!net.engine(0).may_read(from_bob));
    assert_eq!(net.hosts[0].resumed, 0);
    net.run(secs(20));
    assert!(!net.engine(0).may_read(from_bob), "time does not help");

    let mut heard = Vec::new();
    let mut most = 0;
    while heard.len() < 10_000 {
        net.settle();
        let mut waiting = 0;
        while let Some(event) = net.engine(0).poll_event() {
            heard.push(crate::node::tests::event_text::tell(&event));
            waiting += 1;
        }
        assert!(waiting > 0, "{} of 10,000 came", heard.len());
        most = most.max(waiting);
    }
    assert!(most <= 100, "{most} events waited, the limit is 100");
    let expected: Vec<String> = (0..10_000).map(|n| format!("bob whispers {n}")).collect();
    assert!(heard == expected);
    net.settle();
    assert!(net.hosts[0].resumed > 5);
    assert!(!net.engine(0).is_congested());
}

fn few_events_with_much_content_stop_reading_too<C: Level>() {
    let mut test = SingleEngine::<C>::with_limits(|limits| limits.event_bytes = 100_000);
    let mut peer = test.add_peer(1);
    test.takes_events = false;
    let large = Bytes::from(vec![1; 5001]);
    let body = Body::Whisper {
        content: large.into(),
    };
    let from = peer.to.at;
    assert!(test.engine.may_read(from));
    peer.say(&mut test, body);
    assert!(!test.engine.may_read(from));
    test.drain();
    assert_eq!(test.resumed, 0);
    assert!(test.engine.poll_event().is_some());
    test.drain();
    assert_eq!((test.resumed, test.engine.may_read(from)), (1, true));
}

/// One read brings thousands of small messages.
#[test]
fn decoding_stops_in_the_midst_of_a_read_and_goes_on_without_another() {
    let mut test = SingleEngine::<Link>::with_limits(|limits| limits.events = 100);
    let (mut peer, mut quiet) = (test.add_peer(1), test.add_peer(2));
    test.takes_events = false;
    for number in 0..300 {
        peer.sequence += 1;
        let content = format!("{number}").into();
        peer.to.queue(peer.sequence, Body::Whisper { content });
    }
    peer.to.exchange(&mut test);
    assert!(!test.engine.may_read(peer.to.at));
    assert_eq!(test.engine.node().events_after(0).count(), 50);
    // The other one is read, and does not wait behind all of them.
    assert!(test.engine.may_read(quiet.to.at));
    quiet.say(&mut test, whisper("me too"));
    let mut told = Vec::new();
    while let Some(event) = test.engine.poll_event() {
        told.push(crate::node::tests::event_text::tell(&event));
        assert!(test.engine.node().events_after(0).count() <= 100);
        test.drain();
    }
    assert!(test.resumed > 1);
    let quiet = told.iter().position(|it| it == "peer2 whispers me too");
    assert!(quiet.is_some_and(|place| place <= 32), "{quiet:?}");
    told.retain(|it| it.starts_with("peer1"));
    let expected: Vec<String> = (0..300).map(|n| format!("peer1 whispers {n}")).collect();
    assert_eq!(told, expected);
}

#[test]
fn what_is_left_of_a_read_comes_before_the_end_of_the_connection() {
    let mut test = SingleEngine::<Link>::with_limits(|limits| limits.events = 8);
    let mut peer = test.add_peer(1);
    test.takes_events = false;
    for _ in 0..5 {
        peer.sequence += 1;
        peer.to.queue(peer.sequence, whisper("x"));
    }
    peer.to.exchange(&mut test);
    while test.engine.poll_event().is_some() {}
    // There is room, but what has been read is not decoded before outputs are asked for.
    assert!(test.engine.has_resumed() && !test.engine.may_read(peer.to.at));
    test.drain();
    assert!(test.engine.may_read(peer.to.at));
    assert_eq!(test.engine.node().events_after(0).count(), 1);
}

/// Half of what is held would take such an application minutes.
fn an_application_that_takes_two_events_a_second_is_given_more_as_soon_as_there_is_room<
    C: Level,
>() {
    let mut test = SingleEngine::<C>::with_limits(|_| {});
    let mut peer = test.add_peer(1);
    test.takes_events = false;
    while test.engine.may_read(peer.to.at) {
        peer.say(&mut test, whisper("x"));
    }
    test.run(secs(20));
    assert_eq!(test.resumed, 0);
    for taken in 1..10 {
        test.engine.poll_event();
        test.run(millis(500));
        // While none was taken, it has come to look once a second.
        assert!(taken == 1 || test.engine.may_read(peer.to.at), "{taken}");
        while test.engine.may_read(peer.to.at) {
            peer.say(&mut test, whisper("x"));
        }
    }
}

/// Reading can only go on after the application has listened; a peer's last words need that time.
fn what_a_peer_sent_before_it_died_during_a_congestion_is_told<C: Level>() {
    let mut test = SingleEngine::<C>::with_limits(|limits| limits.events = 2);
    let mut peer = test.add_peer(1);
    test.takes_events = false;
    peer.say(&mut test, whisper("one"));
    peer.say(&mut test, whisper("two"));
    assert!(test.engine.is_congested());
    // Its process dies; what it said last waits in the system, for nobody reads.
    test.engine.handle_closed(peer.from.at, "reset", test.now);
    test.run(millis(400));
    test.takes_events = true;
    test.drain();
    assert!(test.resumed > 0);
    // The timer comes before the bytes.
    test.run(millis(101));
    peer.sequence += 1;
    peer.to
        .send(&mut test, peer.sequence, whisper("last words"));
    let told = test.told();
    assert!(
        told.contains(&String::from("peer1 whispers last words")),
        "{told:?}"
    );
}

/// What would end a handshake lies unread as well.
fn handshakes_are_given_time_while_the_application_is_behind<C: Level>() {
    let mut test = SingleEngine::<C>::with_limits(|limits| limits.events = 2);
    let mut peer = test.add_peer(1);
    let newcomer = PeerId::from([2; 16]);
    test.takes_events = false;
    peer.say(&mut test, whisper("one"));
    peer.say(&mut test, whisper("two"));
    assert!(test.engine.is_congested());
    let accepted = test.accept();
    test.beacon(newcomer, &endpoint(2));
    let (opened, _) = test.wanted.pop_front().unwrap();
    test.run(secs(20));
    assert_eq!(test.closed, []);
    test.takes_events = true;
    test.drain();
    assert!(!test.engine.is_congested());
    // The timer comes before the bytes, if any come.
    test.run(secs(1));
    assert_eq!(test.closed, []);
    test.run(secs(10));
    assert!(test.closed.contains(&accepted) && test.closed.contains(&opened));
}
