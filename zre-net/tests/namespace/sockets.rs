use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6, TcpListener, TcpStream, UdpSocket};

use zre_net::{
    interfaces,
    socket::{
        ListenPort,
        beacon::{ReceiverAt, sender, targets},
        begin_connect, connector_on, listen_on, local_address,
    },
    zre_core::{
        Beacons,
        interfaces::{InterfaceChoice, Interfaces, IpVersion, LocalAddress, choose},
    },
};

use crate::inside::{DEADLINE, inside, ip, until};

const PORT: u16 = 5670;

/// Two interfaces, each with IPv4 and IPv6 addresses and a carrier.
fn two_links() {
    for n in [1, 2] {
        ip(&format!("link add eth{n} type veth peer name wire{n}"));
        ip(&format!("link set wire{n} up"));
        ip(&format!("link set eth{n} addrgenmode none"));
        ip(&format!("link set eth{n} up"));
        ip(&format!("addr add 10.{n}.0.1/24 brd + dev eth{n}"));
        add_v6(&format!("fd9{n}::1"), n);
        add_v6(&format!("fe80::{n}"), n);
    }
}

fn add_v6(address: &str, n: usize) {
    ip(&format!("addr add {address}/64 nodad dev eth{n}"));
    let address: Ipv6Addr = address.parse().expect("an address");
    let here = SocketAddrV6::new(address, 0, 0, own(&address.to_string()).index);
    // For a moment the system still looks for it on the link.
    until("the address works", || {
        let socket = UdpSocket::bind(here).expect("bound");
        socket.set_nonblocking(true).expect("an option");
        let itself = socket.local_addr().expect("an address");
        socket.send_to(b"x", itself).is_ok() && socket.recv(&mut [0; 1]).is_ok()
    });
}

fn own(address: &str) -> LocalAddress {
    let address: IpAddr = address.parse().expect("an address");
    let wanted = Interfaces::Chosen(vec![InterfaceChoice::Address(address)]);
    let ip = match address {
        IpAddr::V4(_) => IpVersion::V4,
        IpAddr::V6(_) => IpVersion::V6,
    };
    let listed = interfaces().expect("a list");
    let chosen = choose(&listed, &wanted, ip, &Beacons::Off, &[]);
    chosen.used.into_iter().next().expect("it is there")
}

fn receiver(address: &str, beacons: &Beacons) -> UdpSocket {
    let at = ReceiverAt::of(&own(address), PORT, beacons).expect("a receiver");
    at.open().expect("open")
}

fn send(from: &str, beacons: &Beacons, text: &str) {
    let address = own(from);
    let sender = sender(&address, PORT, beacons).expect("a sender");
    for target in targets(&address, PORT, beacons) {
        sender.send_to(text.as_bytes(), target).expect("sent");
    }
}

/// What has come in until the text `end` does, each with its source.
fn heard(socket: &UdpSocket) -> Vec<String> {
    socket.set_nonblocking(false).expect("blocking");
    socket.set_read_timeout(Some(DEADLINE)).expect("deadline");
    let mut heard = Vec::new();
    loop {
        let mut buffer = [0; 64];
        let (length, from) = socket.recv_from(&mut buffer).expect("a datagram");
        let text = buffer.get(..length).expect("it fits");
        match String::from_utf8_lossy(text).as_ref() {
            "end" => return heard,
            text => heard.push(format!("{text} {from}")),
        }
    }
}

fn group(text: &str) -> Beacons {
    Beacons::Multicast(text.parse().expect("an address"))
}

#[test]
fn one_receiver_hears_the_broadcasts_of_all_networks() {
    inside(
        "sockets::one_receiver_hears_the_broadcasts_of_all_networks",
        || {
            two_links();
            let receivers = [(); 2].map(|()| receiver("10.1.0.1", &Beacons::Broadcast));
            // Another program's group is none of ours.
            let _other = receiver("10.1.0.1", &group("239.1.1.1"));
            send("10.1.0.1", &group("239.1.1.1"), "foreign");
            for (from, text) in [
                ("10.1.0.1", "one"),
                ("10.2.0.1", "two"),
                ("10.1.0.1", "end"),
            ] {
                send(from, &Beacons::Broadcast, text);
            }
            for receiver in receivers {
                assert_eq!(heard(&receiver), ["one 10.1.0.1:5670", "two 10.2.0.1:5670"]);
            }
        },
    );
}

#[test]
fn a_group_is_heard_on_its_own_link_alone() {
    inside("sockets::a_group_is_heard_on_its_own_link_alone", || {
        two_links();
        let v6 = [
            ("fd91::1", "fd91::1", "fd92::1"),
            ("fe80::1", "fe80::1", "fe80::2"),
        ];
        let v4 = [("10.1.0.1", "10.1.0.1", "10.2.0.1")];
        let by_default = (Beacons::Broadcast, &v6[..]);
        let chosen = (group("225.25.25.25"), &v4[..]);
        for (beacons, cases) in [by_default, chosen, (group("ff02::77"), &v6[..])] {
            for (listens, near, far) in cases {
                let receivers = [(); 2].map(|()| receiver(listens, &beacons));
                let _far = receiver(far, &beacons);
                for (from, text) in [(near, "near"), (far, "far"), (near, "end")] {
                    send(from, &beacons, text);
                }
                for receiver in receivers {
                    let from = local_address(&own(near), PORT);
                    assert_eq!(heard(&receiver), [format!("near {from}")], "{listens}");
                }
            }
        }
    });
}

