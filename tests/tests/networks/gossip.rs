//! Gossip: hubs and clients of ours and of zyre.

use std::{
    sync::atomic::{AtomicU16, Ordering},
    time::Duration,
};

use serde_json::Value;
use zre_tests::{Host, Networks, Peer, PeerOptions, any_node::Flavour};

use crate::scene::{
    ADAPTERS, Clock, all_meet, assert_one_session, converse, in_all_cases, meet, on_each_adapter,
    talk, told,
};

const SECOND: Duration = Duration::from_secs(1);
const HUB: &str = "tcp://10.90.0.1:5555";

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Ours(Flavour),
    Zyre,
}

use Kind::{Ours, Zyre};

/// What a node has to do with gossip.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Role {
    Hub,
    Client,
}

/// Hosts on one LAN, each with a node that gossips and sends no beacons. The first is the hub.
struct Club {
    hosts: Vec<Host>,
    started: AtomicU16,
    networks: Networks,
}

impl Club {
    fn new(networks: Networks, hosts: usize) -> Self {
        let mut club = Self {
            hosts: Vec::new(),
            started: AtomicU16::new(0),
            networks,
        };
        for _ in 0..hosts {
            club.add_host();
        }
        club
    }

    fn add_host(&mut self) -> usize {
        let number = self.hosts.len() + 1;
        let host = self
            .networks
            .host_on("office", &format!("10.90.0.{number}/24"));
        self.hosts.push(host);
        number - 1
    }

    fn start(&self, index: usize, kind: Kind, name: &str) -> Peer {
        let role = match index {
            0 => Role::Hub,
            _ => Role::Client,
        };
        let options = PeerOptions::new(name);
        let options = match role {
            Role::Hub => options.gossip_bind(HUB),
            Role::Client => options.gossip_connect(HUB),
        };
        match kind {
            Ours(flavour) => Peer::ours(&self.hosts[index], flavour, &options.no_beacon()),
            Zyre => {
                // Not where an earlier node has been, of which hubs still tell.
                let port = 50_000 + self.started.fetch_add(1, Ordering::Relaxed);
                let endpoint = format!("tcp://10.90.0.{}:{port}", index + 1);
                Peer::zyre(&self.hosts[index], &options.endpoint(&endpoint))
            }
        }
    }
}

#[test]
fn hubs_and_clients_of_all_kinds_meet_in_all_orders_and_so_do_late_joiners() {
    let mut cases = Vec::new();
    let orders = [[0, 1, 2], [1, 0, 2], [1, 2, 0]];
    for (number, order) in orders.into_iter().enumerate() {
        let ours = |other: usize| Ours(ADAPTERS[(number + other) % ADAPTERS.len()]);
        cases.extend([
            (order, [ours(0), ours(1), ours(2)]),
            (order, [ours(1), ours(2), Zyre]),
            (order, [ours(2), Zyre, Zyre]),
            (order, [Zyre, ours(0), ours(1)]),
            (order, [Zyre, ours(2), Zyre]),
        ]);
    }
    in_all_cases(&cases, |rig, (order, kinds)| {
        let mut club = Club::new(rig.networks(), 3);
        let mut peers: Vec<_> = order
            .iter()
            .map(|index| {
                (
                    *index,
                    club.start(*index, kinds[*index], ["hub", "one", "two"][*index]),
                )
            })
            .collect();
        peers.sort_by_key(|(index, _)| *index);
        let clock = Clock::start(format!("{kinds:?} in the order {order:?}"));
        let [hub, one, two] = &peers.iter().map(|(_, peer)| peer).collect::<Vec<_>>()[..] else {
            panic!("three were started");
        };
        all_meet(&[hub, one, two]);
        clock.stop("all met", 3 * SECOND);
        let late_kind = if kinds[0] == Zyre { kinds[1] } else { Zyre };
        for kind in [late_kind, kinds[0]] {
            let index = club.add_host();
            let clock = Clock::start(format!("{kinds:?}: {kind:?} comes late"));
            let late = club.start(index, kind, "late");
            for peer in [hub, one, two] {
                meet(&late, peer);
            }
            clock.stop("all met", 3 * SECOND);
            late.stop();
            for peer in [hub, one, two] {
                peer.wait_event("EXIT", late.uuid());
            }
        }
        converse(&[hub, one, two]);
        assert_one_session(&[hub, one, two]);
    });
}

