//! Networks whose nodes have one key, which is made of a passphrase.

use std::time::Duration;

use serde_json::json;
use zre_tests::{
    Peer, PeerOptions,
    scene::{
        ADAPTERS, Clock, all_meet, assert_one_session, converse, in_all_cases, on_each_adapter,
        told,
    },
};

use crate::people::{NETWORK, OTHER_PASSPHRASE, PASSPHRASE, People, public_key};

const SECOND: Duration = Duration::from_secs(1);
const HUB: &str = "tcp://10.90.0.1:5555";

#[test]
fn nodes_with_a_passphrase_and_zyre_with_its_certificate_are_one_network() {
    on_each_adapter(|rig, flavour| {
        let (people, network) = (People::new(), rig.namespace());
        let ours = |name, passphrase| {
            let options = PeerOptions::new(name).secret_file(&people.passphrase(passphrase));
            Peer::ours(&network, flavour, &options)
        };
        let one = ours("one", PASSPHRASE);
        let zyre = PeerOptions::new("zyre").key(&people.key(NETWORK));
        let zyre = zyre.trust(&people.list("friends", &[NETWORK]));
        let zyre = Peer::zyre(&network, &zyre);
        let two = ours("two", PASSPHRASE);
        let members = [&one, &zyre, &two];
        let clock = Clock::start(format!("{flavour}: all with the passphrase have started"));
        all_meet(&members);
        clock.stop("all met", 3 * SECOND);
        let entered = one.pick(|line| (line["event"] == "ENTER").then(|| line["key"].clone()));
        assert_eq!(
            entered,
            [json!(public_key(NETWORK)), json!(public_key(NETWORK))]
        );
        converse(&members);
        let stranger = ours("stranger", OTHER_PASSPHRASE);
        for member in [&one, &two] {
            assert_eq!(member.wait_event("REFUSED", stranger.uuid())["by"], "us");
        }
        assert_eq!(
            told(&stranger, "ENTER", &one) + told(&stranger, "ENTER", &zyre),
            0
        );
        assert_one_session(&members);
    });
}

#[test]
fn hubs_need_no_key_behind_their_endpoint_where_all_have_the_same() {
    let cases: Vec<_> = ADAPTERS
        .into_iter()
        .flat_map(|flavour| [true, false].map(|hub_is_zyre| (flavour, hub_is_zyre)))
        .collect();
    in_all_cases(&cases, |rig, (flavour, hub_is_zyre)| {
        let (people, network) = (People::new(), rig.namespace());
        let secret = people.passphrase(PASSPHRASE);
        let zyre = |name| {
            let options = PeerOptions::new(name).key(&people.key(NETWORK));
            let options = options.trust(&people.list("friends", &[NETWORK]));
            options.endpoint("tcp://10.90.0.1:*")
        };
        let ours = |name| PeerOptions::new(name).secret_file(&secret).no_beacon();
        let start = |options| Peer::ours(&network, *flavour, &options);
        let place = format!("{HUB}|{}", public_key(NETWORK));
        let hub = match hub_is_zyre {
            true => Peer::zyre(&network, &zyre("hub").gossip_bind(HUB)),
            false => start(ours("hub").gossip_bind(HUB)),
        };
        let client = start(ours("client").gossip_connect(HUB));
        let zyre = Peer::zyre(&network, &zyre("zyre").gossip_connect(&place));
        let members = [&hub, &client, &zyre];
        all_meet(&members);
        converse(&members);
        assert_one_session(&members);
    });
}
