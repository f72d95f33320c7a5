//! The conversation that any two nodes can have: they meet, join a group, talk, leave the group and
//! stop.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use zre_tests::Peer;

use crate::kind::Kind;

/// All of it but the going.
pub(crate) fn meet_and_talk(kinds: &[Kind], peers: &[Peer]) {
    meet(kinds, peers);
    join(peers);
    talk(peers);
    leave(peers);
}

/// Each sees every other enter, with its name, headers and endpoint.
fn meet(kinds: &[Kind], peers: &[Peer]) {
    for (observer, _) in with_others(peers) {
        for (kind, peer) in kinds.iter().zip(peers) {
            if peer.uuid() == observer.uuid() {
                continue;
            }
            let entered = observer.wait_event("ENTER", peer.uuid());
            assert_eq!(entered["name"], peer.name());
            assert_eq!(entered["addr"], peer.endpoint());
            assert_eq!(entered["headers"], json!(BTreeMap::from(kind.headers())));
        }
    }
}

fn join(peers: &[Peer]) {
    for (joining, others) in with_others(peers) {
        joining.join("CHAT");
        for other in others {
            assert_eq!(other.wait_event("JOIN", joining.uuid())["group"], "CHAT");
        }
    }
}

/// Each whispers to every other, and shouts: empty, binary and large frames.
fn talk(peers: &[Peer]) {
    let binary: Vec<u8> = (0..=255).collect();
    let large: Vec<u8> = (0..=250).cycle().take(1 << 20).collect();
    for (sender, others) in with_others(peers) {
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

fn leave(peers: &[Peer]) {
    for (leaving, others) in with_others(peers) {
        leaving.leave("CHAT");
        for other in others {
            assert_eq!(other.wait_event("LEAVE", leaving.uuid())["group"], "CHAT");
        }
    }
}

/// They stop one after the other, in this order; nobody has seen anybody come or go before.
pub(crate) fn stop(peers: &[&Peer]) {
    for (gone, stopping) in peers.iter().enumerate() {
        stopping.stop();
        for other in &peers[gone + 1..] {
            let exit = other.wait_event("EXIT", stopping.uuid());
            if let Some(reason) = exit.get("reason") {
                assert_eq!(reason, "GOODBYE");
            }
        }
        assert_eq!(stopping.errors(), [] as [Value; 0]);
        let trace = stopping.trace();
        let told = |what: &str| trace.iter().filter(|line| line.starts_with(what)).count();
        assert_eq!(told("ENTER"), peers.len() - 1, "{trace:.2000?}");
        assert_eq!(told("EXIT"), gone, "{trace:.2000?}");
    }
}

/// Each peer with all the others.
fn with_others(peers: &[Peer]) -> Vec<(&Peer, Vec<&Peer>)> {
    let others = |one: &Peer| -> Vec<&Peer> {
        let different = |other: &&Peer| other.uuid() != one.uuid();
        peers.iter().filter(different).collect()
    };
    peers.iter().map(|peer| (peer, others(peer))).collect()
}
