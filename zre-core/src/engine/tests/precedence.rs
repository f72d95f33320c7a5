//! Newcomers that come while something else about the peer is not settled yet.

use std::{sync::mpsc, thread, vec::Vec};

use zre_proto::{Body, PeerId};

use super::{
    level::{Level, at_both_levels},
    network::{millis, secs},
    single_engine::{SingleEngine, endpoint, hello, whisper},
};

const NOTHING: [&str; 0] = [];

at_both_levels! {
    a_newcomer_while_a_reply_is_verified_does_not_hang_the_engine,
    a_newcomer_does_not_end_a_peer_whose_answer_lies_unread,
    a_forged_beacon_does_not_throw_out_a_peer_whose_hello_waits,
    a_hello_of_another_does_not_throw_out_a_peer_whose_hello_waits,
    messages_lost_with_a_restart_that_seemed_a_reply_are_counted,
    a_newcomer_from_the_peers_host_keeps_its_place,
    a_peer_that_says_hello_is_met_although_its_address_was_used_up,
    a_peer_that_says_hello_is_met_although_all_attempts_were_used_up,
    a_second_hello_does_not_lead_a_peer_astray_whose_hello_waits,
}

fn id(number: u8) -> PeerId {
    PeerId::from([number; 16])
}

/// Ends after 10 s of real time, also if the engine does not.
#[track_caller]
fn ends(test: impl FnOnce() + Send + 'static) {
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        test();
        let _told = tell.send(());
    });
    told.recv_timeout(secs(10)).expect("it ends");
}

fn a_newcomer_while_a_reply_is_verified_does_not_hang_the_engine<C: Level>() {
    ends(|| {
        let mut test = SingleEngine::<C>::new();
        // One stranger, with an identity of its own, is enough.
        let peer = test.add_peer(1);
        let mut second = test.connect(peer.id);
        second.send(&mut test, 1, hello(1));
        test.engine.handle_closed(peer.to.at, "", test.now);
        test.drain();
        let _from = test.answer_open();
        assert_eq!(test.told(), ["peer1 exits: restarted", "peer1 enters"]);
        let mut third = test.connect(peer.id);
        third.send(&mut test, 1, hello(1));
        test.engine.handle_closed(second.at, "", test.now);
        test.drain();
        let mut fourth = test.connect(peer.id);
        fourth.send(&mut test, 1, hello(1));
        test.run(secs(1));
    });
}

fn a_newcomer_does_not_end_a_peer_whose_answer_lies_unread<C: Level>() {
    let mut test = SingleEngine::<C>::with_limits(|limits| limits.events = 64);
    let mut peer = test.add_peer(1);
    let mut stranger = test.connect(peer.id);
    stranger.send(&mut test, 1, hello(1));
    // What the peer had sent before the question came fills the application's queue, and the
    // application pauses. The answer lies behind it, unread.
    test.takes_events = false;
    for _ in 0..12 {
        while test.engine.may_read(peer.to.at) && !peer.to.is_closed(&test) {
            peer.say(&mut test, whisper("much"));
        }
        test.run(millis(1000));
    }
    assert!(!peer.to.is_closed(&test), "it has answered long ago");
    test.takes_events = true;
    test.drain();
    test.told();
    peer.say(&mut test, Body::PingOk);
    assert!(!peer.to.is_closed(&test) && stranger.is_closed(&test));
}

fn a_forged_beacon_does_not_throw_out_a_peer_whose_hello_waits<C: Level>() {
    let mut test = SingleEngine::<C>::new();
    let mut to = test.connect_from("10.0.1.1:6666", id(1));
    to.send(&mut test, 1, hello(1));
    // Our connection to it is on its way.
    test.beacon(id(66), &endpoint(1));
    assert!(!to.is_closed(&test));
}

fn a_hello_of_another_does_not_throw_out_a_peer_whose_hello_waits<C: Level>() {
    let mut test = SingleEngine::<C>::new();
    let mut to = test.connect_from("10.0.1.1:6666", id(1));
    to.send(&mut test, 1, hello(1));
    let mut stranger = test.connect_from("10.0.0.66:6666", id(66));
    stranger.send(&mut test, 1, hello(1));
    assert!(!to.is_closed(&test));
}

