//! IPv6, alone and beside IPv4.

use std::time::Duration;

use zre_tests::{Host, Networks, Peer, PeerOptions, any_node::Flavour};

use crate::scene::{
    ADAPTERS, Clock, all_meet, assert_one_session, converse, in_all_cases, meet, on_each_adapter,
};

const SECOND: Duration = Duration::from_secs(1);

/// The addresses that two hosts have, and that both use.
#[derive(Clone, Copy, Debug)]
enum Addresses {
    LinkLocal,
    UniqueLocal,
    /// Both, as on most networks.
    LinkLocalAndUnique,
}

impl Addresses {
    fn host(self, networks: &Networks, number: usize) -> Host {
        let host = networks.host();
        host.add_interface("eth0", "office");
        if !matches!(self, Self::LinkLocal) {
            host.add_address("eth0", &format!("fd94::{number}/64"));
        }
        if !matches!(self, Self::UniqueLocal) {
            host.add_address("eth0", &format!("fe80::{number}/64"));
        }
        host
    }
}

fn cases() -> Vec<(Flavour, Addresses, bool)> {
    let all = [
        Addresses::LinkLocal,
        Addresses::UniqueLocal,
        Addresses::LinkLocalAndUnique,
    ];
    let flavours = ADAPTERS.into_iter();
    flavours
        .flat_map(|flavour| all.map(|addresses| (flavour, addresses)))
        .flat_map(|(flavour, addresses)| [true, false].map(|first| (flavour, addresses, first)))
        .collect()
}

#[test]
fn ours_and_zyre_meet_over_ipv6_in_both_orders() {
    in_all_cases(&cases(), |rig, (flavour, addresses, is_first)| {
        let networks = rig.networks();
        let [here, there] = [1, 2].map(|number| addresses.host(&networks, number));
        let start_ours = || Peer::ours(&here, *flavour, &PeerOptions::new("ours"));
        let start_zyre = || {
            let options = PeerOptions::new("zyre").ipv6().interface("eth0");
            Peer::zyre(&there, &options)
        };
        let (ours, zyre, clock);
        if *is_first {
            ours = start_ours();
            clock = Clock::start(format!("{flavour}: {addresses:?}, ours first"));
            zyre = start_zyre();
        } else {
            zyre = start_zyre();
            clock = Clock::start(format!("{flavour}: {addresses:?}, zyre first"));
            ours = start_ours();
        }
        meet(&ours, &zyre);
        clock.stop("met", 3 * SECOND);
        converse(&[&ours, &zyre]);
        assert_one_session(&[&ours, &zyre]);
        zyre.stop();
        ours.wait_event("EXIT", zyre.uuid());
    });
}

#[test]
fn ours_meet_each_other_over_ipv6_alone_and_beside_ipv4() {
    on_each_adapter(|rig, flavour| {
        for (addresses, also_v4) in [
            (Addresses::LinkLocal, false),
            (Addresses::UniqueLocal, false),
            (Addresses::LinkLocalAndUnique, true),
        ] {
            let networks = rig.networks();
            let nodes = [1, 2, 3].map(|number| {
                let host = addresses.host(&networks, number);
                if also_v4 {
                    host.add_address("eth0", &format!("10.90.0.{number}/24"));
                }
                let options = PeerOptions::new("ours");
                let options = match number {
                    // The third has only one in any case.
                    3 => options.ipv6(),
                    _ => options,
                };
                (Peer::ours(&host, flavour, &options), host)
            });
            let peers = nodes.each_ref().map(|(peer, _)| peer);
            all_meet(&peers);
            converse(&peers);
            assert_one_session(&peers);
        }
    });
}

#[test]
fn one_node_meets_zyre_and_pyre_over_ipv4_and_zyre_over_ipv6_at_once() {
    on_each_adapter(|rig, flavour| {
        let networks = rig.networks();
        let both = networks.host_on("office", "10.90.0.1/24");
        both.add_address("eth0", "fd94::1/64");
        both.add_address("eth0", "fe80::1/64");
        let v4 = networks.host_on("office", "10.90.0.2/24");
        let v6 = networks.host_on("office", "fd94::3/64");
        v6.add_address("eth0", "fe80::3/64");
        let zyre4 = Peer::zyre(&v4, &PeerOptions::new("zyre4"));
        let pyre = Peer::pyre(&v4, &PeerOptions::new("pyre"));
        let zyre6 = Peer::zyre(&v6, &PeerOptions::new("zyre6").ipv6().interface("eth0"));
        let clock = Clock::start(format!("{flavour}: IPv4 and IPv6 at once"));
        let ours = Peer::ours(&both, flavour, &PeerOptions::new("ours"));
        for other in [&zyre4, &pyre, &zyre6] {
            meet(&ours, other);
        }
        clock.stop("met all", 3 * SECOND);
        converse(&[&ours, &zyre4, &pyre]);
        converse(&[&ours, &zyre6]);
        for other in [&zyre4, &pyre, &zyre6] {
            assert_one_session(&[&ours, other]);
        }
        assert_eq!(zyre6.peers(), [ours.uuid()]);
    });
}

/// zyre in IPv6 hears IPv4, too, and answers with an endpoint of IPv6.
#[test]
fn a_zyre_with_ipv6_on_a_host_with_both_is_met() {
    on_each_adapter(|rig, flavour| {
        let networks = rig.networks();
        let hosts = [1, 2].map(|number| {
            let host = networks.host_on("office", &format!("10.90.0.{number}/24"));
            host.add_address("eth0", &format!("fd94::{number}/64"));
            host.add_address("eth0", &format!("fe80::{number}/64"));
            host
        });
        let ours = Peer::ours(&hosts[0], flavour, &PeerOptions::new("ours"));
        let options = PeerOptions::new("zyre").ipv6().interface("eth0");
        let zyre = Peer::zyre(&hosts[1], &options);
        meet(&ours, &zyre);
        converse(&[&ours, &zyre]);
        assert_one_session(&[&ours, &zyre]);
    });
}
