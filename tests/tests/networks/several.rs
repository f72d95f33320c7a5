//! Several interfaces.

use std::time::Duration;

use zre_tests::{Host, Networks, Peer, PeerOptions};

use crate::scene::{
    ADAPTERS, Clock, Others, all_meet, assert_one_session, converse, in_all_cases, meet,
    on_each_adapter, server, talk, told,
};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn the_interface_with_the_default_route_is_taken_though_docker0_is_listed_first() {
    on_each_adapter(|rig, flavour| {
        let networks = rig.networks();
        let others = Others::start(&server(&networks, "office"), flavour, 30 * SECOND);
        let laptop = networks.host();
        laptop.add_interface("docker0", "containers");
        laptop.add_address("docker0", "172.17.0.1/16");
        laptop.add_interface("eth0", "office");
        laptop.add_address("eth0", "10.90.0.1/24");
        laptop.ip("route add default via 10.90.0.254 dev eth0");
        let clock = Clock::start(format!("{flavour}: docker0 is listed first"));
        let ours = Peer::ours(&laptop, flavour, &PeerOptions::new("laptop"));
        others.meet(&ours);
        clock.stop("met all", 3 * SECOND);
        assert!(ours.endpoint().starts_with("tcp://10.90.0.1:"));
    });
}

/// A host that is on two LANs, as `eth0` and `wlan0`.
fn host_on_two(networks: &Networks, number: usize) -> Host {
    let host = networks.host_on("cable", &format!("10.1.0.{number}/24"));
    host.add_interface("wlan0", "air");
    host.add_address("wlan0", &format!("10.2.0.{number}/24"));
    host
}

#[test]
fn zyre_and_pyre_on_each_of_two_networks_are_in_one_group_with_ours() {
    on_each_adapter(|rig, flavour| {
        let networks = rig.networks();
        let bridge = host_on_two(&networks, 1);
        let on = |lan, address, pyre| {
            let host = networks.host_on(lan, address);
            let options = PeerOptions::new(address).group("CHAT");
            let peer = match pyre {
                true => Peer::pyre(&host, &options),
                false => Peer::zyre(&host, &options),
            };
            (peer, host)
        };
        let (wired, _wired_host) = on("cable", "10.1.0.2/24", false);
        let (wireless, _wireless_host) = on("air", "10.2.0.2/24", false);
        let (python, _python_host) = on("air", "10.2.0.3/24", true);
        let clock = Clock::start(format!("{flavour}: zyre on each of two networks"));
        let options = PeerOptions::new("bridge").interface("all").group("CHAT");
        let ours = Peer::ours(&bridge, flavour, &options);
        for (there, place) in [
            (&wired, "10.1.0.1"),
            (&wireless, "10.2.0.1"),
            (&python, "10.2.0.1"),
        ] {
            ours.wait_event("ENTER", there.uuid());
            ours.wait_event("JOIN", there.uuid());
            let entered = there.wait_event("ENTER", ours.uuid());
            let endpoint = entered["addr"].as_str().unwrap_or_default();
            assert!(
                endpoint.starts_with(&format!("tcp://{place}:")),
                "{endpoint}"
            );
        }
        clock.stop("met all", 3 * SECOND);
        ours.shout("CHAT", &["to all"]);
        for there in [&wired, &wireless, &python] {
            there.wait_event("SHOUT", ours.uuid());
            there.shout("CHAT", &["to ours"]);
            ours.wait_event("SHOUT", there.uuid());
        }
        // The networks are not joined by us.
        assert_eq!(wired.peers(), [ours.uuid()]);
        assert_one_session(&[&ours, &wired]);
        assert_one_session(&[&ours, &wireless]);
    });
}

/// What becomes of one of two networks.
#[derive(Clone, Copy, Debug)]
enum Fate {
    /// The interface is switched off.
    Off,
    /// The network loses everything, and nobody is told.
    Cut,
}

#[test]
fn a_peer_on_two_networks_is_one_session_that_moves_when_one_dies() {
    let fates = [Fate::Off, Fate::Cut];
    let cases: Vec<_> = fates
        .into_iter()
        .flat_map(|fate| ADAPTERS.map(|flavour| (flavour, fate)))
        .collect();
    in_all_cases(&cases, |rig, (flavour, fate)| {
        let networks = rig.networks();
        let hosts = [1, 2].map(|number| host_on_two(&networks, number));
        let [here, there] = hosts.each_ref().map(|host| {
            let options = PeerOptions::new("ours").interface("all");
            Peer::ours(host, *flavour, &options.evasive(SECOND).expired(5 * SECOND))
        });
        meet(&here, &there);
        converse(&[&here, &there]);
        let used = used_networks(&there, &here);
        for (dying, living) in [("eth0", "wlan0"), ("wlan0", "eth0")] {
            let clock = Clock::start(format!(
                "{flavour}: {dying} dies ({fate:?}), {used} was used"
            ));
            let allowed = match fate {
                Fate::Off => 3 * SECOND,
                // Not before the silence is noticed.
                Fate::Cut => 8 * SECOND,
            };
            match fate {
                Fate::Off => hosts[0].switch_off(dying),
                Fate::Cut => hosts[0].cut(dying),
            }
            talk(&here, &there, allowed);
            clock.stop(&format!("talked by {living}"), allowed);
            match fate {
                Fate::Off => {
                    hosts[0].switch_on(dying);
                    here.wait_for(2 * SECOND, |line| line["joined"][0]["interface"] == dying);
                }
                Fate::Cut => hosts[0].mend(dying),
            }
        }
        for (node, peer) in [(&here, &there), (&there, &here)] {
            let [enters, exits] = ["ENTER", "EXIT"].map(|event| told(node, event, peer));
            assert_eq!(enters, exits + 1, "{:?}", node.trace());
            println!("{flavour}: {fate:?}: {exits} exits");
        }
    });
}

/// The LAN by which a peer came.
fn used_networks(by: &Peer, of: &Peer) -> &'static str {
    let entered = by.events();
    let endpoint = entered
        .iter()
        .find(|line| line["event"] == "ENTER" && line["peer"] == of.uuid());
    match endpoint.and_then(|line| line["addr"].as_str()) {
        Some(text) if text.starts_with("tcp://10.1.") => "eth0",
        Some(_) => "wlan0",
        None => "none",
    }
}

#[test]
fn three_of_ours_on_two_networks_see_each_other_once() {
    on_each_adapter(|rig, flavour| {
        let networks = rig.networks();
        let hosts = [1, 2, 3].map(|number| host_on_two(&networks, number));
        let peers = hosts
            .each_ref()
            .map(|host| Peer::ours(host, flavour, &PeerOptions::new("ours").interface("all")));
        let peers = peers.each_ref();
        all_meet(&peers);
        converse(&peers);
        assert_one_session(&peers);
    });
}
