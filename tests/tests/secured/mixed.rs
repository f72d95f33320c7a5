//! Nodes with keys and nodes without on one network.

use std::{
    thread,
    time::{Duration, Instant},
};

use zre_tests::{
    Peer, PeerOptions,
    peer::PATIENCE,
    scene::{converse, meet, on_each_adapter},
};

use crate::people::People;

const INTERVAL: Duration = Duration::from_millis(250);

#[test]
fn those_with_keys_meet_and_those_without_and_each_says_once_that_it_hears_the_others() {
    on_each_adapter(|rig, flavour| {
        let (people, network) = (People::new(), rig.namespace());
        let options = |name: &str| PeerOptions::new(name).interval(INTERVAL);
        let secured = |name: &str| options(name).key(&people.key(name)).trust_any();
        let open_zyre = Peer::zyre(&network, &options("open zyre"));
        let secured_zyre = Peer::zyre(&network, &secured("secured zyre"));
        let open = Peer::ours(&network, flavour, &options("open"));
        let closed = Peer::ours(&network, flavour, &secured("secured"));
        for (ours, zyre) in [(&open, &open_zyre), (&closed, &secured_zyre)] {
            meet(ours, zyre);
            converse(&[ours, zyre]);
        }
        complains(&open, "speaks CURVE only");
        complains(&closed, "talks only with nodes that have one");
        // For some beacons more.
        closed.try_wait_for(6 * INTERVAL, |_| false);
        for node in [&open, &closed] {
            assert_eq!(node.complaints().len(), 1, "{}", node.said());
        }
        for node in [&open, &closed, &open_zyre, &secured_zyre] {
            assert_eq!(node.peers().len(), 1, "{}", node.said());
        }
    });
}

/// Waits until a node writes this to its log.
fn complains(node: &Peer, words: &str) {
    let deadline = Instant::now() + PATIENCE;
    while !node.complaints().iter().any(|line| line.contains(words)) {
        assert!(
            Instant::now() < deadline,
            "nothing of {words:?}\n{}",
            node.said()
        );
        thread::park_timeout(Duration::from_millis(20));
    }
}
