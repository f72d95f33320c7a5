//! What waits to be written for all peers together.

use alloc::{vec, vec::Vec};

use bytes::Bytes;
use zre_proto::Body;

use super::{
    level::{Level, at_both_levels},
    network::{millis, secs},
    single_engine::{FakePeer, SingleEngine},
};
use crate::{config::Limits, error::Error};

at_both_levels! {
    peers_that_ask_without_reading_hold_no_more_than_the_limit_together,
    a_peer_that_reads_is_not_removed_for_what_waits_for_others,
    those_that_do_not_read_leave_room_to_send_to_others,
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
        peer.sequence += 1;
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
