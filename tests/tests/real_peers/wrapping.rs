//! Sequence numbers past their wrap.

use std::time::Duration;

use zre_tests::RealPeers;

use crate::kind::Kind::{self, Pyre, Zre, Zyre};

const MINUTE: Duration = Duration::from_secs(60);

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
