//! Processes that die or freeze, and networks that are cut.

use std::time::{Duration, Instant};

use zre_tests::{Peer, PeerOptions, RealPeers};

use crate::kind::Kind::{Pyre, Zre, Zyre};

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
