//! The rig itself: two implementations that are not ours meet in it.

use std::time::Duration;

use serde_json::{Value, json};
use zre_tests::{Peer, PeerOptions, RealPeers};

#[test]
fn zyre_and_pyre_see_all_that_the_other_does() {
    let Some(rig) = RealPeers::available() else {
        return;
    };
    let network = rig.namespace();
    let zyre = Peer::zyre(
        &network,
        &PeerOptions::new("zyre").header("X-ROLE", "100%s"),
    );
    let pyre = Peer::pyre(
        &network,
        &PeerOptions::new("pyre")
            .header("X-ROLE", "a=b")
            .group("EARLY"),
    );
    let entered = |peer: &Peer, role: &str| {
        json!({
            "event": "ENTER", "peer": peer.uuid(), "name": peer.name(),
            "addr": peer.endpoint(), "headers": {"X-ROLE": role},
        })
    };
    assert_eq!(zyre.wait_event("ENTER", pyre.uuid()), entered(&pyre, "a=b"));
    assert_eq!(
        pyre.wait_event("ENTER", zyre.uuid()),
        entered(&zyre, "100%s")
    );
    zyre.wait_event("JOIN", pyre.uuid());

    zyre.join("CHAT");
    pyre.wait_event("JOIN", zyre.uuid());
    pyre.join("CHAT");
    zyre.wait_event("JOIN", pyre.uuid());
    zyre.whisper(pyre.uuid(), &[&b"two"[..], b"", b"\x00\xff"]);
    pyre.wait_event("WHISPER", zyre.uuid());
    pyre.whisper(zyre.uuid(), &[&b"\n"[..], b"three"]);
    zyre.wait_event("WHISPER", pyre.uuid());
    zyre.shout("CHAT", &["hello", "all"]);
    pyre.wait_event("SHOUT", zyre.uuid());
    pyre.shout("CHAT", &["hi"]);
    zyre.wait_event("SHOUT", pyre.uuid());
    assert_eq!(zyre.peers(), [pyre.uuid()]);
    assert_eq!(pyre.peers(), [zyre.uuid()]);
    assert_eq!(zyre.own_groups(), ["CHAT"]);
    assert_eq!(zyre.peer_groups(), ["CHAT", "EARLY"]);
    pyre.leave("CHAT");
    zyre.wait_event("LEAVE", pyre.uuid());
    pyre.stop();
    zyre.wait_event("EXIT", pyre.uuid());
    zyre.stop();

    assert_eq!(
        zyre.trace(),
        [
            "ENTER pyre",
            "JOIN pyre EARLY",
            "JOIN pyre CHAT",
            "WHISPER pyre 0a 7468726565",
            "SHOUT pyre CHAT 6869",
            "LEAVE pyre CHAT",
            "EXIT pyre",
        ]
    );
    assert_eq!(
        pyre.trace(),
        [
            "ENTER zyre",
            "JOIN zyre CHAT",
            "WHISPER zyre 74776f  00ff",
            "SHOUT zyre CHAT 68656c6c6f 616c6c",
        ]
    );
    assert_eq!([zyre.errors(), pyre.errors()].concat(), [] as [Value; 0]);
}

#[test]
fn a_flood_is_counted_in_order() {
    let Some(rig) = RealPeers::available() else {
        return;
    };
    let network = rig.namespace();
    let sender = Peer::zyre(&network, &PeerOptions::new("sender"));
    let receiver = Peer::zyre(&network, &PeerOptions::new("receiver"));
    sender.wait_event("ENTER", receiver.uuid());
    receiver.wait_event("ENTER", sender.uuid());
    receiver.count_quietly();
    sender.flood(receiver.uuid(), 70_000);
    assert!(receiver.wait_count(Duration::from_secs(60), 70_000));
    assert_eq!(receiver.trace(), ["ENTER sender"]);
}

#[test]
fn a_frame_of_64_mebibytes_arrives_whole() {
    let Some(rig) = RealPeers::available() else {
        return;
    };
    let network = rig.namespace();
    let zyre = Peer::zyre(&network, &PeerOptions::new("zyre"));
    let pyre = Peer::pyre(&network, &PeerOptions::new("pyre"));
    zyre.wait_event("ENTER", pyre.uuid());
    pyre.wait_event("ENTER", zyre.uuid());
    let frame: Vec<u8> = (0..=250).cycle().take(64 << 20).collect();
    for (from, to) in [(&zyre, &pyre), (&pyre, &zyre)] {
        from.whisper(to.uuid(), &[&frame]);
        let whisper = to.wait_for(Duration::from_secs(60), |line| line["event"] == "WHISPER");
        assert!(whisper["frames"] == json!([hex::encode(&frame)]));
    }
}

#[test]
fn a_cut_cable_is_noticed_and_a_mended_one_too() {
    let Some(rig) = RealPeers::available() else {
        return;
    };
    let lan = rig.lan(2);
    let impatient = |name| {
        PeerOptions::new(name)
            .evasive(Duration::from_millis(500))
            .expired(Duration::from_secs(2))
    };
    let here = Peer::zyre(lan.host(0), &impatient("here"));
    let there = Peer::zyre(lan.host(1), &impatient("there"));
    here.wait_event("ENTER", there.uuid());
    there.wait_event("ENTER", here.uuid());
    assert!(there.endpoint().starts_with("tcp://10.90.0.2:"));
    lan.cut(1);
    here.wait_event("EXIT", there.uuid());
    there.wait_event("EXIT", here.uuid());
    lan.mend(1);
    here.wait_event("ENTER", there.uuid());
    there.wait_event("ENTER", here.uuid());
}

#[test]
fn a_frozen_peer_is_evasive_and_a_killed_one_expires() {
    let Some(rig) = RealPeers::available() else {
        return;
    };
    let network = rig.namespace();
    let observer = Peer::zyre(
        &network,
        &PeerOptions::new("observer")
            .evasive(Duration::from_secs(1))
            .expired(Duration::from_secs(5)),
    );
    let victim = Peer::pyre(&network, &PeerOptions::new("victim"));
    observer.wait_event("ENTER", victim.uuid());
    victim.freeze();
    observer.wait_event("SILENT", victim.uuid());
    victim.thaw();
    victim.whisper(observer.uuid(), &["awake"]);
    observer.wait_event("WHISPER", victim.uuid());
    victim.kill9();
    observer.wait_event("EXIT", victim.uuid());
}

#[test]
fn a_uuid_can_be_given_to_pyre() {
    let Some(rig) = RealPeers::available() else {
        return;
    };
    let network = rig.namespace();
    let uuid = "00112233445566778899AABBCCDDEEFF";
    let zyre = Peer::zyre(&network, &PeerOptions::new("zyre"));
    let pyre = Peer::pyre(
        &network,
        &PeerOptions::new("pyre").uuid(&uuid.to_lowercase()),
    );
    assert_eq!(pyre.uuid(), uuid);
    zyre.wait_event("ENTER", uuid);
}
