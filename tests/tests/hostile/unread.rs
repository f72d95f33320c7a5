//! Data that nobody reads: answers that the attacker ignores, and events that the application does
//! not take yet.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use zre_core::{Error, ExitReason};
use zre_proto::{Body, Content};
use zre_tests::raw_peer::{Manner, RawListener, RawPeer, encode, frame, hello, random_id};

use crate::{
    crafted::{whisper, with_header},
    log::Seen,
    scene::{DEADLINE, Intruder, MIB, Stage},
};

attacks![
    a_ping_flood_that_reads_no_answer_ends_in_overflow,
    a_ping_flood_before_the_handshake_is_answered_costs_no_more_than_the_limit,
    a_peer_that_never_reads_is_full_then_stalled_and_holds_up_nobody,
    undelivered_hellos_stop_the_reading_when_they_hold_the_limit,
    small_undelivered_whispers_pin_no_more_memory_than_the_limit,
];

fn a_ping_flood_that_reads_no_answer_ends_in_overflow(stage: Stage) {
    let scene = stage.begin_with(|setup| setup.limits.outbound = 64 << 10);
    let mut mallory = scene.intruder(Manner::NeverReads);
    let id = mallory.id();
    let sent = mallory.flood_pings(1_500_000, |_| !scene.exits(id).is_empty());
    scene.wait("its exit", |facts| {
        facts.saw(&Seen::Exit(id, ExitReason::Overflow))
    });
    scene.finish(
        format_args!("sent {sent} PINGs and read no answer"),
        32 * MIB,
    );
}

fn a_ping_flood_before_the_handshake_is_answered_costs_no_more_than_the_limit(stage: Stage) {
    const PINGS: usize = 6 << 16;
    let scene = stage.begin_with(|setup| setup.limits.outbound = 64 << 10);
    let listener = RawListener::start(Manner::NeverAnswers);
    let mut mallory = scene.stranger();
    let _ = mallory.send(hello(listener.endpoint(), "mallory"));
    let numbers = (0..=u16::MAX).map(|number| number.wrapping_add(2));
    let pings: Vec<u8> = numbers
        .flat_map(|number| encode(number, Body::Ping))
        .collect();
    let pings: Arc<[u8]> = pings.repeat(PINGS >> 16).into();
    mallory.send_in_background(pings);
    scene.chat_for(100);
    // It enters when the connection to it stands.
    let enters = scene.facts().enters();
    scene.demand(enters == 0, format_args!("{enters} have entered"));
    // 64 KiB and the 1 MiB for answers may wait, beside the PINGs themselves.
    scene.finish(
        format_args!("sent up to {PINGS} PINGs and answered no handshake"),
        12 * MIB,
    );
}

fn a_peer_that_never_reads_is_full_then_stalled_and_holds_up_nobody(stage: Stage) {
    let scene = stage.begin_with(|setup| {
        setup.limits.outbound = MIB;
        setup.expired_timeout = Some(Duration::from_millis(1500));
    });
    let mut mallory = scene.intruder(Manner::NeverReads);
    let id = mallory.id();
    let large = Content::from(vec![7; 128 << 10]);
    let full = (0..1000).find_map(|_| scene.victim.try_whisper(id, large.clone()).err());
    assert_eq!(full, Some(Error::Full(id)));
    let patient = scene.victim.begin_whisper(id, large);
    // It is there all the while, it only does not read.
    let deadline = Instant::now() + DEADLINE;
    while scene.exits(id).is_empty() && Instant::now() < deadline {
        let _ = mallory.peer.send(Body::Unknown { id: 77 });
        scene.chat_for(5);
    }
    assert_eq!(scene.exits(id), [ExitReason::Stalled]);
    assert_eq!(patient.wait(), Err(Error::UnknownPeer(id)));
    assert_eq!(
        scene.victim.try_whisper(id, "x"),
        Err(Error::UnknownPeer(id))
    );
    scene.finish("read nothing of up to 1,000 whispers of 128 KiB", 32 * MIB);
}

fn undelivered_hellos_stop_the_reading_when_they_hold_the_limit(stage: Stage) {
    let scene = stage.begin_with(|setup| {
        setup.limits.event_bytes = MIB / 2;
        // Those that are read by halves when it goes on.
        setup.limits.unclaimed_bytes = 4 * MIB;
    });
    scene.hold_events();
    let listener = RawListener::start(Manner::Reads);
    let id = random_id();
    let hello = with_header(hello(listener.endpoint(), "heavy"), 900 << 10);
    let hello: Arc<[u8]> = encode(1, hello).into();
    let mut connections = Vec::new();
    for turn in 0..100 {
        let mallory = RawPeer::open(scene.endpoint(), id);
        mallory.send_in_background(Arc::clone(&hello));
        connections.push(mallory);
        // The first fills the node; the others must not be read.
        let deadline = Instant::now() + DEADLINE;
        while turn == 0 && !scene.victim.peers().contains(&id) && Instant::now() < deadline {
            scene.chat_for(1);
        }
    }
    scene.chat_for(100);
    scene.release_events();
    drop(connections);
    scene.finish(
        "sent 100 HELLOs of 900 KiB to a node that takes no events",
        32 * MIB,
    );
}

fn small_undelivered_whispers_pin_no_more_memory_than_the_limit(stage: Stage) {
    let scene = stage.begin_with(|setup| {
        setup.limits.event_bytes = MIB;
        setup.limits.events = 1000;
    });
    let mut mallory = scene.intruder(Manner::Reads);
    scene.hold_events();
    let mut stream = Vec::new();
    let padding = [0; 120 << 10];
    for _ in 0..600 {
        stream.clear();
        let sequence = mallory.peer.next_sequence();
        let mut unknown = vec![0xAA, 0xA1, 77, 2];
        unknown.extend((sequence + 1).to_be_bytes());
        unknown.extend(padding);
        let whisper = whisper("x");
        stream.extend(encode(sequence, whisper));
        stream.extend(frame(false, false, &unknown));
        mallory.peer.skip_to(sequence + 1);
        if mallory.peer.send_raw(&stream).is_err() {
            break;
        }
    }
    scene.chat_for(20);
    scene.release_events();
    scene.finish(
        "sent 600 times 120 KiB to a node that takes no events",
        24 * MIB,
    );
}

impl Intruder {
    /// Sends PINGs until the node closes the connection, or it is enough; says how many.
    fn flood_pings(&mut self, count: usize, enough: impl Fn(usize) -> bool) -> usize {
        const BURST: usize = 1000;
        for sent in (0..count).step_by(BURST) {
            let mut bytes = Vec::with_capacity(BURST * 8);
            for _ in 0..BURST {
                let sequence = self.peer.next_sequence();
                bytes.extend(encode(sequence, Body::Ping));
                self.peer.skip_to(sequence);
            }
            if self.peer.send_raw(&bytes).is_err() || enough(sent) {
                return sent;
            }
        }
        count
    }
}
