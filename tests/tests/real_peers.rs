//! Our node in networks of real zyre and pyre nodes.

// A JSON value that lacks a key gives null, which compares as unequal.
#![allow(clippy::indexing_slicing)]

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use zre_tests::{Namespace, Peer, PeerOptions, RealPeers};

const MINUTE: Duration = Duration::from_secs(60);
const UUID: &str = "00112233445566778899AABBCCDDEEFF";

#[derive(Clone, Copy, Debug)]
enum Kind {
    Zre,
    Zyre,
    Pyre,
}

use Kind::{Pyre, Zre, Zyre};

impl Kind {
    fn start(self, network: &Namespace) -> Peer {
        let (start, name): (fn(&Namespace, &PeerOptions) -> Peer, _) = match self {
            Zre => (Peer::zre, "ours"),
            Zyre => (Peer::zyre, "zyre"),
            Pyre => (Peer::pyre, "pyre"),
        };
        let options = PeerOptions::new(name).header("X-KIND", &format!("{self:?}"));
        start(network, &options.header("X-FORMAT", "100%s=1"))
    }
}

#[test]
fn all_see_the_same_in_whatever_order_they_start() {
    let Some(rig) = RealPeers::available() else {
        return;
    };
    for order in [
        [Zre, Zyre, Pyre],
        [Zre, Pyre, Zyre],
        [Zyre, Zre, Pyre],
        [Zyre, Pyre, Zre],
        [Pyre, Zre, Zyre],
        [Pyre, Zyre, Zre],
    ] {
        let network = rig.namespace();
        let peers = order.map(|kind| kind.start(&network));
        enter(&order, &peers);
        in_groups(&peers);
        exchange(&peers);
        part(peers);
    }
}

#[test]
fn two_nodes_of_ours_see_the_same() {
    let Some(rig) = RealPeers::available() else {
        return;
    };
    let network = rig.namespace();
    let peers = [Zre, Zre].map(|kind| kind.start(&network));
    enter(&[Zre, Zre], &peers);
    in_groups(&peers);
    exchange(&peers);
    part(peers);
}

/// Each sees every other enter, with its name, headers and endpoint.
fn enter(kinds: &[Kind], peers: &[Peer]) {
    for (observer, _) in others(peers) {
        for (kind, peer) in kinds.iter().zip(peers) {
            if peer.uuid() == observer.uuid() {
                continue;
            }
            let entered = observer.wait_event("ENTER", peer.uuid());
            assert_eq!(entered["name"], peer.name());
            assert_eq!(entered["addr"], peer.endpoint());
            let headers = json!({"X-KIND": format!("{kind:?}"), "X-FORMAT": "100%s=1"});
            assert_eq!(entered["headers"], headers);
        }
    }
}

fn in_groups(peers: &[Peer]) {
    for (joining, others) in others(peers) {
        joining.join("CHAT");
        for other in others {
            let joined = other.wait_event("JOIN", joining.uuid());
            assert_eq!(joined["group"], "CHAT");
        }
    }
}

/// Each whispers to every other, and shouts: empty, binary and large frames.
fn exchange(peers: &[Peer]) {
    let binary: Vec<u8> = (0..=255).collect();
    let large: Vec<u8> = (0..=250).cycle().take(1 << 20).collect();
    for (sender, others) in others(peers) {
        let frames = [b"hello".to_vec(), vec![], binary.clone(), large.clone()];
        let sent = json!(frames.each_ref().map(hex::encode));
        for receiver in &others {
            sender.whisper(receiver.uuid(), &frames);
            let whisper = receiver.wait_event("WHISPER", sender.uuid());
            assert!(
                whisper["frames"] == sent,
                "{} got it wrong",
                receiver.name()
            );
        }
        sender.shout("CHAT", &frames);
        for receiver in &others {
            let shout = receiver.wait_event("SHOUT", sender.uuid());
            assert_eq!(shout["group"], "CHAT");
            assert!(shout["frames"] == sent, "{} got it wrong", receiver.name());
        }
    }
}

