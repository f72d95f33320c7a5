use std::{
    io::{ErrorKind, Read},
    net::Ipv4Addr,
};

use super::*;
use crate::testing::local;

const DEADLINE: Duration = Duration::from_secs(5);

fn lo(address: &str) -> LocalAddress {
    local("lo", 1, address, 8)
}

fn local_port(listener: &TcpListener) -> u16 {
    listener.local_addr().expect("an address").port()
}

/// A connection whose two ends are blocking, with a deadline: (connecting, accepting).
fn connect(listener: &TcpListener) -> (TcpStream, TcpStream) {
    let remote = listener.local_addr().expect("an address");
    let stream = connector_on(remote, [&lo("127.0.0.1")]).expect("a connector");
    SockRef::from(&stream)
        .connect_timeout(&remote.into(), DEADLINE)
        .expect("a connection");
    listener.set_nonblocking(false).expect("blocking");
    let (accepted, _) = listener.accept().expect("a connection");
    for end in [&stream, &accepted] {
        end.set_nonblocking(false).expect("blocking");
        end.set_read_timeout(Some(DEADLINE)).expect("deadline");
    }
    (stream, accepted)
}

#[test]
fn the_search_for_a_port_tries_each_dynamic_port_once() {
    for start in [0, 7, 16383, 16384, u16::MAX] {
        let mut ports: Vec<u16> = free_ports(start).collect();
        assert_eq!(ports[0], 49152 + start % 16384);
        ports.sort_unstable();
        assert_eq!(ports, (49152..=u16::MAX).collect::<Vec<_>>());
    }
}

#[test]
fn a_listener_passes_over_a_taken_port() {
    let any =
        |start| listener(Ipv4Addr::LOCALHOST, ListenPort::Free { start }).expect("a listener");
    let first = any(4711);
    assert!(local_port(&first) >= 49152);
    let second = any(local_port(&first) - 49152);
    assert_ne!(local_port(&first), local_port(&second));
    assert!(local_port(&second) >= 49152);
}

#[test]
fn a_fixed_port_that_is_taken_is_named() {
    let first = listener(Ipv4Addr::LOCALHOST, ListenPort::Fixed(0)).expect("a listener");
    let taken = local_port(&first);
    let error = listener(Ipv4Addr::LOCALHOST, ListenPort::Fixed(taken)).expect_err("taken");
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    let start = format!("cannot listen on 127.0.0.1:{taken}: ");
    assert!(error.to_string().starts_with(&start), "{error}");
}

#[test]
fn an_address_of_another_machine_ends_the_search_at_once() {
    let elsewhere = Ipv4Addr::new(203, 0, 113, 77);
    let error = listener(elsewhere, ListenPort::Free { start: 0 }).expect_err("not ours");
    assert_eq!(error.kind(), ErrorKind::AddrNotAvailable);
    assert!(error.to_string().contains("203.0.113.77:49152"), "{error}");
}

#[test]
fn a_listener_does_not_block() {
    let listener = listener(Ipv4Addr::LOCALHOST, ListenPort::Fixed(0)).expect("a listener");
    let nobody = listener.accept().expect_err("nobody connects");
    assert_eq!(nobody.kind(), ErrorKind::WouldBlock);
}

#[test]
fn a_fixed_port_can_be_taken_again_at_once() {
    let first = listener(Ipv4Addr::LOCALHOST, ListenPort::Fixed(0)).expect("a listener");
    let port = local_port(&first);
    let (mut stream, accepted) = connect(&first);
    drop((accepted, first));
    // This side closes second, so the listener's side lingers in TIME_WAIT.
    assert_eq!(stream.read(&mut [0; 1]).expect("closed"), 0);
    drop(stream);
    listener(Ipv4Addr::LOCALHOST, ListenPort::Fixed(port)).expect("the port again");
}

#[test]
fn a_connection_comes_from_the_interface_and_sends_at_once() {
    let listener = listener(Ipv4Addr::LOCALHOST, ListenPort::Fixed(0)).expect("a listener");
    let (stream, accepted) = connect(&listener);
    for end in [&stream, &accepted] {
        refuse_self(end).expect("two ends");
        tune(end, DEADLINE).expect("tuned");
        assert!(end.nodelay().expect("nodelay"));
        assert!(SockRef::from(end).keepalive().expect("keepalive"));
    }
    assert_eq!(
        accepted.peer_addr().expect("a peer"),
        stream.local_addr().expect("an address")
    );
}

#[cfg(target_os = "linux")]
#[test]
fn a_socket_connected_to_itself_is_refused() {
    let local = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let socket = tcp(local.ip()).expect("a socket");
    socket.bind(&local.into()).expect("bound");
    let stream = TcpStream::from(socket);
    let itself = stream.local_addr().expect("bound");
    SockRef::from(&stream)
        .connect_timeout(&itself.into(), DEADLINE)
        .expect("TCP allows it");
    let error = refuse_self(&stream).expect_err("itself");
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
}

#[cfg(target_os = "linux")]
#[test]
fn a_connector_has_its_address_at_once_and_its_port_when_it_is_connected() {
    let listener = listener(Ipv4Addr::LOCALHOST, ListenPort::Fixed(0)).expect("a listener");
    let remote = listener.local_addr().expect("an address");
    let source = IpAddr::from(Ipv4Addr::new(127, 0, 0, 3));
    let stream = connector_on(remote, [&lo("127.0.0.3")]).expect("a connector");
    assert_eq!(stream.local_addr().expect("bound"), (source, 0).into());
    begin_connect(&stream, remote).expect("on its way");
    let local = stream.local_addr().expect("bound");
    assert!(local.ip() == source && local.port() != 0, "{local}");
}

#[test]
fn a_connector_from_a_foreign_address_names_it() {
    let remote = SocketAddr::from((Ipv4Addr::new(203, 0, 113, 1), 5670));
    let foreign = local("eth9", 9, "203.0.113.77", 24);
    let error = connector_on(remote, [&foreign]).expect_err("not ours");
    let start = "cannot connect to 203.0.113.1:5670 from 203.0.113.77: ";
    assert!(error.to_string().starts_with(start), "{error}");
}
