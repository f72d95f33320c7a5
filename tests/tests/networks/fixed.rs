//! Fixed peers, where beacons do not pass.

use std::{net::IpAddr, time::Duration};

use zre_tests::{Host, Networks, Peer, PeerOptions, RealPeers};

use crate::scene::{Clock, assert_one_session, converse, meet, on_each_adapter, told};

const SECOND: Duration = Duration::from_secs(1);

/// Two LANs that are joined by a router, which no beacon passes.
struct Routed {
    office: Host,
    home: Host,
    router: Host,
    networks: Networks,
}

impl Routed {
    fn new(rig: &RealPeers) -> Self {
        let networks = rig.networks();
        let router = networks.router(&[("office", "10.1.0.254/24"), ("home", "10.2.0.254/24")]);
        let office = networks.host_on("office", "10.1.0.1/24");
        office.route_by([10, 1, 0, 254].into());
        let home = networks.host_on("home", "10.2.0.1/24");
        home.route_by([10, 2, 0, 254].into());
        Self {
            office,
            home,
            router,
            networks,
        }
    }

    /// A further host at home.
    fn second_home(&self) -> Host {
        let host = self.networks.host_on("home", "10.2.0.2/24");
        host.route_by([10, 2, 0, 254].into());
        host
    }
}

const HOME: &str = "tcp://10.2.0.1:5555";

#[test]
fn ours_and_ours_meet_in_both_orders() {
    on_each_adapter(|rig, flavour| {
        let routed = Routed::new(rig);
        let seeker = PeerOptions::new("seeker").connect(HOME).no_beacon();
        let sought = PeerOptions::new("sought").tcp_port(5555);
        let ours = Peer::ours(&routed.office, flavour, &seeker);
        let clock = Clock::start(format!("{flavour}: the fixed peer starts second"));
        let other = Peer::ours(&routed.home, flavour, &sought);
        meet(&ours, &other);
        clock.stop("met", 3 * SECOND);
        ours.stop();
        other.wait_event("EXIT", ours.uuid());
        let clock = Clock::start(format!("{flavour}: the fixed peer is there"));
        let ours = Peer::ours(&routed.office, flavour, &seeker);
        meet(&ours, &other);
        clock.stop("met", 2 * SECOND);
        converse(&[&ours, &other]);
        assert_one_session(&[&ours, &other]);
    });
}

#[test]
fn two_that_are_fixed_peers_of_each_other_have_one_session() {
    on_each_adapter(|rig, flavour| {
        let routed = Routed::new(rig);
        let office = "tcp://10.1.0.1:5555";
        let options = |to| {
            PeerOptions::new("ours")
                .tcp_port(5555)
                .connect(to)
                .no_beacon()
        };
        let here = Peer::ours(&routed.office, flavour, &options(HOME));
        let there = Peer::ours(&routed.home, flavour, &options(office));
        meet(&here, &there);
        converse(&[&here, &there]);
        assert_one_session(&[&here, &there]);
    });
}

#[test]
fn a_fixed_peer_that_announces_itself_too_and_oneself_as_a_fixed_peer_are_one_session_and_none() {
    on_each_adapter(|rig, flavour| {
        let networks = rig.networks();
        let hosts = [1, 2].map(|number| {
            let host = networks.host_on("office", &format!("10.90.0.{number}/24"));
            host.set_names(&[("self.test", [10, 90, 0, number].into())]);
            host
        });
        let nodes = hosts.each_ref().map(|host| {
            let options = PeerOptions::new("ours").tcp_port(5555);
            let options = options
                .connect("tcp://10.90.0.1:5555")
                .connect("tcp://10.90.0.2:5555");
            Peer::ours(host, flavour, &options.connect("tcp://self.test:5555"))
        });
        let [here, there] = &nodes;
        meet(here, there);
        converse(&[here, there]);
        assert_one_session(&[here, there]);
        assert_eq!(here.peers(), [there.uuid()]);
    });
}

