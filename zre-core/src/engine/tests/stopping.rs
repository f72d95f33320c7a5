//! How a node ends.

use alloc::vec;

use bytes::{Buf as _, Bytes};

use super::{
    level::{Level, at_both_levels},
    network::{Network, group, millis, secs},
    networks_change::on_networks,
    single_engine::{SingleEngine, config, endpoint, hello, whisper},
};
use crate::{error::Error, event::Event};

const NOTHING: [&str; 0] = [];

at_both_levels! {
    a_connection_that_is_not_there_yet_is_closed_with_the_others,
    stopping_waits_until_peers_have_taken_what_was_sent,
    stopping_lingers_no_longer_than_it_should_for_a_peer_that_does_not_read,
    stopping_does_not_wait_for_a_peer_that_never_presented_itself,
    a_peer_that_goes_while_stopping_waits_for_it_ends_the_wait,
    a_node_that_stops_refuses_commands_and_says_so_once,
    what_happens_after_the_end_changes_nothing_and_leaves_nothing_open,
    sockets_that_fail_after_the_end_are_neither_told_nor_tried_again,
    a_node_that_stops_has_lost_no_gossip_hub,
    the_last_beacon_goes_out_before_the_connections_close,
    goodbye_is_a_message_too_where_beacons_may_not_reach_everybody,
    nobody_enters_a_node_that_has_said_goodbye,
}

fn stopping_waits_until_peers_have_taken_what_was_sent<C: Level>() {
    let mut net = Network::<C>::of_two();
    net.capacity = 1000;
    net.wire(0, 1).ends[1].stalled = true;
    let (bob, now) = (net.id(1), net.now);
    let large = Bytes::from(vec![1; 100_000]);
    net.engine(0).whisper(bob, large.into(), now).unwrap();
    net.whisper(0, 1, "last words");
    net.stop(0);
    net.run(secs(3));
    assert_eq!(net.told(0), NOTHING);
    assert!(!net.engine(0).is_stopped());

    net.wire(0, 1).ends[1].stalled = false;
    net.settle();
    assert!(net.engine(0).is_stopped(), "without any time passing");
    assert_eq!(net.told(0), ["stop"]);
    net.run(millis(200));
    let expected = [
        "alice whispers 100000 bytes",
        "alice whispers last words",
        "alice exits: said goodbye",
    ];
    assert_eq!(net.told(1), expected);
}

fn stopping_lingers_no_longer_than_it_should_for_a_peer_that_does_not_read<C: Level>() {
    let mut net = Network::<C>::of_two();
    net.capacity = 1000;
    net.wire(0, 1).ends[1].stalled = true;
    let (bob, now) = (net.id(1), net.now);
    let large = Bytes::from(vec![1; 100_000]);
    net.engine(0).whisper(bob, large.into(), now).unwrap();
    net.stop(0);
    net.run(millis(4999));
    assert!(!net.engine(0).is_stopped());
    net.run(millis(1));
    assert!(net.engine(0).is_stopped());
    assert_eq!(net.told(0), ["stop"]);
    assert_eq!(net.engine(0).poll_timeout(), None);
    net.wire(0, 1).ends[1].stalled = false;
    net.run(millis(600));
    assert_eq!(net.told(1), ["alice exits: said goodbye"]);
    assert_eq!(net.open_wires(), 0);
}

fn stopping_does_not_wait_for_a_peer_that_never_presented_itself<C: Level>() {
    let mut test = SingleEngine::<C>::new();
    test.beacon([1; 16].into(), &endpoint(1));
    let (link, _) = test.wanted.pop_front().unwrap();
    test.engine.stop(test.now);
    assert_eq!(test.told(), ["stop"]);
    assert_eq!(test.closed, [link]);
}

fn a_peer_that_goes_while_stopping_waits_for_it_ends_the_wait<C: Level>() {
    let mut net = Network::<C>::of_two();
    net.wire(0, 1).ends[1].stalled = true;
    net.capacity = 10;
    net.whisper(0, 1, "never read");
    net.stop(0);
    net.settle();
    assert!(!net.engine(0).is_stopped());
    net.kill(1);
    net.run(millis(200));
    assert!(net.engine(0).is_stopped());
    assert_eq!(net.told(0).last().unwrap(), "stop");
}

fn a_node_that_stops_refuses_commands_and_says_so_once<C: Level>() {
    let mut net = Network::<C>::of_two();
    let (bob, now) = (net.id(1), net.now);
    let chat = group("CHAT");
    let engine = net.engine(0);
    engine.stop(now);
    engine.stop(now);
    assert_eq!(engine.whisper(bob, "x".into(), now), Err(Error::Stopped));
    assert_eq!(engine.shout(&chat, "x".into(), now), Err(Error::Stopped));
    assert_eq!(engine.join(&chat, now), Err(Error::Stopped));
    assert_eq!(engine.leave(&chat, now), Err(Error::Stopped));
    assert_eq!(engine.ping(bob, now), Err(Error::Stopped));
    net.run(secs(60));
    net.stop(0);
    net.run(secs(1));
    assert_eq!(net.told(0), ["stop"]);
    assert_eq!(net.told(1), ["alice exits: said goodbye"]);
}

