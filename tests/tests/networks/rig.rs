//! The rig itself: programs that are not ours meet in it, or do not, as they should.

use std::time::Duration;

use zre_tests::{Peer, PeerOptions, RealPeers};

#[test]
fn two_zyre_nodes_meet_over_link_local_ipv6() {
    let Some(rig) = RealPeers::available() else {
        return;
    };
    let networks = rig.networks();
    let [here, there] = ["fe80::a/64", "fe80::b/64"].map(|address| {
        let host = networks.host_on("office", address);
        let options = PeerOptions::new("zyre").ipv6().interface("eth0");
        (Peer::zyre(&host, &options), host)
    });
    assert!(here.0.endpoint().starts_with("tcp://fe80::a:"));
    meet(&here.0, &there.0);
}

#[test]
fn two_zyre_nodes_meet_at_a_zyre_hub() {
    let Some(rig) = RealPeers::available() else {
        return;
    };
    let networks = rig.networks();
    let hosts = [1, 2, 3].map(|host| networks.host_on("office", &format!("10.90.0.{host}/24")));
    let options = |name, host| PeerOptions::new(name).endpoint(&format!("tcp://10.90.0.{host}:*"));
    let hub = "tcp://10.90.0.1:5555";
    let hub_options = options("hub", 1).gossip_bind(hub);
    let hub_node = Peer::zyre(&hosts[0], &hub_options);
    let first = Peer::zyre(&hosts[1], &options("first", 2).gossip_connect(hub));
    let second = Peer::zyre(&hosts[2], &options("second", 3).gossip_connect(hub));
    assert!(first.endpoint().starts_with("tcp://10.90.0.2:"));
    meet(&hub_node, &first);
    meet(&hub_node, &second);
    meet(&first, &second);
}

#[test]
fn a_router_lets_connections_pass_and_beacons_not() {
    let Some(rig) = RealPeers::available() else {
        return;
    };
    let networks = rig.networks();
    let _router = networks.router(&[("office", "10.1.0.254/24"), ("home", "10.2.0.254/24")]);
    let office = networks.host_on("office", "10.1.0.1/24");
    office.route_by([10, 1, 0, 254].into());
    let home = networks.host_on("home", "10.2.0.1/24");
    home.route_by([10, 2, 0, 254].into());
    let deaf = [(&office, "one"), (&home, "two")]
        .map(|(host, name)| Peer::zyre(host, &PeerOptions::new(name)));
    let hub = "tcp://10.1.0.1:5555";
    let gossiping = [(&office, "10.1.0.1"), (&home, "10.2.0.1")].map(|(host, address)| {
        let options = PeerOptions::new(address).endpoint(&format!("tcp://{address}:*"));
        match address {
            "10.1.0.1" => Peer::zyre(host, &options.gossip_bind(hub)),
            _ => Peer::zyre(host, &options.gossip_connect(hub)),
        }
    });
    meet(&gossiping[0], &gossiping[1]);
    deaf[0].says_nothing_for(Duration::from_secs(2));
    assert_eq!(deaf[1].peers(), [""; 0]);
}

#[test]
fn zyre_picks_the_first_interface_and_loses_its_peers_when_the_cable_is_cut() {
    let Some(rig) = RealPeers::available() else {
        return;
    };
    let networks = rig.networks();
    let laptop = networks.host();
    laptop.add_interface("docker0", "containers");
    laptop.add_interface("eth0", "office");
    laptop.add_address("docker0", "172.17.0.1/16");
    laptop.add_address("eth0", "10.90.0.1/24");
    let options = |name| {
        let options = PeerOptions::new(name).evasive(Duration::from_millis(500));
        options.expired(Duration::from_secs(1))
    };
    let ours = Peer::zyre(&laptop, &options("laptop"));
    let container = networks.host_on("containers", "172.17.0.2/16");
    let theirs = Peer::zyre(&container, &options("container"));
    meet(&ours, &theirs);
    laptop.cut("docker0");
    ours.wait_event("EXIT", theirs.uuid());
    laptop.mend("docker0");
    ours.wait_event("ENTER", theirs.uuid());
}

#[test]
fn a_host_has_names_of_its_own() {
    let Some(rig) = RealPeers::available() else {
        return;
    };
    let host = rig.networks().host_on("office", "10.90.0.9/24");
    for address in [[10, 90, 0, 1], [10, 90, 0, 2]] {
        host.set_names(&[("peer.test", address.into())]);
        let mut look_up = host.command("getent");
        let output = look_up.args(["ahostsv4", "peer.test"]).output();
        let output = output.expect("getent is part of the C library");
        let found = String::from_utf8_lossy(&output.stdout).into_owned();
        let address = std::net::IpAddr::from(address).to_string();
        assert!(found.starts_with(&address), "{found:?}");
    }
}

fn meet(here: &Peer, there: &Peer) {
    here.wait_event("ENTER", there.uuid());
    there.wait_event("ENTER", here.uuid());
}
