//! Peers that fall silent, break the protocol or die.

use std::time::{Duration, Instant};

use zre_core::proto::{Body, PeerId};
use zre_tests::{
    any_node::{Flavour, NodeOptions},
    raw_peer::{Manner, RawListener, RawPeer, hello, random_id},
};

use crate::{
    Behaviour,
    scene::{
        Player, Scene,
        Side::{Left, Right},
    },
};

macro_rules! on_all {
    ($($show:ident),+) => {
        [$(Behaviour { name: stringify!($show), show: $show, applies: |_| true }),+]
    };
}

const ON_ALL: [Behaviour; 4] = on_all![
    a_silent_peer_is_evasive_then_silent_then_gone,
    a_peer_that_breaks_the_protocol_is_gone_with_the_reason,
    a_peer_that_dies_is_found_out_at_once,
    a_peer_that_begins_anew_exits_and_enters
];

pub(crate) const ALL: &[Behaviour] = &{
    let [a, b, c, d] = ON_ALL;
    [
        a,
        b,
        c,
        d,
        Behaviour {
            name: "a_runtime_that_ends_ends_its_nodes",
            show: a_runtime_that_ends_ends_its_nodes,
            applies: |[alice, _]| !matches!(alice, Flavour::Blocking),
        },
    ]
};

/// A peer that is not one of ours.
struct Mallory {
    peer: RawPeer,
    listener: RawListener,
}

impl Mallory {
    fn meets(scene: &Scene, alice: &Player) -> Self {
        let listener = RawListener::start(Manner::Reads);
        let id = random_id();
        scene.name(id, "mallory");
        let peer = Self::connect(alice, id, &listener);
        alice.sees(&["ENTER mallory"]);
        Self { peer, listener }
    }

    fn connect(alice: &Player, id: PeerId, listener: &RawListener) -> RawPeer {
        let mut peer = RawPeer::open(&alice.endpoint(), id);
        peer.send(hello(listener.endpoint(), "mallory")).unwrap();
        peer
    }
}

fn alice(scene: &Scene, change: impl FnOnce(&mut NodeOptions)) -> Player {
    let mut options = scene.options("alice");
    change(&mut options);
    scene.start(Left, options)
}

fn a_silent_peer_is_evasive_then_silent_then_gone(scene: &Scene) {
    let alice = alice(scene, |alice| {
        alice.evasive = Some(Duration::from_millis(100));
        alice.expired = Some(Duration::from_millis(1500));
    });
    let mallory = Mallory::meets(scene, &alice);
    let begun = Instant::now();
    alice.sees(&[
        "EVASIVE mallory",
        "SILENT mallory",
        "EXIT mallory: was silent for too long",
    ]);
    assert!(
        begun.elapsed() > Duration::from_secs(1),
        "{:?}",
        begun.elapsed()
    );
    assert_eq!(alice.peers(), []);
    drop(mallory);
}

fn a_peer_that_breaks_the_protocol_is_gone_with_the_reason(scene: &Scene) {
    let alice = alice(scene, |_| {});
    let mut mallory = Mallory::meets(scene, &alice);
    mallory.peer.send_as(7, Body::Ping).unwrap();
    alice.sees(&["EXIT mallory: broke the protocol: sequence number 7, expected 2"]);
}

fn a_peer_that_dies_is_found_out_at_once(scene: &Scene) {
    let alice = alice(scene, |_| {});
    let mallory = Mallory::meets(scene, &alice);
    let begun = Instant::now();
    drop(mallory);
    alice.sees(&["EXIT mallory: connection lost"]);
    assert!(
        begun.elapsed() < Duration::from_secs(3),
        "{:?}",
        begun.elapsed()
    );
}

fn a_peer_that_begins_anew_exits_and_enters(scene: &Scene) {
    let alice = alice(scene, |_| {});
    let mallory = Mallory::meets(scene, &alice);
    let (id, listener) = (mallory.peer.id(), mallory.listener);
    drop(mallory.peer);
    let _again = Mallory::connect(&alice, id, &listener);
    let exit = alice.next_unwritten();
    assert!(exit.starts_with("EXIT mallory: "), "{exit}");
    alice.sees(&["ENTER mallory"]);
}

fn a_runtime_that_ends_ends_its_nodes(scene: &Scene) {
    let doomed = zre_tests::any_node::Host::new(scene.flavour(Left));
    let bob = scene.start(Right, scene.options("bob"));
    let alice = scene.start_on(&doomed, scene.options("alice"));
    alice.sees(&["ENTER bob"]);
    bob.sees(&["ENTER alice"]);
    let ended = alice.outlives(doomed);
    assert!(ended.iter().all(|line| line != "hangs"), "{ended:?}");
    bob.notes("what alice saw", ended.join(", "));
    // There may have been time for a goodbye.
    let exit = bob.next_unwritten();
    assert!(exit.starts_with("EXIT alice: "), "{exit}");
}
