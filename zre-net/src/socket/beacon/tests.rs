use std::io::ErrorKind;

use super::*;
use crate::testing::{local, loopback};

fn free_udp_port() -> u16 {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    socket.local_addr().expect("an address").port()
}

fn to(addresses: &[&str]) -> Beacons {
    let addresses = addresses.iter();
    Beacons::To(
        addresses
            .map(|text| text.parse().expect("it is one"))
            .collect(),
    )
}

fn multicast(group: &str) -> Beacons {
    Beacons::Multicast(group.parse().expect("an address"))
}

fn receiver(address: &LocalAddress, port: u16, beacons: &Beacons) -> UdpSocket {
    let at = ReceiverAt::of(address, port, beacons).expect("a receiver");
    at.open().expect("open")
}

#[cfg(target_os = "linux")]
fn receive(socket: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let deadline = std::time::Duration::from_secs(5);
    socket.set_nonblocking(false).expect("blocking");
    socket.set_read_timeout(Some(deadline)).expect("an option");
    let mut buffer = [0; 64];
    let (length, from) = socket.recv_from(&mut buffer).expect("a datagram");
    (buffer[..length].to_vec(), from)
}

#[test]
fn beacons_go_where_the_setting_says() {
    let eth0 = local("eth0", 2, "10.0.0.2", 24);
    let ula = local("eth0", 2, "fd94::2", 64);
    let lo = local("lo", 1, "127.0.0.1", 8);
    let sent = |address: &LocalAddress, beacons: &Beacons| -> Vec<_> {
        let targets = targets(address, 5670, beacons).into_iter();
        targets.map(|it| it.to_string()).collect()
    };
    let (v4, v6) = (multicast("225.25.25.25"), multicast("ff05::77"));
    assert_eq!(sent(&eth0, &Beacons::Broadcast), ["10.0.0.255:5670"]);
    assert_eq!(sent(&ula, &Beacons::Broadcast), ["[ff02::1%2]:5670"]);
    assert_eq!(sent(&lo, &Beacons::Broadcast), ["127.255.255.255:5670"]);
    assert_eq!(sent(&eth0, &v4), ["225.25.25.25:5670"]);
    assert_eq!(sent(&ula, &v4), ["[ff02::1%2]:5670"]);
    assert_eq!(sent(&eth0, &v6), ["10.0.0.255:5670"]);
    assert_eq!(sent(&ula, &v6), ["[ff05::77]:5670"]);
    let listed = to(&["10.0.0.7", "fe80::7", "192.168.7.7", "127.0.0.1"]);
    assert_eq!(sent(&eth0, &listed), ["10.0.0.7:5670", "192.168.7.7:5670"]);
    assert_eq!(sent(&ula, &listed), ["[fe80::7%2]:5670"]);
    assert_eq!(sent(&lo, &listed), ["127.0.0.1:5670"]);
    assert_eq!(sent(&eth0, &Beacons::Off), [""; 0]);
}

#[test]
fn networks_share_a_receiver_where_it_hears_the_same() {
    let at = |address: &LocalAddress, beacons: &Beacons| ReceiverAt::of(address, 5670, beacons);
    let eth0 = local("eth0", 2, "10.0.0.2", 24);
    let wlan0 = local("wlan0", 3, "10.1.0.2", 24);
    let (first, second) = (
        local("eth0", 2, "fd94::2", 64),
        local("eth0", 2, "fe80::2", 64),
    );
    let other = local("wlan0", 3, "fe80::2", 64);
    let broadcast = Beacons::Broadcast;
    assert_eq!(at(&eth0, &broadcast), at(&wlan0, &broadcast));
    assert_eq!(at(&eth0, &broadcast), at(&eth0, &to(&["10.0.0.7"])));
    assert_eq!(at(&first, &broadcast), at(&second, &broadcast));
    assert_ne!(at(&second, &broadcast), at(&other, &broadcast));
    assert_ne!(at(&eth0, &broadcast), at(&first, &broadcast));
    let group = multicast("225.25.25.25");
    assert_ne!(at(&eth0, &group), at(&eth0, &broadcast));
    assert_ne!(at(&eth0, &group), at(&wlan0, &group));
    assert_eq!(at(&eth0, &Beacons::Off), None);
}

