//! What strangers claim of a peer while much is on its way to it or from it.

use alloc::{format, string::String, vec, vec::Vec};
use core::time::Duration;

use bytes::Bytes;
use zre_proto::{Beacon, Body, Message, PeerId};

use super::{
    level::{Level, at_both_levels, exchange},
    network::{Network, millis, secs},
    single_engine::{SingleEngine, hello, whisper},
};
use crate::{
    engine::LinkId,
    link::{Link, Role},
};

const NOTHING: [&str; 0] = [];
const ALICE: usize = 0;
const BOB: usize = 1;
at_both_levels! {
    a_peer_that_takes_bytes_for_ever_and_does_not_answer_is_gone,
    a_peer_for_which_nothing_waits_has_the_evasive_timeout_to_answer,
}

/// How much a slow connection carries in a tenth of a second.
const PIECE: usize = 1000;
/// How much the system buffers for a slow connection: what it carries in a second.
const BUFFERED: usize = 10 * PIECE;

#[test]
fn a_forged_goodbye_does_not_end_a_peer_that_is_slow_to_take_what_stands_before_the_ping() {
    for seconds in [1, 3, 20, 60] {
        assert_undisturbed(ALICE, BOB, seconds, forge_goodbye);
    }
}

#[test]
fn a_stray_message_does_not_end_a_peer_that_is_slow_to_take_what_stands_before_the_ping() {
    for seconds in [2, 20, 60] {
        assert_undisturbed(ALICE, BOB, seconds, stray_message);
    }
}

#[test]
fn a_forged_goodbye_does_not_end_a_peer_whose_answer_is_slow_to_come() {
    for seconds in [1, 3, 20, 60] {
        assert_undisturbed(BOB, ALICE, seconds, forge_goodbye);
    }
}

#[test]
fn a_stray_message_does_not_end_a_peer_whose_answer_is_slow_to_come() {
    for seconds in [2, 20, 60] {
        assert_undisturbed(BOB, ALICE, seconds, stray_message);
    }
}

#[test]
fn a_claimant_of_a_slow_peers_endpoint_goes_when_the_peer_answers() {
    for (from, to) in [(ALICE, BOB), (BOB, ALICE)] {
        let mut net = slow_connection(from, to, 20);
        let claimant = claim_endpoint(&mut net);
        net.settle();
        pass_slowly(&mut net, from, to, secs(15));
        assert!(net.engine(ALICE).peer_of(claimant).is_none());
        pass_slowly(&mut net, from, to, secs(10));
        assert!(net.engine(ALICE).write_buffer(claimant).is_none(), "closed");
        let told = net.told(ALICE);
        assert!(
            !told
                .iter()
                .any(|line| line.contains("peer7") || line.contains("exits"))
        );
    }
}

#[test]
fn a_peer_that_was_slow_may_be_slow_as_long_again_with_what_the_system_buffers() {
    let mut net = Network::<Link>::of_two();
    net.piece = PIECE;
    net.capacity = 15 * BUFFERED;
    send(&mut net, ALICE, BOB, 30 * BUFFERED);
    forge_goodbye(&mut net);
    // The PING is in the buffers after 15 s and read after 30.
    pass_slowly(&mut net, ALICE, BOB, secs(40));
    assert_eq!(net.told(ALICE), NOTHING);
    assert_eq!(net.told(BOB).len(), 30);
}

#[test]
fn a_peer_whose_slow_connection_pauses_for_less_than_the_evasive_timeout_stays() {
    let mut net = slow_connection(ALICE, BOB, 10);
    forge_goodbye(&mut net);
    for _ in 0..5 {
        net.run(secs(4));
        pass_slowly(&mut net, ALICE, BOB, secs(2));
    }
    pass_slowly(&mut net, ALICE, BOB, secs(2));
    assert_eq!(net.told(ALICE), NOTHING);
    assert_eq!(net.told(BOB).len(), 10);
}

