//! Where connections go, and from where.

use std::{
    io,
    net::{SocketAddr, TcpStream},
};

use zre_core::{Instant, LinkId, OpenFor, interfaces::LocalAddress};
use zre_net::{check_peer_address, check_user_address, socket};

use super::state::State;

impl<S> State<S> {
    /// Opens a socket for a connection to a place, if it is wanted there.
    pub(super) fn begin(
        &mut self,
        link: LinkId,
        remote: SocketAddr,
        purpose: OpenFor,
        now: Instant,
    ) -> io::Result<TcpStream> {
        let on: Vec<LocalAddress> = self.networks.addresses().cloned().collect();
        match purpose {
            OpenFor::User => check_user_address(remote, &on, &[])?,
            _ => check_peer_address(remote, &on, &self.own_addresses())?,
        }
        if !self.engine.handle_resolved(link, remote, now) {
            return Err(io::Error::other("it is not wanted there"));
        }
        let stream = socket::connector_on(remote, &on)?;
        // If the node leaves the address from which it begins, the attempt ends.
        if let Some(connection) = self.connections.get_mut(link) {
            connection.set_local(stream.local_addr().ok());
        }
        Ok(stream)
    }

    fn own_addresses(&self) -> Vec<SocketAddr> {
        let advertised = self.engine.node().endpoint().to_socket_addr();
        self.networks.listening().chain(advertised).collect()
    }
}