#[test]
fn a_hub_that_is_killed_and_started_again_serves_all_and_brings_nothing_stale_back() {
    let kinds: Vec<_> = ADAPTERS.into_iter().map(Ours).chain([Zyre]).collect();
    in_all_cases(&kinds, |rig, hub_kind| {
        let mut club = Club::new(rig.networks(), 4);
        let flavour = match hub_kind {
            Ours(flavour) => *flavour,
            Zyre => Flavour::TokioMulti,
        };
        let dead = club.start(0, *hub_kind, "dead");
        let ours = club.start(1, Ours(flavour), "ours");
        let zyre = club.start(2, Zyre, "zyre");
        all_meet(&[&dead, &ours, &zyre]);
        dead.kill9();
        ours.wait_event("EXIT", dead.uuid());
        talk(&ours, &zyre, SECOND);
        let clock = Clock::start(format!("{hub_kind:?} is hub, killed and started again"));
        let hub = club.start(0, *hub_kind, "hub");
        meet(&hub, &ours);
        meet(&hub, &zyre);
        clock.stop("all met", 4 * SECOND);
        let index = club.add_host();
        for (index, kind) in [(3, Ours(flavour)), (index, Zyre)] {
            let late = club.start(index, kind, "late");
            for peer in [&hub, &ours, &zyre] {
                meet(&late, peer);
            }
            if kind != Zyre {
                late.says_nothing_for(2 * SECOND);
                assert_eq!(told(&late, "ENTER", &dead), 0);
            }
        }
        assert_one_session(&[&ours, &zyre]);
        assert_eq!(told(&ours, "ENTER", &dead), 1);
    });
}

#[test]
fn a_minute_of_silence_changes_nothing() {
    let kinds = [
        Ours(Flavour::TokioMulti),
        Ours(Flavour::Smol),
        Ours(Flavour::Blocking),
        Zyre,
    ];
    in_all_cases(&kinds, |rig, hub_kind| {
        let mut club = Club::new(rig.networks(), 3);
        let flavour = match hub_kind {
            Ours(flavour) => *flavour,
            Zyre => Flavour::TokioMulti,
        };
        let hub = club.start(0, *hub_kind, "hub");
        let ours = club.start(1, Ours(flavour), "ours");
        let zyre = club.start(2, Zyre, "zyre");
        all_meet(&[&hub, &ours, &zyre]);
        // zyre says that those who are silent are evasive.
        let comes_or_goes = |line: &Value| line["event"] == "ENTER" || line["event"] == "EXIT";
        assert_eq!(ours.try_wait_for(60 * SECOND, comes_or_goes), None);
        let index = club.add_host();
        let late = club.start(index, Ours(flavour), "late");
        for peer in [&hub, &ours, &zyre] {
            meet(&late, peer);
        }
        converse(&[&hub, &ours, &zyre, &late]);
        assert_one_session(&[&hub, &ours, &zyre, &late]);
    });
}

#[test]
fn who_hears_of_a_peer_by_beacons_and_by_gossip_has_one_session_with_it() {
    on_each_adapter(|rig, flavour| {
        let networks = rig.networks();
        let _router = networks.router(&[("office", "10.90.0.254/24"), ("home", "10.2.0.254/24")]);
        let [first, second] = [1, 2].map(|number| {
            let host = networks.host_on("office", &format!("10.90.0.{number}/24"));
            host.route_by([10, 90, 0, 254].into());
            host
        });
        let home = networks.host_on("home", "10.2.0.1/24");
        home.route_by([10, 2, 0, 254].into());
        let hub = Peer::ours(&first, flavour, &PeerOptions::new("hub").gossip_bind(HUB));
        let near = PeerOptions::new("near").gossip_connect(HUB);
        let near = Peer::ours(&second, flavour, &near);
        let beacons = Peer::zyre(&second, &PeerOptions::new("beacons"));
        let far = PeerOptions::new("far").gossip_connect(HUB);
        let far = Peer::ours(&home, flavour, &far);
        let options = PeerOptions::new("zyre")
            .gossip_connect(HUB)
            .endpoint("tcp://10.2.0.1:*");
        let zyre = Peer::zyre(&home, &options);
        all_meet(&[&hub, &near, &far, &zyre]);
        meet(&beacons, &hub);
        meet(&beacons, &near);
        converse(&[&hub, &near, &far, &zyre]);
        assert_one_session(&[&hub, &near, &beacons]);
        assert_one_session(&[&hub, &near, &far, &zyre]);
        // Nobody tells others of whom it has heard by beacons.
        assert!(!far.peers().contains(&beacons.uuid().to_owned()));
    });
}