#[test]
fn a_peer_that_really_leaves_is_gone_at_once_however_much_waits_for_it() {
    for suspected_before in [false, true] {
        let mut net = slow_connection(ALICE, BOB, 60);
        if suspected_before {
            stray_message(&mut net);
            pass_slowly(&mut net, ALICE, BOB, secs(10));
        }
        net.stop(BOB);
        net.settle();
        net.run(millis(100));
        assert_eq!(net.told(ALICE), ["bob exits: said goodbye"]);
    }
}

#[test]
fn all_that_a_leaving_peer_sent_before_comes_before_its_exit_also_over_a_slow_connection() {
    let mut net = slow_connection(BOB, ALICE, 3);
    // It stops when the system has taken the last byte; that buffers a second's worth.
    net.stop(BOB);
    pass_slowly(&mut net, BOB, ALICE, secs(4));
    let told = net.told(ALICE);
    let expected = [
        "bob whispers 10000 bytes",
        "bob whispers 10000 bytes",
        "bob whispers 10000 bytes",
        "bob exits: said goodbye",
    ];
    assert_eq!(told, expected);
}

#[test]
fn a_leaving_peer_whose_machine_is_gone_exits_after_the_evasive_timeout() {
    let mut net = Network::<Link>::of_two();
    forge_goodbye(&mut net);
    net.unplug(BOB);
    net.run(millis(4999));
    assert_eq!(net.told(ALICE), NOTHING);
    net.run(millis(1));
    assert_eq!(net.told(ALICE), ["bob exits: said goodbye"]);
}

#[test]
fn a_leaving_peer_whose_machine_is_gone_exits_after_the_evasive_timeout_if_its_connections_moved() {
    for (from, to) in [(ALICE, BOB), (BOB, ALICE)] {
        let mut net = slow_connection(from, to, 20);
        forge_goodbye(&mut net);
        pass_slowly(&mut net, from, to, millis(200));
        net.unplug(BOB);
        net.run(secs(4));
        assert_eq!(exits(net.told(ALICE)), NOTHING);
        // When its connections moved last is first looked at when its time is over.
        net.run(secs(7));
        assert_eq!(exits(net.told(ALICE)), ["bob exits: said goodbye"]);
    }
}

#[test]
fn a_suspected_peer_on_a_slow_connection_that_is_cut_exits_within_the_expired_timeout() {
    for seconds in [1, 10, 20, 50] {
        let mut net = slow_connection(ALICE, BOB, 60);
        stray_message(&mut net);
        pass_slowly(&mut net, ALICE, BOB, secs(seconds));
        net.unplug(BOB);
        assert_eq!(net.told(ALICE), NOTHING);
        // It is looked at once a second.
        net.run(secs(seconds.clamp(5, 30)) + secs(6));
        // What waits for it has not moved for as long, too.
        let exits = exits(net.told(ALICE));
        assert!(exits[0] == "bob exits: connection lost" || exits[0].contains("did not read"));
    }
}

/// Its session is broken, though its process reads: what it takes after the PING does not count.
fn a_peer_that_takes_bytes_for_ever_and_does_not_answer_is_gone<C: Level>() {
    let mut test = SingleEngine::<C>::new();
    let mut peer = test.add_peer(1);
    peer.from.reads = false;
    let large = Bytes::from(vec![1; BUFFERED]);
    let say = |test: &mut SingleEngine<C>| {
        let content = large.clone().into();
        test.engine.whisper(peer.id, content, test.now).is_ok()
    };
    assert!(say(&mut test));
    let mut second = test.connect(peer.id);
    second.send(&mut test, 700, whisper("some were lost"));
    peer.from.reads = true;
    let mut passed = Duration::ZERO;
    while say(&mut test) && passed < secs(60) {
        // Other questions, which others may ask, stand behind that one.
        test.engine.ping(peer.id, test.now).unwrap();
        test.write_all(peer.from.at);
        test.run(millis(100));
        passed += millis(100);
    }
    assert!(passed >= secs(5) && passed <= secs(11), "{passed:?}");
    assert_eq!(exits(test.told()), ["peer1 exits: connection lost"]);
}

