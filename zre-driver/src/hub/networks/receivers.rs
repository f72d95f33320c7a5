//! The sockets that receive beacons; networks share them.

use std::{
    io,
    net::{IpAddr, Ipv4Addr},
};

use zre_core::interfaces::{LocalAddress, NetworkId};
use zre_net::socket;

use super::{
    super::driving::{Command, DriverQueue},
    ReceiverId, SocketSettings,
};

/// The receivers that are open.
#[derive(Debug)]
pub(super) struct Receivers {
    port: u16,
    open: Vec<Receiver>,
    next: u32,
}

#[derive(Debug)]
struct Receiver {
    id: ReceiverId,
    at: IpAddr,
    users: Vec<NetworkId>,
}

impl Receivers {
    pub(super) fn new(settings: &SocketSettings) -> Self {
        Self {
            port: settings.port,
            open: Vec::new(),
            next: 0,
        }
    }

    /// Sees to it that the beacons of a network are received.
    pub(super) fn take(
        &mut self,
        network: NetworkId,
        address: &LocalAddress,
        driver: &mut DriverQueue,
    ) -> io::Result<()> {
        let at = match address.broadcast {
            Some(broadcast) if address.is_loopback => broadcast,
            _ => Ipv4Addr::UNSPECIFIED,
        };
        let at = IpAddr::from(at);
        if let Some(receiver) = self.open.iter_mut().find(|it| it.at == at) {
            receiver.users.push(network);
            return Ok(());
        }
        let socket = socket::beacon_receiver(&interface(address)?, self.port)?;
        let id = ReceiverId(self.next);
        self.next += 1;
        driver.push(Command::Receive(id, socket));
        let users = vec![network];
        self.open.push(Receiver { id, at, users });
        Ok(())
    }

    /// A network needs none any more.
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
}

pub(super) fn interface(address: &LocalAddress) -> io::Result<zre_net::Interface> {
    let IpAddr::V4(v4) = address.address else {
        return Err(io::ErrorKind::Unsupported.into());
    };
    zre_net::Interface::choose(&v4.into()).map_err(io::Error::other)
}