/// Each leaves the group, then the network; nobody has seen anybody come or go in between.
fn part<const N: usize>(peers: [Peer; N]) {
    for (leaving, others) in others(&peers) {
        leaving.leave("CHAT");
        for other in others {
            let left = other.wait_event("LEAVE", leaving.uuid());
            assert_eq!(left["group"], "CHAT");
        }
    }
    let mut remaining = Vec::from(peers);
    while let Some(stopping) = remaining.pop() {
        stopping.stop();
        for other in &remaining {
            let exit = other.wait_event("EXIT", stopping.uuid());
            if let Some(reason) = exit.get("reason") {
                assert_eq!(reason, "GOODBYE");
            }
        }
        assert_eq!(stopping.errors(), [] as [Value; 0]);
        let met = |what: &str| {
            let trace = stopping.trace();
            trace.iter().filter(|line| line.starts_with(what)).count()
        };
        assert_eq!(met("ENTER"), N - 1, "{:?}", stopping.trace());
        assert_eq!(met("EXIT"), N - 1 - remaining.len());
    }
}

/// Each peer with all the others.
fn others(peers: &[Peer]) -> Vec<(&Peer, Vec<&Peer>)> {
    let others = |one: &Peer| -> Vec<&Peer> {
        let different = |other: &&Peer| other.uuid() != one.uuid();
        peers.iter().filter(different).collect()
    };
    peers.iter().map(|peer| (peer, others(peer))).collect()
}

#[test]
fn seventy_thousand_whispers_cross_in_order_with_zyre() {
    seventy_thousand_whispers_with(Zyre, 1);
}

#[test]
fn seventy_thousand_whispers_cross_in_order_with_pyre() {
    // pyre drops what goes beyond its queue of 3,000, so it is given time to send.
    seventy_thousand_whispers_with(Pyre, 35);
}

/// Past the wrap of the sequence numbers. pyre wraps early, and only when it has done so can
/// a sender know that it must, too; so the other side begins.
fn seventy_thousand_whispers_with(kind: Kind, rounds: u64) {
    let Some(rig) = RealPeers::available() else {
        return;
    };
    let network = rig.namespace();
    let ours = Zre.start(&network);
    let theirs = kind.start(&network);
    ours.wait_event("ENTER", theirs.uuid());
    theirs.wait_event("ENTER", ours.uuid());
    for (from, to) in [(&theirs, &ours), (&ours, &theirs)] {
        for _ in 0..rounds {
            let count = 70_000 / rounds;
            to.count_quietly();
            from.flood(to.uuid(), count);
            assert!(to.wait_count(MINUTE, count), "{}", to.name());
        }
    }
    assert_eq!(theirs.trace(), ["ENTER ours"]);
    assert_eq!(ours.trace(), [format!("ENTER {}", theirs.name())]);
}

#[test]
fn a_killed_process_is_found_out_within_a_second() {
    let Some(rig) = RealPeers::available() else {
        return;
    };
    let network = rig.namespace();
    let observer = Zre.start(&network);
    for kind in [Zre, Zyre, Pyre] {
        let victim = kind.start(&network);
        observer.wait_event("ENTER", victim.uuid());
        victim.wait_event("ENTER", observer.uuid());
        let uuid = victim.uuid().to_owned();
        victim.kill9();
        let killed_at = Instant::now();
        let exit = observer.wait_event("EXIT", &uuid);
        assert!(killed_at.elapsed() < Duration::from_secs(1), "{kind:?}");
        assert_eq!(exit["reason"], "CONNECTION_LOST");
    }
}

#[test]
fn a_host_that_vanishes_is_evasive_then_silent_then_expired_and_enters_again() {
    let Some(rig) = RealPeers::available() else {
        return;
    };
    let lan = rig.lan(3);
    let impatient = |name| {
        PeerOptions::new(name)
            .evasive(Duration::from_secs(1))
            .expired(Duration::from_secs(3))
    };
    let here = Peer::zre(lan.host(0), &impatient("here"));
    let ours = Peer::zre(lan.host(1), &impatient("ours"));
    let zyre = Peer::zyre(lan.host(2), &impatient("zyre"));
    for there in [&ours, &zyre] {
        here.wait_event("ENTER", there.uuid());
        there.wait_event("ENTER", here.uuid());
    }
    lan.cut(0);
    for there in [&ours, &zyre] {
        here.wait_event("EVASIVE", there.uuid());
        here.wait_event("SILENT", there.uuid());
        let exit = here.wait_event("EXIT", there.uuid());
        assert_eq!(exit["reason"], "EXPIRED");
    }
    lan.mend(0);
    for there in [&ours, &zyre] {
        here.wait_event("ENTER", there.uuid());
        there.wait_event("ENTER", here.uuid());
        there.whisper(here.uuid(), &["again"]);
        here.wait_event("WHISPER", there.uuid());
        here.whisper(there.uuid(), &["and back"]);
        there.wait_event("WHISPER", here.uuid());
    }
}

