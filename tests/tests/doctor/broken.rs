//! The broken networks.

use zre_tests::{
    Peer, PeerOptions, RealPeers, Switch, programs,
    switch::{Protocol, Rule},
};

use crate::rig::{Running, doctor};

const UUID: &str = "0123456789ABCDEF0123456789ABCDEF";

#[test]
fn a_network_that_works_is_in_order() {
    let Some(rig) = RealPeers::available() else {
        return;
    };
    let networks = rig.networks();
    let [here, there] =
        [1, 2].map(|host| networks.host_on("office", &format!("10.90.0.{host}/24")));
    let _bob = Running::pipe(&there, &["--name", "bob"]);
    let said = doctor(&here, &[]);
    said.must_be_content(&["Everything is in order: met bob."]);
    assert!(
        said.text
            .contains("from 10.90.0.2 every 1.0 s; entered at tcp://10.90.0.2:")
    );
}

#[test]
fn peers_of_other_implementations_are_met_as_they_are() {
    let Some(rig) = RealPeers::available() else {
        return;
    };
    let networks = rig.networks();
    let hosts = [1, 2, 3].map(|host| networks.host_on("office", &format!("10.90.0.{host}/24")));
    let _zyre = Peer::zyre(&hosts[1], &PeerOptions::new("zyre"));
    let _pyre = Peer::pyre(&hosts[2], &PeerOptions::new("pyre"));
    let met = "Everything is in order: met 2 nodes, pyre, zyre.";
    doctor(&hosts[0], &[]).must_be_content(&[met]);
}

#[test]
fn an_interface_without_an_address_and_one_that_is_down_are_named() {
    let Some(rig) = RealPeers::available() else {
        return;
    };
    let networks = rig.networks();
    let host = networks.host();
    host.add_interface("eth0", "office");
    host.add_interface("eth1", "home");
    host.switch_off("eth1");
    let parts = ["on loopback", "eth0 has no address", "eth1 is down"];
    doctor(&host, &[]).must_blame(&parts);
    let parts = ["no interface can be used", "eth1 is down"];
    let said = doctor(&host, &["--interface", "eth1"]);
    said.must_blame(&["No interface can be used", parts[1]]);
}

#[test]
fn a_program_that_does_not_share_the_discovery_port_is_named() {
    let Some(rig) = RealPeers::available() else {
        return;
    };
    let networks = rig.networks();
    let host = networks.host_on("office", "10.90.0.1/24");
    let hold = "import socket, sys\n\
                held = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n\
                held.bind(('', 5670))\n\
                print('held', flush=True)\n\
                sys.stdin.read()";
    let python = programs::python().expect("it was checked");
    let _holder = Running::start(host.command(python).args(["-c", hold]));
    let parts = ["UDP port 5670", "held by python", "not shared", "--port"];
    doctor(&host, &[]).must_blame(&parts);
    doctor(&host, &["--port", "5671"]).must_be_content(&["Nothing is wrong here"]);
}

#[test]
fn a_firewall_that_lets_beacons_pass_and_no_connections_is_suspected() {
    if !Switch::is_available() {
        return;
    }
    let network = Switch::new(2).expect("it was checked");
    let _bob = Running::pipe(network.host(1), &["--name", "bob", "--ipv4"]);
    network.lose(&[Rule {
        protocol: Some(Protocol::Tcp),
        ..Rule::ANY
    }]);
    let parts = [
        "is heard",
        "tcp://10.90.0.2:",
        "timed out",
        "Is a firewall in the way?",
    ];
    doctor(network.host(0), &["--ipv4"]).must_blame(&parts);
}

#[test]
fn a_firewall_on_this_machine_that_lets_nobody_connect_is_suspected() {
    if !Switch::is_available() {
        return;
    }
    let network = Switch::new(2).expect("it was checked");
    let _bob = Running::pipe(network.host(1), &["--name", "bob", "--ipv4"]);
    network.lose(&[Rule {
        from: Some(1),
        protocol: Some(Protocol::Connect),
        ..Rule::ANY
    }]);
    let parts = [
        "takes our connection, but makes none to us",
        "firewall on this machine in the way of tcp://10.90.0.1:",
    ];
    doctor(network.host(0), &["--ipv4"]).must_blame(&parts);
}

#[test]
fn beacons_that_not_even_this_machine_hears_are_told() {
    let Some(rig) = RealPeers::available() else {
        return;
    };
    let networks = rig.networks();
    let [here, there] =
        [1, 2].map(|host| networks.host_on("office", &format!("10.90.0.{host}/24")));
    let _bob = Running::pipe(&there, &["--name", "bob"]);
    // What comes for that address is not taken any more, as if a firewall dropped it.
    here.ip("route del broadcast 10.90.0.255 dev eth0 table local");
    let parts = [
        "eth0 (10.90.0.1)",
        "not even this machine hears them",
        "firewall on this machine",
        "UDP port 5670",
    ];
    doctor(&here, &[]).must_blame(&parts);
}

#[test]
fn another_subnet_mask_is_suspected_when_packets_come_for_nobody() {
    let Some(rig) = RealPeers::available() else {
        return;
    };
    let networks = rig.networks();
    let here = networks.host_on("office", "10.90.0.1/24");
    let there = networks.host_on("office", "10.90.0.2/16");
    let _bob = Running::pipe(&there, &["--name", "bob", "--interval", "200ms"]);
    let parts = ["another subnet mask", "this machine has 10.90.0.1/24"];
    doctor(&here, &[]).must_blame(&parts);
}

#[test]
fn two_hosts_with_the_same_uuid_are_named() {
    let Some(rig) = RealPeers::available() else {
        return;
    };
    let networks = rig.networks();
    let hosts = [1, 2, 3].map(|host| networks.host_on("office", &format!("10.90.0.{host}/24")));
    let _pipes = [&hosts[1], &hosts[2]].map(|host| Running::pipe(host, &["--uuid", UUID]));
    let parts = ["same UUID", UUID, "10.90.0.2", "10.90.0.3"];
    doctor(&hosts[0], &[]).must_blame(&parts);
    let parts = [
        "has the UUID of this one",
        "10.90.0.2",
        "10.90.0.3",
        "--uuid",
    ];
    doctor(&hosts[0], &["--uuid", UUID]).must_blame(&parts);
}

#[test]
fn a_name_that_nobody_knows_and_a_hub_that_is_not_there_are_named() {
    let Some(rig) = RealPeers::available() else {
        return;
    };
    let networks = rig.networks();
    let host = networks.host_on("office", "10.90.0.1/24");
    let arguments = ["--no-beacon", "--connect", "tcp://cellar.test:5000"];
    let parts = ["no address for the peer tcp://cellar.test:5000", "spelled"];
    doctor(&host, &arguments).must_blame(&parts);
    let arguments = ["--gossip-connect", "tcp://10.90.0.9:5670"];
    let parts = ["gossip hub tcp://10.90.0.9:5670", "firewall"];
    doctor(&host, &arguments).must_blame(&parts);
}
