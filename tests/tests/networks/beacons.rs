//! Beacons that go elsewhere than to everybody on the network.

use std::time::Duration;

use zre_tests::{Peer, PeerOptions};

use crate::scene::{Clock, all_meet, assert_one_session, converse, meet, on_each_adapter};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn ours_and_zyre_meet_by_multicast_and_those_who_broadcast_do_not_see_them() {
    on_each_adapter(|rig, flavour| {
        // Of zyre's documentation, of gyre, and of pyre without a network.
        for group in ["239.1.2.3", "224.0.0.250", "225.25.25.25"] {
            let networks = rig.networks();
            let hosts =
                [1, 2, 3, 4].map(|it| networks.host_on("office", &format!("10.90.0.{it}/24")));
            let options = |name| PeerOptions::new(name).multicast(group);
            let broadcasting = Peer::zyre(&hosts[3], &PeerOptions::new("broadcasting"));
            let zyre = Peer::zyre(&hosts[0], &options("zyre").interface("eth0"));
            let clock = Clock::start(format!("{flavour}: beacons to {group}"));
            let ours = Peer::ours(&hosts[1], flavour, &options("ours"));
            let other = Peer::ours(&hosts[2], flavour, &options("other"));
            all_meet(&[&ours, &other, &zyre]);
            clock.stop("all met", 3 * SECOND);
            converse(&[&ours, &other, &zyre]);
            assert_one_session(&[&ours, &other, &zyre]);
            assert_eq!(broadcasting.peers(), [""; 0]);
        }
    });
}

#[test]
fn beacons_to_listed_addresses_pass_where_broadcasts_do_not() {
    on_each_adapter(|rig, flavour| {
        let networks = rig.networks();
        let _router = networks.router(&[("office", "10.1.0.254/24"), ("home", "10.2.0.254/24")]);
        let office = networks.host_on("office", "10.1.0.1/24");
        office.route_by([10, 1, 0, 254].into());
        let home = networks.host_on("home", "10.2.0.1/24");
        home.route_by([10, 2, 0, 254].into());
        // It hears what comes from elsewhere, as it sends elsewhere.
        let options = PeerOptions::new("there").beacon_to("10.1.0.98");
        let there = Peer::ours(&home, flavour, &options);
        let clock = Clock::start(format!("{flavour}: beacons to one address"));
        let options = PeerOptions::new("here")
            .beacon_to("10.2.0.1")
            .beacon_to("10.1.0.99");
        let here = Peer::ours(&office, flavour, &options);
        meet(&here, &there);
        clock.stop("met", 2 * SECOND);
        converse(&[&here, &there]);
        assert_one_session(&[&here, &there]);
        here.stop();
        let exit = there.wait_event("EXIT", here.uuid());
        assert_eq!(exit["reason"], "GOODBYE");
    });
}