#[test]
fn a_short_cut_loses_nothing() {
    let Some(rig) = RealPeers::available() else {
        return;
    };
    let lan = rig.lan(2);
    let here = Peer::zre(lan.host(0), &PeerOptions::new("here"));
    let there = Peer::zyre(lan.host(1), &PeerOptions::new("there"));
    here.wait_event("ENTER", there.uuid());
    there.wait_event("ENTER", here.uuid());
    lan.cut(0);
    here.whisper(there.uuid(), &["while cut"]);
    there.whisper(here.uuid(), &["too"]);
    there.says_nothing_for(Duration::from_secs(1));
    lan.mend(0);
    here.wait_event("WHISPER", there.uuid());
    there.wait_event("WHISPER", here.uuid());
    assert_eq!(here.trace(), ["ENTER there", "WHISPER there 746f6f"]);
    assert_eq!(
        there.trace(),
        ["ENTER here", "WHISPER here 7768696c6520637574"]
    );
}

#[test]
fn ten_restarts_in_a_second_are_ten_lives_and_then_it_is_quiet() {
    let Some(rig) = RealPeers::available() else {
        return;
    };
    let always_the_same = |_| UUID.to_owned();
    let always_new = |life| format!("{life:032X}");
    let identities: [fn(u32) -> String; 2] = [always_the_same, always_new];
    for identity in identities {
        let network = rig.namespace();
        let observer = Zre.start(&network);
        let zyre = Zyre.start(&network);
        observer.wait_event("ENTER", zyre.uuid());
        for life in 0..9 {
            live(&network, &observer, &identity(life)).kill9();
        }
        let last = live(&network, &observer, &identity(9));
        last.wait_event("ENTER", observer.uuid());
        last.wait_event("ENTER", zyre.uuid());
        for life in 0..9 {
            observer.wait_event("EXIT", &identity(life));
        }
        observer.says_nothing_for(Duration::from_secs(3));
        let told = |what| observer.trace().iter().filter(|line| *line == what).count();
        assert_eq!((told("ENTER phoenix"), told("EXIT phoenix")), (10, 9));
        // The last life and everybody else can talk.
        for other in [&observer, &zyre] {
            other.whisper(last.uuid(), &["alive?"]);
            last.wait_event("WHISPER", other.uuid());
            last.whisper(other.uuid(), &["alive"]);
            other.wait_event("WHISPER", last.uuid());
        }
    }
}

/// Starts a node that is to be killed as soon as the observer has seen it.
fn live(network: &Namespace, observer: &Peer, uuid: &str) -> Peer {
    let peer = Peer::zre(network, &PeerOptions::new("phoenix").uuid(uuid));
    observer.wait_event("ENTER", uuid);
    peer
}

#[test]
fn a_peer_that_freezes_and_comes_back_is_the_same_peer() {
    let Some(rig) = RealPeers::available() else {
        return;
    };
    let network = rig.namespace();
    let observer = Peer::zre(
        &network,
        &PeerOptions::new("observer").evasive(Duration::from_secs(1)),
    );
    for kind in [Zre, Zyre] {
        let frozen = kind.start(&network);
        observer.wait_event("ENTER", frozen.uuid());
        frozen.wait_event("ENTER", observer.uuid());
        frozen.freeze();
        observer.wait_event("EVASIVE", frozen.uuid());
        observer.whisper(frozen.uuid(), &["wake up"]);
        frozen.thaw();
        frozen.wait_event("WHISPER", observer.uuid());
        frozen.whisper(observer.uuid(), &["good morning"]);
        observer.wait_event("WHISPER", frozen.uuid());
        frozen.stop();
        observer.wait_event("EXIT", frozen.uuid());
    }
}
