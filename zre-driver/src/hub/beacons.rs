//! Sending beacons.

use std::{
    io,
    net::{SocketAddrV4, UdpSocket},
};

/// Sends beacons, and knows how the last went.
#[derive(Debug)]
pub(super) struct Beacons {
    /// `None` when the node is over.
    socket: Option<UdpSocket>,
    broadcast: SocketAddrV4,
    sent: u64,
    /// Why the last beacon could not be sent.
    error: Option<String>,
}

impl Beacons {
    pub(super) fn new(socket: UdpSocket, broadcast: SocketAddrV4) -> Self {
        Self {
            socket: Some(socket),
            ..Self::closed(broadcast)
        }
    }

    /// Sends none.
    pub(super) fn closed(broadcast: SocketAddrV4) -> Self {
        Self {
            socket: None,
            broadcast,
            sent: 0,
            error: None,
        }
    }

    /// Sends a beacon. One that cannot be sent is not worth waiting for: the next comes in a
    /// second.
    pub(super) fn send(&mut self, datagram: &[u8]) -> io::Result<()> {
        let Some(socket) = &self.socket else {
            return Ok(());
        };
        let sent = socket.send_to(datagram, self.broadcast);
        // `Hub::network` tells, as a node that nobody hears of is hard to explain otherwise.
        self.sent += u64::from(sent.is_ok());
        self.error = sent.as_ref().err().map(ToString::to_string);
        sent.map(|_| ())
    }

    /// Where they go.
    pub(super) fn broadcast(&self) -> SocketAddrV4 {
        self.broadcast
    }

    /// How many have been sent.
    pub(super) fn sent(&self) -> u64 {
        self.sent
    }

    /// Why the last could not be sent; `None` if it was.
    pub(super) fn error(&self) -> Option<&str> {
        self.error.as_deref()
    }

    /// Closes the socket.
    pub(super) fn close(&mut self) {
        self.socket = None;
    }
}
