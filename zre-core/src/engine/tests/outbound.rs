//! What waits to be written for all peers together.

use alloc::{vec, vec::Vec};

use bytes::Bytes;
use zre_proto::Body;

use super::{
    level::{Level, at_both_levels},
    network::{millis, secs},
    single_engine::{FakePeer, SingleEngine},
};
use crate::{config::Limits, error::Error, link::Link};

at_both_levels! {
    peers_that_ask_without_reading_hold_no_more_than_the_limit_together,
    a_peer_that_reads_is_not_removed_for_what_waits_for_others,
    those_that_do_not_read_leave_room_to_send_to_others,
    questions_behind_a_large_message_do_not_end_its_peer,
    a_peer_that_asks_without_reading_is_gone_behind_a_large_message_too,
    large_messages_to_many_do_not_end_those_that_pause,
}

fn set(limits: &mut Limits) {
    limits.outbound = 32 << 10;
    limits.outbound_total = 128 << 10;
}

fn peers<C: Level>(test: &mut SingleEngine<C>, numbers: core::ops::Range<u8>) -> Vec<FakePeer<C>> {
    numbers
        .map(|number| {
            let mut peer = test.add_peer(number);
            peer.from.reads = false;
            peer
        })
        .collect()
}

/// PINGs, the answers to which take about ten bytes each.
fn asks<C: Level>(peer: &mut FakePeer<C>, test: &mut SingleEngine<C>, times: usize) {
    for _ in 0..times {
        peer.sequence = peer.sequence.wrapping_add(1);
        peer.to.queue(peer.sequence, Body::Ping);
    }
    peer.to.exchange(test);
}

fn waiting<C: Level>(test: &mut SingleEngine<C>, peers: &[FakePeer<C>]) -> usize {
    let links: Vec<_> = peers.iter().map(|peer| peer.from.at).collect();
    let sizes = links.iter().filter_map(|link| test.unwritten(*link));
    sizes.sum()
}

fn peers_that_ask_without_reading_hold_no_more_than_the_limit_together<C: Level>() {
    let mut test = SingleEngine::<C>::with_limits(set);
    let mut honest = test.add_peer(1);
    let mut idle = peers(&mut test, 2..26);
    for _ in 0..10 {
        for peer in &mut idle {
            asks(peer, &mut test, 200);
        }
        let waiting = waiting(&mut test, &idle);
        assert!(waiting <= 140 << 10, "{waiting} bytes wait");
    }
    let told = test.told();
    assert!(told.len() > 5, "{told:?}");
    assert!(
        told.iter()
            .all(|line| line.ends_with(" exits: did not read the answers it asked for"))
    );
    honest.is_undisturbed(&mut test);
}

fn a_peer_that_reads_is_not_removed_for_what_waits_for_others<C: Level>() {
    let mut test = SingleEngine::<C>::with_limits(set);
    let mut busy = test.add_peer(1);
    let mut idle = peers(&mut test, 2..14);
    // More waits for it than for any other, and it takes it.
    let content = Bytes::from(vec![7; 30 << 10]);
    for _ in 0..20 {
        let sent = test
            .engine
            .whisper(busy.id, content.clone().into(), test.now);
        assert!(matches!(sent, Ok(()) | Err(Error::Full(_))));
        for peer in &mut idle {
            asks(peer, &mut test, 100);
        }
        busy.from.exchange(&mut test);
        test.now = test.now + millis(10);
    }
    let told = test.told();
    assert!(
        told.iter().any(|line| line.contains(" exits: ")),
        "{told:?}"
    );
    busy.is_undisturbed(&mut test);
}

/// The application may send a message that is larger than all limits on what waits. While it is on
/// its way, both sides ask each other every second.
fn questions_behind_a_large_message_do_not_end_its_peer<C: Level>() {
    let mut test = SingleEngine::<C>::with_limits(set);
    let mut peer = test.add_peer(1);
    let before = peer.from.received.len();
    peer.from.reads = false;
    let content = Bytes::from(vec![7; 4 << 20]);
    let sent = test.engine.whisper(peer.id, content.into(), test.now);
    assert_eq!(sent, Ok(()));
    for _ in 0..4 {
        peer.say(&mut test, Body::Ping);
        test.run(secs(1));
    }
    peer.from.reads = true;
    peer.from.exchange(&mut test);
    let pings = peer.from.received[before..].iter();
    let pings = pings.filter(|message| message.body == Body::Ping).count();
    assert!(pings > 0, "no question of ours");
    peer.say(&mut test, Body::PingOk);
    peer.is_undisturbed(&mut test);
}

