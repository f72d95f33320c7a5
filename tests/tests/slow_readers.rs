//! Peers that take what is sent to them slowly, or not for a while, and are there all the time.
#![allow(
    clippy::unwrap_used,
    reason = "clippy takes only `#[test]` functions for tests"
)]

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, TcpListener, TcpStream},
    process, thread,
    time::{Duration, Instant},
};

use zre_core::{Event, ExitReason, proto::PeerId};
use zre_proto::{Body, Endpoint, zmtp::Greeting};
use zre_tests::{
    any_node::{AnyNode, Flavour, Host, Next, NodeOptions, PATIENCE},
    raw_peer::{RawPeer, frame, greeting, hello, random_id, ready},
};

/// A tenth of what it is unless set.
const EXPIRED_AFTER: Duration = Duration::from_secs(3);
const FLAVOURS: [Flavour; 3] = [Flavour::TokioMulti, Flavour::Smol, Flavour::Blocking];

#[test]
fn a_peer_that_reads_slowly_all_the_time_stays() {
    on_each(|flavour| {
        let mut scene = Scene::new(flavour);
        scene.send_all_it_takes();
        let begun = Instant::now();
        let mut piece = [0; 4 << 10];
        // 80 KB a second, for longer than it may take nothing.
        while begun.elapsed() < 3 * EXPIRED_AFTER {
            scene.stream.read_exact(&mut piece).unwrap();
            thread::sleep(Duration::from_millis(50));
        }
        assert_eq!(scene.exit(), None);
    });
}

#[test]
fn a_peer_that_pauses_for_less_than_expired_after_stays() {
    on_each(|flavour| {
        let mut scene = Scene::new(flavour);
        scene.send_all_it_takes();
        for _ in 0..2 {
            thread::sleep(EXPIRED_AFTER * 4 / 5);
            let mut piece = vec![0; 8 << 20];
            scene.stream.read_exact(&mut piece).unwrap();
        }
        assert_eq!(scene.exit(), None);
    });
}

/// All of it is with the system: nothing waits in the node, to which the peer talks all the time.
#[test]
#[cfg(any(target_os = "linux", target_os = "android"))]
fn a_peer_that_leaves_with_the_system_what_was_sent_to_it_goes() {
    on_each(|flavour| {
        let scene = Scene::new(flavour);
        // The peer's system takes 64 KiB.
        scene.node.whisper(scene.peer, vec![7; 160 << 10]).unwrap();
        let begun = Instant::now();
        let reason = scene.wait_for_exit();
        assert_eq!(reason, ExitReason::ConnectionLost);
        assert_eq!(scene.node.stats().bytes_waiting, 0);
        // Half of it again until the peer's own connection is given up, too.
        assert!(begun.elapsed() < EXPIRED_AFTER * 3 / 2 + Duration::from_secs(2));
    });
}

/// A node and a raw peer that talks to it.
struct Scene {
    node: AnyNode,
    peer: PeerId,
    /// The node's connection to the peer, of which nobody reads anything.
    stream: TcpStream,
    /// Until this is dropped, the peer says something all the time.
    _alive: std::sync::mpsc::Sender<()>,
}

fn on_each(test: fn(Flavour)) {
    let tests = FLAVOURS.map(|flavour| thread::spawn(move || test(flavour)));
    let failed = tests
        .into_iter()
        .zip(FLAVOURS)
        .filter_map(|(test, flavour)| test.join().is_err().then_some(flavour));
    let failed: Vec<_> = failed.collect();
    assert!(failed.is_empty(), "on {failed:?}");
}

impl Scene {
    fn new(flavour: Flavour) -> Self {
        let host = Host::new(flavour);
        let options = NodeOptions {
            expired: Some(EXPIRED_AFTER),
            ..NodeOptions::local("alice", port())
        };
        let node = host.start(options).unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let endpoint = Endpoint::from_socket_addr(listener.local_addr().unwrap()).unwrap();
        let id = random_id();
        let mut peer = RawPeer::open(&node.endpoint(), id);
        peer.send(hello(&endpoint, "mallory")).unwrap();
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(&greeting()).unwrap();
        let ready = ready("ROUTER", Some(&[])).encode();
        stream.write_all(&frame(true, false, &ready)).unwrap();
        stream.read_exact(&mut [0; Greeting::LEN]).unwrap();
        while !matches!(node.recv(PATIENCE), Next::Event(Event::Enter { .. })) {}
        let (over, is_over) = std::sync::mpsc::channel();
        thread::spawn(move || stay_alive(peer, &is_over));
        Self {
            node,
            peer: id,
            stream,
            _alive: over,
        }
    }

    /// Sends as much as it can until the peer is gone.
    fn send_all_it_takes(&self) {
        let (node, peer) = (self.node.clone(), self.peer);
        thread::spawn(move || while node.whisper(peer, vec![7; 64 << 10]).is_ok() {});
    }

    fn wait_for_exit(&self) -> ExitReason {
        let begun = Instant::now();
        loop {
            assert!(begun.elapsed() < PATIENCE, "it stays");
            match self.node.recv(PATIENCE) {
                Next::Event(Event::Exit { reason, .. }) => return reason,
                Next::Event(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// Why the peer has gone, if it has.
    fn exit(&self) -> Option<ExitReason> {
        let events = std::iter::from_fn(|| self.node.try_recv());
        events.into_iter().find_map(|event| match event {
            Event::Exit { reason, .. } => Some(reason),
            _ => None,
        })
    }
}

/// The peer says something all the time.
fn stay_alive(mut peer: RawPeer, is_over: &std::sync::mpsc::Receiver<()>) {
    let pace = EXPIRED_AFTER / 10;
    while is_over.recv_timeout(pace) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
        let whisper = Body::Whisper {
            content: "here".into(),
        };
        if peer.send(whisper).is_err() {
            return;
        }
    }
}

/// One for each process, and for each time that it asks.
fn port() -> u16 {
    use std::sync::atomic::{AtomicU16, Ordering};
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let process = u16::try_from(process::id() % 80).unwrap();
    32_000 + process * 9 + NEXT.fetch_add(1, Ordering::Relaxed) % 9
}