// Other systems do not treat loopback as a broadcast network.
#[cfg(target_os = "linux")]
#[test]
fn every_receiver_on_loopback_gets_a_copy_of_a_beacon() {
    let (lo, port) = (loopback(), free_udp_port());
    for beacons in [Beacons::Broadcast, multicast("239.77.5.6")] {
        let receivers = [(); 2].map(|()| receiver(&lo, port, &beacons));
        let senders = [(); 2].map(|()| sender(&lo, port, &beacons).expect("a sender"));
        for sender in &senders {
            let [target] = targets(&lo, port, &beacons)[..] else {
                panic!("one target");
            };
            sender.send_to(b"beacon", target).expect("sent");
        }
        for receiver in receivers.iter().chain(&receivers) {
            let from = local_address(&lo, port);
            assert_eq!(receive(receiver), (b"beacon".to_vec(), from));
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn what_is_sent_to_the_address_alone_arrives_at_the_sender() {
    let (lo, port) = (loopback(), free_udp_port());
    let receiver = receiver(&lo, port, &Beacons::Broadcast);
    let listens = sender(&lo, port, &Beacons::Broadcast).expect("a sender");
    let other = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
    other.set_broadcast(true).expect("an option");
    for (text, to) in [
        (b"unicast", targets(&lo, port, &to(&["127.0.0.1"]))),
        (b"beacon!", targets(&lo, port, &Beacons::Broadcast)),
    ] {
        other.send_to(text, to[0]).expect("sent");
    }
    assert_eq!(receive(&receiver).0, b"beacon!");
    assert_eq!(receive(&listens).0, b"unicast");
}

#[test]
fn beacon_sockets_do_not_block() {
    let (lo, port) = (loopback(), free_udp_port());
    let sender = sender(&lo, port, &Beacons::Broadcast).expect("a sender");
    for socket in [receiver(&lo, port, &Beacons::Broadcast), sender] {
        let nothing = socket.recv_from(&mut [0; 1]).expect_err("nothing to read");
        assert_eq!(nothing.kind(), ErrorKind::WouldBlock);
    }
}

#[test]
fn a_sender_holds_little_that_nobody_reads() {
    let sender = sender(&loopback(), free_udp_port(), &Beacons::Broadcast).expect("a sender");
    let held = socket2::SockRef::from(&sender).recv_buffer_size();
    assert!(held.expect("a size") < 40_000);
}

#[test]
fn a_sender_whose_port_is_held_uses_another() {
    let holder = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let held = holder.local_addr().expect("an address").port();
    let sender = sender(&loopback(), held, &Beacons::Broadcast).expect("a sender");
    let local = sender.local_addr().expect("an address");
    assert_eq!(local.ip(), Ipv4Addr::LOCALHOST);
    assert_ne!(local.port(), held);
    assert!(sender.broadcast().expect("an option"));
}

#[cfg(target_os = "linux")]
#[test]
fn a_receiver_whose_port_is_held_names_the_address() {
    let lo = loopback();
    let holder = UdpSocket::bind("127.255.255.255:0").expect("a free port");
    let held = holder.local_addr().expect("an address").port();
    let at = ReceiverAt::of(&lo, held, &Beacons::Broadcast).expect("a receiver");
    let error = at.open().expect_err("held");
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    let start = format!("cannot receive beacons on 127.255.255.255:{held}: ");
    assert!(error.to_string().starts_with(&start), "{error}");
}

#[test]
fn a_sender_without_its_address_names_it() {
    let gone = local("eth0", 2, "203.0.113.77", 24);
    let error = sender(&gone, 5670, &Beacons::Broadcast).expect_err("not ours");
    let start = "cannot send beacons from 203.0.113.77:5670: ";
    assert!(error.to_string().starts_with(start), "{error}");
}
