//! Nodes that find each other and talk.

use alloc::{vec, vec::Vec};

use bytes::Bytes;
use zre_proto::Content;

use super::level::{Level, at_both_levels};
use super::network::{Network, group, millis, secs};
use crate::link::Link;

at_both_levels! {
    two_nodes_discover_each_other_talk_and_part,
    the_same_seeds_and_inputs_give_the_same_trace,
    groups_and_headers_from_before_the_start_are_there_on_entering,
    nodes_meet_in_whatever_order_they_start_and_hear,
    ten_nodes_meet_and_stay_quiet,
    content_without_a_frame_arrives_as_one_empty_frame,
}

fn two_nodes_discover_each_other_talk_and_part<C: Level>() {
    for piece in [1, 2, 63, 1400, usize::MAX] {
        let mut net = Network::<C>::new();
        net.piece = piece;
        let (alice, bob) = (net.add("alice"), net.add("bob"));
        net.settle();
        net.join(alice, "CHAT");
        net.join(bob, "CHAT");
        net.settle();
        let (to, now) = (net.id(bob), net.now);
        let frames = [
            Bytes::from_static(b"hello"),
            Bytes::new(),
            Bytes::from_static(b"\0\0"),
            Bytes::from(vec![0xAA; 300]),
        ];
        let content: Content = frames.into_iter().collect();
        net.engine(alice).whisper(to, content, now).unwrap();
        let shouted = net.engine(bob).shout(&group("CHAT"), "hi".into(), now);
        assert_eq!(shouted.unwrap().reached, 1);
        net.engine(bob).leave(&group("CHAT"), now).unwrap();
        net.settle();
        net.whisper(bob, alice, "last words");
        net.stop(bob);
        net.run(millis(200));

        let alice_heard = [
            "bob enters",
            "bob joins CHAT",
            "bob shouts hi to CHAT",
            "bob leaves CHAT",
            "bob whispers last words",
            "bob exits: said goodbye",
        ];
        assert_eq!(net.told(alice), alice_heard, "{piece} bytes at a time");
        let bob_heard = [
            "alice enters",
            "alice joins CHAT",
            "alice whispers hello||\0\0|300 bytes",
            "stop",
        ];
        assert_eq!(net.told(bob), bob_heard, "{piece} bytes at a time");
        assert_eq!(net.open_wires(), 0);
        net.run(secs(60));
        assert_eq!(net.told(alice), Vec::<&str>::new());
    }
}

fn groups_and_headers_from_before_the_start_are_there_on_entering<C: Level>() {
    let mut net = Network::<C>::new();
    net.add("alice");
    let mut config = net.config("bob");
    config.groups.insert(group("EARLY"));
    config.headers.set("X-ROLE", "listener").unwrap();
    let bob = net.add_with(config);
    net.settle();
    assert_eq!(net.told(0), ["bob enters", "bob joins EARLY"]);
    let bob = net.id(bob);
    let info = net.engine(0).node().peer(bob).unwrap();
    assert_eq!(info.headers.get("X-ROLE").unwrap(), "listener");
    assert!(info.groups.contains(&group("EARLY")));
}

fn nodes_meet_in_whatever_order_they_start_and_hear<C: Level>() {
    for (bob_starts_after, bob_hears, alice_hears) in [
        (0, true, true),
        (400, true, true),
        (0, false, true),
        (0, true, false),
        (5000, false, true),
        (5000, true, false),
    ] {
        let mut net = Network::<C>::new();
        net.add("alice");
        net.hosts[0].hears = alice_hears;
        net.run(millis(bob_starts_after));
        net.add("bob");
        net.hosts[1].hears = bob_hears;
        net.run(secs(2));
        assert_eq!(net.told(0), ["bob enters"]);
        assert_eq!(net.told(1), ["alice enters"]);
        net.whisper(0, 1, "hello");
        net.whisper(1, 0, "hello");
        net.run(secs(60));
        assert_eq!(net.told(0).first().unwrap(), "bob whispers hello");
        assert_eq!(net.told(1).first().unwrap(), "alice whispers hello");
    }
}

fn ten_nodes_meet_and_stay_quiet<C: Level>() {
    let mut net = Network::<C>::new();
    for _ in 0..10 {
        net.add("node");
    }
    net.run(secs(60));
    for host in 0..10 {
        assert_eq!(net.told(host), ["node enters"; 9]);
        // A beacon each second, a look at each peer every few seconds, and little else.
        let timeouts = net.hosts[host].timeouts;
        assert!((60..300).contains(&timeouts), "{timeouts} timeouts");
    }
    assert_eq!(net.open_wires(), 90);
}

fn content_without_a_frame_arrives_as_one_empty_frame<C: Level>() {
    let mut net = Network::<C>::of_two();
    let (bob, now) = (net.id(1), net.now);
    let nothing = Content::default();
    net.engine(0).whisper(bob, nothing, now).unwrap();
    net.settle();
    let [crate::Event::Whisper { content, .. }] = &net.hosts[1].events[..] else {
        panic!("{:?}", net.hosts[1].events)
    };
    assert_eq!(content.frames(), [Bytes::new()]);
}

fn the_same_seeds_and_inputs_give_the_same_trace<C: Level>() {
    let trace = || {
        let mut net = Network::<C>::new();
        net.piece = 100;
        net.add("alice");
        net.add("bob");
        net.hosts[1].listens = false;
        net.run(secs(3));
        net.hosts[1].listens = true;
        net.run(secs(3));
        net.join(0, "CHAT");
        net.join(1, "CHAT");
        net.whisper(0, 1, "hello");
        net.run(secs(10));
        net.break_wire(0, 1);
        net.run(secs(10));
        net.stop(0);
        net.run(secs(10));
        let events: Vec<_> = net.hosts.iter().map(|host| host.events.clone()).collect();
        (net.trace, events)
    };
    let (once, again) = (trace(), trace());
    assert!(once.0.len() > 50);
    assert_eq!(once, again);
}

#[test]
fn a_large_whisper_leaves_from_where_it_is() {
    let mut net = Network::<Link>::of_two();
    let large = Bytes::from(vec![7; 1 << 20]);
    let (bob, now) = (net.id(1), net.now);
    net.engine(0)
        .whisper(bob, large.clone().into(), now)
        .unwrap();
    let link = net.wire(0, 1).ends[0].link;
    let outbox = net.engine(0).write_buffer(link).unwrap();
    let shared = outbox.chunks().find(|chunk| chunk.len() == large.len());
    assert_eq!(shared.map(<[u8]>::as_ptr), Some(large.as_ptr()));
    let beside: usize = outbox.chunks().map(<[u8]>::len).sum::<usize>() - large.len();
    assert!(beside < 64, "{beside} bytes beside it");
}

#[test]
fn a_shout_to_many_holds_one_copy() {
    let mut net = Network::<Link>::new();
    for _ in 0..6 {
        net.add("node");
    }
    net.settle();
    for host in 1..6 {
        net.join(host, "CHAT");
    }
    net.settle();
    let large = Bytes::from(vec![7; 100_000]);
    let now = net.now;
    let shouted = net
        .engine(0)
        .shout(&group("CHAT"), large.clone().into(), now);
    assert_eq!(shouted.unwrap().reached, 5);
    for host in 1..6 {
        let link = net.wire(0, host).ends[0].link;
        let outbox = net.engine(0).write_buffer(link).unwrap();
        assert!(
            outbox
                .chunks()
                .any(|chunk| chunk.as_ptr() == large.as_ptr())
        );
    }
    drop(net);
    assert!(large.is_unique(), "and lets go of it");
}
