//! The commands that send one message, to real zyre and pyre nodes.

use serde_json::json;
use zre_tests::{Namespace, Peer, PeerOptions, RealPeers, peer::PATIENCE, programs};

/// Runs `zre` to its end, and gives the lines that it prints, in order.
fn zre(network: &Namespace, arguments: &[&str]) -> Vec<String> {
    let zre = programs::zre().unwrap_or_else(|reason| panic!("{reason}"));
    let output = network.command(zre).args(arguments).output();
    let output = output.expect("zre can be run");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {said}");
    let printed = String::from_utf8_lossy(&output.stdout);
    let mut lines: Vec<_> = printed.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

/// Waits until a peer has got this.
fn expect(peer: &Peer, kind: &str, text: &str) {
    let frames = json!([hex::encode(text)]);
    peer.wait_for(PATIENCE, |line| {
        line["event"] == kind && line["frames"] == frames
    });
}

#[test]
fn zyre_and_pyre_confirm_messages_and_answer_questions() {
    let Some(rig) = RealPeers::available() else {
        return;
    };
    let network = rig.namespace();
    let member = |name| PeerOptions::new(name).group("CHAT");
    let peers = [
        Peer::zyre(&network, &member("zyre")),
        Peer::pyre(&network, &member("pyre")),
    ];
    for peer in &peers {
        let (name, text) = (peer.name(), "to you alone");
        assert_eq!(
            zre(&network, &["whisper", name, text]),
            [format!("delivered to {name}")]
        );
        expect(peer, "WHISPER", text);
    }
    let shouted = zre(&network, &["shout", "CHAT", "to all", "--members", "2"]);
    assert!(
        ["delivered to zyre, pyre", "delivered to pyre, zyre"].contains(&&*shouted[0]),
        "{shouted:?}"
    );
    for peer in &peers {
        expect(peer, "SHOUT", "to all");
    }
    let _workers = ["pyre", "zyre"].map(|kind| Peer::worker(&network, kind));
    let answers = zre(
        &network,
        &["request", "--group", "WORKERS", "--all", "hello"],
    );
    assert_eq!(answers, ["pyre: HELLO", "zyre: HELLO"]);
}
