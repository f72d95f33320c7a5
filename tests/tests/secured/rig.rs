//! The rig itself: zyre nodes with keys meet in it, or do not, as they should.

use std::time::Duration;

use serde_json::Value;
use zre_tests::{
    Peer, PeerOptions, RealPeers,
    certificates::Certificate,
    scene::{all_meet, assert_one_session, converse, meet, told},
};

use crate::people::{People, public_key};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn zyre_nodes_with_keys_meet_by_beacon() {
    let Some(rig) = RealPeers::available() else {
        return;
    };
    let (people, network) = (People::new(), rig.namespace());
    let typed = Certificate::save(&people.path("typed"), &[]);
    let file = PeerOptions::new("file").key(&people.key("file"));
    let text = PeerOptions::new("text").key_text(&typed.public, &typed.secret);
    let zyres = [
        file.trust_any().zap_domain("home"),
        text.trust_any(),
        PeerOptions::new("memory").new_key(),
    ];
    let zyres = zyres.map(|options| Peer::zyre(&network, &options));
    let zyres = zyres.each_ref();
    assert_eq!(zyres[0].key(), Some(&*public_key("file")));
    assert_eq!(zyres[1].key(), Some(&*typed.public));
    all_meet(&zyres);
    for zyre in &zyres[1..] {
        assert_eq!(
            entered(zyres[0], zyre)["headers"]["X-PUBLICKEY"],
            zyre.key().unwrap_or("")
        );
    }
    converse(&zyres);
    assert_one_session(&zyres);
}

#[test]
fn zyre_nodes_with_keys_meet_at_a_hub_with_a_key() {
    let Some(rig) = RealPeers::available() else {
        return;
    };
    let (people, networks) = (People::new(), rig.networks());
    let all = people.list("all", &["hub", "one", "two"]);
    let hub = "tcp://10.90.0.1:5555";
    let place = format!("{hub}|{}", public_key("hub"));
    let mut zyres = Vec::new();
    for (number, name) in [(1, "hub"), (2, "one"), (3, "two")] {
        let host = networks.host_on("office", &format!("10.90.0.{number}/24"));
        let options = PeerOptions::new(name)
            .key(&people.key(name))
            .trust(&all)
            .endpoint(&format!("tcp://10.90.0.{number}:*"));
        let options = match number {
            1 => options.gossip_bind(hub),
            _ => options.gossip_connect(&place),
        };
        zyres.push((Peer::zyre(&host, &options), host));
    }
    let zyres: Vec<_> = zyres.iter().map(|(zyre, _)| zyre).collect();
    all_meet(&zyres);
    converse(&zyres);
    assert_one_session(&zyres);
}

#[test]
fn a_directory_of_zauth_admits_whom_it_lists_and_nobody_else() {
    let Some(rig) = RealPeers::available() else {
        return;
    };
    let (people, network) = (People::new(), rig.namespace());
    let friends = people.list("friends", &["alice", "bob"]);
    let start = |name: &str| {
        let options = PeerOptions::new(name).key(&people.key(name));
        Peer::zyre(&network, &options.trust(&friends))
    };
    let [alice, bob, stranger] = ["alice", "bob", "stranger"].map(start);
    meet(&alice, &bob);
    // They are let in by the stranger and do not let it in.
    stranger.wait_event("ENTER", alice.uuid());
    stranger.wait_event("ENTER", bob.uuid());
    alice.try_wait_for(2 * SECOND, |_| false);
    assert_eq!(
        [
            told(&alice, "ENTER", &stranger),
            told(&bob, "ENTER", &stranger)
        ],
        [0, 0]
    );
}

#[test]
fn a_zyre_node_with_a_key_and_one_without_do_not_notice_each_other() {
    let Some(rig) = RealPeers::available() else {
        return;
    };
    let network = rig.namespace();
    let closed = Peer::zyre(&network, &PeerOptions::new("closed").new_key().trust_any());
    let open = Peer::zyre(&network, &PeerOptions::new("open"));
    assert_eq!(open.key(), None);
    closed.says_nothing_for(3 * SECOND);
    assert_eq!((open.peers(), open.trace()), (vec![], vec![]));
}

fn entered(by: &Peer, peer: &Peer) -> Value {
    let events = by.events();
    let mut enters = events.into_iter().filter(|line| line["event"] == "ENTER");
    enters
        .find(|line| line["peer"] == peer.uuid())
        .unwrap_or_default()
}