fn a_peer_that_asks_without_reading_is_gone_behind_a_large_message_too<C: Level>() {
    let mut test = SingleEngine::<C>::with_limits(set);
    let mut peer = test.add_peer(1);
    peer.from.reads = false;
    let content = Bytes::from(vec![7; 4 << 20]);
    let sent = test.engine.whisper(peer.id, content.into(), test.now);
    assert_eq!(sent, Ok(()));
    let mut most = 0;
    while !peer.to.is_closed(&test) {
        asks(&mut peer, &mut test, 1000);
        most = most.max(test.unwritten(peer.from.at).unwrap_or_default());
        assert!(most < 6 << 20, "{most} bytes wait");
    }
    let expected = "peer1 exits: did not read the answers it asked for";
    assert_eq!(test.told(), [expected]);
}

/// What has been written counts no more, even if something always waits.
#[test]
fn a_peer_that_reads_may_ask_for_ever_while_large_messages_wait_for_it() {
    let mut test = SingleEngine::<Link>::with_limits(|limits| limits.outbound = 1 << 20);
    let mut peer = test.add_peer(1);
    peer.from.reads = false;
    let content = Bytes::from(vec![7; 3 << 20]);
    for _ in 0..30 {
        let sent = test
            .engine
            .whisper(peer.id, content.clone().into(), test.now);
        assert_eq!(sent, Ok(()));
        test.drain();
        let large = test.unwritten(peer.from.at).unwrap();
        asks(&mut peer, &mut test, 5000);
        test.write(peer.from.at, large);
        assert!(test.unwritten(peer.from.at).unwrap() >= 40_000);
    }
    assert_eq!(test.told(), Vec::<&str>::new());
}

fn large_messages_to_many_do_not_end_those_that_pause<C: Level>() {
    let mut test = SingleEngine::<C>::with_limits(set);
    let mut peers = peers(&mut test, 1..8);
    for peer in &peers {
        let content = Bytes::from(vec![7; 256 << 10]);
        let sent = test.engine.whisper(peer.id, content.into(), test.now);
        assert_eq!(sent, Ok(()));
    }
    for _ in 0..15 {
        for peer in &mut peers {
            peer.say(&mut test, Body::Ping);
        }
        test.run(secs(1));
    }
    for peer in &mut peers {
        peer.from.reads = true;
        peer.from.exchange(&mut test);
        peer.say(&mut test, Body::PingOk);
    }
    for peer in &mut peers {
        peer.is_undisturbed(&mut test);
    }
}

fn those_that_do_not_read_leave_room_to_send_to_others<C: Level>() {
    let mut test = SingleEngine::<C>::with_limits(set);
    let mut idle = peers(&mut test, 1..16);
    let mut honest = test.add_peer(16);
    let content = Bytes::from(vec![7; 3 << 10]);
    let send = |test: &mut SingleEngine<C>, peer| {
        let sent = test.engine.whisper(peer, content.clone().into(), test.now);
        test.drain();
        sent.is_ok()
    };
    let mut accepted = 0;
    for _ in 0..12 {
        for peer in &idle {
            accepted += usize::from(send(&mut test, peer.id));
        }
    }
    // Each has its part, a sixteenth of a half, and some have what is left of the other half.
    let waiting = waiting(&mut test, &idle);
    assert!(
        (64 << 10..=140 << 10).contains(&waiting),
        "{waiting} bytes wait"
    );
    assert!(accepted >= 15 && test.engine.is_full(idle[0].id));
    for _ in 0..100 {
        assert!(send(&mut test, honest.id));
        honest.from.exchange(&mut test);
    }
    honest.is_undisturbed(&mut test);

    // As soon as there is room again, all may use it.
    let link = idle[0].from.at;
    for peer in &mut idle {
        peer.from.reads = true;
        peer.from.exchange(&mut test);
    }
    test.write_all(link);
    test.run(secs(0));
    test.now = test.now + millis(10);
    let more = (0..8).filter(|_| send(&mut test, idle[0].id)).count();
    assert_eq!(more, 8);
}