#[test]
fn another_group_is_not_heard() {
    inside("sockets::another_group_is_not_heard", || {
        two_links();
        for (address, ours, theirs) in [
            ("10.1.0.1", "239.1.1.1", "239.1.1.2"),
            ("fd91::1", "ff02::77", "ff02::78"),
            // Routed, it would leave by the first interface.
            ("fd92::1", "ff05::77", "ff05::78"),
        ] {
            let [first, second] = [ours, theirs].map(|it| receiver(address, &group(it)));
            send(address, &group(theirs), "theirs");
            send(address, &Beacons::Broadcast, "everybody's");
            for it in [ours, theirs] {
                send(address, &group(it), "end");
            }
            assert_eq!(heard(&first), [""; 0], "{address}");
            assert_eq!(heard(&second).len(), 1, "{address}");
        }
    });
}

#[test]
fn a_beacon_for_one_address_arrives_at_its_sender() {
    inside(
        "sockets::a_beacon_for_one_address_arrives_at_its_sender",
        || {
            two_links();
            for (address, from) in [("10.2.0.1", "10.1.0.1"), ("fd92::1", "fd91::1")] {
                let listens = sender(&own(address), PORT, &Beacons::Broadcast).expect("a sender");
                let _receiver = receiver(address, &Beacons::Broadcast);
                let to = Beacons::To(vec![address.parse().expect("an address")]);
                send(from, &to, "directed");
                send(from, &to, "end");
                let from = local_address(&own(from), PORT);
                assert_eq!(heard(&listens), [format!("directed {from}")]);
            }
        },
    );
}

#[test]
fn the_sockets_of_a_network_follow_an_interface_made_anew() {
    inside(
        "sockets::the_sockets_of_a_network_follow_an_interface_made_anew",
        || {
            two_links();
            let before = own("fe80::1");
            let stale = receiver("fe80::1", &Beacons::Broadcast);
            ip("link del eth1");
            ip("link del eth2");
            two_links();
            assert_ne!(own("fe80::1").index, before.index);
            let receiver = receiver("fe80::1", &Beacons::Broadcast);
            send("fe80::1", &Beacons::Broadcast, "anew");
            send("fe80::1", &Beacons::Broadcast, "end");
            assert_eq!(heard(&receiver).len(), 1);
            drop(stale);
            let gone = ReceiverAt::of(&before, PORT, &Beacons::Broadcast).expect("a receiver");
            let error = gone.open().expect_err("it is gone").to_string();
            let start = format!(
                "cannot receive beacons on [ff02::1%{}]:5670: ",
                before.index
            );
            assert!(error.starts_with(&start), "{error}");
            assert!(sender(&before, PORT, &Beacons::Broadcast).is_err());
        },
    );
}

/// A connection to a listener at an address, as the listener sees it.
fn connect(listener: &TcpListener, networks: &[LocalAddress]) -> (SocketAddr, TcpStream) {
    let to = listener.local_addr().expect("an address");
    let stream = connector_on(to, networks).expect("a connector");
    begin_connect(&stream, to).expect("on its way");
    let mut from = None;
    until("a connection", || {
        from = listener.accept().ok();
        from.is_some()
    });
    let (_, from) = from.expect("a connection");
    (from, stream)
}

#[test]
fn connections_come_from_the_network_of_the_peer() {
    inside(
        "sockets::connections_come_from_the_network_of_the_peer",
        || {
            two_links();
            let names = [
                "10.1.0.1", "10.2.0.1", "fd91::1", "fd92::1", "fe80::1", "fe80::2",
            ];
            let networks = names.map(own);
            for network in &networks {
                let listener =
                    listen_on(network, ListenPort::Free { start: 7 }).expect("a listener");
                let local = listener.local_addr().expect("an address");
                assert_eq!(local, local_address(network, local.port()));
            }
            // Second addresses: without a choice the system would take themselves as sources.
            for (peer, network) in [("10.1.0.9", 0), ("10.2.0.9", 1), ("fd91::9", 2)] {
                match network {
                    2 => add_v6(peer, 1),
                    _ => ip(&format!("addr add {peer}/24 dev eth{}", network + 1)),
                }
                let listener = listen_on(&own(peer), ListenPort::Fixed(0)).expect("a listener");
                let (from, _stream) = connect(&listener, &networks);
                assert_eq!(from.ip(), networks[network].address);
            }
            let listener = listen_on(&networks[5], ListenPort::Fixed(0)).expect("a listener");
            let (from, _stream) = connect(&listener, &networks);
            assert_eq!(from, local_address(&networks[5], from.port()));
        },
    );
}
