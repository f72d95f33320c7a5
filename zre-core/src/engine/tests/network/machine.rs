//! What runs on the hosts of a network: an engine, or a model of another implementation.

use alloc::vec::Vec;
use core::{net::SocketAddr, num::NonZeroU16};

use zre_proto::PeerId;

use super::ZyreGossip;
use crate::{
    engine::{Engine, LinkId, Output, tests::level::Level},
    event::Event,
    interfaces::{Interface, NetworkId},
    link::Caller,
    notice::Notice,
    security::Security,
    time::Instant,
};

/// A node as the network sees it. The methods mean what those of [`Engine`] mean.
pub(crate) trait Machine<C: Level> {
    fn id(&self) -> PeerId;

    /// The peers that it takes to be there.
    fn peers(&self) -> Vec<PeerId>;

    fn handle_datagram(&mut self, from: SocketAddr, datagram: &[u8], now: Instant);

    fn accept(&mut self, remote: SocketAddr, from: Caller, now: Instant) -> LinkId;

    /// Its key, and with whom it talks.
    fn security(&self) -> Option<&Security> {
        None
    }

    fn handle_refused(&mut self, _link: LinkId, _now: Instant) {}

    /// A connection came in to its gossip hub.
    fn accept_gossip(&mut self, _remote: SocketAddr, _now: Instant) -> LinkId {
        panic!("it is no hub")
    }

    fn read(
        &mut self,
        link: LinkId,
        piece: C::Piece,
        most: usize,
        now: Instant,
    ) -> Option<C::Piece>;

    fn write(&mut self, link: LinkId, most: usize, now: Instant) -> Option<C::Piece>;

    /// How many bytes wait to be written.
    fn unwritten(&mut self, link: LinkId) -> usize;

    fn handle_timeout(&mut self, now: Instant);

    fn poll_timeout(&self) -> Option<Instant>;

    fn poll_output(&mut self) -> Option<Output>;

    fn poll_event(&mut self) -> Option<Event>;

    /// Gives up a peer, and closes the connections with it, without any reason.
    fn forget(&mut self, peer: PeerId, now: Instant);

    fn poll_notice(&mut self) -> Option<Notice> {
        None
    }

    fn may_read(&self, _link: LinkId) -> bool {
        true
    }

    fn handle_resolved(&mut self, _link: LinkId, _remote: SocketAddr, _now: Instant) -> bool {
        true
    }
    fn handle_interfaces(&mut self, _interfaces: &[Interface], _now: Instant) {}

    fn handle_listening(&mut self, _network: NetworkId, _port: NonZeroU16, _now: Instant) {}

    fn handle_connected(&mut self, _link: LinkId, _now: Instant) {}

    fn handle_closed(&mut self, _link: LinkId, _error: &str, _now: Instant) {}

    fn engine(&mut self) -> &mut Engine<C> {
        panic!("a model is no engine")
    }

    fn zyre_gossip(&mut self) -> &mut ZyreGossip {
        panic!("it is not zyre")
    }
}

impl<C: Level> Machine<C> for Engine<C> {
    fn id(&self) -> PeerId {
        self.node().id()
    }

    fn peers(&self) -> Vec<PeerId> {
        self.node().peers().collect()
    }

    fn handle_datagram(&mut self, from: SocketAddr, datagram: &[u8], now: Instant) {
        self.handle_datagram(from, datagram, now);
    }

    fn accept(&mut self, remote: SocketAddr, from: Caller, now: Instant) -> LinkId {
        C::accept(self, remote, from, now)
    }

    fn security(&self) -> Option<&Security> {
        self.node().security()
    }

    fn handle_refused(&mut self, link: LinkId, now: Instant) {
        C::refuse(self, link, now);
    }

    fn accept_gossip(&mut self, remote: SocketAddr, now: Instant) -> LinkId {
        self.handle_gossip_accepted(remote, now)
    }

    fn read(
        &mut self,
        link: LinkId,
        piece: C::Piece,
        most: usize,
        now: Instant,
    ) -> Option<C::Piece> {
        C::read(self, link, piece, most, now)
    }

    fn write(&mut self, link: LinkId, most: usize, now: Instant) -> Option<C::Piece> {
        let piece = C::write(self, link, most)?;
        self.handle_written(now);
        Some(piece)
    }

    fn unwritten(&mut self, link: LinkId) -> usize {
        C::unwritten(self, link).unwrap_or_default()
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.handle_timeout(now);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.poll_timeout()
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.poll_output()
    }

    fn poll_event(&mut self) -> Option<Event> {
        self.poll_event()
    }

    fn forget(&mut self, peer: PeerId, now: Instant) {
        self.cx.advance(now);
        self.node.handle_disconnect(peer, now);
        self.settle();
    }

    fn poll_notice(&mut self) -> Option<Notice> {
        self.poll_notice()
    }

    fn may_read(&self, link: LinkId) -> bool {
        self.may_read(link)
    }

    fn handle_resolved(&mut self, link: LinkId, remote: SocketAddr, now: Instant) -> bool {
        self.handle_resolved(link, remote, now)
    }

    fn handle_interfaces(&mut self, interfaces: &[Interface], now: Instant) {
        self.handle_interfaces(interfaces, now);
    }

    fn handle_listening(&mut self, network: NetworkId, port: NonZeroU16, now: Instant) {
        self.handle_listening(network, port, now);
    }

    fn handle_connected(&mut self, link: LinkId, now: Instant) {
        self.handle_connected(link, now);
    }

    fn handle_closed(&mut self, link: LinkId, error: &str, now: Instant) {
        self.handle_closed(link, error, now);
    }

    fn engine(&mut self) -> &mut Self {
        self
    }
}
