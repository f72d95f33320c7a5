//! The sockets that receive beacons; networks share some of them.

use std::{io, net::UdpSocket};

use zre_core::interfaces::NetworkId;
use zre_net::socket::beacon::ReceiverAt;

use super::{
    super::driving::{Command, DriverQueue},
    ReceiverId,
};

/// The receivers that are open. The driver has the sockets.
#[derive(Debug, Default)]
pub(super) struct Receivers {
    open: Vec<Receiver>,
    next: u32,
}

#[derive(Debug)]
struct Receiver {
    id: ReceiverId,
    /// `None` if no other network can share it.
    at: Option<ReceiverAt>,
    users: Vec<NetworkId>,
}

impl Receivers {
    /// Sees to it that there is such a receiver while this network is used.
    pub(super) fn share(
        &mut self,
        network: NetworkId,
        at: ReceiverAt,
        driver: &mut DriverQueue,
    ) -> io::Result<()> {
        let known = self.open.iter_mut().find(|it| it.at.as_ref() == Some(&at));
        if let Some(receiver) = known {
            receiver.users.push(network);
            return Ok(());
        }
        let socket = at.open()?;
        self.watch(network, Some(at), socket, driver);
        Ok(())
    }

    /// Adds a receiver of one network.
    pub(super) fn add(&mut self, network: NetworkId, socket: UdpSocket, driver: &mut DriverQueue) {
        self.watch(network, None, socket, driver);
    }

    /// A network is not used any more: closes the receivers that no other uses.
    pub(super) fn release(&mut self, network: NetworkId, driver: &mut DriverQueue) {
        self.open.retain_mut(|receiver| {
            receiver.users.retain(|user| *user != network);
            if receiver.users.is_empty() {
                driver.push(Command::CloseReceiver(receiver.id));
            }
            !receiver.users.is_empty()
        });
    }

    pub(super) fn clear(&mut self) {
        self.open.clear();
    }

    fn watch(
        &mut self,
        network: NetworkId,
        at: Option<ReceiverAt>,
        socket: UdpSocket,
        driver: &mut DriverQueue,
    ) {
        let id = ReceiverId(self.next);
        self.next = self.next.wrapping_add(1);
        driver.push(Command::Receive(id, socket));
        let users = vec![network];
        self.open.push(Receiver { id, at, users });
    }
}