#[test]
fn who_stops_says_goodbye_to_those_who_gossip() {
    on_each_adapter(|rig, flavour| {
        let club = Club::new(rig.networks(), 3);
        let hub = club.start(0, Ours(flavour), "hub");
        let ours = club.start(1, Ours(flavour), "ours");
        let zyre = club.start(2, Zyre, "zyre");
        all_meet(&[&hub, &ours, &zyre]);
        let clock = Clock::start(format!("{flavour}: a client stops"));
        ours.stop();
        zyre.wait_event("EXIT", ours.uuid());
        let exit = hub.wait_event("EXIT", ours.uuid());
        clock.stop("both saw it go", SECOND);
        assert_eq!(exit["reason"], "GOODBYE");
        let clock = Clock::start(format!("{flavour}: zyre stops"));
        zyre.stop();
        let exit = hub.wait_event("EXIT", zyre.uuid());
        clock.stop("the hub saw it go", SECOND);
        assert_eq!(exit["reason"], "GOODBYE");
    });
}

#[test]
fn a_client_whose_address_changes_is_found_again() {
    let kinds: Vec<_> = ADAPTERS.into_iter().map(Ours).chain([Zyre]).collect();
    in_all_cases(&kinds, |rig, hub_kind| {
        let club = Club::new(rig.networks(), 4);
        let flavour = match hub_kind {
            Ours(flavour) => *flavour,
            Zyre => Flavour::TokioMulti,
        };
        let hub = club.start(0, *hub_kind, "hub");
        let mover = club.start(1, Ours(flavour), "mover");
        let zyre = club.start(2, Zyre, "zyre");
        let ours = club.start(3, Ours(flavour), "ours");
        all_meet(&[&hub, &mover, &zyre, &ours]);
        let clock = Clock::start(format!("{hub_kind:?} is hub: address of a client changed"));
        club.hosts[1].change_address("eth0", "10.90.0.2/24", "10.90.0.22/24");
        club.hosts[1].ip("route replace default dev eth0");
        for peer in [&hub, &zyre, &ours] {
            // Without beacons, nobody but it says that it has moved, and that is to be doubted for
            // as long as its old connections may stand still.
            talk(&mover, peer, 10 * SECOND);
            clock.stop(&format!("talked with {}", peer.name()), 7 * SECOND);
        }
        assert_one_session(&[&hub, &zyre, &ours]);
    });
}

#[test]
fn a_hub_is_found_at_another_address_behind_its_name() {
    on_each_adapter(|rig, flavour| {
        let club = Club::new(rig.networks(), 3);
        let named = |address: [u8; 4]| club.hosts[2].set_names(&[("hub.test", address.into())]);
        named([10, 90, 0, 1]);
        let options = PeerOptions::new("client").gossip_connect("tcp://hub.test:5555");
        let client = Peer::ours(&club.hosts[2], flavour, &options.no_beacon());
        let first = club.start(0, Ours(flavour), "hub");
        meet(&client, &first);
        first.kill9();
        client.wait_event("EXIT", first.uuid());
        named([10, 90, 0, 2]);
        let options = PeerOptions::new("hub")
            .gossip_bind("tcp://*:5555")
            .no_beacon();
        let clock = Clock::start(format!("{flavour}: the hub behind a name has moved"));
        let second = Peer::ours(&club.hosts[1], flavour, &options);
        meet(&client, &second);
        clock.stop("met", 4 * SECOND);
    });
}
