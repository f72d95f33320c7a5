//! Nodes that start again and again.

use std::time::Duration;

use zre_tests::{Namespace, Peer, PeerOptions, RealPeers};

use crate::kind::Kind::{Zre, Zyre};

const UUID: &str = "00112233445566778899AABBCCDDEEFF";

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
