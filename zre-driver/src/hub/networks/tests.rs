use std::net::{Ipv6Addr, SocketAddrV6, TcpListener};

use zre_core::{
    Config, Engine, Instant, NetworkSettings, Output, Seed,
    interfaces::{Interface, InterfaceAddress, Interfaces, IpVersion},
};

use super::*;

/// Networks with their ids, each on an interface of its own, whose number is its place from 1.
fn networks(addresses: &[&str], beacons: &Beacons) -> Vec<(NetworkId, LocalAddress)> {
    let interfaces = addresses.iter().zip(1..).map(|(address, index)| {
        let mut interface = Interface::new(format!("eth{index}"), index);
        let address: IpAddr = address.parse().unwrap();
        interface.is_loopback = address.is_loopback();
        interface.addresses = vec![InterfaceAddress::new(address, 24)];
        interface
    });
    let interfaces: Vec<_> = interfaces.collect();
    let chosen = addresses.iter().map(|it| (*it).into()).collect();
    let mut config = Config::new("tcp://127.0.0.1:1".parse().unwrap());
    config.beacons = beacons.clone();
    config.networks = Some(NetworkSettings {
        interfaces: Interfaces::Chosen(chosen),
        ip: IpVersion::Both,
    });
    let mut engine = Engine::new(config, Seed::predictable([7; 32]), Instant::default());
    engine.handle_interfaces(&interfaces, Instant::default());
    let outputs = std::iter::from_fn(|| engine.poll_output());
    let asked = outputs.filter_map(|output| match output {
        Output::Listen { network, address } => Some((network, address)),
        _ => None,
    });
    asked.collect()
}

fn sockets(listen: ListenPort, beacons: Beacons) -> NetworkSockets {
    let free = UdpSocket::bind("127.0.0.1:0").unwrap();
    NetworkSockets::new(SocketSettings {
        port: free.local_addr().unwrap().port(),
        listen,
        beacons,
    })
}

/// Pretends that the sockets are open.
fn on(networks: Vec<(NetworkId, LocalAddress)>, beacons: Beacons) -> NetworkSockets {
    let mut sockets = sockets(ListenPort::Fixed(0), beacons);
    let on = networks.into_iter().map(|(id, address)| On {
        id,
        address,
        port: 5000,
        sender: None,
        sent: 0,
        error: None,
    });
    sockets.on = on.collect();
    sockets
}

#[cfg(target_os = "linux")]
#[test]
fn all_networks_have_the_same_port_where_it_is_free() {
    let networks = networks(&["127.0.0.1", "127.0.1.1", "127.0.2.1"], &Beacons::Off);
    let [(one, lo1), (two, lo2), (three, lo3)] = &networks[..] else {
        panic!("three of them: {networks:?}");
    };
    let mut sockets = sockets(ListenPort::Free { start: 77 }, Beacons::Off);
    let driver = &mut DriverQueue::default();
    let first = sockets.open(*one, lo1, driver).unwrap();
    assert_eq!(sockets.open(*two, lo2, driver).unwrap(), first);
    let _taken = TcpListener::bind((lo3.address, first.get())).unwrap();
    let third = sockets.open(*three, lo3, driver).unwrap();
    assert_ne!(third, first);
    // Also after it was left.
    assert_eq!(sockets.close(*two, driver).as_ref(), Some(lo2));
    assert_eq!(sockets.close(*two, driver), None);
    driver.clear();
    assert_eq!(sockets.open(*two, lo2, driver).unwrap(), first);
}

#[cfg(target_os = "linux")]
#[test]
fn a_port_that_the_user_has_set_is_the_same_everywhere_or_an_error() {
    let networks = networks(&["127.0.3.1", "127.0.4.1"], &Beacons::Off);
    let [(one, lo1), (two, lo2)] = &networks[..] else {
        panic!("two of them: {networks:?}");
    };
    let taken = TcpListener::bind((lo2.address, 0)).unwrap();
    let port = taken.local_addr().unwrap().port();
    let mut sockets = sockets(ListenPort::Fixed(port), Beacons::Off);
    let driver = &mut DriverQueue::default();
    assert_eq!(sockets.open(*one, lo1, driver).unwrap().get(), port);
    let error = sockets.open(*two, lo2, driver).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    assert_eq!(sockets.take_failures().len(), 1);
    // Once the node has started, they are told as notices alone.
    let _again = sockets.open(*two, lo2, driver).unwrap_err();
    assert!(sockets.take_failures().is_empty());
}

#[test]
fn a_listed_address_is_told_from_the_network_that_contains_it_or_else_from_the_first() {
    let listed = ["10.1.0.9", "10.2.0.9", "10.9.0.9", "127.0.0.9", "fd00::9"];
    let beacons = Beacons::To(listed.map(|it| it.parse().unwrap()).to_vec());
    let networks = networks(&["10.1.0.1", "10.2.0.1", "127.0.0.1"], &beacons);
    let ids: Vec<_> = networks.iter().map(|(id, _)| *id).collect();
    let sockets = on(networks, beacons);
    let targets = ids.iter().map(|id| {
        let targets = sockets.targets(*id).into_iter();
        targets.map(|it| it.ip().to_string()).collect::<Vec<_>>()
    });
    let expected = [
        vec!["10.1.0.9", "10.9.0.9"],
        vec!["10.2.0.9"],
        vec!["127.0.0.9"],
    ];
    assert_eq!(targets.collect::<Vec<_>>(), expected);
    assert!(sockets.hears("203.0.113.1:1".parse().unwrap()));
}

#[test]
fn datagrams_are_heard_from_the_networks_in_use_and_the_right_link() {
    let beacons = Beacons::Broadcast;
    let networks = networks(&["10.1.0.1", "fe80::2"], &beacons);
    let sockets = on(networks, beacons);
    for (from, is_heard) in [
        ("10.1.0.77:5670", true),
        ("10.2.0.77:5670", false),
        ("[::ffff:10.1.0.77]:5670", true),
        ("[fd00::1]:5670", false),
    ] {
        assert_eq!(sockets.hears(from.parse().unwrap()), is_heard, "{from}");
    }
    let from_link = |index| {
        let address = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 9);
        sockets.hears(SocketAddrV6::new(address, 5670, 0, index).into())
    };
    assert!(from_link(2) && !from_link(1));
}
