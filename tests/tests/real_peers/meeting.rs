//! All nodes see the same of each other, whatever their kinds and the order of their starts.

use zre_tests::{Peer, RealPeers, any_node::Flavour};

use crate::{
    exchange::{meet_and_talk, stop},
    kind::Kind::{self, Ours, Pyre, Zre, Zyre},
};

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
        meet_and_talk(&order, &peers);
        let [first, second, third] = &peers;
        stop(&[third, second, first]);
    }
}

#[test]
fn two_nodes_of_ours_see_the_same() {
    let Some(rig) = RealPeers::available() else {
        return;
    };
    let network = rig.namespace();
    let peers = [Zre, Zre].map(|kind| kind.start(&network));
    meet_and_talk(&[Zre, Zre], &peers);
    let [first, second] = &peers;
    stop(&[second, first]);
}

#[test]
fn zyre_and_pyre_talk_with_every_adapter_and_hear_the_same() {
    let Some(rig) = RealPeers::available() else {
        return;
    };
    let mut told: Vec<(Flavour, [Vec<String>; 3])> = Vec::new();
    for flavour in Flavour::ALL {
        let ours = Ours(flavour);
        for order in [[ours, Zyre, Pyre], [Zyre, Pyre, ours]] {
            let network = rig.namespace();
            let peers = order.map(|kind| kind.start(&network));
            meet_and_talk(&order, &peers);
            let told_by = [ours, Zyre, Pyre].map(|kind| of_kind(kind, order, &peers));
            let [ours, zyre, pyre] = told_by;
            stop(&[pyre, zyre, ours]);
            told.push((flavour, told_by.map(sorted_trace)));
        }
        println!("{flavour}: zyre and pyre, in both orders: ok");
    }
    let (_, first) = &told[0];
    for (flavour, told) in &told {
        assert!(told == first, "{flavour}:\n{told:.2000?}\n{first:.2000?}");
    }
}

fn of_kind(kind: Kind, order: [Kind; 3], peers: &[Peer; 3]) -> &Peer {
    let index = order.iter().position(|other| *other == kind);
    &peers[index.expect("all are there")]
}

/// Who is heard first is chance; what each says, in its order, is not.
fn sorted_trace(peer: &Peer) -> Vec<String> {
    let mut trace = peer.trace();
    trace.sort_by_key(|line| line.split(' ').nth(1).map(str::to_owned));
    trace
}