#[test]
fn zyre_and_pyre_are_met_as_fixed_peers() {
    on_each_adapter(|rig, flavour| {
        let routed = Routed::new(rig);
        let zyre = Peer::zyre(&routed.home, &PeerOptions::new("zyre"));
        let pyre = Peer::pyre(&routed.home, &PeerOptions::new("pyre"));
        meet(&zyre, &pyre);
        let clock = Clock::start(format!("{flavour}: zyre and pyre as fixed peers"));
        let options = PeerOptions::new("ours").connect(zyre.endpoint());
        let ours = Peer::ours(&routed.office, flavour, &options.connect(pyre.endpoint()));
        for peer in [&zyre, &pyre] {
            meet(&ours, peer);
        }
        clock.stop("all met", 3 * SECOND);
        converse(&[&ours, &zyre, &pyre]);
        assert_one_session(&[&ours, &zyre, &pyre]);
    });
}

#[test]
fn a_fixed_peer_that_restarts_ten_times_enters_each_time_once() {
    on_each_adapter(|rig, flavour| {
        let routed = Routed::new(rig);
        let options = PeerOptions::new("seeker").connect(HOME).no_beacon();
        let ours = Peer::ours(&routed.office, flavour, &options);
        let mut lives: Vec<Peer> = Vec::new();
        for life in 0..10 {
            // zyre listens at a fixed port only when it gossips, with whomever.
            let zyre = PeerOptions::new("zyre")
                .endpoint(HOME)
                .gossip_bind("tcp://10.2.0.1:5556");
            let clock = Clock::start(format!("{flavour}: life {life}"));
            let peer = match life % 2 {
                0 => Peer::ours(
                    &routed.home,
                    flavour,
                    &PeerOptions::new("ours").tcp_port(5555),
                ),
                _ => Peer::zyre(&routed.home, &zyre),
            };
            meet(&ours, &peer);
            clock.stop("met", 4 * SECOND);
            if life % 3 == 0 {
                peer.stop();
            } else {
                peer.kill9();
            }
            ours.wait_event("EXIT", peer.uuid());
            lives.push(peer);
        }
        for peer in &lives {
            assert_eq!(
                ["ENTER", "EXIT"].map(|event| told(&ours, event, peer)),
                [1, 1]
            );
        }
    });
}

#[test]
fn a_fixed_peer_is_found_at_another_address_behind_its_name() {
    on_each_adapter(|rig, flavour| {
        let routed = Routed::new(rig);
        let second_home = routed.second_home();
        let name = |address: [u8; 4]| {
            routed
                .office
                .set_names(&[("peer.test", IpAddr::from(address))]);
        };
        let options = PeerOptions::new("seeker")
            .connect("tcp://peer.test:5555")
            .no_beacon();
        let ours = Peer::ours(&routed.office, flavour, &options);
        let sought = PeerOptions::new("sought").tcp_port(5555);
        let first = Peer::ours(&routed.home, flavour, &sought);
        let clock = Clock::start(format!("{flavour}: a name that is new"));
        name([10, 2, 0, 1]);
        meet(&ours, &first);
        clock.stop("met", 4 * SECOND);
        first.kill9();
        ours.wait_event("EXIT", first.uuid());
        name([10, 2, 0, 2]);
        let clock = Clock::start(format!("{flavour}: the peer behind a name has moved"));
        let second = Peer::ours(&second_home, flavour, &sought);
        meet(&ours, &second);
        clock.stop("met", 4 * SECOND);
    });
}

/// Behind a router that forwards one port, as at home with NAT.
#[test]
fn a_node_behind_a_forwarded_port_is_met_by_what_it_advertises() {
    on_each_adapter(|rig, flavour| {
        let routed = Routed::new(rig);
        let outside = "tcp://10.1.0.254:7777";
        // From outside, nothing but answers gets in by itself.
        routed
            .router
            .ip("rule add iif eth0 ipproto tcp dport 5555 blackhole");
        let _forwarder = routed.router.forward_port(7777, "10.2.0.1:5555");
        let options = PeerOptions::new("inside").tcp_port(5555).advertise(outside);
        let inside = Peer::ours(&routed.home, flavour, &options);
        let options = PeerOptions::new("outside").connect(outside).no_beacon();
        let ours = Peer::ours(&routed.office, flavour, &options);
        meet(&ours, &inside);
        converse(&[&ours, &inside]);
        assert_one_session(&[&ours, &inside]);
    });
}
