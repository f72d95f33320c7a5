//! What a program can ask its node, and wait for, without taking events.

use std::{
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    thread,
    time::{Duration, Instant},
};

use zre_core::{Error, Notice};
use zre_tests::any_node::PATIENCE;

use crate::scene::{
    Player, Scene,
    Side::{Left, Right},
};

crate::behaviours![
    a_peer_is_found_by_a_name_that_no_other_has,
    headers_set_later_are_seen_by_peers_met_later,
    waiting_for_a_peer_takes_no_event,
    waiting_for_members_takes_no_event,
    waiting_for_a_peer_ends_with_the_node,
    a_sender_sends_and_does_not_keep_the_node_running,
    the_network_and_the_counters_are_told,
    a_node_says_when_it_is_over,
    notices_are_values,
];

fn a_peer_is_found_by_a_name_that_no_other_has(scene: &Scene) {
    let (alice, bob) = scene.pair();
    assert_eq!(alice.peer_by_name("bob"), Some(bob.id()));
    assert_eq!(alice.peer_by_name("Bob"), None);
    assert_eq!(
        alice.peer_by_name("alice"),
        None,
        "a node is no peer of itself"
    );
    let double = scene.start(Left, scene.options("bob"));
    alice.sees(&["ENTER bob"]);
    assert_eq!(alice.peer_by_name("bob"), None, "two have the name");
    let mut known: Vec<_> = alice.peer_infos().into_iter().map(|info| info.id).collect();
    assert!(known.is_sorted());
    known.retain(|peer| *peer != bob.id());
    assert_eq!(known, [double.id()]);
    double.stop();
    alice.sees(&["EXIT bob: said goodbye"]);
    assert_eq!(alice.peer_by_name("bob"), Some(bob.id()));
}

fn headers_set_later_are_seen_by_peers_met_later(scene: &Scene) {
    let (alice, bob) = scene.pair_with(
        |alice| alice.headers = vec![("A".into(), "1".into()), ("B".into(), "2".into())],
        |_| {},
    );
    bob.sees(&["ENTER alice A=1 B=2"]);
    alice.sees(&["ENTER bob"]);
    alice.set_header("A", "one").unwrap();
    alice.set_header("C", "three").unwrap();
    assert_eq!(alice.remove_header("B"), Ok(true));
    assert_eq!(alice.remove_header("B"), Ok(false));
    assert_eq!(alice.headers(), ["A=one", "C=three"]);
    let error = alice.set_header(&"x".repeat(256), "").unwrap_err();
    assert!(matches!(error, Error::TooLong(_)), "{error}");
    let carol = scene.start(Right, scene.options("carol"));
    carol.sees_in_any_order(&["ENTER alice A=one C=three", "ENTER bob"]);
    assert_eq!(bob.peer(alice.id()).unwrap().headers.len(), 2);
    alice.stop();
    alice.fails(
        "set_header",
        alice.set_header("A", "1"),
        "the node has stopped",
    );
}

fn waiting_for_a_peer_takes_no_event(scene: &Scene) {
    let alice = scene.start(Left, scene.options("alice"));
    let by_name = alice.begin_wait_for_peer("bob");
    let bob = scene.start(Right, scene.options("bob"));
    let by_id = alice.begin_wait_for_peer(bob.id());
    assert_eq!(by_name.wait(), Ok(bob.id()));
    assert_eq!(by_id.wait(), Ok(bob.id()));
    // It is there now.
    assert_eq!(alice.begin_wait_for_peer("bob").wait(), Ok(bob.id()));
    alice.sees(&["ENTER bob"]);
    let error = alice.begin_wait_for_peer("x".repeat(256)).wait();
    assert!(matches!(error, Err(Error::TooLong(_))), "{error:?}");
}

fn waiting_for_members_takes_no_event(scene: &Scene) {
    let (alice, bob) = scene.pair();
    let carol = scene.start(Left, scene.options("carol"));
    alice.sees(&["ENTER carol"]);
    let both = alice.begin_wait_for_group("CHAT", 2);
    alice.join("CHAT").unwrap();
    bob.join("CHAT").unwrap();
    assert_eq!(
        alice.begin_wait_for_group("CHAT", 1).wait(),
        Ok(vec![bob.id()])
    );
    assert!(both.done().is_none());
    carol.join("CHAT").unwrap();
    let mut members = vec![bob.id(), carol.id()];
    members.sort();
    assert_eq!(both.wait(), Ok(members));
    alice.sees(&["JOIN bob CHAT", "JOIN carol CHAT"]);
    assert_eq!(alice.begin_wait_for_group("NOBODY", 0).wait(), Ok(vec![]));
}