fn messages_lost_with_a_restart_that_seemed_a_reply_are_counted<C: Level>() {
    use crate::event::Event;
    let mut test = SingleEngine::<C>::new();
    let peer = test.add_peer(1);
    let mut second = test.connect(peer.id);
    second.send(&mut test, 1, hello(1));
    test.engine.handle_closed(peer.to.at, "", test.now);
    test.drain();
    let _from = test.answer_open();
    test.told();
    for _ in 0..100 {
        test.engine
            .whisper(peer.id, "lost".into(), test.now)
            .unwrap();
    }
    // Its process was started once more, and knows nothing of these.
    let mut third = test.connect(peer.id);
    third.send(&mut test, 1, hello(1));
    test.engine.handle_closed(second.at, "", test.now);
    test.takes_events = false;
    test.drain();
    test.run(millis(250));
    let events = core::iter::from_fn(|| test.engine.poll_event());
    let counts: Vec<_> = events
        .filter_map(|event| match event {
            Event::Exit { unconfirmed, .. } => Some(unconfirmed),
            _ => None,
        })
        .collect();
    assert_eq!(counts, [100]);
}

fn a_newcomer_from_the_peers_host_keeps_its_place<C: Level>() {
    let mut test = SingleEngine::<C>::new();
    let peer = test.add_peer(1);
    let mut own = test.connect_from("10.0.1.1:6666", peer.id);
    own.send(&mut test, 2, whisper("from its host"));
    for _ in 0..4 {
        for remote in ["10.0.0.66:6666", "10.0.0.67:6666"] {
            let mut stranger = test.connect_from(remote, peer.id);
            stranger.send(&mut test, 2, whisper("from elsewhere"));
        }
    }
    test.engine.handle_closed(peer.to.at, "reset", test.now);
    assert_eq!(test.told(), ["peer1 whispers from its host"]);
    assert!(!own.is_closed(&test));
}

/// Beacons are forged, and nobody answers where they lead.
fn forge<C: Level>(test: &mut SingleEngine<C>, number: u32, host: &str) {
    let [_, _, high, low] = number.to_be_bytes();
    let mut forged = [0xAB; 16];
    forged[..4].copy_from_slice(&number.to_be_bytes());
    let endpoint = match host {
        "" => std::format!("tcp://10.9.{high}.{low}:4000"),
        host => std::format!("tcp://{host}:{}", 1000 + number),
    };
    test.beacon(forged.into(), &endpoint.parse().unwrap());
}

fn met_under_forgeries<C: Level>(per_second: u32, host: &'static str) {
    let mut test = SingleEngine::<C>::new();
    let mut number = 0;
    let mut entered = false;
    let mut to = None;
    for tenth in 0..600 {
        for _ in 0..per_second / 10 {
            forge(&mut test, number, host);
            number += 1;
        }
        // From the tenth second on, there is a peer that says HELLO whenever it is not connected.
        if tenth >= 100 && tenth % 10 == 0 {
            let is_gone = to
                .as_ref()
                .is_none_or(|to: &super::single_engine::RemoteEnd<C>| to.is_closed(&test));
            if is_gone {
                let mut new = test.connect_from("10.0.1.1:6666", id(1));
                new.send(&mut test, 1, hello(1));
                to = Some(new);
            }
        }
        for _ in 0..test.wanted.len() {
            let (link, at) = test.wanted.pop_front().unwrap();
            if at == endpoint(1) {
                test.wanted.push_back((link, at));
            } else if !host.is_empty() {
                test.engine.handle_closed(link, "refused", test.now);
                test.drain();
            }
        }
        if !test.wanted.is_empty() {
            test.answer_open();
        }
        test.run(millis(100));
        if test.told().contains(&"peer1 enters".into()) {
            std::println!("entered {} s later", f64::from(tenth - 100) / 10.0);
            entered = tenth < 400;
            break;
        }
    }
    assert!(entered, "not met within 30 s");
}

fn a_peer_that_says_hello_is_met_although_its_address_was_used_up<C: Level>() {
    met_under_forgeries::<C>(100, "10.0.1.1");
}

fn a_peer_that_says_hello_is_met_although_all_attempts_were_used_up<C: Level>() {
    met_under_forgeries::<C>(200, "");
}

/// The stranger answers nothing where it says that it is.
fn a_second_hello_does_not_lead_a_peer_astray_whose_hello_waits<C: Level>() {
    let mut test = SingleEngine::<C>::new();
    test.beacon(id(1), &endpoint(1));
    let mut to = test.connect_from("10.0.1.1:6666", id(1));
    to.send(&mut test, 1, hello(1));
    let mut stranger = test.connect_from("10.0.1.66:6666", id(1));
    stranger.send(&mut test, 1, hello(66));
    let sought: Vec<_> = test.wanted.iter().map(|(_, at)| at.clone()).collect();
    assert_eq!(sought.last().unwrap(), &endpoint(1));
    assert_eq!(test.told(), NOTHING);
}
