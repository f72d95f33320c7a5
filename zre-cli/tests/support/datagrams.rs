//! Datagrams that come again and again.

use std::{
    net::{Ipv4Addr, UdpSocket},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

/// Sends datagrams to a discovery port on loopback until it is dropped.
pub struct Datagrams {
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Datagrams {
    /// Sends beacons for a TCP port.
    pub fn beacons(discovery: u16, port: u16) -> Self {
        Self::send(discovery, vec![beacon(1, &[], port)])
    }

    /// Sends each of these by turns.
    pub fn send(discovery: u16, datagrams: Vec<Vec<u8>>) -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback");
        socket.set_broadcast(true).expect("it is a socket");
        let is_over = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&is_over);
        let thread = thread::spawn(move || {
            for datagram in datagrams.iter().cycle() {
                if ends.load(Ordering::Relaxed) {
                    return;
                }
                let sent = socket.send_to(datagram, ("127.255.255.255", discovery));
                sent.expect("loopback");
                thread::park_timeout(Duration::from_millis(100));
            }
        });
        Self {
            is_over,
            thread: Some(thread),
        }
    }
}

/// A beacon of the peer 0707….
pub fn beacon(version: u8, key: &[u8], port: u16) -> Vec<u8> {
    [b"ZRE", &[version][..], &[7; 16], &port.to_be_bytes(), key].concat()
}

impl Drop for Datagrams {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}