fn waiting_for_a_peer_ends_with_the_node(scene: &Scene) {
    let (alice, _bob) = scene.pair();
    let waiting = [
        alice.begin_wait_for_peer("nobody"),
        alice.begin_wait_for_peer(alice.id()),
    ];
    let members = alice.begin_wait_for_group("NOBODY", 1);
    alice.stop();
    for waiting in waiting {
        assert_eq!(waiting.wait(), Err(Error::Stopped));
    }
    assert_eq!(members.wait(), Err(Error::Stopped));
    let too_late = alice.begin_wait_for_peer("bob").wait();
    assert_eq!(too_late, Err(Error::Stopped));
}

fn a_sender_sends_and_does_not_keep_the_node_running(scene: &Scene) {
    let (alice, bob) = scene.pair();
    bob.join("CHAT").unwrap();
    alice.sees(&["JOIN bob CHAT"]);
    let sender = alice.sender();
    sender.whisper(bob.id(), "one").unwrap();
    sender.try_whisper(bob.id(), "two").unwrap();
    assert_eq!(sender.shout("CHAT", "three"), Ok(1));
    assert_eq!(sender.try_shout("CHAT", "four"), Ok(1));
    bob.sees(&[
        "WHISPER alice one",
        "WHISPER alice two",
        "SHOUT alice CHAT three",
        "SHOUT alice CHAT four",
    ]);
    drop(alice);
    bob.sees(&["EXIT alice: said goodbye"]);
    assert_eq!(sender.whisper(bob.id(), "late"), Err(Error::Stopped));
    assert_eq!(sender.try_shout("CHAT", "late"), Err(Error::Stopped));
}

fn the_network_and_the_counters_are_told(scene: &Scene) {
    let (alice, bob) = scene.pair();
    let network = alice.network();
    let [lo] = &network.networks[..] else {
        panic!("it is on loopback alone: {network:?}");
    };
    assert_eq!(lo.address, Ipv4Addr::LOCALHOST);
    assert_eq!(lo.to_string(), format!("{} (127.0.0.1)", lo.interface));
    assert_eq!(network.to_string(), lo.to_string());
    assert_eq!(network.endpoint, alice.endpoint());
    assert_eq!(lo.endpoint, network.endpoint);
    let beacons_to = SocketAddr::from(([127, 255, 255, 255], scene.port()));
    assert_eq!(lo.beacons_to, [beacons_to]);
    assert!(lo.beacons_sent > 0);
    assert_eq!(lo.beacon_error, None);
    let deadline = Instant::now() + PATIENCE;
    while alice.network().networks[0].own_beacons_heard == 0 {
        assert!(Instant::now() < deadline, "its beacons do not come back");
        thread::sleep(Duration::from_millis(10));
    }
    alice.whisper(bob.id(), "hi").unwrap();
    alice.ping(bob.id()).unwrap();
    bob.whisper(alice.id(), "hi").unwrap();
    alice.sees(&["WHISPER bob hi"]);
    let stats = alice.stats();
    assert_eq!(
        (stats.peers, stats.messages_in, stats.messages_out),
        (1, 1, 1)
    );
    assert_eq!((stats.connections, stats.events), (2, 2));
    assert!(stats.beacons_sent >= lo.beacons_sent);
    assert_eq!(bob.stats().messages_in, 1);
}

fn a_node_says_when_it_is_over(scene: &Scene) {
    let (alice, bob) = scene.pair();
    assert!(!alice.is_stopped());
    alice.stop();
    assert!(alice.is_stopped());
    assert!(!bob.is_stopped());
}

fn notices_are_values(scene: &Scene) {
    let (alice, _bob) = scene.pair();
    let notices = alice.notices();
    let stranger = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    stranger.set_broadcast(true).unwrap();
    let from = stranger.local_addr().unwrap();
    let to = alice.network().networks[0].beacons_to[0];
    stranger.send_to(b"no beacon", to).unwrap();
    let (notice, mut notices) = notices.begin_recv().wait();
    assert!(
        matches!(&notice, Some(Notice::BadBeacon { from: sender, .. }) if *sender == from),
        "{notice:?}"
    );
    assert_eq!(alice.stats().notices.get("bad_beacon"), Some(&1));
    // Too many for one that does not take them: it is told how many it missed.
    let sent = 600;
    for number in 1..=sent {
        stranger.send_to(b"no beacon", to).unwrap();
        // Not more at once than the system holds for the node.
        if number % 50 == 0 {
            hears(&alice, number + 1);
        }
    }
    assert_eq!(notices.try_recv(), Some(Notice::Dropped(sent - 256)));
    assert!(alice.stats().warnings_suppressed > 0);
    alice.stop();
    let mut rest = notices.begin_recv().wait();
    while rest.0.is_some() {
        rest = rest.1.begin_recv().wait();
    }
}

/// Waits until a node has heard so many datagrams that are no beacons.
fn hears(node: &Player, count: u64) {
    let deadline = Instant::now() + PATIENCE;
    while node.stats().notices.get("bad_beacon") < Some(&count) {
        assert!(Instant::now() < deadline, "{:?}", node.stats());
        std::thread::yield_now();
    }
}