fn what_happens_after_the_end_changes_nothing_and_leaves_nothing_open<C: Level>() {
    let mut test = SingleEngine::<C>::new();
    let mut peer = test.add_peer(1);
    test.engine.stop(test.now);
    assert_eq!(test.told(), ["stop"]);
    assert!(peer.to.is_closed(&test) && peer.from.is_closed(&test));

    peer.to.send(&mut test, 2, whisper("too late"));
    test.engine.handle_closed(peer.from.at, "", test.now);
    test.beacon([2; 16].into(), &endpoint(2));
    let mut late = test.connect([3; 16].into());
    late.send(&mut test, 1, hello(3));
    assert!(late.is_closed(&test));
    assert_eq!(test.told(), NOTHING);
    assert!(test.wanted.is_empty());
    assert_eq!(test.engine.poll_timeout(), None);
}

fn sockets_that_fail_after_the_end_are_neither_told_nor_tried_again<C: Level>() {
    let mut test = on_networks::<C>(2);
    test.told();
    let network = test.announced[0];
    test.engine.stop(test.now);
    assert_eq!(test.told(), ["stop"]);
    // The goodbye is a beacon, too.
    test.engine
        .handle_beacon_sent(network, Err("down"), test.now);
    test.engine.handle_not_listening(network, "down", test.now);
    assert_eq!(test.told(), NOTHING);
    assert_eq!(test.engine.poll_timeout(), None);
}

fn a_node_that_stops_has_lost_no_gossip_hub<C: Level>() {
    let mut config = config();
    config.gossip_connect = [endpoint(1).into(), endpoint(2).into()].into();
    config.is_gossip_hub = true;
    let mut test = SingleEngine::<C>::with(config);
    test.drain();
    let (hub, _) = test.wanted[0];
    test.engine.handle_connected(hub, test.now);
    let remote = "10.0.1.3:7000".parse().unwrap();
    let client = test.engine.handle_gossip_accepted(remote, test.now);
    test.engine.stop(test.now);
    test.drain();
    test.closed.sort();
    assert_eq!(test.closed, [hub, test.wanted[1].0, client]);
    assert_eq!(test.notices, []);
    let late = test.engine.handle_gossip_accepted(remote, test.now);
    test.drain();
    assert_eq!(test.closed.last(), Some(&late));
    assert_eq!(test.engine.poll_timeout(), None);
}

fn a_connection_that_is_not_there_yet_is_closed_with_the_others<C: Level>() {
    let mut test = SingleEngine::<C>::new();
    let accepted = test.accept();
    test.beacon([1; 16].into(), &endpoint(1));
    let (opening, _) = test.wanted.pop_front().unwrap();
    test.engine.stop(test.now);
    test.drain();
    test.closed.sort();
    assert_eq!(test.closed, [accepted, opening]);
    assert!(test.unwritten(accepted).is_none());
}

fn the_last_beacon_goes_out_before_the_connections_close<C: Level>() {
    let mut net = Network::<C>::of_two();
    net.stop(0);
    let mut outputs = alloc::vec::Vec::new();
    while let Some(output) = net.engine(0).poll_output() {
        outputs.push(output);
    }
    let [
        super::super::Output::Datagram {
            datagram: beacon, ..
        },
        rest @ ..,
    ] = &outputs[..]
    else {
        panic!("{outputs:?}")
    };
    assert_eq!(beacon.slice(20..).get_u16(), 0);
    assert_eq!(rest.len(), 2);
    assert_eq!(
        net.engine(0).poll_event(),
        Some(Event::Stop {
            unconfirmed: vec![]
        })
    );
}

/// Two nodes that have met, the first of which says GOODBYE when it stops.
fn with_goodbye<C: Level>() -> Network<C> {
    let mut net = Network::<C>::new();
    let mut config = net.config("alice");
    config.is_gossip_hub = true;
    net.add_with(config);
    net.add("bob");
    net.settle();
    net.told(0);
    net.told(1);
    net
}

fn goodbye_is_a_message_too_where_beacons_may_not_reach_everybody<C: Level>() {
    let mut net = with_goodbye::<C>();
    net.hosts[1].hears = false;
    net.whisper(0, 1, "last words");
    net.wire(0, 1).ends[1].stalled = true;
    net.capacity = 1;
    net.stop(0);
    net.run(secs(1));
    net.wire(0, 1).ends[1].stalled = false;
    net.capacity = 64 << 10;
    net.settle();
    assert!(net.engine(0).is_stopped(), "without any time passing");
    assert_eq!(net.told(0), ["stop"]);
    let expected = ["alice whispers last words", "alice exits: said goodbye"];
    assert_eq!(net.told(1), expected);
}

fn nobody_enters_a_node_that_has_said_goodbye<C: Level>() {
    let mut net = with_goodbye::<C>();
    net.add("carol");
    net.settle();
    // One reads nothing any more, and the node waits for it to the end.
    net.capacity = 1;
    net.wire(0, 2).ends[1].stalled = true;
    net.told(0);
    net.told(1);
    net.stop(0);
    net.run(millis(100));
    let before = net.trace.len();
    net.run(secs(4));
    assert!(!net.engine(0).is_stopped());
    assert_eq!(net.told(1), ["alice exits: said goodbye"]);
    net.run(secs(4));
    assert!(net.engine(0).is_stopped());
    assert_eq!(net.told(1), NOTHING);
    // Nor does a beacon call them back.
    let mut trace = net.trace[before..].iter();
    assert!(!trace.any(|line| line.starts_with("1 Open")));
}
