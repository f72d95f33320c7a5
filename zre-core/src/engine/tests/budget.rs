//! Who loses when connections together hold too much, and what counts.

use alloc::{format, string::ToString as _, vec, vec::Vec};

use bytes::BufMut as _;
use zre_proto::PeerId;

use super::{
    level::{Level, at_both_levels},
    network::{millis, secs},
    single_engine::{FakePeer, SingleEngine, hello, whisper},
};
use crate::{engine::LinkId, link::Link, notice::Notice};

const MIB: usize = 1 << 20;
const NOTHING: [&str; 0] = [];

/// The beginning of a whisper whose content has `announced` bytes, of which `sent` come.
fn begin_of_a_whisper(sequence: u16, announced: usize, sent: usize) -> Vec<u8> {
    // The header of a WHISPER in a frame that more follow.
    let mut bytes = vec![1, 6, 0xAA, 0xA1, 2, 2];
    bytes.put_u16(sequence);
    bytes.push(2);
    bytes.put_u64(announced as u64);
    bytes.resize(bytes.len() + sent, 7);
    bytes
}

fn begins(peer: &FakePeer<Link>, test: &mut SingleEngine<Link>, announced: usize, sent: usize) {
    let bytes = begin_of_a_whisper(peer.sequence + 1, announced, sent);
    test.read(peer.to.at, &bytes);
}

/// All peers are heard of, so that none expires.
fn beacons(test: &mut SingleEngine<Link>, peers: &[FakePeer<Link>]) {
    for peer in peers {
        test.beacon(peer.id, &peer.endpoint);
    }
}

#[test]
fn a_message_that_goes_on_arrives_while_others_have_begun_more_than_the_budget_and_left_it() {
    let mut test = SingleEngine::<Link>::with_limits(|limits| limits.unfinished_bytes = 12 * MIB);
    let honest = test.add_peer(1);
    let idle: Vec<_> = (2..18).map(|number| test.add_peer(number)).collect();
    for peer in &idle {
        test.now = test.now + millis(1);
        begins(peer, &mut test, 6 * MIB, 5 * MIB);
    }
    let ended = test.told().len();
    assert!((14..=15).contains(&ended), "two of 16 have room: {ended}");
    begins(&honest, &mut test, 10 * MIB, 0);
    for _ in 0..160 {
        test.now = test.now + millis(1);
        test.read(honest.to.at, &[7; 64 << 10]);
    }
    let told = test.told();
    assert_eq!(told.last().unwrap(), "peer1 whispers 10485760 bytes");
    assert!(
        !told.iter().any(|line| line.contains("peer1 exits")),
        "{told:?}"
    );
}

/// With a byte now and then, a peer could hold memory against others for next to nothing.
#[test]
fn single_bytes_do_not_keep_a_message_when_others_go_on() {
    let mut test = SingleEngine::<Link>::with_limits(|limits| limits.unfinished_bytes = 12 * MIB);
    let [idle, first, second] = [1, 2, 3].map(|number| test.add_peer(number));
    begins(&idle, &mut test, 6 * MIB, 5 * MIB);
    for peer in [&first, &second] {
        begins(peer, &mut test, 5 * MIB, 0);
    }
    for _ in 0..80 {
        // The last of these makes it too much, and the single byte comes right before it.
        for (peer, bytes) in [(&first, 64 << 10), (&idle, 1), (&second, 64 << 10)] {
            test.now = test.now + millis(1);
            test.read(peer.to.at, &vec![7; bytes]);
        }
    }
    let told = test.told();
    let fault = "peer1 exits: broke the protocol: unfinished messages of all peers";
    assert!(told[0].starts_with(fault), "{told:?}");
    let arrive = ["peer2", "peer3"].map(|name| format!("{name} whispers 5242880 bytes"));
    assert_eq!(told[1..], arrive);
}

#[test]
fn a_begun_message_that_stands_still_ends_its_peer_after_the_expired_timeout() {
    let mut test = SingleEngine::<Link>::new();
    let peers: Vec<_> = (1..4).map(|number| test.add_peer(number)).collect();
    let [stands, pings, moves] = &peers[..] else {
        panic!("three");
    };
    begins(stands, &mut test, 6 * MIB, MIB);
    begins(moves, &mut test, 6 * MIB, MIB);
    // The first frame of a message, and no more.
    test.read(pings.to.at, &begin_of_a_whisper(2, 0, 0)[..8]);
    let wait = |test: &mut SingleEngine<Link>, seconds| {
        for _ in 0..seconds {
            test.run(secs(1));
            beacons(test, &peers);
            // Commands of ZMTP are no part of the message.
            test.read(pings.to.at, &[4, 9, 4, b'P', b'I', b'N', b'G', 0, 0, 1, 2]);
        }
    };
    wait(&mut test, 20);
    test.read(moves.to.at, b"x");
    wait(&mut test, 9);
    assert_eq!(test.told(), NOTHING);
    wait(&mut test, 2);
    let fault = "broke the protocol: a message was begun, and nothing more of it came for 30s";
    assert_eq!(
        test.told(),
        [
            format!("peer1 exits: {fault}"),
            format!("peer2 exits: {fault}")
        ]
    );
    assert!(stands.to.is_closed(&test) && stands.from.is_closed(&test));
    wait(&mut test, 17);
    assert_eq!(test.told(), NOTHING);
    wait(&mut test, 3);
    assert_eq!(test.told(), [format!("peer3 exits: {fault}")]);
    assert!(test.run(secs(60)) <= 62, "only beacons are left");
}