fn a_peer_for_which_nothing_waits_has_the_evasive_timeout_to_answer<C: Level>() {
    let mut test = SingleEngine::<C>::new();
    let peer = test.add_peer(1);
    let mut second = test.connect(peer.id);
    second.send(&mut test, 700, whisper("some were lost"));
    test.write_all(peer.from.at);
    test.run(millis(4999));
    assert_eq!(test.told(), NOTHING);
    test.run(millis(1));
    assert_eq!(test.told(), ["peer1 exits: connection lost"]);
}

/// A node with so many seconds' worth of messages on its slow way to another.
fn slow_connection(from: usize, to: usize, seconds: usize) -> Network<Link> {
    let mut net = Network::<Link>::of_two();
    net.piece = PIECE;
    net.capacity = BUFFERED;
    send(&mut net, from, to, seconds * BUFFERED);
    net
}

/// In messages of a second's worth each.
fn send(net: &mut Network<Link>, from: usize, to: usize, bytes: usize) {
    net.wire(from, to).ends[1].stalled = true;
    let (to, now) = (net.id(to), net.now);
    for _ in 0..bytes / BUFFERED {
        let content = Bytes::from(vec![1; BUFFERED]).into();
        net.engine(from).whisper(to, content, now).unwrap();
    }
    net.settle();
}

/// A piece of the messages arrives every tenth of a second.
fn pass_slowly(net: &mut Network<Link>, from: usize, to: usize, duration: Duration) {
    let end = net.now + duration;
    while net.now < end {
        net.read_once(from, to);
        net.run(millis(100));
    }
}

/// Something is claimed of bob, twice, while messages are on a slow connection. Nobody must notice.
fn assert_undisturbed(from: usize, to: usize, seconds: usize, claim: fn(&mut Network<Link>)) {
    let mut net = slow_connection(from, to, 0);
    let name = ["alice", "bob"][from];
    let whispers = vec![format!("{name} whispers {BUFFERED} bytes"); seconds];
    for _ in 0..2 {
        send(&mut net, from, to, seconds * BUFFERED);
        claim(&mut net);
        pass_slowly(&mut net, from, to, secs(seconds as u64 + 5));
        assert_eq!(net.told(to), whispers, "{seconds} s from {name}");
        net.wire(from, to).ends[1].stalled = false;
        net.run(secs(10));
        assert_eq!(net.told(from), NOTHING, "{seconds} s from {name}");
        assert_eq!(net.told(to), NOTHING, "{seconds} s from {name}");
    }
}

fn exits(mut told: Vec<String>) -> Vec<String> {
    told.retain(|event| event.contains(" exits: "));
    told
}

/// A beacon says to alice that bob leaves.
fn forge_goodbye(net: &mut Network<Link>) {
    let (now, from, peer) = (net.now, net.hosts[BOB].address, net.id(BOB));
    let beacon = Beacon {
        peer,
        port: None,
        public_key: None,
    };
    net.engine(ALICE)
        .handle_datagram(from, &beacon.encode(), now);
}

/// Somebody says something to alice under bob's identity that does not fit its session.
fn stray_message(net: &mut Network<Link>) {
    let id = net.id(BOB);
    say_to_alice(net, id, 700, whisper("I am bob"));
}

/// Somebody says HELLO to alice from bob's endpoint.
fn claim_endpoint(net: &mut Network<Link>) -> LinkId {
    let Body::Hello(mut hello) = hello(7) else {
        unreachable!("it is a HELLO")
    };
    hello.endpoint = net.engine(BOB).node().endpoint().clone();
    say_to_alice(net, [7; 16].into(), 1, Body::Hello(hello))
}

fn say_to_alice(net: &mut Network<Link>, id: PeerId, sequence: u16, body: Body) -> LinkId {
    let now = net.now;
    let engine = net.engine(ALICE);
    let link = engine.handle_accepted("10.0.0.66:6666".parse().unwrap(), now);
    let mut remote = Link::new(Role::Connecting(id.into()), &crate::Limits::default());
    Link::queue(&mut remote, &Message { sequence, body });
    exchange(engine, link, &mut remote, true, now);
    link
}
