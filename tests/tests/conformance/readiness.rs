//! The descriptor by which event loops watch a node of zre-blocking.

use std::{
    os::fd::AsRawFd as _,
    time::{Duration, Instant},
};

use mio::{Events, Interest, Poll, Token, unix::SourceFd};
use zre_blocking::{Readiness, RecvTimeoutError};
use zre_tests::any_node::{Flavour, PATIENCE};

use crate::{Behaviour, scene::Scene};

pub(crate) const ALL: &[Behaviour] = &[
    Behaviour {
        name: "readiness_is_readable_exactly_while_events_wait",
        show: readiness_is_readable_exactly_while_events_wait,
        applies: is_blocking,
    },
    Behaviour {
        name: "recv_timeout_tells_late_from_stopped",
        show: recv_timeout_tells_late_from_stopped,
        applies: is_blocking,
    },
];

fn is_blocking(flavours: [Flavour; 2]) -> bool {
    flavours[0] == Flavour::Blocking
}

/// A descriptor that is watched anew is told as it is now.
fn is_readable(readiness: &Readiness, within: Duration) -> bool {
    let mut poll = Poll::new().unwrap();
    let descriptor = readiness.as_raw_fd();
    let registry = poll.registry();
    registry
        .register(&mut SourceFd(&descriptor), Token(0), Interest::READABLE)
        .unwrap();
    let mut events = Events::with_capacity(1);
    poll.poll(&mut events, Some(within)).unwrap();
    events.iter().any(mio::event::Event::is_readable)
}

fn readiness_is_readable_exactly_while_events_wait(scene: &Scene) {
    let (alice, bob) = scene.pair();
    let node = alice.as_blocking().expect("alice is blocking");
    let first = node.readiness().unwrap();
    assert!(!is_readable(&first, Duration::ZERO));
    bob.whisper(alice.id(), "one").unwrap();
    bob.whisper(alice.id(), "two").unwrap();
    assert!(is_readable(&first, PATIENCE));
    bob.ping(alice.id()).unwrap();
    let second = node.readiness().unwrap();
    assert!(
        is_readable(&second, Duration::ZERO),
        "also when it comes later"
    );
    alice.sees(&["WHISPER bob one"]);
    assert!(is_readable(&first, Duration::ZERO), "one is left");
    alice.sees(&["WHISPER bob two"]);
    assert!(!is_readable(&first, Duration::ZERO));
    assert!(!is_readable(&second, Duration::ZERO));
    drop(second);
    for number in 0..1000 {
        bob.whisper(alice.id(), number.to_string()).unwrap();
        assert!(is_readable(&first, PATIENCE));
        while node.try_recv().is_some() {}
        assert!(!is_readable(&first, Duration::ZERO));
    }
    alice.stop();
    assert!(is_readable(&first, Duration::ZERO), "events wait");
    alice.sees(&["STOP", "END"]);
    assert!(is_readable(&first, Duration::ZERO), "it has stopped");
    assert!(is_readable(&node.readiness().unwrap(), Duration::ZERO));
}

fn recv_timeout_tells_late_from_stopped(scene: &Scene) {
    let (alice, _bob) = scene.pair();
    let node = alice.as_blocking().expect("alice is blocking");
    let begun = Instant::now();
    let late = node.recv_timeout(Duration::from_millis(50));
    assert_eq!(late, Err(RecvTimeoutError::Timeout));
    assert!(begun.elapsed() >= Duration::from_millis(50));
    alice.stop();
    alice.sees(&["STOP"]);
    assert_eq!(
        node.recv_timeout(Duration::MAX),
        Err(RecvTimeoutError::Stopped)
    );
    assert_eq!(
        node.recv_timeout(Duration::ZERO),
        Err(RecvTimeoutError::Stopped)
    );
}