/// What goes on lies unread, as connections are not read then.
#[test]
fn a_begun_message_is_given_time_while_the_application_is_behind() {
    let mut test = SingleEngine::<Link>::with_limits(|limits| limits.events = 1);
    let (mut busy, peer) = (test.add_peer(1), test.add_peer(2));
    begins(&peer, &mut test, MIB, MIB - 10);
    test.takes_events = false;
    busy.say(&mut test, whisper("x"));
    assert!(test.engine.is_congested());
    for _ in 0..60 {
        test.run(secs(1));
        test.beacon(peer.id, &peer.endpoint);
        test.beacon(busy.id, &busy.endpoint);
    }
    test.takes_events = true;
    assert_eq!(test.told(), ["peer1 whispers x"]);
    test.run(millis(100));
    test.read(peer.to.at, &[7; 10]);
    assert_eq!(test.told(), ["peer2 whispers 1048576 bytes"]);
}

/// A program that slept finds its peers' bytes in the system's buffers.
#[test]
fn a_node_that_slept_reads_before_it_calls_a_message_abandoned() {
    let mut test = SingleEngine::<Link>::new();
    let peer = test.add_peer(1);
    begins(&peer, &mut test, MIB, MIB - 10);
    test.now = test.now + secs(100);
    test.engine.handle_timeout(test.now);
    test.read(peer.to.at, &[7; 10]);
    let told = test.told();
    assert!(
        told.contains(&"peer1 whispers 1048576 bytes".into()),
        "{told:?}"
    );
}

/// One small frame keeps the whole block that it shares with others, and one of 5 KB a whole read
/// buffer.
#[test]
fn a_frame_that_keeps_a_piece_of_memory_counts_with_all_of_it() {
    let mut test = SingleEngine::<Link>::with_limits(|limits| limits.unclaimed_bytes = 4 * MIB);
    for (size, piece) in [(1_u16, 4 << 10), (5000, 64 << 10)] {
        let before = test.engine.links.unclaimed.held();
        let strangers: Vec<_> = (0..10)
            .map(|number| {
                let stranger = test.connect(PeerId::from([100 + number; 16]));
                let mut frames = vec![1, 0, 3];
                frames.put_u64(size.into());
                frames.resize(frames.len() + usize::from(size), 7);
                test.read(stranger.at, &frames);
                stranger.at
            })
            .collect();
        let held = test.engine.links.unclaimed.held() - before;
        assert!(held >= 10 * piece, "{held} bytes for frames of {size}");
        for link in strangers {
            test.engine.handle_closed(link, "", test.now);
        }
        assert_eq!(test.engine.links.unclaimed.held(), before);
    }
}

/// Frames that lie side by side in one piece of memory count together.
#[test]
fn many_small_frames_of_one_message_do_not_count_much_more_than_they_hold() {
    let mut test = SingleEngine::<Link>::new();
    let stranger = test.connect(PeerId::from([5; 16]));
    let before = test.engine.links.unclaimed.held();
    let frame = [&[1, 100][..], &[7; 100]].concat();
    test.read(stranger.at, &[&[1, 0][..], &frame.repeat(10_000)].concat());
    let held = test.engine.links.unclaimed.held() - before;
    let least = 10_000 * (100 + 32);
    assert!((least..2 * least).contains(&held), "{held}");
}

#[test]
fn a_connection_that_says_nothing_counts_as_well() {
    let mut test = SingleEngine::<Link>::new();
    test.accept();
    let held = test.engine.links.unclaimed.held();
    assert!((200..2000).contains(&held), "{held}");
}

at_both_levels! {
    connections_from_one_address_leave_places_for_those_from_others,
}

fn accept_from<C: Level>(test: &mut SingleEngine<C>, host: u8, peer: u8) -> LinkId {
    let remote = format!("10.0.2.{host}:6666").parse().unwrap();
    test.now = test.now + millis(1);
    let link = C::accept(
        &mut test.engine,
        remote,
        PeerId::from([peer; 16]).into(),
        test.now,
    );
    test.drain();
    link
}

fn connections_from_one_address_leave_places_for_those_from_others<C: Level>() {
    let mut test = SingleEngine::<C>::with_limits(|limits| limits.unclaimed_links = 16);
    let honest: Vec<_> = (1..4)
        .map(|host| accept_from(&mut test, host, host))
        .collect();
    let flood: Vec<_> = (0..100)
        .map(|number| accept_from(&mut test, 66, 100 + number))
        .collect();
    let late = accept_from(&mut test, 4, 4);
    assert_eq!(
        test.closed,
        flood[..88],
        "the oldest of the many, and no other"
    );
    assert!(!honest.contains(&late));
    let from_flood = |notice: &Notice| match notice {
        Notice::LinkLimit { remote, limit: 16 } => remote.to_string().starts_with("10.0.2.66:"),
        _ => false,
    };
    assert!(test.notices.iter().all(from_flood), "{:?}", test.notices);
}

/// On loopback, strangers and peers come from one address.
#[test]
fn of_connections_from_one_address_the_quietest_goes_first() {
    let mut test = SingleEngine::<Link>::with_limits(|limits| limits.unclaimed_links = 3);
    let mut first = test.connect(PeerId::from([5; 16]));
    let silent: Vec<_> = (0..2)
        .map(|_| {
            test.now = test.now + secs(1);
            test.accept()
        })
        .collect();
    // ZMTP's PING: it goes on.
    test.now = test.now + secs(1);
    test.read(first.at, &[4, 9, 4, b'P', b'I', b'N', b'G', 0, 0, 1, 2]);
    test.accept();
    assert_eq!(test.closed, silent[..1]);
    first.send(&mut test, 1, hello(5));
    test.answer_open();
    assert_eq!(test.told(), ["peer5 enters"]);
}
